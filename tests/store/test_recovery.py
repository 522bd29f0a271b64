"""What nobody works on is taken over: each message by exactly one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.store.rig import LATER, PRICE, House
from voipsms import recovery
from voipsms.errors import StoreError
from voipsms.model import Coding, Millis, Receipt, State
from voipsms.recovery import KEEP_ANSWERS, Claimed
from voipsms.store import salts
from voipsms.store.database import Engine
from voipsms.store.entries import Accept, Doubt, Hear, Postpone, Remember, Stage
from voipsms.store.ids import first_id, now_millis
from voipsms.store.orphans import KEEP as KEEP_ORPHANS


def claim(house: House, after: int = 0) -> list[Claimed]:
    with house.db.transaction():
        return recovery.claim(house.db, house.node.number, after)


def die(house: House) -> None:
    """Its lease runs out."""
    house.db.write("renew_lease", node=house.node.number, holder=house.node.holder, lease=now_millis() - 1, mark=1)


@pytest.fixture
def heir(house: House, engine: Engine) -> Iterator[House]:
    heir = House(engine, number=7)
    yield heir
    heir.close()


def test_a_living_process_keeps_its_messages(house: House, heir: House) -> None:
    house.accepted()
    assert claim(heir) == []
    assert claim(house) == []


def test_nobodys_messages_are_claimed_whole(house: House) -> None:
    message = house.message(text="ő'\\", message_class=1, coding=Coding.UCS2, parts=2)
    house.commit(Accept(message, started=False, ours=False))
    assert claim(house) == [Claimed(message, Stage.WAITING, 0, message.created)]
    assert house.queued(message) == (house.node.number, Stage.WAITING, 0, message.created)
    assert claim(house) == []


def test_a_dead_process_is_inherited(house: House, heir: House) -> None:
    started, postponed, taken = house.accepted(), house.accepted(), house.taken("1a")
    house.commit(Postpone(postponed.id, 3, LATER))
    die(house)
    found = {one.message.id: (one.stage, one.attempt, one.due) for one in claim(heir)}
    assert found == {
        started.id: (Stage.STARTED, 1, started.created),
        postponed.id: (Stage.WAITING, 3, LATER),
    }
    assert house.queued(taken) == (0, Stage.TAKEN, 1, LATER)
    assert claim(heir) == []


def test_a_process_never_claims_from_itself(house: House) -> None:
    house.accepted()
    die(house)
    assert claim(house) == []


def test_pages(house: House, heir: House) -> None:
    messages = [house.message("admin") for _ in range(700)]
    house.commit(*(Accept(message, started=True) for message in messages))
    die(house)
    first = claim(heir)
    second = claim(heir, after=first[-1].message.id)
    assert [one.message.id for one in first + second] == [message.id for message in messages]
    assert (len(first), claim(heir)) == (500, [])


def test_two_claimers_at_once(house: House, engine: Engine) -> None:
    """Each message goes to exactly one."""
    messages = [house.message("admin") for _ in range(1200)]
    house.commit(*(Accept(message, started=True) for message in messages))
    die(house)
    heirs = [House(engine, number=number) for number in (7, 8, 9)]
    found: list[int] = []
    together = threading.Barrier(len(heirs))

    def inherit(heir: House) -> None:
        together.wait(10)
        while len(found) < len(messages):
            try:
                found.extend(one.message.id for one in claim(heir))
            except StoreError:  # another one's lock: the next look
                continue

    threads = [threading.Thread(target=inherit, args=(heir,)) for heir in heirs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == [message.id for message in messages]
    for heir in heirs:
        heir.close()


def renew(house: House) -> list[tuple[int, ...]]:
    """As the journal does; what is still its own then."""
    house.db.write("renew_lease", node=house.node.number, holder=house.node.holder, lease=LATER, mark=1)
    return house.db.read("owned", node=house.node.number)


def test_who_renews_while_another_claims_knows_what_is_gone(house: House, heir: House) -> None:
    house.accepted()
    die(house)
    owned: list[object] = []

    def beat() -> None:
        with house.db.transaction():
            owned.append(renew(house))

    thread = threading.Thread(target=beat)
    with heir.db.transaction():
        assert len(recovery.claim(heir.db, heir.node.number, 0)) == 1
        thread.start()
        thread.join(0.2)
        assert thread.is_alive(), "it has to wait for what becomes of the claim"
    thread.join(10)
    assert owned == [[]]


def test_nothing_is_claimed_from_one_that_renews(house: House, heir: House) -> None:
    house.accepted()
    die(house)
    found: list[Claimed] = []
    with house.db.transaction():
        assert len(renew(house)) == 1
        with suppress(StoreError):  # SQLite: the whole database is locked
            found = claim(heir)
    assert found == []
    assert claim(heir) == []


# -- overdue


def test_what_no_receipt_has_settled_in_time_is_unknown_and_stays_charged(house: House) -> None:
    soon = Millis(now_millis() - 1)
    late, patient, doubtful = house.taken("1"), house.taken("2"), house.accepted()
    house.db.write_batch("move_queue", [(late.id, 0, int(Stage.TAKEN), 1, soon)])
    house.commit(Doubt(doubtful, "timed out", soon))
    with house.db.transaction():
        assert recovery.overdue(house.db, now_millis()) == 2
    with house.db.transaction():
        assert recovery.overdue(house.db, now_millis()) == 0
    assert house.state(late) == house.state(doubtful) == (State.UNKNOWN, "no_receipt", "No receipt has come")
    assert house.cdr(late) == house.cdr(doubtful) == (60, PRICE, "UNKNOWN", "no_receipt")
    assert (house.queued(late), house.queued(doubtful)) == (None, None)
    assert house.queued(patient) is not None


def test_what_waits_for_a_provider_is_never_overdue(house: House) -> None:
    house.accepted()
    house.commit(Accept(house.message(), started=False, ours=False))
    with house.db.transaction():
        assert recovery.overdue(house.db, now_millis()) == 0


# -- forgetting


def test_old_answers_and_orphans_are_forgotten(house: House) -> None:
    old_answer, old_orphan = (first_id(Millis(now_millis() - keep - 60_000)) for keep in (KEEP_ANSWERS, KEEP_ORPHANS))
    house.commit(Remember(b"new", "refused", ""), Hear(Receipt(house.gateway(), "beef", State.DELIVERED)))
    house.db.write_batch("insert_ingress", [(old_answer + n, f"{n:032x}", None, "refused", "") for n in range(2500)])
    house.db.write_batch("insert_receipts", [(old_orphan, house.gateway(), "dead", "DELIVERED", "", "", "", "")])
    gone: list[int] = []
    while not gone or gone[-1]:
        with house.db.transaction():
            gone.append(recovery.forget(house.db))
    assert gone == [2001, 500, 0]
    assert house.rows("SELECT ingress_key FROM tb_ingress") == [(b"new".hex(),)]
    assert house.orphaned() == ["beef"]


def test_a_salt_is_spent_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is moved: what was answered days ago is forgotten, but not that a salt was in it."""
    salt, other = salts.key_of("alice", "s1"), b"request id"
    message = house.message("alice", ingress_key=salt)
    house.commit(Accept(message, started=True), Remember(other, "refused", ""))
    for days in (2, 4):  # again: nothing is left to be moved
        monkeypatch.setattr(recovery, "now_millis", lambda days=days: Millis(now_millis() + days * KEEP_ANSWERS))
        with house.db.transaction():
            recovery.forget(house.db)
    assert house.rows("SELECT COUNT(*) FROM tb_ingress") == [(0,)]
    assert house.rows("SELECT ingress_key FROM tb_salts") == [(salt.hex(),)]
    again = house.message("alice", ingress_key=salt)
    said = house.commit(Accept(again, started=True), Remember(salt, "denied", ""), Remember(other, "refused", ""))
    assert said.results == [salts.SPENT, salts.SPENT, None]
    fresh = Remember(salts.key_of("bob", "s1"), "denied", "")
    assert house.commit(fresh).results == [None], "salts of another user are others"
