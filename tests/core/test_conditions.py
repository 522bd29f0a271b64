"""How each gateway fares, between the tables and the queues: on a real SQLite file, a look at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.core.house import House, house
from tests.core.stage import Carrier, settle, until
from tests.core.world import MOBILE, submission
from voipsms import conditions as of_conditions
from voipsms.conditions import Conditions, condition, trouble
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Millis, Submitted
from voipsms.store import gateways
from voipsms.store.gateways import DAY, Seen
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader

NODE = 7


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def see(self, gateway_id: GatewayId, name: str, seen: Seen, now: float) -> None:
        self.heard.append(seen.state)


class Watched:
    """A house, and its gateway's conditions."""

    def __init__(self, at: House, reader: Reader, cap: int) -> None:
        self.at, self.ear = at, Ear()
        (self.gateway_id,) = at.queues
        self.line = at.queues[self.gateway_id]
        self.conditions = Conditions(at.journal, reader, at.queues, NODE, self.ear)
        self.settings = GatewaySettings(name="carrier", cap=cap)

    async def open(self) -> None:
        await self.conditions.open()
        self.line.fitness = self.conditions.fitness(self.gateway_id, self.settings)

    async def send(self) -> None:
        await self.at.intake.submit(submission(sender="36201234567", target=MOBILE))
        await settle()

    def order(self, pause: bool) -> None:
        with self.at.db.transaction():
            gateways.order(self.at.db, self.gateway_id, pause)

    def days(self) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.at.rows("tb_gateway_days", "node, sent")]


Open = Callable[..., AbstractAsyncContextManager[Watched]]


@pytest.fixture
def carrier() -> Carrier:
    return Carrier(lambda part: Submitted("a"))


@pytest.fixture
def watch(tmp_path: Path, carrier: Carrier) -> Open:
    @asynccontextmanager
    async def opened(cap: int = 0) -> AsyncIterator[Watched]:
        async with house(tmp_path, carrier) as at:
            reader = Reader(at.db.engine)
            watched = Watched(at, reader, cap)
            await watched.open()
            try:
                yield watched
            finally:
                await watched.conditions.close()
                reader.close()

    return opened


async def test_an_order_is_obeyed_and_undone(watch: Open, carrier: Carrier) -> None:
    async with watch() as one:
        one.order(True)
        await one.conditions.look()
        await one.send()
        assert (carrier.seen, condition(one.line), trouble(one.line)) == ([], ("paused", "paused by hand"), None)
        one.order(False)
        await one.conditions.look()
        await until(lambda: len(carrier.seen) == 1)
        await one.conditions.look()
        assert one.ear.heard == ["paused", "up", "up"]


async def test_what_was_sent_outlives_the_process(watch: Open, carrier: Carrier) -> None:
    async with watch(3) as one:
        await one.send()
        await one.send()
        await one.conditions.look()
        assert one.days() == [(NODE, 2)]
        await one.send()
    async with watch(3) as one:
        assert one.days() == [(NODE, 3)], "counted at the end, too"
        assert (one.line.fitness.sent, one.line.usable) == (3, False)
        assert condition(one.line) == ("out", "the cap of 3 parts a day is reached")
        assert trouble(one.line) is None
    async with watch(4) as one:
        await one.send()
        await one.conditions.look()
        assert one.days() == [(NODE, 4)]
        assert len(carrier.seen) == 4


async def test_others_send_by_it_too(watch: Open) -> None:
    async with watch(10) as one:
        today = gateways.today(now_millis())
        with one.at.db.transaction():
            gateways.write_day(one.at.db, 8, today, {one.gateway_id: 9})
        await one.conditions.look()
        assert (one.line.fitness.sent, one.line.usable) == (9, True)
        await one.send()
        assert not one.line.usable
        await one.conditions.look()
        assert sorted(one.days()) == [(NODE, 1), (8, 9)]


async def test_the_next_day(watch: Open, monkeypatch: pytest.MonkeyPatch, carrier: Carrier) -> None:
    async with watch(1) as one:
        await one.send()
        await one.send()
        assert len(carrier.seen) == 1
        await one.conditions.look()
        tomorrow = Millis(now_millis() + DAY)
        monkeypatch.setattr(of_conditions, "now_millis", lambda: tomorrow)
        await one.conditions.look()
        await until(lambda: len(carrier.seen) == 2)
        await one.conditions.look()
        assert one.line.fitness.sent == 1


async def test_a_clock_that_jumps_back(watch: Open, monkeypatch: pytest.MonkeyPatch, carrier: Carrier) -> None:
    """And forward again: each day's count is as it was."""
    async with watch(5) as one:
        await one.send()
        await one.conditions.look()
        yesterday = Millis(now_millis() - DAY)
        monkeypatch.setattr(of_conditions, "now_millis", lambda: yesterday)
        await one.conditions.look()
        await one.send()
        await one.conditions.look()
        monkeypatch.undo()
        await one.conditions.look()
        assert len(carrier.seen) == 2
        assert one.line.fitness.sent == 1


async def test_states_are_written_when_they_change(watch: Open, carrier: Carrier) -> None:
    async with watch() as one:
        for ready in (True, True, False, False, True):
            carrier.ready, carrier.last_error = ready, "" if ready else "refused"
            await one.conditions.look()
            ((state, reason, since),) = one.at.rows("tb_gateway_states", "state, reason, since")
            assert (state, reason) == (("up", "") if ready else ("down", "refused"))
            assert trouble(one.line) == (None if ready else "refused")
            assert int(str(since)) <= now_millis()


async def test_without_the_store_it_listens_on(watch: Open, carrier: Carrier) -> None:
    async with watch() as one:
        one.at.db._connection.execute("ALTER TABLE tb_gateways RENAME TO away")
        carrier.ready = False
        with pytest.raises(StoreError):
            await one.conditions.look()
        assert one.ear.heard == ["down"]
        one.at.db._connection.execute("ALTER TABLE away RENAME TO tb_gateways")
        await one.conditions.look()


async def test_other_settings_are_another_chance(watch: Open) -> None:
    async with watch() as one:
        one.line.fitness.configure(0, 1)
        one.line.fitness.fault(0.0, "busy")
        assert condition(one.line)[0] == "out"
        assert trouble(one.line) == "1 faults in a row, the last one: busy"
        assert one.conditions.fitness(one.gateway_id, one.settings) is one.line.fitness
        assert condition(one.line)[0] == "up"
