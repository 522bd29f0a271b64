"""Breaks loops: two programs that answer each other are slowed down to so many deliveries a minute."""

from __future__ import annotations

from collections import OrderedDict

from voipsms.model import Millis, UserId

MINUTE = 60_000  # milliseconds
PAIRS = 20_000  # users and sources that are remembered

Pair = tuple[UserId, str]


class RateGuard:
    """`most`: deliveries a minute of one source to one user."""

    def __init__(self, most: int, *, pairs: int = PAIRS) -> None:
        self._most = most
        self._pairs = pairs
        self._counts: OrderedDict[Pair, tuple[Millis, int]] = OrderedDict()  # since when, how many

    def opens(self, pair: Pair, now: Millis) -> Millis:
        """When the next delivery may go: `now` or earlier, and it is counted; or later."""
        since, count = self._counts.pop(pair, (now, 0))
        if now - since >= MINUTE:
            since, count = now, 0
        self._counts[pair] = (since, min(count + 1, self._most))
        if len(self._counts) > self._pairs:
            self._counts.popitem(last=False)
        return now if count < self._most else Millis(since + MINUTE)
