"""How many parts a second a gateway may be given."""

from __future__ import annotations


class Allowance:
    """Parts a second, evenly spaced; 0: as many as there are."""

    _SLACK = 0.02  # seconds that a late timer may make up for

    def __init__(self, tps: float) -> None:
        self._step = 1 / tps if tps else 0.0
        self._next = 0.0

    def take(self, now: float, parts: int = 1) -> bool:
        if now < self._next:
            return False
        self._next = max(self._next, now - self._SLACK) + self._step * parts
        return True

    def wait(self, now: float) -> float:
        return max(0.0, self._next - now)
