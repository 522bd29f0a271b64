"""What an operator says that an answer contains: plain strings, and patterns that can't hold up the house.

`re` backtracks, and an answer may echo a text that somebody wrote for that. A search is therefore stopped by a timer of
CPU time: the engine looks for signals as it goes, in the main thread, where every connector runs.
"""

from __future__ import annotations

import re
import signal
import warnings
from dataclasses import dataclass
from typing import Final

from voipsms.errors import ConfigError, VoipSmsError

LONGEST_SEARCH: Final = 0.05  # seconds of the process's CPU time
_PATTERN: Final = re.compile(r"(?:\A|\|)\s*re:")


class TooSlow(VoipSmsError):
    """The pattern takes too long on this answer."""


def _stop(*_: object) -> None:
    raise TooSlow("the pattern takes too long on this answer")


class Pattern:
    """A regular expression from a setting. Raises ConfigError, which names `place` and the character."""

    def __init__(self, source: str, place: str, *, group: bool = False) -> None:
        """`group`: its first group is what is looked for, so there must be one."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of sets in sets: they mean here what they always did
                self._compiled = re.compile(source)
        except (re.error, OverflowError, RecursionError) as error:
            at = getattr(error, "pos", None)
            where = f"character {at + 1}: " if at is not None else ""
            raise ConfigError(f"{place}: {where}{getattr(error, 'msg', error)}") from error
        if group and not self._compiled.groups:
            raise ConfigError(f"{place}: must have a group, in round brackets, around the id")
        signal.signal(signal.SIGVTALRM, _stop)

    def search(self, text: str) -> re.Match[str] | None:
        """Raises TooSlow."""
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_SEARCH)
        try:
            return self._compiled.search(text)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@dataclass(frozen=True, slots=True)
class Words:
    """Of a setting such as smssuccessstring."""

    plain: tuple[str, ...] = ()
    pattern: Pattern | None = None

    def __bool__(self) -> bool:
        return bool(self.plain) or self.pattern is not None

    def are_in(self, text: str) -> bool:
        """Whether one of them is. Raises TooSlow."""
        return any(word in text for word in self.plain) or (
            self.pattern is not None and self.pattern.search(text) is not None
        )


NO_WORDS: Final = Words()


def words(setting: str, place: str) -> Words:
    """`OK|accepted` → two strings; what follows `re:`, at the start or after a |, is one pattern to the end of the
    setting. Raises ConfigError."""
    found = _PATTERN.search(setting)
    strings = setting[: found.start()] if found else setting
    plain = tuple(filter(None, (piece.strip() for piece in strings.split("|"))))
    return Words(plain, Pattern(setting[found.end() :].strip(), place) if found else None)
