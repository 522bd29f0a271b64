"""Rows of tb_outbox: what users are to be given, until they have it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from voipsms.model import Channel, Delivery, DeliveryId, MessageId, Millis, Subject, UserId
from voipsms.store.database import Database, Row
from voipsms.store.ids import first_id, now_millis
from voipsms.values import from_json, to_json

ERROR = 255  # characters kept of what the other end said
SOURCE = 64
ADDRESS = 255
KEEP = 30 * 86_400_000  # milliseconds that a delivery given up can be replayed, and that a phone hears of its message
PAGE = 500  # rows a transaction

Line = tuple[UserId, Channel, str]
"""User, channel and source: what is kept in order."""


def row_of(delivery: Delivery, node: int) -> Row:
    """For the statement insert_outbox. `node`: the process that will hand it to its outbox; 0: any takes it."""
    d = delivery
    return (
        d.id, d.message_id, d.user_id, d.channel, d.subject, d.source[:SOURCE], d.target[:SOURCE], d.text, d.created,
        d.expires, d.attempt, d.otherwise or "", d.address[:ADDRESS], to_json(d.fields), node, 0, d.created, "",
    )  # fmt: skip


def delivery_of(row: Sequence[Any]) -> Delivery:
    """Of the first fourteen columns."""
    (delivery_id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt, otherwise,
     address, fields) = row  # fmt: skip
    return Delivery(
        id=DeliveryId(delivery_id), message_id=MessageId(message_id), user_id=UserId(user_id), channel=Channel(channel),
        subject=Subject(subject), source=source, target=target, text=text, created=Millis(created),
        expires=Millis(expires), attempt=attempt, otherwise=Channel(otherwise) if otherwise else None, address=address,
        fields=tuple((name, value) for name, value in from_json(fields)),
    )  # fmt: skip


def claim(db: Database, node: int, room: int) -> list[Delivery]:
    """Takes what is due and in no process's memory, in order; inside a transaction."""
    return _taken(db, node, db.read("outbox_due", now=now_millis(), room=min(room, PAGE)))


def claim_of(db: Database, node: int, user_id: UserId, channel: Channel) -> list[Delivery]:
    """Takes what this user is to be given by this channel, due or not; inside a transaction."""
    return _taken(db, node, db.read("outbox_of", user_id=user_id, channel=channel, room=PAGE))


def _taken(db: Database, node: int, rows: Sequence[Row]) -> list[Delivery]:
    if rows:
        db.write_batch("claim_outbox", [(row[0], node) for row in rows])
    return sorted(map(delivery_of, rows), key=lambda delivery: delivery.id)


def disown(db: Database, node: int) -> int:
    """What dead processes had becomes anybody's; inside a transaction."""
    dead = db.read("dead_nodes", now=now_millis(), node=node)
    return db.write_batch("disown_outbox", dead) if dead else 0


def free(db: Database, node: int, known: Collection[int], before: Millis) -> int:
    """What is this node's, older than that and not known to it becomes anybody's; inside a transaction."""
    strays = [row for row in db.read("outbox_owned", node=node, before=before) if row[0] not in known]
    return db.write("free_outbox", node=node, rows=to_json(strays)) if strays else 0


def held(db: Database) -> dict[Line, Millis]:
    """Lines that no process has in memory, and until when."""
    rows = db.read("outbox_lines")
    return {(UserId(user_id), Channel(channel), source): Millis(due) for user_id, channel, source, due in rows}


def forget(db: Database) -> int:
    """Drops what was given up too long ago, a page at a time; inside a transaction."""
    before = Millis(now_millis() - KEEP)
    return db.write("forget_outbox", before=before) + db.write("forget_imdn", before=first_id(before))
