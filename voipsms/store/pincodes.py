"""The rows of tb_pincodes: a user's pincode, of which only a keyed hash is kept. Inside a transaction."""

from __future__ import annotations

import hmac

from voipsms.model import UserId
from voipsms.store.accounts import AccountError, shared_secret
from voipsms.store.accounts import user_id as id_of
from voipsms.store.database import Database


def hashed(secret: bytes, pincode: str) -> str:
    """`secret`: of all processes alike."""
    return hmac.digest(secret, f"pincode {pincode}".encode("utf-8", "replace"), "sha256").hex()


def set_pincode(db: Database, name: str, pincode: str) -> None:
    """'' takes it away. Raises AccountError: there is no such user, or another one has this pincode."""
    user = id_of(db, name)
    digest = hashed(shared_secret(db), pincode)
    if pincode and find(db, digest) not in (None, user):
        raise AccountError("another user has this pincode")
    db.write("delete_pincode", user_id=user)
    if pincode:
        db.write("insert_pincode", user_id=user, hash=digest)


def find(db: Database, digest: str) -> UserId | None:
    rows = db.read("pincode_owner", hash=digest)
    return UserId(rows[0][0]) if rows else None
