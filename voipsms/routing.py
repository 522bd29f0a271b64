"""Which gateways may take a message, in order. Pure: routes and facts in, candidates out.

A route matches where each of its conditions does; an empty one always does. The longest prefix comes first, then the
smallest priority number; routes that are equal in both share the load by weight, less what is in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from voipsms.model import GatewayId, Micros, Millis, Msisdn, UserId
from voipsms.sms.numbers import Kind
from voipsms.values import Value

LONGEST_PREFIX = 15  # digits of an E.164 number


class Table(Protocol):
    """A weekly time table."""

    def holds(self, at: int) -> bool: ...


class Whole(Protocol):
    """A pattern that a whole text has to match."""

    def fullmatch(self, text: str) -> object: ...


class Asked(Value, frozen=True):
    """What routes look at. `country`: two letters, empty where the number has none."""

    target: Msisdn
    sender: str
    user_id: UserId
    group: str
    country: str
    kind: Kind
    now: Millis
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Route:
    """A row of tb_routes. `ceiling`: the highest cost of a message that this route is taken for; None: any."""

    id: int
    gateway_id: GatewayId
    prefix: str = ""
    pattern: Whole | None = None  # of the whole target
    country: str = ""
    kind: Kind | None = None
    user_id: UserId | None = None
    group: str = ""
    sender: Whole | None = None  # of the whole sender
    table: Table | None = None
    priority: int = 1
    weight: int = 1
    ceiling: Micros | None = None


def _differs(route: Route, asked: Asked) -> str:
    """The first condition that does not hold; empty: all do."""
    return next((name for name, holds in _CONDITIONS if not holds(route, asked)), "")


_CONDITIONS: tuple[tuple[str, Callable[[Route, Asked], bool]], ...] = (
    ("prefix", lambda route, asked: asked.target.startswith(route.prefix)),
    ("user", lambda route, asked: route.user_id is None or route.user_id == asked.user_id),
    ("group", lambda route, asked: not route.group or route.group == asked.group),
    ("country", lambda route, asked: not route.country or route.country == asked.country),
    ("kind", lambda route, asked: route.kind is None or route.kind is asked.kind),
    ("pattern", lambda route, asked: route.pattern is None or bool(route.pattern.fullmatch(asked.target))),
    ("sender", lambda route, asked: route.sender is None or bool(route.sender.fullmatch(asked.sender))),
    ("time", lambda route, asked: route.table is None or route.table.holds(asked.now)),
)


class Routes:
    """Every route, by prefix: what can't match a target is never looked at."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._by_prefix: dict[str, list[Route]] = {}
        self._count = 0
        self.have_ceilings = False
        for route in sorted(routes, key=attrgetter("priority", "id")):
            self._by_prefix.setdefault(route.prefix, []).append(route)
            self._count += 1
            self.have_ceilings |= route.ceiling is not None

    def __len__(self) -> int:
        return self._count

    def matching(self, asked: Asked) -> list[list[Route]]:
        """Groups of equals, best first."""
        groups: list[list[Route]] = []
        for length in range(min(len(asked.target), LONGEST_PREFIX), -1, -1):
            priority = None
            for route in self._by_prefix.get(asked.target[:length], ()):
                if _differs(route, asked):
                    continue
                if route.priority != priority:
                    groups.append([])
                    priority = route.priority
                groups[-1].append(route)
        return groups

    def considered(self, asked: Asked) -> Iterator[tuple[Route, str]]:
        """Every route with the condition that keeps it out, or "": for `explain`."""
        for routes in self._by_prefix.values():
            for route in routes:
                yield route, _differs(route, asked)


def shared(equals: Sequence[Route], in_flight: Callable[[GatewayId], int], draw: Callable[[], float]) -> list[Route]:
    """Equal routes in an order drawn by weight: who has n messages in flight counts for weight / (1 + n).

    `draw`: numbers from 0 to 1, evenly spread. Efraimidis and Spirakis, "Weighted random sampling", 2006.
    """
    if len(equals) == 1:
        return list(equals)
    return sorted(equals, key=lambda route: draw() ** ((1 + in_flight(route.gateway_id)) / route.weight), reverse=True)


Ways = Callable[[Asked], Sequence[GatewayId]]  # the gateways that may take it, in order


def gateways(
    groups: Iterable[Sequence[Route]], in_flight: Callable[[GatewayId], int], draw: Callable[[], float]
) -> dict[GatewayId, Route]:
    """The gateways in order, each with the route that found it first."""
    found: dict[GatewayId, Route] = {}
    for equals in groups:
        for route in shared(equals, in_flight, draw):
            found.setdefault(route.gateway_id, route)
    return found
