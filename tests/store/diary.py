"""A journal at work, and what it tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.store.rig import House
from voipsms.errors import NodeLost, StoreError
from voipsms.model import Micros, UserId
from voipsms.store.database import Engine
from voipsms.store.entries import Entry
from voipsms.store.journal import Journal


class Diary:
    """A Watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.balance: dict[UserId, Micros] = {}
        self.lapses: list[set[int]] = []
        self.problems: list[str] = []
        self.lost_to: list[NodeLost] = []
        self.poison: list[Entry] = []
        self.commits: list[int] = []  # entries in each

    def balances(self, balances: dict[UserId, Micros]) -> None:
        self.balance |= balances

    def lapsed(self, still_ours: set[int]) -> None:
        self.lapses.append(still_ours)

    def up(self, problem: str) -> None:
        self.problems.append(problem)

    def lost(self, error: NodeLost) -> None:
        self.lost_to.append(error)

    def dropped(self, entry: Entry, error: StoreError) -> None:
        self.poison.append(entry)

    def committed(self, entries: int, seconds: float) -> None:
        self.commits.append(entries)


@asynccontextmanager
async def keeping(
    house: House, engine: Engine | None = None, *, lease: float = 10.0
) -> AsyncIterator[tuple[Journal, Diary]]:
    """A journal for the node of `house`; `engine`: another way to its database."""
    diary = Diary()
    journal = Journal(engine or house.engine, house.node, house.ids, diary, lease=lease, refund=house.refund)
    journal.start()
    try:
        yield journal, diary
    finally:
        await journal.close()


async def until(condition: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(0.005)
