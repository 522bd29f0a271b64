"""Rows of tb_requests: which request came with an Idempotency-Key, and what it was answered."""

from __future__ import annotations

from collections.abc import Sequence

from voipsms.model import Millis
from voipsms.store.database import Database
from voipsms.store.ids import first_id, now_millis
from voipsms.values import Value

KEEP = Millis(86_400_000)


class Kept(Value, frozen=True):
    """The first request with this key. `status` 0: `holder` is at it."""

    request_key: str
    id: int
    digest: str
    holder: str
    status: int
    answer: str


class Claim(Value, frozen=True):
    id: int
    request_key: str
    digest: str
    holder: str


def claim(db: Database, claims: Sequence[Claim]) -> list[Kept]:
    """What holds of each key now; whose `holder` it is may go to work. Inside a transaction."""
    db.write_batch("claim_requests", [(c.id, c.request_key, c.digest, c.holder) for c in claims])
    kept = {row[0]: Kept(*row) for row in db.read_batch("requests_of", [(c.request_key,) for c in claims])}
    return [kept[c.request_key] for c in claims]


def retake(db: Database, held: Kept, again: Claim) -> bool:
    """From a process that has not answered it; False: another one was faster."""
    taken = db.write(
        "retake_request", id=again.id, request_key=held.request_key, holder=again.holder, held_by=held.holder
    )
    return taken > 0


def answer(db: Database, answers: Sequence[tuple[str, str, int, str]]) -> None:
    """(key, holder, status, answer) of each; status 0: the same key may try again."""
    if kept := [row for row in answers if row[2]]:
        db.write_batch("answer_requests", kept)
    if dropped := [(row[0],) for row in answers if not row[2]]:
        db.write_batch("drop_requests", dropped)


def forget(db: Database) -> int:
    """Drops what nobody repeats any more, a page at a time."""
    return db.write("forget_requests", before=first_id(Millis(now_millis() - KEEP)))
