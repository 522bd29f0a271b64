"""What commits learn of gateways, what of it is kept, and many routes at once: on both engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.rig import House
from voipsms.model import Message, Receipt, State, Submitted
from voipsms.store import quality
from voipsms.store.entries import Doubt, Fail, Hear, Outcome, Take
from voipsms.store.routes import NewRoute, delete_routes, insert_routes, names, written_routes

TARGET = "36301112233"


def told(house: House, delivered: bool, *, timed: bool) -> tuple[int, str, bool, bool]:
    return house.gateway(), TARGET, delivered, timed


def seen(outcomes: list[Outcome]) -> list[tuple[int, str, bool, bool]]:
    """Without the milliseconds, which nobody knows beforehand."""
    assert all(outcome.millis is None or 0 <= outcome.millis < 60_000 for outcome in outcomes)
    return [(one.gateway_id, one.target, one.delivered, one.millis is not None) for one in outcomes]


def hear(house: House, state: State) -> list[Outcome]:
    house.taken("id1")
    return house.commit(Hear(Receipt(house.gateway(), "id1", state))).outcomes


def take(house: House, state: State) -> list[Outcome]:
    message = house.accepted()
    return house.commit(Take(message, 1, 1, 1, Submitted("id1", state), True, message.created)).outcomes


def fail(house: House, state: State) -> list[Outcome]:
    return house.commit(Fail(house.accepted(), state, "why", "")).outcomes


Tell = Callable[[House, State], list[Outcome]]
CASES: dict[str, tuple[Tell, State, tuple[bool, bool] | None]] = {  # delivered, timed; None: says nothing
    "delivered": (hear, State.DELIVERED, (True, True)),
    "not delivered": (hear, State.UNDELIVERABLE, (False, False)),
    "too late for the provider": (hear, State.EXPIRED, (False, False)),
    "the provider doesn't know": (hear, State.UNKNOWN, None),
    "still under way": (hear, State.ENROUTE, None),
    "taken, no more is said": (take, State.ACCEPTED, (True, False)),
    "taken, a receipt will come": (take, State.ENROUTE, None),
    "refused": (fail, State.REJECTED, (False, False)),
    "given up": (fail, State.UNDELIVERABLE, (False, False)),
    "too old before it was sent": (fail, State.EXPIRED, None),
}


@pytest.mark.parametrize("tell, state, expected", CASES.values(), ids=CASES)
def test_learned(house: House, tell: Tell, state: State, expected: tuple[bool, bool] | None) -> None:
    wanted = [] if expected is None else [told(house, expected[0], timed=expected[1])]
    assert seen(tell(house, state)) == wanted


def test_a_receipt_that_comes_again_says_nothing_new(house: House) -> None:
    assert len(hear(house, State.DELIVERED)) == 1
    assert house.commit(Hear(Receipt(house.gateway(), "id1", State.DELIVERED))).outcomes == []


def test_a_message_of_several_parts_counts_once(house: House) -> None:
    house.taken("id1", "id2")
    first = Hear(Receipt(house.gateway(), "id1", State.DELIVERED))
    second = Hear(Receipt(house.gateway(), "id2", State.UNDELIVERABLE))
    assert house.commit(first).outcomes == []
    assert seen(house.commit(second).outcomes) == [told(house, False, timed=False)]


def test_a_receipt_in_doubt_counts(house: House) -> None:
    message: Message = house.accepted()
    house.commit(Doubt(message, "", message.created))
    receipt = Receipt(house.gateway(), "x", State.DELIVERED, sender=message.sender, target=message.target)
    assert seen(house.commit(Hear(receipt)).outcomes) == [told(house, True, timed=True)]


def test_the_time_is_from_the_answer_to_the_receipt(house: House) -> None:
    message = house.taken("id1")
    with house.db.transaction():
        house.db.write_batch("update_messages", [(message.id, State.ENROUTE, "", "", message.created - 90_000)])
    (outcome,) = house.commit(Hear(Receipt(house.gateway(), "id1", State.DELIVERED))).outcomes
    assert outcome.millis is not None
    assert 90_000 <= outcome.millis < 150_000


# -- tb_quality


def write(house: House, *rows: tuple[object, ...]) -> None:
    with house.db.transaction():
        assert quality.add(house.db, rows) == len(rows)


def test_processes_add_to_the_same_row(house: House) -> None:
    write(house, (100, 1, "3620", 1, 2, 3, 4), (100, 2, "3620", 1, 0, 0, 0))
    write(house, (100, 1, "3620", 10, 20, 30, 40), (101, 1, "3620", 5, 0, 5, 9))
    assert sorted(quality.read(house.db, 0, 200)) == [
        (100, 1, "3620", 11, 22, 33, 44), (100, 2, "3620", 1, 0, 0, 0), (101, 1, "3620", 5, 0, 5, 9),
    ]  # fmt: skip


def test_other_spans_are_forgotten(house: House) -> None:
    write(house, *((span, 1, "36", 1, 0, 0, 0) for span in (1, 2, 3, 4)))
    assert [row[0] for row in quality.read(house.db, 2, 3)] == [2, 3]
    with house.db.transaction():
        assert quality.forget(house.db, 2, 3) == 2
    assert [row[0] for row in quality.read(house.db, 0, 9)] == [2, 3]


def test_pages(house: House) -> None:
    rows = [(7, n, "3620", 1, 0, 0, 0) for n in range(quality.PAGE + 1)]
    write(house, *rows)
    assert sorted(quality.read(house.db, 0, 9)) == rows


# -- routes


def test_many_routes_at_once(house: House) -> None:
    """Every field as it was, in the order in which they were given."""
    whole = NewRoute(
        "smsc", "36", "36.*", "HU", "mobile", "alice", "gold", "[A-Z]+", "Mon 08:00-09:00 UTC", 3, 7, 50_000
    )
    routes = [whole, *(NewRoute("other", f"{n:05d}") for n in range(1, 2500))]
    done: list[int] = []
    with house.db.transaction():
        insert_routes(house.db, house.ids, routes, done.append)
    assert done == [1000, 2000, 2500]
    assert sorted(written_routes(house.db), key=repr) == sorted(routes, key=repr)
    ids = [row[0] for row in house.db.read("routes")]
    assert [row[1] for row in house.db.read("routes")] == [route.prefix for route in routes]
    assert ids == sorted(set(ids))
    with house.db.transaction():
        delete_routes(house.db)
    assert written_routes(house.db) == []


def test_names(house: House) -> None:
    gateways, users = names(house.db)
    assert sorted(gateways) == ["other", "smsc"]
    assert sorted(users) == ["admin", "alice", "bob"]
