"""What nobody works on: messages of dead processes, receipts without a message, messages without a receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.model import Coding, GatewayId, Message, MessageId, Millis, Msisdn, Receipt, State, Submitted, UserId
from voipsms.store import requests, salts
from voipsms.store.database import Database
from voipsms.store.entries import Stage
from voipsms.store.ids import first_id, now_millis
from voipsms.store.orphans import KEEP as KEEP_ORPHANS
from voipsms.store.outbox import row_of
from voipsms.store.told import Final, Finals

KEEP_CONFLICTS = Millis(30 * 86_400_000)  # a phone is told again after so long, however long the window is
KEEP_ANSWERS = Millis(86_400_000)  # a request is not repeated after so long


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message to work on, as tb_queue and tb_messages have it."""

    message: Message
    stage: Stage
    attempt: int
    due: Millis
    provider_id: str = ""  # of a message that is UNVERIFIED


def claim(db: Database, node: int, after: int) -> list[Claimed]:
    """Takes up to 500 messages that no living process owns, in order of acceptance, ids above `after` only."""
    dead = db.read("dead_nodes", now=now_millis(), node=node)
    found = db.read_batch("unowned", [(0,), *dead], after=after)
    if not found:
        return []
    db.write_batch("claim_queue", [(message_id, owner, node) for message_id, owner in found])
    rows = db.read_batch("load_queue", [(message_id,) for message_id, _ in found], node=node)
    return [_claimed(row) for row in rows]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    stage, attempt, due, provider_id, *of_message = row
    return Claimed(_message(tuple(of_message)), Stage(stage), attempt, Millis(due), provider_id or "")


def _message(row: tuple[Any, ...]) -> Message:
    (message_id, created, door, user_id, gateway_id, sender, target, text, coding, parts, duration, price, cost,
     currency, client_ip, message_class, octets, udh, due, valid) = row  # fmt: skip
    return Message(
        id=MessageId(message_id), created=Millis(created), door=door, user_id=UserId(user_id),
        gateway_id=GatewayId(gateway_id), sender=sender, target=Msisdn(target), text=text, coding=Coding(coding),
        parts=parts, duration=duration, price=price, cost=cost, currency=currency, client_ip=client_ip,
        message_class=message_class, octets=bytes.fromhex(octets or ""), udh=bytes.fromhex(udh or ""),
        due=Millis(due or 0), valid=valid or 0,
    )  # fmt: skip


def resume(claimed: Claimed, queues: Mapping[GatewayId, GatewayQueue]) -> bool:
    """Hands a claimed message to its gateway; False where there is no such gateway any more.

    All parts of a message that was cut off in the middle are sent again: they need a common reference.
    """
    queue = queues.get(claimed.message.gateway_id)
    if queue is None:
        return False
    outgoing = Outgoing(claimed.message, max(1, claimed.attempt))
    if claimed.stage is Stage.UNVERIFIED:
        queue.verify(outgoing, Submitted(claimed.provider_id, State.ACCEPTED, unverified=True))
    elif claimed.stage is Stage.STARTED:
        queue.in_doubt(outgoing)
    elif claimed.due > now_millis():
        queue.resume_later(outgoing, claimed.due)
    else:
        queue.add(outgoing)
    return True


def unsettled(db: Database, before: Millis, after: tuple[int, int]) -> list[tuple[Message, int, str]]:
    """Parts whose receipt had to be here before then, with their providers' ids: a page above `after`, which is a
    message id and a part's number."""
    rows = db.read("unsettled", before=before, after=after[0], part=after[1])
    return [(_message(row[2:]), row[0], row[1]) for row in rows]


def overdue(db: Database, before: Millis, finals: Finals | None = None) -> int:
    """Messages that no receipt has settled in time become UNKNOWN, and stay charged: a provider took them."""
    found = [row[0] for row in db.read("overdue", now=before)]
    if found:
        unknown = "No receipt has come"
        now = now_millis()
        db.write_batch("keep_states", [(i,) for i in found])
        db.write_batch("update_messages", [(i, State.UNKNOWN, "no_receipt", unknown, now) for i in found])
        db.write_batch("update_cdrs", [(i, State.UNKNOWN, "no_receipt", unknown, 1) for i in found])
        db.write_batch("delete_queue", [(i,) for i in found])
        _tell(db, found, finals, now)
    return len(found)


def _tell(db: Database, ids: Iterable[int], finals: Finals | None, now: Millis) -> None:
    """Receipts for those who asked; whichever process is free delivers them."""
    if finals is None:
        return
    for message_id in ids:
        finals.add(message_id, Final(None, State.ENROUTE, State.UNKNOWN, "no_receipt"))
    if told := finals.deliveries(db, now):
        db.write_batch("insert_outbox", [row_of(delivery, 0) for delivery in told])


def orphans(db: Database, after: int) -> list[tuple[int, Receipt]]:
    """Receipts that had no message when they came, with their row ids, a page at a time."""
    return [
        (row[0], Receipt(GatewayId(row[1]), row[2], State(row[3]), *row[4:])) for row in db.read("orphans", after=after)
    ]


def forget(db: Database) -> int:
    """Drops what is too old to be of use, a page at a time: so many rows went."""
    orphans = db.write("forget_orphans", before=first_id(Millis(now_millis() - KEEP_ORPHANS)))
    orphans += db.write("forget_conflicts", before=now_millis() - KEEP_CONFLICTS)
    answers = salts.forget_answers(db, first_id(Millis(now_millis() - KEEP_ANSWERS)))
    return orphans + answers + requests.forget(db)
