"""Routes as CSV: a header, then a line a route; what is wrong with a line is said with its number."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import fields
from typing import Any, Final

from voipsms.errors import VoipSmsError
from voipsms.ini import BadValue
from voipsms.price_file import Fault, amount
from voipsms.routebook import KINDS, check
from voipsms.sms.numbers import Kind
from voipsms.store.routes import NewRoute, RouteError
from voipsms.values import Value

MOST: Final = 100_000  # lines
LOWEST_PRIORITY: Final = 1_000_000
HEAVIEST: Final = 1000
_READ_OVER: Final = ("id",)  # which `route list` writes
_NEEDED: Final = ("gateway",)
_CONDITIONS: Final = tuple(field.name for field in fields(NewRoute))
COLUMNS: Final = (*_CONDITIONS, *_READ_OVER)


class RouteFileError(VoipSmsError):
    """Nothing of the file can be used; the text says why."""


class Line(Value, frozen=True):
    """A good line."""

    number: int
    route: NewRoute


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 9 and least <= int(text) <= most):
            raise BadValue(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _kind(text: str) -> str:
    if text not in KINDS:
        raise BadValue(f"must be one of {', '.join(KINDS)}")
    return Kind(text).value


_VALUES: Final[dict[str, Callable[[str], Any]]] = {
    "country": str.upper, "kind": _kind, "priority": _whole(0, LOWEST_PRIORITY), "weight": _whole(1, HEAVIEST),
    "ceiling": amount,
}  # fmt: skip


def route_of(texts: dict[str, str]) -> NewRoute:
    """From its texts, by the names of NewRoute; an empty one stands for the default. Raises BadValue."""
    values, faults = {}, []
    for name, text in texts.items():
        try:
            values[name] = _VALUES.get(name, str)(text)
        except BadValue as error:
            faults.append(f"{name}: {error}, not {text[:60]!r}")
    if faults:
        raise BadValue("; ".join(faults))
    route = NewRoute(**values)
    try:
        check(route)
    except RouteError as error:
        raise BadValue(str(error).removeprefix("route: ")) from None
    return route


def read(
    lines: Iterable[str], gateways: Collection[str], users: Collection[str], there: Collection[NewRoute], fault: Fault
) -> list[Line]:
    """The good lines in their order; `there`: routes that need not be made again. Raises RouteFileError where no line
    can be read."""
    lines = iter(lines)
    first = next(lines, "")
    delimiter = ";" if ";" in first and "," not in first else ","
    header = _header(first, delimiter)
    known: dict[NewRoute, int] = dict.fromkeys(there, 0)
    found = []
    for line in _good(csv.reader(lines, delimiter=delimiter, strict=True), header, fault):
        if why := _out_of_place(line.route, gateways, users, known):
            fault(line.number, why)
        else:
            known[line.route] = line.number
            found.append(line)
    return found


def _out_of_place(
    route: NewRoute, gateways: Collection[str], users: Collection[str], known: dict[NewRoute, int]
) -> str:
    if route.gateway not in gateways:
        return f"gateway: there is no gateway {route.gateway[:60]!r}"
    if route.user and route.user not in users:
        return f"user: there is no user {route.user[:60]!r}"
    if (other := known.get(route)) is not None:
        return f"is the same as line {other}" if other else "is there already"
    return ""


def _header(first: str, delimiter: str) -> list[str]:
    try:
        header = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise RouteFileError(f"line 1: {error}") from error
    for name in header:
        if name not in COLUMNS:
            raise RouteFileError(f"line 1: there is no column {name[:60]!r}, but {', '.join(COLUMNS)}")
        if header.count(name) > 1:
            raise RouteFileError(f"line 1: the column {name} stands twice")
    for name in _NEEDED:
        if name not in header:
            raise RouteFileError(f"line 1: must be a header with the column {name}, such as prefix,gateway")
    return header


def _good(reader: Any, header: list[str], fault: Fault) -> Iterator[Line]:
    """`reader`: what csv.reader gives."""
    while True:
        number = reader.line_num + 2  # the header is line 1; a cell may run over several lines
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if number > MOST:
                raise RouteFileError(f"line {number}: a file has {MOST} lines at the most")
            if cells:
                yield Line(number, route_of(_texts(cells, header)))
        except (BadValue, csv.Error) as error:
            fault(number, str(error))


def _texts(cells: list[str], header: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise BadValue(f"has {len(cells)} values, the header {len(header)}")
    texts = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name not in _READ_OVER}
    return {name: text for name, text in texts.items() if text or name in _NEEDED}
