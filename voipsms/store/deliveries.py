"""What a commit does to tb_outbox, and to the messages from phones whose deliveries are over."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from voipsms.model import Delivery, MessageId, Millis, State, Subject
from voipsms.store.database import Database
from voipsms.store.entries import Conclude, Defer, Divert
from voipsms.store.outbox import ERROR, row_of

COMMENT = 255  # characters kept of what the other end said

Rows = MutableMapping[str, list[tuple[object, ...]]]


class Deliveries:
    """Adds to the rows of a commit; `settle` after what was said of deliveries is written."""

    def __init__(self, db: Database, now: Millis, node: int, rows: Rows) -> None:
        self._db = db
        self._now = now
        self._node = node
        self._rows = rows
        self._lost: dict[MessageId, tuple[State, str]] = {}  # with deliveries that were given up

    def post(self, deliveries: Iterable[Delivery]) -> None:
        self._rows["insert_outbox"].extend(row_of(delivery, self._node) for delivery in deliveries)

    def defer(self, entry: Defer) -> None:
        self._rows["defer_outbox"].append(
            (entry.delivery_id, self._node, entry.attempt, entry.due, entry.why[:ERROR])
        )  # fmt: skip

    def divert(self, entry: Divert) -> None:
        d = entry.delivery
        self._rows["divert_outbox"].append((d.id, d.channel, d.expires, entry.why[:ERROR]))
        self._note(d, f"goes by {d.channel} now: {entry.why}")

    def conclude(self, entry: Conclude) -> None:
        d = entry.delivery
        settles = d.subject is Subject.TEXT and bool(d.message_id)
        self._note(d, f"{'delivered' if entry.carried else 'given up'}: {entry.why}".removesuffix(": "))
        if entry.carried:
            self._rows["delete_outbox"].append((d.id,))
            if settles:
                self._close(d.message_id, State.DELIVERED, entry.why)
            return
        self._rows["give_up_outbox"].append((d.id, d.attempt, self._now, entry.why[:ERROR]))
        if settles:
            self._lost[d.message_id] = (State.EXPIRED if entry.late else State.UNDELIVERABLE, entry.why)

    def _note(self, d: Delivery, said: str) -> None:
        """For the message's story: nothing else tells of a delivery that is over."""
        if d.message_id:
            whole = f"{d.subject} by {d.channel} {said}"
            self._rows["insert_events"].append((d.message_id, "delivery", whole[:COMMENT], self._now))

    def settle(self) -> None:
        """Messages that nobody has got, and nobody can get any more."""
        if not self._lost:
            return
        for message_id, still_open in self._db.read_batch("lost_texts", [(one,) for one in self._lost]):
            if not still_open:
                self._close(message_id, *self._lost[message_id])
        self._lost.clear()

    def _close(self, message_id: MessageId, state: State, comment: str) -> None:
        reason = "" if state is State.DELIVERED else state.lower()
        comment = comment[:COMMENT]
        self._rows["update_messages"].append((message_id, state, reason, comment, self._now))
        self._rows["update_cdrs"].append((message_id, state, reason, comment, 1))
