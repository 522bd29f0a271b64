"""Two processes that hear of the same messages at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.store.rig import CREDIT, PRICE, House, failure
from tests.store.test_terms import add, wants
from voipsms import recovery
from voipsms.errors import StoreError
from voipsms.model import Message, Receipt, State
from voipsms.store.database import Engine
from voipsms.store.entries import Accept, Entry, Hear, Stage
from voipsms.store.ids import now_millis

COUNT = 60
T = TypeVar("T")


@pytest.fixture
def other(house: House, engine: Engine) -> Iterator[House]:
    other = House(engine, number=7)
    yield other
    other.close()


def at_once(*works: Callable[[], object]) -> None:
    """Each is done again until no other is in its way."""
    together = threading.Barrier(len(works))
    faults: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        together.wait(10)
        try:
            again(work)
        except BaseException as error:
            faults.append(error)
            raise

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []


def again(work: Callable[[], T], times: int = 50) -> T:
    for _ in range(times):
        try:
            return work()
        except StoreError:
            continue
    raise AssertionError("never done")


def sent(house: House, parts: int = 1) -> list[Message]:
    messages = [house.message("admin", parts=parts) for _ in range(COUNT)]
    house.commit(*(Accept(message, started=True) for message in messages))
    for n, message in enumerate(messages):
        house.taken(*(f"{n}-{part}" for part in range(parts)), message=message)
    return messages


def hears(house: House, ids: list[str], state: State) -> list[Entry]:
    return [Hear(Receipt(house.gateway(), provider_id, state)) for provider_id in ids]


def one_by_one(house: House, entries: list[Entry]) -> Callable[[], None]:
    def work() -> None:
        for entry in entries:
            again(lambda entry=entry: house.commit(entry))  # type: ignore[misc]

    return work


def test_a_failing_receipt_that_both_hear_is_refunded_once(house: House, other: House) -> None:
    messages = sent(house)
    ids = [f"{n}-0" for n in range(COUNT)]
    at_once(*(one_by_one(process, hears(process, ids, State.REJECTED)) for process in (house, other)))
    assert {len(house.movements(message)) for message in messages} == {2}
    assert house.balance("admin") == 0


def test_the_parts_of_a_message_are_heard_of_here_and_there(house: House, other: House) -> None:
    messages = sent(house, parts=2)
    at_once(
        one_by_one(house, hears(house, [f"{n}-0" for n in range(COUNT)], State.DELIVERED)),
        one_by_one(other, hears(other, [f"{n}-1" for n in range(COUNT)], State.UNDELIVERABLE)),
    )
    assert {house.state(message)[0] for message in messages} == {State.UNDELIVERABLE}
    assert house.rows("SELECT * FROM tb_queue") == []


def test_a_receipt_that_comes_when_its_time_is_over(house: House, other: House) -> None:
    """Whichever is first: the receipt's word stands in the end."""
    messages = sent(house)
    house.db.write_batch("move_queue", [(message.id, 0, int(Stage.TAKEN), 1, 1) for message in messages])

    def overdue() -> None:
        with other.db.transaction():
            recovery.overdue(other.db, now_millis())

    at_once(one_by_one(house, hears(house, [f"{n}-0" for n in range(COUNT)], State.REJECTED)), overdue)
    assert {house.state(message)[0] for message in messages} == {State.REJECTED}
    assert house.balance("admin") == 0


def test_two_spend_the_same_money(house: House, other: House) -> None:
    entries = {process: [Accept(process.message(), True) for _ in range(30)] for process in (house, other)}
    at_once(*(one_by_one(process, list(accepts)) for process, accepts in entries.items()))
    assert house.balance() == 0
    assert len(house.rows("SELECT id FROM tb_messages")) == CREDIT // PRICE


def test_the_same_request_reaches_both(house: House, other: House) -> None:
    keys = [n.to_bytes(16, "big") for n in range(COUNT)]
    entries = {
        process: [Accept(process.message("admin", ingress_key=key), True) for key in keys] for process in (house, other)
    }
    at_once(*(one_by_one(process, list(accepts)) for process, accepts in entries.items()))
    assert len(house.rows("SELECT id FROM tb_messages")) == COUNT
    assert house.balance("admin") == -COUNT * PRICE


def test_two_spend_the_last_credit_of_a_chain(house: House, other: House) -> None:
    """Each from another account, by two resellers in common, of which the upper one has least; a third of it fails, and
    pays everybody back."""
    add(house, "big", credit=30 * PRICE)
    add(house, "small", "big", credit=40 * PRICE)
    charges = ((house.users["small"], PRICE), (house.users["big"], PRICE))

    def spend(process: House, user: str) -> None:
        for n in range(COUNT):
            accept = Accept(process.message(user, price=1, charges=charges), True)
            result = again(lambda accept=accept: process.commit(accept).results)  # type: ignore[misc]
            if result == [None] and n % 3 == 0:
                again(lambda accept=accept: process.commit(failure(accept.message)))  # type: ignore[misc]

    at_once(lambda: spend(house, "alice"), lambda: spend(other, "bob"))
    spend(house, "admin")  # what the failures of the last moment gave back
    back = [row[0] for row in house.rows("SELECT refunded FROM tb_charges WHERE level = 2")]
    kept, refunded = back.count(0), back.count(1)
    assert kept >= 29
    assert refunded >= 2
    assert house.balance("big") == (30 - kept) * PRICE
    assert house.balance("small") == (40 - kept) * PRICE
    assert house.balance("alice") + house.balance("bob") + house.balance("admin") == CREDIT - kept


def test_two_count_the_same_month(house: House, other: House) -> None:
    wants(house, "admin", monthly=COUNT)
    counted = (house.users["admin"],)
    entries = {
        process: [Accept(process.message("admin", counted=counted), True) for _ in range(COUNT)]
        for process in (house, other)
    }
    at_once(*(one_by_one(process, list(accepts)) for process, accepts in entries.items()))
    assert len(house.rows("SELECT id FROM tb_messages")) == COUNT
    assert house.rows("SELECT sent FROM tb_terms") == [(COUNT,)]
