"""Several works done again and again, each in its own time, one after another."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from voipsms.errors import StoreError

Work = Callable[[], Awaitable[Any]]


class Rounds:
    """`works`: each with the seconds between two beginnings; `put_off` hears why one could not be done now."""

    def __init__(self, put_off: Callable[[StoreError], None], *works: tuple[Work, float]) -> None:
        self._put_off = put_off
        self._works = works
        self._due: dict[Work, float] = {}

    def hurry(self, work: Work) -> None:
        """Its turn has come."""
        self._due.pop(work, None)

    async def turn(self) -> None:
        """Does what is due, all of it at first."""
        for work, every in self._works:
            now = time.monotonic()
            if now >= self._due.get(work, 0.0):
                self._due[work] = now + every
                await self.attempt(work)

    async def attempt(self, work: Work) -> None:
        try:
            await work()
        except StoreError as error:
            self._put_off(error)
