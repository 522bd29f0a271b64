"""What accounts prove themselves by to the API: password, secret of authmd5, bearer key."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any

from voipsms.model import UserId, UserType
from voipsms.store.accounts import AccountError
from voipsms.store.database import Database
from voipsms.values import Value

_SECRET = 20  # octets
_BEARER = 32


class Keys(Value, frozen=True):
    """`password`: argon2's hash; `secret`: as it is; `bearer`: as `hashed` gives it. Empty: there is none."""

    password: str = ""
    secret: str = ""
    bearer: str = ""


NO_KEYS = Keys()


def hashed(bearer: str) -> str:
    """A key of 256 random bits needs no slow hash: nobody tries them all."""
    return hashlib.sha256(bearer.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(rows: Iterable[tuple[Any, ...]]) -> dict[UserId, Keys]:
    """Rows as the statement `api_keys` gives them."""
    return {UserId(user): Keys(password, secret or "", bearer or "") for user, password, secret, bearer in rows}


def new_keys(db: Database, name: str) -> tuple[str, str]:
    """A new secret and a new bearer key; those before hold no more. Inside a transaction. Raises AccountError."""
    return _put(db, _user(db, name), secrets.token_hex(_SECRET), secrets.token_urlsafe(_BEARER))


def new_secret(db: Database, name: str) -> str:
    """As `new_keys`; the bearer key stays."""
    user, secret = _user(db, name), secrets.token_hex(_SECRET)
    if db.write("update_secret", user_id=user, secret=secret):
        db.write("bump_revision")
        return secret
    return _put(db, user, secret, secrets.token_urlsafe(_BEARER))[0]


def new_bearer(db: Database, name: str) -> str:
    """As `new_keys`; the secret stays."""
    user, bearer = _user(db, name), secrets.token_urlsafe(_BEARER)
    if db.write("update_bearer", user_id=user, bearer=hashed(bearer)):
        db.write("bump_revision")
        return bearer
    return _put(db, user, secrets.token_hex(_SECRET), bearer)[1]


def _user(db: Database, name: str) -> UserId:
    rows = db.read("user_by_name", username=name)
    if not rows or rows[0][3] == UserType.SMSGW:
        raise AccountError(f"there is no user {name!r}")
    return UserId(rows[0][0])


def _put(db: Database, user: UserId, secret: str, bearer: str) -> tuple[str, str]:
    db.write("delete_api_keys", user_id=user)
    db.write("insert_api_keys", user_id=user, secret=secret, bearer=hashed(bearer))
    db.write("bump_revision")
    return secret, bearer
