"""Salts of authmd5: ingress keys, as those of requests that must not be done twice, but never forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from voipsms.store.database import Database
from voipsms.store.entries import Repeat

_MARK = b"salt"  # tells them from other keys, in SQL too
SPENT = Repeat(None, "accepted", "")


def key_of(name: str, salt: str) -> bytes:
    """The ingress key of whatever this user proves by this salt."""
    words = f"{name}\0{salt}".encode()
    return _MARK + hashlib.blake2b(words, digest_size=16 - len(_MARK), person=b"authsalt").digest()


def spent(db: Database, keys: Iterable[bytes]) -> dict[str, Repeat]:
    """Those of these keys that are salts which tb_ingress knew once."""
    salts = [(key.hex(),) for key in keys if key.startswith(_MARK)]
    return {row[0]: SPENT for row in db.read_batch("find_salts", salts)} if salts else {}


def forget_answers(db: Database, before: int) -> int:
    """A page of those with row ids below this; of salts stays that they were used."""
    db.write("keep_salts", before=before)
    return db.write("forget_ingress", before=before)
