"""How users are reached, as commands change it. Inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from voipsms.model import NOWHERE, Reach, UserId, UserType
from voipsms.store.accounts import AccountError
from voipsms.store.database import Database
from voipsms.values import field_names, replace


def read_reach(rows: Iterable[tuple[Any, ...]]) -> Mapping[UserId, Reach]:
    """Rows as the statements `reach` and `reach_of` give them."""
    found = {UserId(user): Reach(*fields) for user, *fields in rows}
    return {user: replace(reach, receipts=bool(reach.receipts)) for user, reach in found.items()}


def reach_of(db: Database, name: str) -> Reach:
    """Raises AccountError."""
    return _reach(db, _user(db, name))


def change_reach(db: Database, name: str, changes: Mapping[str, object]) -> Reach:
    """Fields of Reach by name, checked already; returns what is so. Raises AccountError."""
    user = _user(db, name)
    wanted = replace(_reach(db, user), **changes)
    db.write("delete_reach", user_id=user)
    if wanted != NOWHERE:
        fields = {field: getattr(wanted, field) for field in field_names(Reach)}
        db.write("insert_reach", user_id=user, **fields | {"receipts": int(wanted.receipts)})
    db.write("bump_revision")
    return wanted


def _user(db: Database, name: str) -> UserId:
    rows = db.read("user_by_name", username=name)
    if not rows or rows[0][3] == UserType.SMSGW:
        raise AccountError(f"there is no user {name!r}")
    return UserId(rows[0][0])


def _reach(db: Database, user: UserId) -> Reach:
    return read_reach(db.read("reach_of", user_id=user)).get(user, NOWHERE)
