"""The rows of tb_routes, as commands change them. Inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass

from voipsms.errors import VoipSmsError
from voipsms.model import UserType
from voipsms.store.database import Database
from voipsms.store.ids import IdSource


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


def _id(db: Database, name: str, *, gateway: bool) -> int:
    rows = db.read("user_by_name", username=name)
    if not rows or (rows[0][3] == UserType.SMSGW) != gateway:
        raise RouteError(f"there is no {'gateway' if gateway else 'user'} {name!r}")
    return int(rows[0][0])


def add_route(db: Database, ids: IdSource, route: NewRoute) -> int:
    """The id of the new row. Raises RouteError where its gateway or user isn't there."""
    route_id = ids.next()
    db.write(
        "insert_route", id=route_id, prefix=route.prefix, pattern=route.pattern, country=route.country,
        kind=route.kind, user_id=_id(db, route.user, gateway=False) if route.user else None, user_group=route.group,
        sender=route.sender, timetable=route.time, priority=route.priority, weight=route.weight,
        gateway_id=_id(db, route.gateway, gateway=True), ceiling=route.ceiling,
    )  # fmt: skip
    db.write("bump_revision")
    return route_id


def delete_route(db: Database, route_id: int) -> None:
    """Raises RouteError where there is none."""
    if not db.write("delete_route", id=route_id):
        raise RouteError(f"there is no route {route_id}")
    db.write("bump_revision")
