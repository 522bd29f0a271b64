from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from voipsms import log
from voipsms.errors import ConfigError
from voipsms.settings import LogSettings

Configure = Callable[..., Callable[[], list[str]]]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    log.configure(LogSettings(), Path())


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Configures a log file and gives a function that reads its lines."""

    def configured(**changes: object) -> Callable[[], list[str]]:
        log.configure(LogSettings(file="v.log", **changes), tmp_path)  # type: ignore[arg-type]
        return lambda: (tmp_path / "v.log").read_text(encoding="utf-8").split("\n")[:-1]

    return configured


def test_a_text_line(configure: Configure) -> None:
    lines = configure()
    log.get_logger("sip").info("message", id=7, sender="36301234567", text="hello", reason="no credit", cost=None)
    (line,) = lines()
    time, rest = line.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert rest == 'info    sip: message id=7 sender=3630*****67 text="*** (5)" reason="no credit" cost=None'


def test_a_json_line(configure: Configure) -> None:
    lines = configure(format="json")
    log.get_logger("sip").warning("message", id=7, target="36301234567", text="hello", path=Path("a"))
    fields = json.loads(lines()[0])
    assert fields.pop("time").endswith("Z")
    assert fields == {"level": "warning", "logger": "sip", "event": "message", "id": 7, "target": "3630*****67",
                      "text": "*** (5)", "path": "a"}  # fmt: skip


@pytest.mark.parametrize("shape", ["text", "json"])
@pytest.mark.parametrize("mask", [True, False])
def test_passwords_are_never_shown_texts_only_without_mask(configure: Configure, shape: str, mask: bool) -> None:
    lines = configure(format=shape, mask=mask)
    log.get_logger("sip").info("x", password="hush", text="hello", number="36301234567")
    assert "hush" not in lines()[0]
    assert ("hello" in lines()[0], "36301234567" in lines()[0]) == (not mask, not mask)


@pytest.mark.parametrize(
    "level, shown",
    [
        ("debug", "debug info warning error"),
        ("info", "info warning error"),
        ("warning", "warning error"),
        ("error", "error"),
    ],
)
def test_levels_change_on_reload(configure: Configure, level: str, shown: str) -> None:
    kept = log.get_logger("kept")
    lines = configure(level=level)
    for name in ("debug", "info", "warning", "error"):
        getattr(kept, name)(name)
    assert " ".join(line.rsplit(" ", 1)[1] for line in lines()) == shown
    assert kept.debugging is (level == "debug")


@pytest.mark.parametrize("shape", ["text", "json"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.text(st.characters(codec=None), max_size=30))
@example("\u1680")
@example("a\u2003b")
@example("\u3000")
def test_no_value_forges_a_line(configure: Configure, shape: str, value: str) -> None:
    lines = configure(format=shape, mask=False)
    before = len(lines()) if Path(log._sink.path or "").exists() else 0
    log.get_logger("sip").info(value, text=value, user=value)
    written = lines()[before:]
    assert len(written) == 1
    assert len(written[0].splitlines()) == 1
    if shape == "json":
        assert json.loads(written[0])["user"] == value
    else:
        assert re.fullmatch(
            r'\S+ info    sip: .* text=("(\\.|[^"\\])*"|[^\s"=]+) user=("(\\.|[^"\\])*"|[^\s"=]+)', written[0]
        )


@pytest.mark.parametrize("shape", ["text", "json"])
def test_a_traceback_forges_no_line(configure: Configure, shape: str) -> None:
    lines = configure(format=shape)
    try:
        raise ValueError("x\n2026-01-01T00:00:00.000Z info    sip: forged")
    except ValueError:
        log.get_logger("sip").exception("failed")
    assert "failed" in lines()[0]
    assert any("forged" in line for line in lines())
    assert not [line for line in lines()[1:] if not line.startswith("    | ")]


def test_the_file_is_reopened_after_it_was_moved(configure: Configure, tmp_path: Path) -> None:
    configure()
    kept = log.get_logger("kept")
    kept.info("first")
    os.rename(tmp_path / "v.log", tmp_path / "v.log.1")
    kept.info("second")
    log.reopen()
    kept.info("third")
    assert "second" in (tmp_path / "v.log.1").read_text()
    assert "third" in (tmp_path / "v.log").read_text()


def test_a_file_that_cannot_be_written_keeps_the_old_settings(configure: Configure, tmp_path: Path) -> None:
    lines = configure()
    with pytest.raises(ConfigError, match=r"\[log\] file: .*missing/v\.log: can't be written: No such file"):
        log.configure(LogSettings(file="missing/v.log", level="error"), tmp_path)
    log.get_logger("kept").info("still")
    assert len(lines()) == 1


def test_standard_error(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log.configure(LogSettings(), tmp_path)
    log.get_logger("sip").info("here")
    assert capfd.readouterr().err.endswith("info    sip: here\n")


def test_a_full_disk_stops_nothing() -> None:
    log.configure(LogSettings(file="/dev/full"), Path())
    log.get_logger("sip").info("lost")


def test_warnings_of_libraries_come_along(configure: Configure) -> None:
    lines = configure()
    logging.getLogger("asyncio").error("task %s", "lost")
    logging.getLogger("asyncio").info("chatter")
    assert [line.split(" ", 1)[1] for line in lines()] == ["error   library: task lost source_name=asyncio"]
