"""A receipt that comes after a message's time corrects its record, and moves no money twice."""

from __future__ import annotations

import pytest

from tests.store.rig import CREDIT, PRICE, House, failure
from voipsms.model import Millis, State
from voipsms.recovery import overdue


def lapse(house: House) -> None:
    """Long after the time in which receipts were waited for."""
    with house.db.transaction():
        overdue(house.db, Millis(5_000_000_000_000))


def test_delivered_after_no_receipt_had_come(house: House) -> None:
    message = house.taken("1")
    lapse(house)
    assert house.state(message)[0] is State.UNKNOWN
    assert house.hear("1") is True
    assert house.state(message)[0] is State.DELIVERED
    assert house.cdr(message) == (60, PRICE, "DELIVERED", "")
    assert house.movements(message) == [("reserve", -PRICE)]


def test_failed_after_no_receipt_had_come(house: House) -> None:
    message = house.taken("1")
    lapse(house)
    house.hear("1", State.EXPIRED)
    assert house.cdr(message) == (0, 0, "EXPIRED", "expired")
    assert house.movements(message) == [("reserve", -PRICE), ("refund", PRICE)]
    assert house.balance() == CREDIT


def test_delivered_after_it_had_expired(house: House) -> None:
    """The refund stands."""
    message = house.taken("1")
    house.hear("1", State.EXPIRED)
    assert house.hear("1") is True
    assert house.state(message) == (State.DELIVERED, "", "Delivered after it had expired")
    assert house.cdr(message) == (0, 0, "DELIVERED", "")
    assert house.movements(message) == [("reserve", -PRICE), ("refund", PRICE)]
    for _ in range(2):
        house.hear("1", State.EXPIRED)
        house.hear("1")
    assert house.cdr(message) == (0, 0, "DELIVERED", "")
    assert house.balance() == CREDIT


def test_every_part_delivered_after_one_had_expired(house: House) -> None:
    message = house.taken("1", "2")
    house.hear("1")
    house.hear("2", State.EXPIRED)
    assert house.state(message)[0] is State.EXPIRED
    house.hear("2")
    assert house.state(message) == (State.DELIVERED, "", "2 parts")
    assert house.cdr(message) == (0, 0, "DELIVERED", "")
    assert house.balance() == CREDIT


@pytest.mark.parametrize("state", [State.UNDELIVERABLE, State.REJECTED, State.DELETED])
def test_what_failed_otherwise_stays_so(house: House, state: State) -> None:
    message = house.taken("1")
    house.hear("1", state)
    house.hear("1")
    assert house.state(message)[0] is state


@pytest.mark.parametrize("late", [State.UNDELIVERABLE, State.REJECTED, State.UNKNOWN, State.ENROUTE])
def test_only_delivery_is_news_of_what_expired(house: House, late: State) -> None:
    message = house.taken("1")
    house.hear("1", State.EXPIRED)
    house.hear("1", late)
    assert house.state(message)[0] is State.EXPIRED


def test_what_no_provider_took_and_expired_is_refunded_once(house: House) -> None:
    message = house.accepted()
    house.commit(failure(message, State.EXPIRED))
    house.hear("1")
    assert house.movements(message) == [("reserve", -PRICE), ("refund", PRICE)]
