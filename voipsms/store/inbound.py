"""Texts from phones in one commit: kept, joined, known as repeats; and settled, which is when money moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from voipsms.errors import NoCredit
from voipsms.model import Belongs, GatewayId, Incoming, MessageId, Millis, Msisdn, State, UserId
from voipsms.sms.joining import join
from voipsms.store.database import Database, Row
from voipsms.store.deliveries import Deliveries
from voipsms.store.entries import Arrival, Entry, Receive, Received, Settle
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.joining import Joining, Whole, time_out
from voipsms.store.ledger import Ledger, Rows
from voipsms.values import from_json, replace, to_json

MOST_TEXT: Final = 65_535  # octets in UTF-8: a column's
MOST_OCTETS: Final = 32_767  # in hexadecimal a column's
NUMBER: Final = 32
SOURCE: Final = 64
PROVIDER_ID: Final = 80
_TAKEN = frozenset({State.QUEUED, State.DELIVERED, State.ACCEPTED})  # what is billed


@dataclass(slots=True)
class Arrivals:
    """`look` before `receive` and `settle`; `write` after them."""

    db: Database
    ids: IdSource
    now: Millis
    node: int
    rows: Rows
    ledger: Ledger
    deliveries: Deliveries
    joining: Joining = field(init=False)
    ours: set[int] = field(default_factory=set)  # texts that may be settled here

    def __post_init__(self) -> None:
        self.joining = Joining(self.db, self.now)

    def look(self, entries: Iterable[Entry]) -> None:
        parts, wanted = [], []
        for entry in entries:
            if isinstance(entry, Receive) and (entry.inbound.total > 1 or entry.recall):
                parts.append(entry.inbound)
            elif isinstance(entry, Settle):
                wanted.append((entry.message.id, self.node))
        if parts:
            self.joining.look(parts)
        if wanted:
            self.ours = {row[0] for row in self.db.read_batch("find_inbound", sorted(wanted))}

    def receive(self, entry: Receive) -> Received:
        if entry.inbound.total == 1 and not entry.recall:
            return Received(True, (self._arrive(Whole(entry.inbound, entry.door)),))
        again = entry.again or bool(entry.key)  # a provider's id says all: this one is new
        wholes = self.joining.take(entry.inbound, entry.door, entry.wait, again=again)
        return Received(wholes is not None, tuple(map(self._arrive, wholes or ())))

    def _arrive(self, whole: Whole) -> Arrival:
        arrival = arrival_of(whole, self.ids.next(), self.now)
        self.rows["insert_inbound"].append(_row(arrival, self.node))
        return arrival

    def settle(self, entry: Settle) -> bool | NoCredit:
        m = entry.message
        if m.id not in self.ours:
            return False
        self.ours.discard(m.id)  # once, whatever else this batch says of it
        if entry.hold or (m.price and self.ledger.refusal(m)):
            self._hold(entry)
            return NoCredit()
        self._insert(entry, took=entry.state in _TAKEN)
        self.deliveries.post(entry.deliveries)
        self.rows["delete_inbound"].append((m.id,))
        return True

    def _insert(self, entry: Settle, *, took: bool) -> None:
        m = entry.message
        self.rows["insert_messages"].append(
            (m.id, m.created, "MO", m.door, m.user_id, m.gateway_id, m.sender, m.target, m.text, m.coding, m.parts,
             m.duration, m.price, m.cost, m.currency, m.client_ip, m.message_class, entry.state, self.now)
        )  # fmt: skip
        if entry.reason or entry.comment:
            self.rows["update_messages"].append((m.id, entry.state, entry.reason, entry.comment, self.now))
        if m.octets or m.udh:
            self.rows["insert_options"].append((m.id, m.octets.hex(), m.udh.hex(), 0, 0))
        self.rows["insert_cdrs"].append((m.id, int(took), entry.state, entry.reason, entry.comment))
        if took:
            self.ledger.charge(m)

    def _hold(self, entry: Settle) -> None:
        incoming, belongs = entry.arrival.incoming, entry.arrival.belongs
        row = (incoming.id, entry.message.user_id, incoming.source, incoming.target, incoming.text, _written(belongs))
        self.rows["hold_inbound"].append(row)

    def write(self) -> None:
        for name, row in self.joining.rows():
            self.rows[name].append(row)


def arrival_of(whole: Whole, made: int, now: Millis) -> Arrival:
    """What is longer than any SMS is cut, and not complete."""
    told = whole.inbound
    incoming = Incoming(
        MessageId(made), now, told.gateway_id, Msisdn(told.source), Msisdn(told.target), join((told.text,)),
        told.octets, told.udh, told.total, whole.complete, told.sent, told.provider_id[:PROVIDER_ID],
    )  # fmt: skip
    return Arrival(bounded(incoming), whole.door)


def bounded(i: Incoming) -> Incoming:
    """As its columns can hold it; a text that had to be cut is not complete."""
    text, octets = _fitting(i.text), i.octets[:MOST_OCTETS]
    if (text, octets) == (i.text, i.octets) and len(i.source) <= SOURCE and len(i.target) <= NUMBER:
        return i
    complete = i.complete and (text, octets) == (i.text, i.octets)
    source, target = Msisdn(i.source[:SOURCE]), Msisdn(i.target[:NUMBER])
    return replace(i, source=source, target=target, text=text, octets=octets, complete=complete)


def _fitting(text: str) -> str:
    if len(text) * 4 <= MOST_TEXT:
        return text
    return text.encode()[:MOST_TEXT].decode("utf-8", "ignore")


def _row(arrival: Arrival, node: int) -> Row:
    i = arrival.incoming
    return (
        i.id, node, arrival.door, i.created, i.gateway_id, i.source, i.target, i.text, i.octets.hex(), i.udh.hex(),
        i.parts, int(i.complete), i.sent, i.provider_id,
    )  # fmt: skip


def _read(row: Sequence[Any]) -> Arrival:
    (message_id, door, created, gateway_id, source, target, text, octets, udh, parts, complete, sent, provider_id,
     belongs) = row  # fmt: skip
    incoming = Incoming(
        MessageId(message_id), Millis(created), GatewayId(gateway_id), Msisdn(source), Msisdn(target), text,
        bytes.fromhex(octets), bytes.fromhex(udh), parts, bool(complete), Millis(sent), provider_id,
    )  # fmt: skip
    return Arrival(incoming, door, _belongs(belongs) if belongs else None)


def _written(belongs: Belongs | None) -> str:
    return "" if belongs is None else to_json(_told(belongs))


def _told(b: Belongs) -> Sequence[Any]:
    return (b.user_id, b.number, b.keyword, b.callback, b.rivals, b.recipient)


def _belongs(written: str) -> Belongs:
    user_id, number, keyword, callback, rivals, recipient = from_json(written)
    return Belongs(user_id, number, keyword, callback, tuple(rivals), recipient)


# -- beside the commits, each in a transaction of its own


def join_overdue(db: Database, ids: IdSource, node: int, wait: Millis) -> list[Arrival]:
    """Texts whose parts have not all come in time are whole as they are, a page of them; old ones are forgotten."""
    now = now_millis()
    arrivals = [arrival_of(whole, ids.next(), now) for whole in time_out(db, now, wait)]
    if arrivals:
        db.write_batch("insert_inbound", [_row(arrival, node) for arrival in arrivals])
    db.write("forget_joining", now=now)
    return arrivals


def claim(db: Database, node: int, before: int) -> list[Arrival]:
    """Takes up to 500 texts that no living process has, and finds those of this node with ids below `before`."""
    dead = db.read("dead_nodes", now=now_millis(), node=node)
    found = db.read_batch("unowned_inbound", [(0,), *dead])
    if found:
        db.write_batch("claim_inbound", [(message_id, owner, node) for message_id, owner in found])
    found += db.read("strays_inbound", node=node, before=before)
    ids = sorted({row[0] for row in found})
    return [_read(row) for row in db.read_batch("load_inbound", [(i,) for i in ids], node=node)] if ids else []


def held_users(db: Database) -> list[UserId]:
    return [UserId(row[0]) for row in db.read("held_users")]


def held(db: Database, user_id: UserId) -> list[Arrival]:
    """What waits until this user can pay, oldest first: a page of it."""
    return [_read(row) for row in db.read("load_held", user_id=user_id)]


def held_before(db: Database, before: int) -> list[Arrival]:
    """What is held and has ids below that, oldest first: a page of it."""
    return [_read(row) for row in db.read("held_before", before=before)]
