"""How long a conversation may last: as its credit does, and [callback] longest. Pure; times are of one clock."""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

EXTEND: Final = 40.0  # before the credit's end more is asked for, so that a warning can still come in time
WARN: Final = 30.0  # before a call is cut


class Due(Enum):
    EXTEND = "extend"
    WARN = "warn"
    CUT = "cut"


class Meter:
    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._limit = math.inf
        self._seconds = 0
        self._since: float | None = None
        self._asked = self._exhausted = self._warned = False

    def start(self, now: float) -> None:
        """The first leg is answered."""
        self._limit = now + self._longest

    def grant(self, seconds: int) -> None:
        """Instead of what was granted before. It counts when `count` says so."""
        self._seconds, self._since, self._exhausted = seconds, None, False

    def count(self, since: float) -> None:
        self._since = since

    @property
    def counting(self) -> bool:
        return self._since is not None

    def ask(self) -> None:
        """More has been asked for; `add` tells the answer."""
        self._asked = True

    def add(self, seconds: int) -> None:
        self._asked = False
        self._seconds += seconds
        self._exhausted = seconds <= 0

    def warn(self) -> None:
        """Once is enough."""
        self._warned = True

    def next(self) -> tuple[float, Due] | None:
        """What is to be done when."""
        credit = math.inf if self._since is None else self._since + self._seconds
        cut = min(credit, self._limit)
        if cut == math.inf:
            return None
        last = self._exhausted or self._limit <= credit
        if not last and not self._asked:
            return cut - EXTEND, Due.EXTEND
        if last and not self._warned:
            return cut - WARN, Due.WARN
        return cut, Due.CUT

    def why(self, now: float) -> str:
        """A call was cut."""
        return "limit" if now >= self._limit else "no_credit"
