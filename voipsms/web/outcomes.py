"""Waits for what becomes of messages, whichever process sends them: one look at the tables for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from voipsms.errors import StoreError
from voipsms.log import get_logger
from voipsms.model import FINAL, MessageId, State
from voipsms.store.database import Database, Row
from voipsms.store.reader import Reader
from voipsms.values import Value

LOOK: Final = 0.1  # seconds between two looks
MOST: Final = 1000  # messages a statement

log = get_logger("api")


class Standing(Value, frozen=True):
    """What has become of a message so far."""

    state: State = State.QUEUED
    reason: str = ""
    comment: str = ""


class _Wait:
    """For some messages, until all are final."""

    def __init__(self, messages: Iterable[MessageId]) -> None:
        self.found = dict.fromkeys(messages, Standing())
        self.over = asyncio.Event()

    @property
    def missing(self) -> list[MessageId]:
        return [message for message, standing in self.found.items() if standing.state not in FINAL]


class Outcomes:
    """`run()` until cancelled."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._waits: set[_Wait] = set()
        self._wanted = asyncio.Event()
        self._closed = False

    async def wait(self, messages: Iterable[MessageId], seconds: float) -> dict[MessageId, Standing]:
        """Returns when all are final, or after so long with what they are by then."""
        wait = _Wait(messages)
        if not self._closed:
            self._waits.add(wait)
            self._wanted.set()
            try:
                await asyncio.wait_for(wait.over.wait(), seconds)
            except TimeoutError:
                pass
            finally:
                self._waits.discard(wait)
        return wait.found

    def close(self) -> None:
        """Nobody waits any longer."""
        self._closed = True
        for wait in self._waits:
            wait.over.set()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._look()
            except StoreError as error:
                log.debug("messages can't be read now", why=str(error))
            if not self._waits:
                self._wanted.clear()
            await asyncio.sleep(LOOK)

    async def _look(self) -> None:
        waits = list(self._waits)
        wanted = list({message for wait in waits for message in wait.missing})
        found: dict[int, Standing] = {}
        for first in range(0, len(wanted), MOST):
            rows = await self._reader.run(lambda db: _read(db, wanted[first : first + MOST]))  # noqa: B023
            found |= {row[0]: Standing(State(row[1]), row[2], row[3]) for row in rows}
        for wait in waits:
            wait.found |= {message: found[message] for message in wait.found if message in found}
            if not wait.missing:
                wait.over.set()


def _read(db: Database, messages: list[MessageId]) -> list[Row]:
    return db.read_batch("message_states", [(message,) for message in messages])
