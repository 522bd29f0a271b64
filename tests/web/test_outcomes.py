from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.stage import settle
from tests.store.rig import House
from voipsms.errors import StoreError
from voipsms.model import Message, State, Submitted
from voipsms.store.database import Engine
from voipsms.store.entries import Take
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine
from voipsms.web import outcomes
from voipsms.web.outcomes import Outcomes, Standing


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(SqliteEngine(tmp_path / "outcomes.db", 1.0))


class Looks(Reader):
    """Counts the looks at the tables; the first `failing` of them find no store."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.count = self.failing = 0

    async def run(self, work):  # type: ignore[no-untyped-def]
        self.count += 1
        if self.count <= self.failing:
            raise StoreError("away")
        return await super().run(work)


@pytest.fixture
async def reader(house: House) -> AsyncIterator[Looks]:
    found = Looks(house.engine)
    yield found
    found.close()
    house.close()


@pytest.fixture
async def running(reader: Looks, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outcomes]:
    monkeypatch.setattr(outcomes, "LOOK", 0.01)
    found = Outcomes(reader)
    task = asyncio.create_task(found.run())
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def end(house: House, message: Message) -> None:
    """As another process does."""
    house.commit(Take(message, 1, 1, 1, Submitted(f"p{message.id}", State.ACCEPTED, "taken"), True, message.created))


async def test_nobody_waits_nobody_looks(running: Outcomes, reader: Looks) -> None:
    await settle()
    assert reader.count == 0


async def test_waits_until_all_are_final(house: House, running: Outcomes) -> None:
    first, second = house.accepted(), house.accepted()
    end(house, first)
    waiting = asyncio.create_task(running.wait([first.id, second.id], 10))
    done, _ = await asyncio.wait((waiting,), timeout=0.1)
    assert not done
    end(house, second)
    final = Standing(State.ACCEPTED, "", "taken")
    assert await asyncio.wait_for(waiting, 5) == {first.id: final, second.id: final}


async def test_time_runs_out(house: House, running: Outcomes) -> None:
    first, second = house.accepted(), house.accepted()
    end(house, first)
    found = await running.wait([first.id, second.id], 0.2)
    assert [one.state for one in found.values()] == [State.ACCEPTED, State.QUEUED]


async def test_those_who_wait_share_a_look(house: House, running: Outcomes, reader: Looks) -> None:
    messages = [house.accepted() for _ in range(15)]
    await asyncio.gather(*(running.wait([message.id], 0.1) for message in messages))
    assert 1 <= reader.count <= 12


async def test_a_store_that_is_away_is_asked_again(house: House, running: Outcomes, reader: Looks) -> None:
    reader.failing = 3
    message = house.accepted()
    end(house, message)
    assert (await running.wait([message.id], 10))[message.id].state is State.ACCEPTED
    assert reader.count == 4


async def test_at_the_end_nobody_waits(house: House, running: Outcomes) -> None:
    message = house.accepted()
    waiting = asyncio.create_task(running.wait([message.id], 600))
    await asyncio.sleep(0)
    running.close()
    assert (await asyncio.wait_for(waiting, 5))[message.id].state is State.QUEUED
    assert (await asyncio.wait_for(running.wait([message.id], 600), 5))[message.id].state is State.QUEUED
