"""How each gateway fares: what an operator orders comes in from the tables, what this process sees goes out to them.

One look each POLL, beside the messages; the tables are written where something has changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, Protocol

from voipsms.dispatch import GatewayQueue
from voipsms.errors import StoreError
from voipsms.fitness import Fitness
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger
from voipsms.model import GatewayId
from voipsms.store import gateways
from voipsms.store.database import Database
from voipsms.store.gateways import Day, Seen
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader

POLL: Final = 0.5  # seconds
KEEP: Final = 31  # days
GONE: Final = frozenset({"down", "out"})  # states of which an operator wants to hear

log = get_logger("gateways")


class Listener(Protocol):
    """Who is told of every gateway at each look."""

    def see(self, gateway_id: GatewayId, name: str, seen: Seen, now: float) -> None: ...


def condition(queue: GatewayQueue) -> tuple[str, str]:
    """up, down, paused or out, and why."""
    if queue.fitness.paused:
        return "paused", queue.fitness.why
    if not queue.connector.ready:
        return "down", queue.connector.last_error or "not connected"
    return ("out", queue.fitness.why) if queue.fitness.hindered else ("up", "")


def trouble(queue: GatewayQueue) -> str | None:
    """What /readyz says of it; a pause and a cap are as an operator wants them."""
    state, reason = condition(queue)
    return reason if state in GONE and not queue.fitness.capped else None


class Conditions:
    """`open()` before any message, then `run()` until cancelled."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        queues: Mapping[GatewayId, GatewayQueue],
        node: int,
        listener: Listener,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._queues = queues
        self._node = node
        self._listener = listener
        self._fitness: dict[GatewayId, Fitness] = {}
        self._paused: frozenset[int] = frozenset()
        self._day = Day(0, {}, {})
        self._base: dict[int, int] = {}  # parts of today that this node had sent before it started
        self._kept: dict[GatewayId, int] = {}  # as the table has them
        self._seen: dict[GatewayId, Seen] = {}
        self._written: dict[GatewayId, Seen] | None = None

    def fitness(self, gateway_id: GatewayId, settings: GatewaySettings) -> Fitness:
        """Of a gateway with these settings, as it is known; other settings give it another chance."""
        found = self._fitness.setdefault(gateway_id, Fitness())
        found.configure(settings.cap, settings.faults)
        self._inform(gateway_id, found)
        return found

    def _inform(self, gateway_id: GatewayId, fitness: Fitness) -> None:
        before = self._day.others.get(gateway_id, 0) + self._base.get(gateway_id, 0)
        fitness.count(self._day.day, before)
        if fitness.paused != (gateway_id in self._paused):
            fitness.pause(gateway_id in self._paused)

    async def open(self) -> None:
        """Raises StoreError."""
        await self._read()
        self._base = dict(self._day.own)

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.debug("the states of gateways are put off", why=str(error))
            await asyncio.sleep(POLL)

    async def look(self) -> None:
        """Raises StoreError."""
        try:
            await self._read()
        finally:
            self._observe()
        await self._write()

    async def _read(self) -> None:
        def read(db: Database) -> tuple[frozenset[int], Day]:
            return gateways.paused(db), gateways.read_day(db, self._node, now_millis())

        before = self._day.day
        self._paused, self._day = await self._reader.run(read)
        if before and self._day.day != before:
            self._base, self._kept = dict(self._day.own), {}  # where the clock was set, that day has begun already
            await self._journal.run(lambda db: gateways.forget_days(db, self._day.day - KEEP))
        for gateway_id, fitness in self._fitness.items():
            barred = fitness.barred
            self._inform(gateway_id, fitness)
            if barred != fitness.barred and (queue := self._queues.get(gateway_id)):
                queue.pump()

    def _observe(self) -> None:
        now = time.monotonic()
        seen = {}
        for gateway_id, queue in self._queues.items():
            state, reason = condition(queue)
            before = self._seen.get(gateway_id)
            if before is None or (before.state, before.reason) != (state, reason):
                since = before.since if before is not None and before.state == state else now_millis()
                seen[gateway_id] = Seen(state, reason, since)
                if before is None or before.state != state:
                    log.info("a gateway's state", gateway=queue.settings.name, state=state, why=reason)
            else:
                seen[gateway_id] = before
            self._listener.see(gateway_id, queue.settings.name, seen[gateway_id], now)
        self._seen = seen

    async def _write(self) -> None:
        day = self._day.day
        sent = {
            gateway_id: self._base.get(gateway_id, 0) + fitness.spent
            for gateway_id, fitness in self._fitness.items()
            if fitness.spent and self._kept.get(gateway_id) != self._base.get(gateway_id, 0) + fitness.spent
        }
        if sent:
            await self._journal.run(lambda db: gateways.write_day(db, self._node, day, sent))
            self._kept |= sent
        if self._seen != self._written:
            seen = self._seen
            await self._journal.run(lambda db: gateways.write_states(db, self._node, tuple(seen.items())))
            self._written = seen

    async def close(self) -> None:
        """What was sent last is counted, too."""
        try:
            await self._write()
        except StoreError as error:
            log.debug("what gateways have sent is not counted", why=str(error))
