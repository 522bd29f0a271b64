"""Keeps what is measured of gateways in tb_quality, so that it outlives a restart and other processes see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from voipsms.errors import StoreError
from voipsms.log import get_logger
from voipsms.model import GatewayId, Millis
from voipsms.quality import Floors, Key, Windows, known_spans, span_of
from voipsms.settings import GlobalSettings
from voipsms.store import quality
from voipsms.store.entries import Outcome
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader

ROUND: Final = 10.0  # seconds between two exchanges with the table
SHOWN: Final = 10  # prefixes in a line of the log

log = get_logger("quality")


def floors(settings: GlobalSettings) -> Floors:
    return Floors(settings.lcrshare, settings.lcrseconds, settings.lcrleast)


class Measures:
    """`run()` until cancelled. Without `lcr=1` nothing is measured."""

    def __init__(
        self, reader: Reader, journal: Journal, clock: Callable[[], Millis] = now_millis,
        name: Callable[[GatewayId], str] = str,
    ) -> None:  # fmt: skip
        self.windows = Windows()
        self._name = name
        self._told: frozenset[Key] = frozenset()  # held back, as the log has it
        self._reader = reader
        self._journal = journal
        self._clock = clock
        self._read_until = 0  # the span up to which the table is known

    def configure(self, settings: GlobalSettings) -> None:
        self.windows.configure(floors(settings))
        self._journal.learned = self._learn if settings.lcr else None

    def _learn(self, outcomes: Sequence[Outcome]) -> None:
        self.windows.note(outcomes, self._clock())

    async def run(self) -> None:
        while True:
            await asyncio.sleep(ROUND)
            await self.exchange()

    async def exchange(self) -> None:
        """Adds what is new here to the table, and takes what others have added."""
        if self._journal.learned is None:
            return
        try:
            await self.save()
            await self._read()
        except StoreError as error:
            log.debug("what gateways are like can't be shared now", why=str(error))
        self._tell()

    def _tell(self) -> None:
        held, told = frozenset(self.windows.held), self._told
        self._told = held
        for what, keys in (("held back", held - told), ("no longer held back", told - held)):
            for gateway, of_gateway in groupby(sorted(keys), key=itemgetter(0)):
                prefixes = [prefix for _, prefix in of_gateway]
                shown = ", ".join(prefixes[:SHOWN]) + (" …" if len(prefixes) > SHOWN else "")
                log.warning(what, gateway=self._name(gateway), prefixes=shown, count=len(prefixes))

    async def save(self) -> None:
        """Raises StoreError; then it is tried again with the next."""
        rows = self.windows.unsaved()
        if not rows:
            return
        try:
            await self._journal.run(lambda db: quality.add(db, rows))
        except BaseException:
            self.windows.not_saved(rows)
            raise

    async def _read(self) -> None:
        now = self._clock()
        first, last = known_spans(now)
        known, self._read_until = self._read_until, span_of(now)
        if known != self._read_until:
            self.windows.roll(now)
            await self._journal.run(lambda db: quality.forget(db, first, last))
        since = max(first, min(known, self._read_until) - 1)
        self.windows.take(await self._reader.run(lambda db: quality.read(db, since, last)))

    async def close(self) -> None:
        """What is new goes into the table, where that can be reached."""
        try:
            await self.save()
        except StoreError as error:
            log.warning("what gateways were like lately is lost", why=str(error))
