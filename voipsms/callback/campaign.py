"""A campaign: the prompts that people hear who are called, as WAV files in a folder, and how the menu asks.

`defcallbackivr` (seeds/002, "SMS callback") names the folder. Its campaign.ini has three sections, all optional:
[menu], [prompts] for files of other names, and [texts], which says what the recordings say.
"""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

from voipsms.callback.saying import FIGURES, WORDS, amount_words
from voipsms.errors import ConfigError
from voipsms.ini import BadValue, key, read_ini, read_section, unknown_key
from voipsms.resources import resource
from voipsms.values import Value

FILE: Final = "campaign.ini"
SHIPPED: Final = "plugins/ivr"
SECTIONS: Final = ("menu", "prompts", "texts")
RATE: Final = 8000  # Hz, mono, 16 bits: as the caller plays it
SHORTEST, LONGEST = 0.1, 60.0  # seconds of a prompt; the library refuses files that are shorter still


class Prompt(StrEnum):
    """What every campaign has to say."""

    WELCOME = "welcome"
    ENTER_NUMBER = "enter_number"
    ANOTHER_NUMBER = "another_number"
    CONNECTING = "connecting"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NOT_REACHABLE = "not_reachable"
    WRONG_NUMBER = "wrong_number"
    NOT_ALLOWED = "not_allowed"
    NO_CREDIT = "no_credit"
    GOODBYE = "goodbye"
    RINGBACK = "ringback"
    BEEP = "beep"


_BALANCE: Final = "balance"
_CURRENCY: Final = 3  # letters of its code (ISO 4217), which is the name of its recording
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "words": (_BALANCE, *FIGURES, *WORDS), "figures": (_BALANCE, *FIGURES), "none": (),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Menu:
    """The section [menu]."""

    tries: int = key(3, "Times a wrong number may be entered", least=1, most=20)
    rounds: int = key(5, "Numbers that may be called, one after the other", least=1, most=100)
    digits: int = key(20, "The longest number", least=3, most=30)
    pause: float = key(4.0, "After a digit; then the number is taken to be whole", unit="seconds", least=1, most=30)
    patience: float = key(10.0, "Until the first digit", unit="seconds", least=1, most=60)
    amounts: str = key("words", "How the balance is said: in English, figure by figure in any language, or not at all",
                       choices=("words", "figures", "none"))  # fmt: skip


class Campaign(Value, frozen=True):
    """`files`: the absolute path of each recording, by what it says."""

    menu: Menu
    files: Mapping[str, str]

    def say(self, *prompts: Prompt) -> tuple[str, ...]:
        return tuple(self.files[prompt] for prompt in prompts)

    def balance(self, amount: Decimal, currency: str) -> tuple[str, ...]:
        """The files that say what is left; none where the campaign doesn't. A currency without a name is spelled."""
        if self.menu.amounts == "none":
            return ()
        name = currency.lower()
        words = (_BALANCE, *amount_words(amount, figures=self.menu.amounts == "figures"))
        words += (name,) if name in self.files else tuple(name)
        return tuple(self.files[word] for word in words if word in self.files)


def read_campaign(name: str, folder: Path) -> Campaign:
    """A folder, or one that comes with voipsms. `folder`: where a path starts. Raises ConfigError, a line a fault."""
    path = _find(name, folder)
    sections = _sections(path)
    faults = [f"{path}: [{name}]: {unknown_key(name, SECTIONS)}" for name in sections if name not in SECTIONS]

    def fault(section: str, key: str, right: str) -> None:
        faults.append(f"{path}: [{section}] {key}: {right}")

    menu = read_section(Menu, sections.get("menu", {}), lambda key, right: fault("menu", key, right))
    names = sections.get("prompts", {})
    files = _recordings(path.parent, names)
    known = (*map(str, Prompt), *_WORDS["words"])
    for prompt in dict.fromkeys((*Prompt, *_WORDS[menu.amounts], *names)):
        if prompt not in known and len(prompt) != _CURRENCY:
            fault("prompts", prompt, unknown_key(prompt, known))
        elif problem := _problem(files.get(prompt, path.parent / f"{prompt}.wav")):
            fault("prompts", prompt, problem)
    if faults:
        raise ConfigError("\n".join(faults))
    return Campaign(menu, {prompt: str(file) for prompt, file in files.items()})


def _find(name: str, folder: Path) -> Path:
    own = folder / name / FILE
    if own.is_file():
        return own.resolve()
    shipped = resource(SHIPPED)
    known = sorted(path.parent.name for path in shipped.glob(f"*/{FILE}"))
    if name in known:
        return shipped / name / FILE
    raise ConfigError(f"[global] defcallbackivr: {own} is missing; voipsms comes with {', '.join(known)}")


def _sections(path: Path) -> dict[str, dict[str, str]]:
    try:
        return read_ini(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except BadValue as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: must be UTF-8") from error


def _recordings(folder: Path, names: Mapping[str, str]) -> dict[str, Path]:
    """All there are, so that a campaign may name currencies that we don't know."""
    files = {path.stem: path for path in sorted(folder.glob("*.wav"))}
    return files | {prompt: folder / name.strip() for prompt, name in names.items()}


def _problem(path: Path) -> str:
    """What is wrong with a recording; empty: nothing."""
    try:
        with wave.open(str(path), "rb") as file:
            form = file.getnchannels(), file.getsampwidth() * 8, file.getframerate()
            seconds = file.getnframes() / RATE
    except OSError as error:
        return f"{path.name}: can't be read: {error.strerror}"
    except (wave.Error, EOFError):
        return f"{path.name}: must be a WAV file (PCM)"
    if form != (1, 16, RATE):
        return f"{path.name}: must be mono, 16 bits, {RATE} Hz, not {form[0]} channels, {form[1]} bits, {form[2]} Hz"
    if not SHORTEST <= seconds <= LONGEST:
        return f"{path.name}: must be {SHORTEST:g} to {LONGEST:g} seconds long, not {seconds:.2f}"
    return ""
