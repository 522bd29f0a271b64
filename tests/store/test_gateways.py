"""What the tables know of gateways, on both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.rig import House
from voipsms.model import GatewayId, Millis
from voipsms.store import gateways
from voipsms.store.entries import Accept
from voipsms.store.gateways import DAY, Day, Known, Seen
from voipsms.store.ids import now_millis

NOW = Millis(1_800_000_000_000)


@pytest.fixture
def at(house: House) -> Iterator[House]:
    yield house
    with house.db.transaction():  # a MariaDB is shared by the tests
        gateways.write_states(house.db, house.node.number, ())
        gateways.forget_days(house.db, 1_000_000)
        for name in ("smsc", "other"):
            gateways.order(house.db, house.gateway(name), False)


def test_orders(at: House) -> None:
    one = at.gateway()
    for pause in (True, True, False, True):
        with at.db.transaction():
            gateways.order(at.db, one, pause)
        assert gateways.paused(at.db) == ({one} if pause else set())


def test_days(at: House) -> None:
    one, other = at.gateway(), at.gateway("other")
    today = gateways.today(NOW)
    with at.db.transaction():
        gateways.write_day(at.db, 7, today, {one: 3, other: 1})
        gateways.write_day(at.db, 8, today, {one: 10})
        gateways.write_day(at.db, 9, today, {one: 20})
        gateways.write_day(at.db, 7, today - 1, {one: 99})
    with at.db.transaction():
        assert gateways.write_day(at.db, 7, today, {one: 5}) == 1
        assert gateways.write_day(at.db, 7, today, {}) == 0
    assert gateways.read_day(at.db, 7, NOW) == Day(today, {one: 5, other: 1}, {one: 30})
    assert gateways.read_day(at.db, 7, Millis(NOW + DAY)) == Day(today + 1, {}, {})
    with at.db.transaction():
        assert gateways.forget_days(at.db, today) == 1
    assert gateways.read_day(at.db, 1, NOW).others == {one: 35, other: 1}


def test_states_of_the_living(at: House) -> None:
    one, other = at.gateway(), at.gateway("other")
    down = Seen("down", "x" * 300, NOW)
    with at.db.transaction():
        gateways.write_states(at.db, at.node.number, ((one, Seen("up", "", NOW)), (other, down)))
        gateways.write_states(at.db, 999, ((one, down),))  # a process that there isn't
        gateways.write_states(at.db, at.node.number, ((one, Seen("up", "", NOW)), (other, down)))
    known = gateways.known(at.db)
    assert known[one].seen == ((at.node.number, Seen("up", "", NOW)),)
    assert known[other].seen == ((at.node.number, Seen("down", "x" * gateways.REASON, NOW)),)
    with at.db.transaction():
        gateways.write_states(at.db, 999, ())


def test_counts(at: House) -> None:
    one = at.gateway()
    for started in (True, False, False):
        at.commit(Accept(at.message(), started=started))
    at.taken("taken-1")
    with at.db.transaction():
        gateways.write_day(at.db, 5, gateways.today(now_millis()), {one: 4})
    known = gateways.known(at.db)
    assert known[one] == Known(False, (), waiting=2, in_flight=1, sent=4)
    assert known[GatewayId(1)] == Known()
