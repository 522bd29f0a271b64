"""The rows of tb_commands: which commands were begun, so that none is carried out twice. Inside a transaction."""

from __future__ import annotations

from enum import Enum, auto

from voipsms.model import DeliveryId, Millis
from voipsms.store.database import Database

KEEP = 30 * 86_400_000  # milliseconds


class Begun(Enum):
    NOW = auto()  # by this call
    BEFORE = auto()  # by the same delivery, which never came to its end
    DONE = auto()  # by the same delivery, to its end
    ELSEWHERE = auto()  # by another delivery: the request has come twice


def begin(db: Database, key: str, delivery: DeliveryId, now: Millis) -> Begun:
    """`key`: what makes it the same command, up to 40 characters."""
    if db.write_batch("begin_command", [(key, delivery, now)]):
        return Begun.NOW
    by, outcome = db.read("command", id=key)[0]
    if by != delivery:
        return Begun.ELSEWHERE
    return Begun.DONE if outcome else Begun.BEFORE


def finish(db: Database, key: str, outcome: str) -> bool:
    return bool(db.write("finish_command", id=key, outcome=outcome[:32]))


def forget(db: Database, before: Millis) -> int:
    return db.write("forget_commands", before=before)
