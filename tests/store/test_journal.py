"""The real thread on a real loop, with nothing wrong but the entries."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.store.diary import keeping, until
from tests.store.rig import CREDIT, LATER, PRICE, House, failure, takes
from voipsms.errors import NoCredit, StoreError, Unavailable
from voipsms.model import Message, Receipt, State
from voipsms.store.database import Database, Engine
from voipsms.store.entries import Accept, Entry, Hear, Postpone, Remember, Repeat, Start
from voipsms.store.ids import now_millis


def accept(house: House, user: str = "alice", *, price: int = PRICE, **fields: object) -> Accept:
    return Accept(house.message(user, price=price, **fields), started=True)


async def test_done_means_committed(house: House) -> None:
    async with keeping(house) as (journal, diary):
        entry = accept(house)
        assert await journal.append(entry) is None
        assert house.rows("SELECT id FROM tb_messages") == [(entry.message.id,)]
        assert diary.balance == {house.users["alice"]: CREDIT - PRICE}
        assert journal.may_work()


async def test_every_entry_gets_its_result(house: House) -> None:
    async with keeping(house) as (journal, _):
        first, again = accept(house, ingress_key=b"key"), accept(house, ingress_key=b"key")
        entries: list[Entry] = [first, again, accept(house, price=CREDIT), Remember(b"no", "opted_out", "no")]
        entries += [*takes(first.message, "1a"), Hear(Receipt(house.gateway(), "1a", State.DELIVERED))]
        results = await asyncio.gather(*map(journal.append, entries), return_exceptions=True)
        assert results[:2] == [None, Repeat(first.message.id, "accepted", "")]
        assert isinstance(results[2], NoCredit)
        assert results[3:] == [None, None, True]


async def test_what_arrives_together_is_committed_together(house: House) -> None:
    async with keeping(house) as (journal, diary):
        await asyncio.gather(*(journal.append(accept(house, "admin")) for _ in range(1000)))
        assert sum(diary.commits) == 1000
        assert len(diary.commits) <= 10
        assert journal.backlog == 0


async def test_close_writes_what_is_left_and_gives_the_lease_back(house: House) -> None:
    async with keeping(house) as (journal, _):
        left = [journal.append(accept(house)) for _ in range(5)]
    assert [future.result() for future in left] == [None] * 5
    assert house.rows("SELECT lease FROM tb_nodes") == [(0,)]
    with pytest.raises(Unavailable):
        await journal.append(accept(house))
    with pytest.raises(StoreError, match="closed"):
        await journal.append(Start(()))
    with pytest.raises(StoreError, match="closed"):
        await journal.run(lambda db: None)
    assert not journal.may_work()


async def test_work_has_a_transaction_of_its_own(house: House) -> None:
    def fail(db: Database) -> None:
        db.write("bump_revision")
        raise StoreError("not so")

    async with keeping(house) as (journal, _):
        before = house.rows("SELECT value FROM tb_settings WHERE name = 'revision'")
        with pytest.raises(StoreError, match="not so"):
            await journal.run(fail)
        assert house.rows("SELECT value FROM tb_settings WHERE name = 'revision'") == before
        await journal.run(lambda db: db.write("bump_revision"))
        assert house.rows("SELECT value FROM tb_settings WHERE name = 'revision'") != before


async def test_a_fault_in_work_is_its_callers(house: House) -> None:
    async with keeping(house) as (journal, diary):
        with pytest.raises(ZeroDivisionError):
            await journal.run(lambda db: 1 / 0)
        assert await journal.append(accept(house)) is None
        assert diary.lost_to == []


async def test_who_does_not_wait_for_work_any_more_stops_nobody(house: House) -> None:
    go = threading.Event()
    async with keeping(house) as (journal, _):
        running = asyncio.ensure_future(journal.run(lambda db: go.wait(10) and None))
        waiting = asyncio.ensure_future(journal.run(lambda db: None))
        entry = asyncio.ensure_future(journal.append(accept(house)))
        await asyncio.sleep(0)
        for task in (running, waiting, entry):
            task.cancel()
        await asyncio.gather(running, waiting, entry, return_exceptions=True)
        go.set()
        assert await journal.append(accept(house)) is None
    assert len(house.rows("SELECT id FROM tb_messages")) == 2


async def test_the_lease_is_renewed_whatever_else_there_is_to_do(house: House) -> None:
    async with keeping(house, lease=0.4) as (journal, diary):
        until_then = time.monotonic() + 1.0
        while time.monotonic() < until_then:
            await journal.run(lambda db: None)
            assert journal.may_work()
        assert house.rows("SELECT lease FROM tb_nodes")[0][0] > now_millis()
        assert diary.lapses == []


@pytest.mark.parametrize("poison", ["text", "cdr"])
async def test_an_entry_that_can_not_be_written_is_dropped_alone(house: House, poison: str) -> None:
    settled = house.taken("1a", message=house.accepted("admin"))
    async with keeping(house) as (journal, diary):
        good = [house.message("admin") for _ in range(40)]
        bad: Entry = accept(house, "admin", text="\ud800") if poison == "text" else failure(settled)
        entries: list[Entry] = [Accept(message, started=True) for message in good]
        entries.insert(17, bad)
        results = await asyncio.gather(*map(journal.append, entries), return_exceptions=True)
        assert isinstance(results.pop(17), Unavailable if poison == "text" else StoreError)
        assert results == [None] * 40
        assert diary.poison == [bad]
        assert diary.problems == []
        assert journal.backlog == 0


def take_node(house: House) -> None:
    """Another process takes the number of this one."""
    lease = house.rows("SELECT lease FROM tb_nodes")[0][0]
    house.db.write(
        "take_node", node=house.node.number, holder="somebody", lease=LATER, held_by=house.node.holder, lease_was=lease
    )


async def test_a_node_that_another_process_has_taken(house: House) -> None:
    async with keeping(house) as (journal, diary):
        await journal.append(accept(house))
        take_node(house)
        entries: list[Entry] = [accept(house), Start(()), Postpone(house.message().id, 1, LATER)]
        results = await asyncio.gather(*map(journal.append, entries), return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable, StoreError, StoreError]
        assert len(diary.lost_to) == 1
        assert not journal.may_work()
        with pytest.raises(StoreError):
            await journal.append(Start(()))
        with pytest.raises(StoreError):
            await journal.run(lambda db: None)
    assert len(house.rows("SELECT id FROM tb_messages")) == 1
    assert house.rows("SELECT holder, lease FROM tb_nodes") == [("somebody", LATER)]


async def test_work_is_fenced_too(house: House) -> None:
    async with keeping(house) as (journal, diary):
        await journal.append(accept(house))
        take_node(house)
        before = house.rows("SELECT value FROM tb_settings WHERE name = 'revision'")
        with pytest.raises(StoreError):
            await journal.run(lambda db: db.write("bump_revision"))
        await until(lambda: diary.lost_to != [], "told")
    assert house.rows("SELECT value FROM tb_settings WHERE name = 'revision'") == before


async def test_a_lapse_shows_what_is_still_ours(house: House, engine: Engine) -> None:
    """While this process can't renew its lease, another claims one of its messages: it must not be touched again."""
    kept, gone = house.accepted(), house.accepted()
    async with keeping(house, lease=0.5) as (journal, diary):
        await journal.append(accept(house))
        other = Database(engine)
        with other.transaction():  # SQLite: keeps everybody out; MariaDB: keeps this node from renewing its lease
            other.write("renew_lease", node=house.node.number, holder=house.node.holder, lease=1, mark=1)
            await until(lambda: not journal.may_work(), "the lease is over")
            other.write_batch("claim_queue", [(gone.id, house.node.number, 9)])
            waiting = [journal.append(Start(((kept.id, 2), (gone.id, 2)))), journal.append(Postpone(gone.id, 3, LATER))]
            assert diary.lapses == []
        other.close()
        await asyncio.gather(*waiting)
        await until(journal.may_work, "working again")
        new = accept(house)
        await journal.append(new)
    assert diary.lapses
    assert all(kept.id in ours and gone.id not in ours for ours in diary.lapses)
    assert [node(house, message) for message in (kept, gone, new.message)] == [house.node.number, 9, house.node.number]


def node(house: House, message: Message) -> int | None:
    queued = house.queued(message)
    return queued and queued[0]


async def test_those_accepted_with_the_lapse_are_ours(house: House, engine: Engine) -> None:
    async with keeping(house, lease=0.5) as (journal, diary):
        await journal.append(accept(house))
        other = Database(engine)
        with other.transaction():
            other.write("renew_lease", node=house.node.number, holder=house.node.holder, lease=1, mark=1)
            entry = accept(house)
            future = journal.append(entry)
            await until(lambda: not journal.may_work(), "the lease is over")
        other.close()
        results = await asyncio.gather(future, return_exceptions=True)
        await until(journal.may_work, "working again")
        assert isinstance(results[0], Unavailable) or entry.message.id in diary.lapses[0]
