"""The rows of tb_routes, as commands change them. Inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voipsms.errors import VoipSmsError
from voipsms.model import UserType
from voipsms.store.database import Database, as_rows
from voipsms.store.ids import IdSource

PAGE = 1000  # rows a statement
SMS, CALL = "SMS", "CALL"
TYPES = (SMS, CALL)


class RouteError(VoipSmsError):
    """A route that can't be, with what would be right."""


@dataclass(frozen=True, slots=True)
class NewRoute:
    """As the operator writes it; empty: that condition is not asked. `ceiling`: millionths."""

    gateway: str
    prefix: str = ""
    pattern: str = ""
    country: str = ""
    kind: str = ""
    user: str = ""
    group: str = ""
    sender: str = ""
    time: str = ""
    priority: int = 1
    weight: int = 1
    ceiling: int | None = None
    type: str = SMS


def _id(db: Database, name: str, *, gateway: bool) -> int:
    rows = db.read("user_by_name", username=name)
    if not rows or (rows[0][3] == UserType.SMSGW) != gateway:
        raise RouteError(f"there is no {'gateway' if gateway else 'user'} {name!r}")
    return int(rows[0][0])


def add_route(db: Database, ids: IdSource, route: NewRoute) -> int:
    """The id of the new row. Raises RouteError where its gateway or user isn't there."""
    route_id = ids.next()
    db.write(
        "insert_route", id=route_id, type=route.type, prefix=route.prefix, pattern=route.pattern, country=route.country,
        kind=route.kind, user_id=_id(db, route.user, gateway=False) if route.user else None, user_group=route.group,
        sender=route.sender, timetable=route.time, priority=route.priority, weight=route.weight,
        gateway_id=_id(db, route.gateway, gateway=True), ceiling=route.ceiling,
    )  # fmt: skip
    db.write("bump_revision")
    return route_id


def names(db: Database) -> tuple[dict[str, int], dict[str, int]]:
    """The ids of gateways and of users."""
    rows = [(row[1], row[0], row[2] == UserType.SMSGW) for row in db.read("users")]
    gateways = {name: user_id for name, user_id, is_gateway in rows if is_gateway}
    return gateways, {name: user_id for name, user_id, is_gateway in rows if not is_gateway}


def written_routes(db: Database, type: str = SMS) -> list[NewRoute]:
    """Of gateways and users that there still are."""
    rows = db.read("listed_routes", type=type)
    return [NewRoute(*(row[11], *row[1:5], row[5] or "", *row[6:11], *row[12:])) for row in rows if row[11]]


def insert_routes(
    db: Database, ids: IdSource, routes: Sequence[NewRoute], progress: Callable[[int], None], type: str = SMS
) -> None:
    """`progress` is told how many are written. Their gateways and users are there, and all are of this type."""
    gateways, users = names(db)
    for begin in range(0, len(routes), PAGE):
        page = [
            (ids.next(), r.prefix, r.pattern, r.country, r.kind, users[r.user] if r.user else None, r.group, r.sender,
             r.time, r.priority, r.weight, gateways[r.gateway], r.ceiling)
            for r in routes[begin : begin + PAGE]
        ]  # fmt: skip
        db.write("insert_routes", rows=as_rows(page), type=type)
        progress(begin + len(page))
    db.write("bump_revision")


def delete_routes(db: Database, type: str = SMS) -> None:
    """All of a type."""
    db.write("delete_routes", type=type)
    db.write("bump_revision")


def delete_route(db: Database, route_id: int) -> None:
    """Raises RouteError where there is none."""
    if not db.write("delete_route", id=route_id):
        raise RouteError(f"there is no route {route_id}")
    db.write("bump_revision")
