"""Routes as CSV: a header, then a line a route; what is wrong with a line is said with its number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import fields
from functools import partial
from typing import Any, Final

from voipsms.csv_table import Columns, Fault, read_lines
from voipsms.ini import BadValue
from voipsms.price_file import amount
from voipsms.routebook import KINDS, check
from voipsms.sms.numbers import Kind
from voipsms.store.routes import SMS, NewRoute, RouteError
from voipsms.values import Value

MOST: Final = 100_000  # lines
LOWEST_PRIORITY: Final = 1_000_000
HEAVIEST: Final = 1000
_READ_OVER: Final = ("id",)  # which `route list` writes
_NEEDED: Final = ("gateway",)
_CONDITIONS: Final = tuple(field.name for field in fields(NewRoute))
COLUMNS: Final = (*_CONDITIONS, *_READ_OVER)
_COLUMNS: Final = Columns(COLUMNS, _NEEDED, "prefix,gateway", MOST)


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
    lines: Iterable[str], gateways: Collection[str], users: Collection[str], there: Collection[NewRoute], fault: Fault,
    type: str = SMS,
) -> list[Line]:  # fmt: skip
    """The good lines in their order; `there`: routes that need not be made again; `type`: which all must be of. Raises
    FileError where no line can be read."""
    known: dict[NewRoute, int] = dict.fromkeys(there, 0)
    found = []
    for line in read_lines(lines, _COLUMNS, partial(_line, type=type), fault):
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


def _line(number: int, texts: dict[str, str], *, type: str) -> Line:
    kept = {name: text for name, text in texts.items() if name not in _READ_OVER and (text or name in _NEEDED)}
    if kept.setdefault("type", type) != type:
        raise BadValue(f"type: must be {type}, as the command says, not {kept['type'][:60]!r}")
    return Line(number, route_of(kept))
