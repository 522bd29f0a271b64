"""The rows of tb_claims: numbers that users say are theirs, until a code has come back. Inside a transaction."""

from __future__ import annotations

from voipsms.model import Millis, Msisdn, UserId
from voipsms.store.database import Database
from voipsms.values import Value


class Claim(Value, frozen=True):
    """`hash`: of the code, keyed."""

    number: Msisdn
    user_id: UserId
    hash: str
    created: Millis
    expires: Millis


def add(db: Database, claim: Claim, since: Millis, each: int) -> bool:
    """In place of the one that the number had. False where the user has claimed so many others since then."""
    db.write("forget_claims", before=since)
    if db.read("claims_of", user_id=claim.user_id, since=since, number=claim.number)[0][0] >= each:
        return False
    db.write("delete_claim", number=claim.number)
    db.write(
        "insert_claim", number=claim.number, user_id=claim.user_id, hash=claim.hash, created=claim.created,
        expires=claim.expires,
    )  # fmt: skip
    return True


def find(db: Database, number: str) -> tuple[UserId, str, Millis] | None:
    """Whose claim it is, the hash of its code, when that expires."""
    rows = db.read("claim", number=number)
    return (UserId(rows[0][0]), rows[0][1], Millis(rows[0][2])) if rows else None


def attempt(db: Database, number: str, now: Millis, most: int) -> bool:
    """Whether the code may be compared; counts it, if so."""
    return bool(db.write("try_claim", number=number, now=now, most=most))


def end(db: Database, number: str) -> bool:
    return bool(db.write("delete_claim", number=number))
