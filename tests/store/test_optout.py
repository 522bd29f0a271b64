"""The tables of opt-outs and of their confirmations, on both engines, with two processes at work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.rig import House
from tests.store.test_processes import again, at_once
from voipsms.model import MessageId, Millis, UserId
from voipsms.stops import Stops
from voipsms.store import optout
from voipsms.store.database import Engine
from voipsms.store.ids import now_millis
from voipsms.store.optout import ANYBODY, CLAIM, KEEP, Confirmation, OptOutError, Stop

PHONE, OTHER, SENDER = "36301112233", "36301112244", "36201234567"
SIX_HOURS = 21_600_000
WIDE = Stop(ANYBODY, SENDER)


@pytest.fixture
def other(house: House, engine: Engine) -> Iterator[House]:
    other = House(engine, number=7)
    yield other
    other.close()


def record(house: House, *stops: Stop, due: int = SIX_HOURS, phone: str = PHONE) -> bool:
    with house.db.transaction():
        expected = Confirmation(phone, house.users["alice"], SENDER, MessageId(house.ids.next()), Millis(due))
        return optout.record(house.db, house.ids, phone, stops, expected, Millis(1000))


def lift(house: House, *stops: Stop) -> bool:
    with house.db.transaction():
        return optout.lift(house.db, house.ids, PHONE, stops)


def loaded(house: House) -> Stops:
    stops = Stops()
    stops.load(house.db.read("opted_out"))
    return stops


def test_what_is_written_is_read(house: House) -> None:
    alice = house.users["alice"]
    stops = [WIDE, Stop(alice, ""), Stop(alice, "1234", "fun"), Stop(alice, "1234", "Κλειδί 🎉")]
    assert record(house, *stops)
    assert sorted(optout.of_phone(house.db, PHONE), key=repr) == sorted(stops, key=repr)
    known = ((ANYBODY, SENDER), (alice, ""), (alice, "1234"))
    assert sorted(optout.scopes(house.db, [OTHER, PHONE])[PHONE]) == sorted(known)
    assert sorted(loaded(house).of(PHONE)) == sorted(known)
    assert optout.scopes(house.db, [OTHER]) == {OTHER: ()}
    assert optout.scopes(house.db, []) == {}


def test_only_what_is_new_counts(house: House) -> None:
    assert record(house, WIDE)
    (first,) = optout.due(house.db, Millis(SIX_HOURS))
    assert not record(house, WIDE)
    assert record(house, WIDE, Stop(house.users["alice"], ""))
    assert optout.due(house.db, Millis(SIX_HOURS)) == [first]
    assert len(house.rows("SELECT id FROM tb_stop_changes")) == 2


def test_lifted_with_its_confirmation(house: House) -> None:
    alice, bob = house.users["alice"], house.users["bob"]
    record(house, Stop(alice, SENDER))
    assert not lift(house, WIDE, Stop(bob, SENDER), Stop(alice, SENDER, "fun"))
    assert len(optout.due(house.db, Millis(SIX_HOURS))) == 1
    assert lift(house, Stop(alice, SENDER))
    assert optout.due(house.db, Millis(SIX_HOURS)) == []
    record(house, WIDE)
    assert lift(house, WIDE)
    assert (len(loaded(house)), optout.due(house.db, Millis(SIX_HOURS))) == (0, [])


def test_others_see_what_has_changed(house: House, other: House) -> None:
    before = Millis(now_millis() - 1)
    record(house, WIDE)
    assert optout.changed(other.db, before) == {PHONE: ((ANYBODY, SENDER),)}
    lift(other, WIDE)
    assert optout.changed(house.db, before) == {PHONE: ()}
    assert optout.changed(house.db, Millis(now_millis() + 10)) == {}
    assert optout.forget_changes(house.db, now_millis()) == 0
    assert optout.forget_changes(house.db, Millis(now_millis() + KEEP + 10)) == 2


def test_when_it_is_due(house: House) -> None:
    record(house, WIDE)
    assert optout.due(house.db, Millis(SIX_HOURS - 1)) == []
    (one,) = optout.due(house.db, Millis(SIX_HOURS))
    with house.db.transaction():
        optout.retry(house.db, one, Millis(SIX_HOURS + 5))
    (later,) = optout.due(house.db, Millis(SIX_HOURS + 5))
    assert (later.attempt, later.due, later.text_id) == (1, SIX_HOURS + 5, one.text_id)
    optout.finish(house.db, later)
    assert optout.due(house.db, Millis(SIX_HOURS + 5)) == []


def test_two_that_claim_one(house: House, other: House) -> None:
    record(house, WIDE)
    (one,) = optout.due(house.db, Millis(SIX_HOURS))
    won: list[House] = []

    def claim(by: House) -> None:
        with by.db.transaction():
            if optout.claim(by.db, one, Millis(SIX_HOURS + CLAIM)):
                won.append(by)

    at_once(lambda: claim(house), lambda: claim(other))
    assert len(won) == 1
    assert optout.due(house.db, Millis(SIX_HOURS)) == []


def test_two_that_record_one(house: House, other: House) -> None:
    new: list[bool] = []

    def say(by: House) -> None:
        new.append(again(lambda: record(by, WIDE, Stop(by.users["alice"], ""))))

    at_once(lambda: say(house), lambda: say(other))
    assert sorted(new) == [False, True]
    assert len(optout.due(house.db, Millis(SIX_HOURS))) == 1


CONFIRMING = [  # fields of the message, when, and whether it confirms
    ("it", {}, 1000, True),
    ("too late", {}, SIX_HOURS, False),
    ("to another phone", {"target": OTHER}, 1000, False),
    ("from another number", {"sender": "36201234568"}, 1000, False),
    ("of another account", {"user": "bob"}, 1000, False),
]


@pytest.mark.parametrize("fields, at, confirms", [row[1:] for row in CONFIRMING], ids=[row[0] for row in CONFIRMING])
def test_the_users_own(house: House, fields: dict[str, str], at: int, confirms: bool) -> None:
    record(house, WIDE)
    message = house.message(**{"target": PHONE, "sender": SENDER} | fields)  # type: ignore[arg-type]
    assert optout.confirm(house.db, message, Millis(at)) is confirms
    (one,) = optout.due(house.db, Millis(SIX_HOURS))
    assert one.message_id == (message.id if confirms else 0)


def test_one_message_confirms(house: House) -> None:
    """One that wasn't accepted after all leaves room for another, a while later."""
    record(house, WIDE)
    lost = house.message(target=PHONE, sender=SENDER)
    assert optout.confirm(house.db, lost, Millis(1000))
    assert not optout.accepted(house.db, lost.id)
    second = house.message(target=PHONE, sender=SENDER)
    assert not optout.confirm(house.db, second, Millis(1000 + CLAIM))
    assert optout.confirm(house.db, second, Millis(1001 + CLAIM))
    house.accepted(id=second.id, target=PHONE, sender=SENDER)
    assert optout.accepted(house.db, second.id)
    assert not optout.confirm(house.db, house.message(target=PHONE, sender=SENDER), Millis(2001 + 2 * CLAIM))


def test_what_is_waited_for(house: House) -> None:
    record(house, WIDE)
    assert optout.pending(house.db, Millis(SIX_HOURS - 1)) == {(PHONE, house.users["alice"], SENDER)}
    assert optout.pending(house.db, Millis(SIX_HOURS)) == set()


def test_users(house: House) -> None:
    assert optout.user(house.db, "alice") == house.users["alice"]
    for name in ("smsc", "nobody", "' OR 1=1 --"):
        with pytest.raises(OptOutError, match="there is no user"):
            optout.user(house.db, name)


def test_the_list(house: House) -> None:
    record(house, WIDE, Stop(house.users["alice"], "1234", "fun"))
    record(house, Stop(ANYBODY, ""), phone=OTHER)
    assert [tuple(row) for row in house.db.read("optouts", number="")] == [
        (PHONE, "1234", "alice", "fun", 1000), (PHONE, SENDER, "", "", 1000), (OTHER, "", "", "", 1000),
    ]  # fmt: skip
    assert len(house.db.read("optouts", number=OTHER)) == 1


REFUSED = [  # a scope, and senders of account 1 with whether they are refused
    ("all", (0, ""), {"1": True, "": True}),
    ("one sender", (0, "12"), {"12": True, "1": False, "123": False}),
    ("one account", (1, ""), {"12": True}),
    ("another account", (2, ""), {"12": False}),
    ("one sender of one account", (1, "12"), {"12": True, "13": False}),
    ("a range", (0, "44777[0-99]"), {"44777": True, "447771": True, "4477799": True, "44777123": False, "4477": False}),
]


@pytest.mark.parametrize("scope, senders", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_in_memory(scope: tuple[int, str], senders: dict[str, bool]) -> None:
    stops = Stops()
    stops.load([(PHONE, *scope), (PHONE, *scope)])
    assert stops.of(PHONE) == (scope,)
    assert {sender: stops.refuse(PHONE, sender, UserId(1)) for sender in senders} == senders
    assert not stops.refuse(OTHER, "12", UserId(1))
    stops.set(PHONE, ())
    assert len(stops) == 0
