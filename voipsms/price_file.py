"""Prices as CSV: a header, then a line a price; what is wrong with a line is said with its number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from voipsms.csv_table import Columns, Fault, read_lines
from voipsms.ini import BadValue
from voipsms.money import decimal
from voipsms.rating import Price, Rate
from voipsms.timetable import BadTimetable, parse
from voipsms.values import Value

LARGEST: Final = 1_000_000  # units of currency: times 255 parts of a day each, in millionths, it fits 64 bits
LONGEST_PREFIX: Final = 15  # digits of a number, E.164 §6
SAME_PREFIX: Final = 100  # prices of one prefix
MOST: Final = 5_000_000  # lines
_PREFIX: Final = re.compile(rf"\+?([0-9]{{0,{LONGEST_PREFIX}}})")
_AMOUNT: Final = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,6}))?")


class Line(Value, frozen=True):
    """A good line. `number` 0: it is in the database already."""

    number: int
    price: Price
    rate: Rate


@lru_cache(maxsize=10_000)
def amount(text: str) -> int:
    """`0.05` → millionths. Raises BadValue."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise BadValue(_why_no_amount(text))
    whole, fraction = found.groups("")
    value = int(whole) * 1_000_000 + int(fraction.ljust(6, "0"))
    if value > LARGEST * 1_000_000:
        raise BadValue(f"must be at most {LARGEST}")
    return value


def _why_no_amount(text: str) -> str:
    if _AMOUNT.fullmatch(text.removeprefix("-")):
        return "must not be negative"
    if _AMOUNT.fullmatch(text.replace(",", ".")):
        return "must have a decimal point, no comma"
    return "must be an amount such as 0.05, with six decimal places at the most"


def prefix(text: str) -> str:
    """Digits, '' for every number. Raises BadValue."""
    found = _PREFIX.fullmatch(text)
    if found is None:
        raise BadValue(f"must be digits that numbers begin with, at most {LONGEST_PREFIX}")
    return found[1]


@lru_cache(maxsize=1000)
def moment(text: str) -> int:
    """ISO 8601, UTC where it has no zone, → milliseconds since 1970; '' → 0. Raises BadValue."""
    if not text:
        return 0
    try:
        value = datetime.fromisoformat(text)
        millis = round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadValue("must be a time such as 2026-11-20 or 2026-11-20T18:00:00Z") from None
    if millis < 0:
        raise BadValue("must not be before 1970")
    return millis


def timetable(text: str) -> str:
    """Raises BadValue."""
    try:
        return parse(text).text if text else ""
    except BadTimetable as error:
        raise BadValue(f"must be such as Mon-Fri 08:00-18:00 Europe/Budapest ({error})") from None


def _optional_amount(text: str) -> int:
    return amount(text) if text else 0


_VALUES: Final[dict[str, Callable[[str], Any]]] = {
    "prefix": prefix, "valid_from": moment, "timetable": timetable, "valid_to": moment, "price": amount,
    "connect_fee": _optional_amount, "minimum": _optional_amount,
}  # fmt: skip
_SAID_ALREADY: Final = ("packet", "service")  # by the command: a line may repeat it
_READ_OVER: Final = ("name",)
_NOTHING: Final = dict.fromkeys(Price._fields, "")
COLUMNS: Final = (*_VALUES, *_SAID_ALREADY, *_READ_OVER)
_COLUMNS: Final = Columns(COLUMNS, ("prefix", "price"), "prefix,price", MOST)


def price_of(texts: dict[str, str]) -> Price:
    """From the texts of a price, by the names of Price; those that may be missing are ''. Raises BadValue."""
    values, faults = {}, []
    for name, value in _VALUES.items():
        try:
            values[name] = value(texts[name])
        except BadValue as error:
            faults.append(f"{name}: {error}, not {texts[name][:60]!r}")
    if not faults and 0 < values["valid_to"] <= values["valid_from"]:
        faults.append("valid_to: must be after valid_from")
    if faults:
        raise BadValue("; ".join(faults))
    return Price(**values)


def read(lines: Iterable[str], packet: str, service: str, fault: Fault) -> list[Line]:
    """The good lines, in the order of their prefixes. Raises FileError where no line can be read."""
    said = {"packet": packet, "service": service}

    def line(number: int, texts: dict[str, str]) -> Line:
        price = price_of(_checked(texts, said))
        return Line(number, price, price.rate())

    return consistent(read_lines(lines, _COLUMNS, line, fault), fault)


def _checked(texts: dict[str, str], said: dict[str, str]) -> dict[str, str]:
    for name in _SAID_ALREADY:
        if texts.get(name, said[name]) != said[name]:
            raise BadValue(f"{name}: is {texts[name][:60]!r}, but prices of {said[name]!r} are read")
    return _NOTHING | texts


def consistent(lines: Iterable[Line], fault: Fault) -> list[Line]:
    """Without those that contradict an earlier line: the same prefix, and a time at which both would hold."""
    kept: list[Line] = []
    ordered = sorted(lines, key=lambda line: (line.price.prefix, line.number))
    for _, same in groupby(ordered, key=attrgetter("price.prefix")):
        kept += _of_prefix(same, fault)
    return kept


def _of_prefix(lines: Iterator[Line], fault: Fault) -> list[Line]:
    kept = [next(lines)]
    for line in lines:
        other = next((other for other in kept if line.rate.contradicts(other.rate)), None)
        if other is not None:
            place = (
                f"line {other.number}" if other.number else f"the {decimal(other.price.price)} that is there already"
            )
            whose = f"the prefix {line.price.prefix}" if line.price.prefix else "the empty prefix"
            fault(line.number, f"contradicts {place}: both are for {whose} at the same time")
        elif len(kept) == SAME_PREFIX:
            fault(line.number, f"the prefix {line.price.prefix} has {SAME_PREFIX} prices already")
        else:
            kept.append(line)
    return kept
