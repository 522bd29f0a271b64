"""The store goes away and comes back: nothing that was acknowledged is lost, nothing that was refused is left over."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.mariadb import MariaDb
from tests.store.diary import keeping, until
from tests.store.relay import Cut, Relay, relaying
from tests.store.rig import LATER, House, takes
from voipsms.config import mysql_parameters
from voipsms.errors import StoreError, Unavailable
from voipsms.model import Message, Receipt, State
from voipsms.store import journal as journals
from voipsms.store.entries import Accept, Entry, Hear, Postpone, Remember, Stage
from voipsms.store.journal import Journal
from voipsms.store.mysql import MysqlEngine
from voipsms.store.sqlite import SqliteEngine

BUSY = 0.2


class SmallDisk(SqliteEngine):
    """One that has room for so many pages; 0: for as many as there are."""

    pages = 0

    def connect(self) -> sqlite3.Connection:
        connection = super().connect()
        connection.execute(f"PRAGMA max_page_count = {self.pages or 1 << 30}").close()
        return connection


@pytest.fixture
def sqlite_house(tmp_path: Path) -> Iterator[House]:
    yield from checked(House(SmallDisk(tmp_path / "voipsms.db", BUSY)))


@pytest.fixture
def mariadb_house(mysql_url: str) -> Iterator[House]:
    yield from checked(House(mariadb_engine(mysql_url)))


def mariadb_engine(url: str, **other: object) -> MysqlEngine:
    return MysqlEngine({**mysql_parameters(url), "ssl_disabled": True, **other}, BUSY)


def checked(house: House) -> Iterator[House]:
    yield house
    house.check()
    house.close()


def accept(house: House, **fields: Any) -> Accept:
    return Accept(house.message("admin", **fields), started=True)


async def outcomes(journal: Journal, *entries: Entry) -> list[object]:
    """A result or the kind of an error for each."""
    results = await asyncio.gather(*map(journal.append, entries), return_exceptions=True)
    return [type(result) if isinstance(result, BaseException) else result for result in results]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process has the database to itself."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE');"
        " print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate()


async def test_sqlite_locked_by_another_process(sqlite_house: House, tmp_path: Path) -> None:
    message, house = sqlite_house.accepted(), sqlite_house
    async with keeping(house) as (journal, diary):
        await journal.append(accept(house))
        with locked(tmp_path / "voipsms.db"):
            taken = asyncio.gather(*map(journal.append, takes(message, "1a")))
            asked = time.monotonic()
            receipt = Hear(Receipt(house.gateway(), "ff", State.DELIVERED))
            assert await outcomes(journal, accept(house), Remember(b"k", "no", ""), receipt) == [
                Unavailable, Unavailable, StoreError
            ]  # fmt: skip
            assert time.monotonic() - asked < BUSY + 1.0
            assert await outcomes(journal, accept(house)) == [Unavailable]  # at once, from now on
            assert not journal.may_work()
            with pytest.raises(StoreError, match="locked"):
                await journal.run(lambda db: None)
            assert not taken.done()
        assert await taken == [None]
        assert house.state(message)[0] is State.ENROUTE
        assert await outcomes(journal, accept(house)) == [None]
        assert len(diary.problems) == 2
        assert "locked by another process" in diary.problems[0]
        assert diary.problems[1] == ""
    assert house.rows("SELECT COUNT(*) FROM tb_messages") == [(3,)]
    assert house.orphaned() == []


async def test_sqlite_disk_full(sqlite_house: House) -> None:
    house, engine = sqlite_house, sqlite_house.engine
    assert isinstance(engine, SmallDisk)
    message = house.accepted()
    engine.pages = house.rows("PRAGMA page_count")[0][0]
    async with keeping(house) as (journal, diary):
        long = [accept(house, text="x" * 9000) for _ in range(10)]
        assert await outcomes(journal, *long) == [Unavailable] * 10
        assert await outcomes(journal, accept(house)) in ([Unavailable], [None])  # a small one may still fit
        taken = asyncio.gather(*map(journal.append, takes(message, "1a")))
        engine.pages = 0
        assert await taken == [None]
        await until(journal.may_work, "usable again")
        assert await outcomes(journal, *(accept(house, text="x" * 9000) for _ in range(10))) == [None] * 10
        assert "full" in diary.problems[0]


async def test_closing_while_the_store_is_away_does_not_wait_for_it(sqlite_house: House, tmp_path: Path) -> None:
    house, message = sqlite_house, sqlite_house.accepted()
    with locked(tmp_path / "voipsms.db"):
        async with keeping(house) as (journal, _):
            future = journal.append(Postpone(message.id, 2, LATER))
            asked = time.monotonic()
        assert time.monotonic() - asked < 4 * BUSY + 1.0
    assert isinstance(future.exception(), StoreError)


# -- MariaDB


def by_way_of(relay: Relay, house: House) -> MysqlEngine:
    assert isinstance(house.engine, MysqlEngine)
    return MysqlEngine({**house.engine._parameters, "port": relay.port}, BUSY)


def standing(house: House, message: Message) -> tuple[object, ...] | None:
    """(its own, stage) in the queue."""
    queued = house.queued(message)
    return queued and (queued[0] == house.node.number, queued[1])


@pytest.mark.parametrize("cut", Cut)
async def test_the_connection_breaks_at_commit(mariadb_house: House, mariadb: MariaDb, cut: Cut) -> None:
    """The database is asked what came of it."""
    house, message = mariadb_house, mariadb_house.accepted("admin")
    async with relaying(mariadb.port) as relay, keeping(house, by_way_of(relay, house)) as (journal, diary):
        await journal.append(accept(house))
        new, relay.cut = accept(house, ingress_key=b"key"), cut
        found = await outcomes(journal, new, *takes(message, "1a"))
        assert found == [None if cut is Cut.AFTER else Unavailable, None]
        assert standing(house, new.message) == ((True, Stage.STARTED) if cut is Cut.AFTER else None)
        assert house.state(message)[0] is State.ENROUTE
        assert (relay.cuts, diary.poison) == (1, [])
        assert await outcomes(journal, accept(house)) == [None]


async def test_nobody_can_say_for_long_what_came_of_a_commit(
    mariadb_house: House, mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The senders are told to come again; what was written after all is anybody's then."""
    monkeypatch.setattr(journals, "PATIENCE", 0.1)
    house, message = mariadb_house, mariadb_house.accepted("admin")
    async with relaying(mariadb.port) as relay, keeping(house, by_way_of(relay, house)) as (journal, _):
        await journal.append(accept(house))
        new, relay.cut, relay.shut_after_cut = accept(house, ingress_key=b"key"), Cut.AFTER, True
        first = asyncio.gather(*map(journal.append, takes(message, "1a")))
        assert await outcomes(journal, new) == [Unavailable]
        assert not first.done()
        relay.shut = False
        assert await first == [None]
        await until(journal.may_work, "usable again")
        assert standing(house, new.message) == (False, Stage.WAITING)
        again = await journal.append(accept(house, ingress_key=b"key"))
        assert again.message_id == new.message.id
        assert journal.backlog == 0


async def test_work_whose_commit_got_no_answer(mariadb_house: House, mariadb: MariaDb) -> None:
    async with (
        relaying(mariadb.port) as relay,
        keeping(mariadb_house, by_way_of(relay, mariadb_house)) as (journal, diary),
    ):
        await journal.append(accept(mariadb_house))
        relay.cut = Cut.AFTER
        assert await journal.run(lambda db: db.write("bump_revision")) == 1
        relay.cut = Cut.BEFORE
        with pytest.raises(StoreError):
            await journal.run(lambda db: db.write("bump_revision"))
        await until(lambda: journal.may_work() and diary.problems[-1:] == [""], "usable again")
        assert relay.cuts == 2


async def test_mariadb_killed_under_load(
    mariadb_house: House, mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "PATIENCE", 0.1)
    house = mariadb_house
    stored: list[Message] = []
    refused: list[Message] = []
    taken: list[asyncio.Future[None]] = []
    enough = asyncio.Event()

    async def send(journal: Journal) -> None:
        while not enough.is_set():
            entry = accept(house)
            if await outcomes(journal, entry) == [None]:
                stored.append(entry.message)
                taken.extend(map(journal.append, takes(entry.message, f"id{entry.message.id}")))
            else:
                refused.append(entry.message)
                await asyncio.sleep(0.01)

    async with keeping(house) as (journal, diary):
        senders = [asyncio.ensure_future(send(journal)) for _ in range(20)]
        await until(lambda: len(stored) > 200, "under load")
        mariadb.kill()
        await until(lambda: bool(refused), "noticed")
        await asyncio.to_thread(mariadb.start)
        before = len(stored)
        await until(lambda: len(stored) > before + 200, "under load again")
        enough.set()
        await asyncio.gather(*senders)
        assert await asyncio.gather(*taken) == [None] * len(stored)
        assert (journal.backlog, diary.poison) == (0, [])
    house.reconnect()
    states = {row[0]: row[1] for row in house.rows("SELECT id, state FROM tb_messages")}
    assert {states.get(message.id) for message in stored} == {"ENROUTE"}
    assert {standing(house, message) for message in refused} <= {None, (False, Stage.WAITING)}


async def test_mariadb_stands_still(mariadb_house: House, mariadb: MariaDb) -> None:
    """It answers nothing for longer than anybody waits, then goes on with what it was doing."""
    house, message = mariadb_house, mariadb_house.accepted("admin")
    async with keeping(house, lease=1.0) as (journal, diary):
        await journal.append(accept(house))
        mariadb.pause()
        try:
            new = accept(house)
            taken = asyncio.gather(*map(journal.append, takes(message, "1a")))
            assert await outcomes(journal, new) == [Unavailable]
            assert not journal.may_work()
        finally:
            mariadb.resume()
        assert await taken == [None]
        await until(journal.may_work, "usable again")
        assert house.state(message)[0] is State.ENROUTE
        assert standing(house, new.message) in (None, (False, Stage.WAITING))
        assert await outcomes(journal, accept(house)) == [None]
        assert diary.lapses
