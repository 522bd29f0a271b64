"""The rows of tb_codes: sign-up codes, of which only a keyed hash is kept. Inside a transaction."""

from __future__ import annotations

from voipsms.model import Millis
from voipsms.store.database import Database
from voipsms.values import Value

ADDRESS = 64  # characters kept


class Code(Value, frozen=True):
    id: str
    number: str
    address: str  # of whoever asked for it
    hash: str
    created: Millis
    expires: Millis


class Kept(Value, frozen=True):
    id: str
    hash: str
    number: str


def add(db: Database, code: Code, since: Millis, each_number: int, each_address: int) -> bool:
    """False where the number or the address has had so many since then. Older codes of the number are void now."""
    address = code.address[:ADDRESS]
    db.write("lock_codes")
    by_number, by_address = db.read("codes_since", number=code.number, address=address, since=since)[0]
    if by_number >= each_number or (address and by_address >= each_address):
        return False
    db.write("void_codes", number=code.number, now=code.created)
    db.write(
        "insert_code", id=code.id, number=code.number, address=address, hash=code.hash, created=code.created,
        expires=code.expires,
    )  # fmt: skip
    return True


def newest(db: Database, number: str) -> str:
    """Its id; '' where there is none."""
    rows = db.read("newest_code", number=number)
    return str(rows[0][0]) if rows else ""


def attempt(db: Database, code_id: str, now: Millis, most: int) -> Kept | None:
    """What a try is to be compared with; None: the code can't be tried any more."""
    if not db.write("try_code", id=code_id, now=now, most=most):
        return None
    digest, number = db.read("code_hash", id=code_id)[0]
    return Kept(code_id, digest, number)


def use(db: Database, code_id: str, now: Millis) -> bool:
    """Whether it was not used before."""
    return bool(db.write("use_code", id=code_id, now=now))


def forget(db: Database, before: Millis) -> int:
    """With the texts that said them."""
    if texts := db.read("texts_of_codes", before=before):
        db.write_batch("blank_texts", texts)
    return db.write("forget_codes", before=before)
