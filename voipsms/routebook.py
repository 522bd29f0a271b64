"""Rows of tb_routes ↔ routes: what an operator wrote, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from voipsms import timetable
from voipsms.connectors.words import Pattern, TooSlow
from voipsms.errors import ConfigError
from voipsms.log import get_logger
from voipsms.model import GatewayId, Micros, UserId
from voipsms.routing import LONGEST_PREFIX, Route, Routes
from voipsms.sms.numbers import Kind
from voipsms.store.routes import NewRoute, RouteError

LONGEST_PATTERN: Final = 255  # characters
KNOWN: Final = 20_000  # routes that need not be compiled again whenever an account changes
KINDS: Final = ("mobile", "phone", "short", "name")

log = get_logger("routes")


class Whole:
    """A pattern that a whole number or name has to match; one that takes too long doesn't."""

    def __init__(self, source: str, place: str) -> None:
        """Raises RouteError."""
        if len(source) > LONGEST_PATTERN:
            raise RouteError(f"{place}: a pattern has {LONGEST_PATTERN} characters at the most")
        try:
            Pattern(source, place)  # by itself: `a)(b` must not become whole by what is put around it
            self._pattern = Pattern(rf"\A(?:{source})\Z", place)
        except ConfigError as error:
            raise RouteError(str(error)) from error
        self._place = place

    def fullmatch(self, text: str) -> bool:
        try:
            return self._pattern.search(text) is not None
        except TooSlow:
            log.warning("a pattern takes too long, and so its route is not taken", route=self._place)
            return False


@lru_cache(maxsize=KNOWN)
def compile_route(row: tuple[Any, ...]) -> Route:
    """A row of the statement `routes`. Raises RouteError."""
    (route_id, prefix, pattern, country, kind, user_id, group, sender, table, priority, weight, gateway_id, ceiling) = (
        row
    )
    place = f"route {route_id}" if route_id else "route"
    if len(prefix) > LONGEST_PREFIX or (prefix and not re.fullmatch("[0-9]+", prefix)):
        raise RouteError(f"{place}: a prefix is up to {LONGEST_PREFIX} digits, without +, not {prefix!r}")
    if country and not re.fullmatch("[A-Z]{2}", country):
        raise RouteError(f"{place}: a country is two letters such as HU, not {country!r}")
    try:
        when = timetable.parse(table) if table else None
    except timetable.BadTimetable as error:
        raise RouteError(f"{place}: time: {error}") from error
    return Route(
        id=route_id, gateway_id=GatewayId(gateway_id), prefix=prefix,
        pattern=Whole(pattern, f"{place}: pattern") if pattern else None,
        country=country, kind=Kind(kind) if kind else None, user_id=None if user_id is None else UserId(user_id),
        group=group, sender=Whole(sender, f"{place}: sender") if sender else None, table=when, priority=priority,
        weight=weight, ceiling=None if ceiling is None else Micros(ceiling),
    )  # fmt: skip


def check(route: NewRoute) -> None:
    """Raises RouteError."""
    compile_route(
        (0, route.prefix, route.pattern, route.country, route.kind, None, route.group, route.sender, route.time,
         route.priority, route.weight, 0, route.ceiling)
    )  # fmt: skip


def read_routes(rows: Iterable[tuple[Any, ...]]) -> Routes:
    """A row that can't be read is left out and told: the others go on."""
    routes = []
    for row in rows:
        try:
            routes.append(compile_route(row))
        except (RouteError, ValueError) as error:
            log.error("a route is left out", why=str(error))
    return Routes(routes)
