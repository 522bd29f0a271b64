"""Rows as objects of the API: ids and money as strings, times in ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voipsms.directory import Account, Directory
from voipsms.model import Message
from voipsms.money import decimal
from voipsms.store.database import Row
from voipsms.store.ids import moment
from voipsms.store.story import Event, Story
from voipsms.web.rest.sight import sees, sees_inside

_LISTED = ("id", "created", "direction", "user", "from", "to", "gateway", "text", "coding", "parts", "price", "cost",
           "currency", "state", "reason", "comment", "changed")  # fmt: skip
_CDR = ("id", "msgid", "type", "direction", "user", "from", "to", "gateway", "start", "duration", "parts", "price",
        "cost", "currency", "state", "reason", "comment")  # fmt: skip


def _money(amount: int) -> str:
    return str(decimal(amount))


_AS: dict[str, Callable[[Any], str]] = {
    "id": str, "msgid": str, "created": moment, "changed": moment, "start": moment, "price": _money, "cost": _money,
}  # fmt: skip


def listed(row: Row, viewer: Account) -> dict[str, Any]:
    return _object(_LISTED, row, viewer)


def cdr(row: Row, viewer: Account) -> dict[str, Any]:
    return _object(_CDR, row, viewer)


def _object(names: tuple[str, ...], row: Row, viewer: Account) -> dict[str, Any]:
    found = {name: _AS[name](value) if name in _AS else value for name, value in zip(names, row, strict=True)}
    return found if sees_inside(viewer) else found | {"cost": None}


def whole(told: Story, viewer: Account, directory: Directory) -> dict[str, Any]:
    m = told.message
    row = (m.id, m.created, told.direction, told.user, m.sender, m.target, told.gateway, m.text, m.coding, m.parts,
           m.price, m.cost, m.currency, told.state, told.reason, told.comment, told.changed)  # fmt: skip
    return {
        **listed(row, viewer), "class": m.message_class, "octets": m.octets.hex() or None, "udh": m.udh.hex() or None,
        "send_at": moment(m.due) if m.due else None, "valid_for": m.valid or None, "door": m.door,
        "waits": told.waits or None, "cdr": cdr(told.cdr, viewer) if told.cdr else None,
        "events": events(told, viewer, directory),
    }  # fmt: skip


def events(told: Story, viewer: Account, directory: Directory) -> list[dict[str, str]]:
    """Those that are the viewer's to know: nobody learns what the resellers above pay."""
    shown = (event for event in told.events if event.of is None or sees(viewer, event.of, directory))
    return [event_of(event) for event in shown]


def event_of(event: Event) -> dict[str, str]:
    return {"at": moment(event.at), "kind": event.kind, "detail": event.detail}


def quote(m: Message, gateway: str, viewer: Account) -> dict[str, Any]:
    return {
        "to": m.target, "from": m.sender, "coding": m.coding, "parts": m.parts, "price": str(decimal(m.price)),
        "cost": str(decimal(m.cost)) if sees_inside(viewer) else None, "currency": m.currency, "gateway": gateway,
    }  # fmt: skip
