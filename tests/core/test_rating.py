from __future__ import annotations

import random
import threading
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.model import Micros, Millis
from voipsms.rating import Packet, Price, Rate, Reading, Service, Tariffs
from voipsms.timetable import BadTimetable, parse

NOW = Millis(1_795_000_000_000)  # a Wednesday evening, 2026-11-18T15:06:40Z
DAY = 86_400_000
NIGHTS, DAYS = "18:00-08:00", "08:00-18:00"


def row(prefix: str = "", price: int = 1, **fields: Any) -> Price:
    usual: dict[str, Any] = {"valid_from": 0, "timetable": "", "valid_to": 0, "connect_fee": 0, "minimum": 0}
    return Price(prefix=prefix, price=price, **usual | fields)


def packet(*rows: Price) -> Packet:
    found = Packet()
    Reading(lambda price, error: pytest.fail(str(error))).add(found, rows)
    return found


AMOUNTS: list[tuple[str, dict[str, Any], int, int, int]] = [
    ("a minute", {"price": 50_000}, 60, 1, 50_000),
    ("half a minute", {"price": 50_000}, 30, 1, 25_000),
    ("two minutes", {"price": 50_000}, 120, 1, 100_000),
    ("nothing", {"price": 0}, 60, 3, 0),
    ("parts", {"price": 50_000}, 60, 3, 150_000),
    ("a fee for each part", {"price": 50_000, "connect_fee": 10_000}, 60, 2, 120_000),
    ("a fee alone", {"price": 0, "connect_fee": 7}, 60, 1, 7),
    ("the minimum", {"price": 50_000, "connect_fee": 1, "minimum": 60_000}, 60, 1, 60_000),
    ("the minimum of each part", {"price": 50_000, "minimum": 60_000}, 60, 2, 120_000),
    ("below it no longer", {"price": 50_000, "connect_fee": 10_001, "minimum": 60_000}, 60, 1, 60_001),
    ("a third of a millionth, down", {"price": 1}, 20, 1, 0),
    ("half a millionth, up", {"price": 1}, 30, 1, 1),
    ("one and a half, up", {"price": 3}, 30, 1, 2),
    ("just under half, down", {"price": 1}, 29, 1, 0),
    ("rounded before the parts", {"price": 1}, 20, 3, 0),
    ("the largest", {"price": 10**12}, 86_400, 255, 10**12 * 1440 * 255),
]


@pytest.mark.parametrize("rate, seconds, units, amount", [r[1:] for r in AMOUNTS], ids=[r[0] for r in AMOUNTS])
def test_amount(rate: dict[str, Any], seconds: int, units: int, amount: int) -> None:
    assert Rate(**rate).amount(seconds, units) == amount


@given(st.integers(0, 10**12), st.integers(1, 86_400), st.integers(1, 255))
def test_amounts_are_off_by_half_a_millionth_a_unit_at_most(price: int, seconds: int, units: int) -> None:
    exact = Fraction(price * seconds, 60) * units
    assert abs(Rate(Micros(price)).amount(seconds, units) - exact) <= Fraction(units, 2)


TARIFF = packet(
    row("", 1), row("3", 2), row("36", 3), row("362", 4), row("3620", 5), row("3620123", 6), row("4", 7),
    row("44", 8, valid_to=NOW), row("447", 9, valid_from=NOW), row("4470", 10, valid_from=NOW + 1),
    row("49", 11, timetable=NIGHTS), row("49", 12, timetable=DAYS), row("491", 13, timetable=NIGHTS),
    row("33", 14, valid_to=NOW - DAY), row("33", 15, valid_from=NOW - DAY, valid_to=NOW + DAY),
    row("33", 16, valid_from=NOW + DAY),
)  # fmt: skip
FOUND: list[tuple[str, str, str, int]] = [
    ("the longest", "36201234567", "3620123", 6),
    ("a shorter one", "36209999999", "3620", 5),
    ("three digits", "36219999999", "362", 4),
    ("two digits", "36309999999", "36", 3),
    ("one digit", "39999999999", "3", 2),
    ("every number", "99999999999", "", 1),
    ("the number is the prefix", "3620123", "3620123", 6),
    ("a number of two digits", "36", "36", 3),
    ("a number of one digit", "3", "3", 2),
    ("no number", "", "", 1),
    ("ended this moment", "44999", "4", 7),
    ("begins this moment", "44799", "447", 9),
    ("begins in a millisecond", "44709", "447", 9),
    ("by day", "49999", "49", 12),
    ("the longer one is of the night", "49199", "49", 12),
    ("of three in turn", "33199", "33", 15),
]


@pytest.mark.parametrize("number, prefix, price", [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_the_longest_prefix_that_holds_now(number: str, prefix: str, price: int) -> None:
    found = TARIFF.find(number, NOW)
    assert found is not None
    assert (found[0], found[1].price) == (prefix, price)


def test_nothing_found() -> None:
    assert packet(row("36")).find("44", NOW) is None
    assert packet(row("36", valid_to=1)).find("36", NOW) is None
    assert Packet().find("36", NOW) is None


PREFIXES = st.text("123", max_size=6)


@settings(max_examples=200)
@given(st.dictionaries(PREFIXES, st.booleans(), max_size=30), st.text("123", max_size=8))
def test_as_a_plain_search_finds(table: dict[str, bool], number: str) -> None:
    """Those marked False have ended."""
    found = packet(*(row(prefix, len(prefix), valid_to=0 if holds else 1) for prefix, holds in table.items()))
    expected = max((p for p, holds in table.items() if holds and number.startswith(p)), key=len, default=None)
    got = found.find(number, NOW)
    assert (got[0] if got else None) == expected
    assert len(found) == len(table)


RATES = st.builds(
    row,
    valid_from=st.integers(0, 5).map(lambda n: n * DAY),
    valid_to=st.integers(0, 10).map(lambda n: n * DAY),
    timetable=st.sampled_from(["", DAYS, NIGHTS, "Sat-Sun", "Mon-Fri", "12:00-13:00"]),
).filter(lambda price: not 0 < price.valid_to <= price.valid_from)


@settings(max_examples=300)
@given(RATES, RATES)
def test_contradiction_means_a_time_at_which_both_hold(one: Price, other: Price) -> None:
    """In the first 19 days of 1970, hour by hour. Hours of less than a week are taken for hours of every week."""
    a, b = one.rate(), other.rate()
    both = any(a.holds(Millis(at)) and b.holds(Millis(at)) for at in range(0, 19 * DAY, 3_600_000))
    assert a.contradicts(b) is b.contradicts(a)
    assert a.contradicts(b) >= both
    if not (one.valid_to or other.valid_to) or not (one.timetable or other.timetable):
        assert a.contradicts(b) is both


def test_quotes() -> None:
    tariffs = Tariffs({("gold", "SMS"): packet(row("36", 60_000, connect_fee=1))})
    known = tariffs.quote("gold", Service.SMS, "3620", 30, 2, NOW, Micros(9))
    assert (known.amount, known.packet, known.prefix, known.rate) == (
        60_002,
        "gold",
        "36",
        Rate(Micros(60_000), Micros(1)),
    )
    for name, service, number in (
        ("gold", Service.SMS, "44"),
        ("gold", Service.CALL, "36"),
        ("tin", Service.SMS, "36"),
    ):
        unknown = tariffs.quote(name, service, number, 30, 2, NOW, Micros(9))
        assert (unknown.amount, unknown.packet, unknown.rate) == (18, name, None)


def test_equal_prices_are_one_object() -> None:
    reading, one, other = Reading(lambda price, error: None), Packet(), Packet()
    reading.add(one, [row("3620", 5, timetable=DAYS), row("3630", 5, timetable=DAYS)])
    reading.add(other, [row("44", 5, timetable=DAYS)])
    rates = {id(p.find(number, NOW)[1]) for p, number in ((one, "3620"), (one, "3630"), (other, "44"))}  # type: ignore[index]
    assert len(rates) == 1


def test_a_timetable_that_means_nothing_is_told_and_left_out() -> None:
    told: list[tuple[Price, BadTimetable]] = []
    found = Packet()
    Reading(lambda price, error: told.append((price, error))).add(
        found, [row("36", timetable="Mon 08:00-18:00 Nowhere/Town"), row("3", 2)]
    )
    assert [price.prefix for price, _ in told] == ["36"]
    assert found.find("3620", NOW) == ("3", Rate(Micros(2)))


def test_discarded_beside_others() -> None:
    """A thread empties a packet while others look up: they find the price or not, and nothing breaks."""
    dice = random.Random(1)
    found = packet(*(row(str(dice.randrange(10**6))[:6].rjust(6, "1") + str(n), n) for n in range(20_000)))
    thread = threading.Thread(target=found.discard)
    thread.start()
    for _ in range(2000):
        found.find(str(dice.randrange(10**10)), NOW)
    thread.join()
    assert len(found) == 0


def test_parsed_once() -> None:
    assert parse(DAYS) is parse(DAYS)
