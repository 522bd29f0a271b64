"""Regular expressions of the operator's, which meet texts of anybody's: they can't hold up the house.

`re` backtracks, and a text may have been written to make it. A search is therefore stopped by a timer of CPU time: the
engine looks for signals as it goes, in the main thread, where the event loop runs. Only what `searches` is stopped:
anything else that runs meanwhile, e.g. a callback of the garbage collector, would lose the error. So the timer repeats.
"""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final, TypeVar

from voipsms.errors import ConfigError, VoipSmsError

LONGEST_SEARCH: Final = 0.05  # seconds of the process's CPU time
AGAIN: Final = 0.005  # seconds until it is stopped once more, if it could not be

F = TypeVar("F", bound=Callable[..., Any])

_searching: Final[set[CodeType]] = set()


class TooSlow(VoipSmsError):
    """The pattern takes too long on this text."""


def searches(function: F) -> F:
    """Decorator: while this function itself runs, not one that it calls, TooSlow may be raised in it."""
    _searching.add(function.__code__)
    return function


def _stop(_: int, frame: FrameType | None) -> None:
    if frame is not None and frame.f_code in _searching:
        raise TooSlow("the pattern takes too long on this text")


signal.signal(signal.SIGVTALRM, _stop)  # its usual meaning is the end of the process


class Bounded:
    """`with`: whatever functions that are marked as `searches` do inside takes LONGEST_SEARCH together, or TooSlow is
    raised in the one that runs. Not to be nested."""

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_SEARCH, AGAIN)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


bounded: Final = Bounded()


class Pattern:
    """A regular expression from a setting. Raises ConfigError, which names `place` and the character.

    `compiled`: itself, for several searches within one `bounded`.
    """

    def __init__(self, source: str, place: str, *, group: bool = False) -> None:
        """`group`: its first group is what is looked for, so there must be one."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of sets in sets: they mean here what they always did
                self.compiled = re.compile(source)
        except (re.error, OverflowError, RecursionError) as error:
            at = getattr(error, "pos", None)
            where = f"character {at + 1}: " if at is not None else ""
            raise ConfigError(f"{place}: {where}{getattr(error, 'msg', error)}") from error
        if group and not self.compiled.groups:
            raise ConfigError(f"{place}: must have a group, in round brackets, around the id")

    @searches
    def search(self, text: str) -> re.Match[str] | None:
        """Raises TooSlow."""
        with bounded:
            return self.compiled.search(text)
