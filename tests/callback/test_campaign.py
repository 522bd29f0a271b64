"""Campaigns: the one that is shipped, and what is wrong with others."""

from __future__ import annotations

import shutil
import wave
from decimal import Decimal
from pathlib import Path

import pytest

from voipsms.callback.campaign import RATE, SHIPPED, Campaign, Menu, Prompt, read_campaign
from voipsms.errors import ConfigError
from voipsms.ini import read_ini
from voipsms.resources import resource


def record(path: Path, *, seconds: float = 0.5, channels: int = 1, width: int = 2, rate: int = RATE) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(round(seconds * rate) * channels * width))


def campaign(folder: Path, ini: str = "[menu]\namounts = none\n") -> Path:
    """A small campaign of one's own."""
    own = folder / "mine"
    own.mkdir()
    for prompt in Prompt:
        record(own / f"{prompt}.wav")
    (own / "campaign.ini").write_text(ini)
    return own


def said(campaign: Campaign, amount: str, currency: str) -> str:
    return " ".join(Path(file).stem for file in campaign.balance(Decimal(amount), currency))


def test_the_shipped_one(tmp_path: Path) -> None:
    made = read_campaign("default", tmp_path)
    assert made.menu == Menu()
    assert [Path(file).name for file in made.say(*Prompt)] == [f"{prompt}.wav" for prompt in Prompt]
    assert said(made, "-21.30", "USD") == "balance minus 20 1 point 3 0 usd"
    assert said(made, "3", "CZK") == "balance 3 c z k"


def test_the_shipped_one_says_what_its_texts_are() -> None:
    folder = resource(SHIPPED) / "default"
    texts = read_ini((folder / "campaign.ini").read_text())["texts"]
    assert {path.stem for path in folder.glob("*.wav")} == {*texts, Prompt.RINGBACK, Prompt.BEEP}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000


def test_ones_own(tmp_path: Path) -> None:
    own = campaign(tmp_path, "[menu]\namounts = none\ntries = 2\n[prompts]\nbusy = in-use.wav\n")
    (own / "busy.wav").rename(own / "in-use.wav")
    made = read_campaign("mine", tmp_path)
    assert (made.menu.tries, made.menu.rounds) == (2, 5)
    assert made.say(Prompt.BUSY, Prompt.BEEP) == (str(own / "in-use.wav"), str(own / "beep.wav"))
    assert made.balance(Decimal(1), "USD") == ()


def test_ones_own_comes_before_the_shipped_one(tmp_path: Path) -> None:
    campaign(tmp_path).rename(tmp_path / "default")
    assert read_campaign("default", tmp_path).menu.amounts == "none"


def test_figures(tmp_path: Path) -> None:
    shipped = tmp_path / "figures"
    shutil.copytree(resource(SHIPPED) / "default", shipped)
    for name in ("13", "hundred"):
        (shipped / f"{name}.wav").unlink()
    (shipped / "campaign.ini").write_text("[menu]\namounts = figures\n")
    assert said(read_campaign(str(shipped), tmp_path), "113.5", "EUR") == "balance 1 1 3 point 5 0 eur"


@pytest.mark.parametrize(
    ("ini", "fault"),
    [
        ("[menu]\ntries = 0\namounts = none\n", "[menu] tries: must be at least 1 and at most 20, not '0'"),
        ("[menu]\ntrys = 1\namounts = none\n", "[menu] trys: unknown key; did you mean 'tries'?"),
        ("[menus]\n[menu]\namounts = none\n", "[menus]: unknown key; did you mean 'menu'?"),
        ("tries = 1\n", "line 1: must come after a [section]"),
        ("[menu]\n", "[prompts] balance: balance.wav: can't be read: No such file or directory"),
        (
            "[menu]\namounts = none\n[prompts]\nbussy = beep.wav\n",
            "[prompts] bussy: unknown key; did you mean 'busy'?",
        ),
        (
            "[menu]\namounts = none\n[prompts]\nbusy = no.wav\n",
            "[prompts] busy: no.wav: can't be read: No such file or directory",
        ),
    ],
    ids=["bad value", "unknown key", "unknown section", "no ini", "words missing", "unknown prompt", "file missing"],
)
def test_faults(ini: str, fault: str, tmp_path: Path) -> None:
    own = campaign(tmp_path, ini)
    with pytest.raises(ConfigError) as raised:
        read_campaign("mine", tmp_path)
    assert f"{own / 'campaign.ini'}: {fault}" in str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("form", "right"),
    [
        ({"rate": 16000}, "mono, 16 bits, 8000 Hz, not 1 channels, 16 bits, 16000 Hz"),
        ({"channels": 2}, "mono, 16 bits, 8000 Hz, not 2 channels, 16 bits, 8000 Hz"),
        ({"width": 1}, "mono, 16 bits, 8000 Hz, not 1 channels, 8 bits, 8000 Hz"),
        ({"seconds": 0}, "0.1 to 60 seconds long, not 0.00"),
        ({"seconds": 61}, "0.1 to 60 seconds long, not 61.00"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_recordings(form: dict[str, float], right: str, tmp_path: Path) -> None:
    own = campaign(tmp_path)
    record(own / "beep.wav", **form)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as raised:
        read_campaign("mine", tmp_path)
    assert str(raised.value) == f"{own / 'campaign.ini'}: [prompts] beep: beep.wav: must be {right}"


@pytest.mark.parametrize("octets", [b"", b"RIFF", b"MThd" * 20], ids=["empty", "cut", "another kind"])
def test_no_recording(octets: bytes, tmp_path: Path) -> None:
    own = campaign(tmp_path)
    (own / "beep.wav").write_bytes(octets)
    with pytest.raises(ConfigError, match=r"beep\.wav: must be a WAV file \(PCM\)$"):
        read_campaign("mine", tmp_path)


def test_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^\[global\] defcallbackivr: .*none.campaign.ini is missing; .* default$"):
        read_campaign("none", tmp_path)
