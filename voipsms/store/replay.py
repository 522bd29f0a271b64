"""What waits in tb_outbox, for people to see, and what was given up, to be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from voipsms.model import DeliveryId, UserId
from voipsms.store.database import Database, Row
from voipsms.store.ids import now_millis
from voipsms.values import Value

EVERYBODY: Final = UserId(0)
WHATEVER: Final = DeliveryId(0)
ANY, GIVEN_UP = -1, 1  # stages


class Lifetime(Value, frozen=True):
    """Milliseconds that a delivery is tried anew: by chat, and by anything else."""

    hold: int
    lasts: int


def waiting(db: Database, stage: int, user: UserId) -> Iterator[Row]:
    """Oldest first; a page is read at a time."""
    after = 0
    while rows := db.read("list_outbox", after=after, stage=stage, user_id=user):
        yield from rows
        after = rows[-1][0]


def replay(db: Database, user: UserId, lifetime: Lifetime, delivery: DeliveryId = WHATEVER) -> int:
    """How many were given up and are due now. What fails again meanwhile is not taken twice. Not in a transaction."""
    now, found = now_millis(), 0
    while rows := db.write(
        "replay_outbox", now=now, id=delivery, user_id=user, hold=lifetime.hold, lasts=lifetime.lasts
    ):
        found += rows
    return found
