"""One commit: many entries become one statement a table.

The order is: read what must be known, decide, write; then the receipts, which may name parts written a moment ago.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from voipsms.errors import NoCredit, Refused
from voipsms.model import (
    FAILED,
    Delivery,
    Message,
    MessageId,
    Micros,
    Millis,
    Receipt,
    State,
    Submitted,
    UserId,
)
from voipsms.sms.receipt import canonical_id, id_forms
from voipsms.store import notes, salts
from voipsms.store.database import Database
from voipsms.store.deliveries import Deliveries
from voipsms.store.entries import (
    Accept,
    Amend,
    Conclude,
    Confirm,
    Defer,
    Divert,
    Doubt,
    Entry,
    Fail,
    Hear,
    Outcome,
    Post,
    Postpone,
    Receive,
    Received,
    Remember,
    Repeat,
    Reroute,
    Settle,
    Stage,
    Start,
    Take,
    Written,
)
from voipsms.store.ids import IdSource, first_id
from voipsms.store.inbound import Arrivals
from voipsms.store.ledger import Ledger
from voipsms.store.matching import NOT_YET, PROVIDER_ID, Sent, kept_id, match, may_change, worst_of
from voipsms.store.orphans import KEEP, Orphans
from voipsms.store.told import Final, Finals

COMMENT = 255  # characters kept of a provider's words
NUMBER = 32
REASON = 32

_PAID = (Accept, Settle)
_NOBODYS = frozenset({Stage.TAKEN, Stage.DOUBT})  # wait for receipts, whichever process gets them
# What an answer to a submit says of its gateway: whether it delivers. Time that ran out here says nothing of it.
_TELLING = {State.ACCEPTED: True, State.DELIVERED: True, State.REJECTED: False, State.UNDELIVERABLE: False}


class Commit:
    """Writes the entries of one transaction; the caller begins and commits it."""

    def __init__(
        self,
        db: Database,
        ids: IdSource,
        now: Millis,
        node: int,
        refund: bool,
        orphans: Orphans,
        finals: Finals | None = None,
    ) -> None:
        self._db = db
        self._ids = ids
        self._now = now
        self._node = node
        self._refund = refund
        self._orphans = orphans
        self._known: dict[str, Repeat] = {}  # the first answers to requests, by key
        self._moves: dict[int, tuple[object, ...]] = {}  # what is said last of a message counts, and of a part
        self._parts: dict[tuple[int, int, int], State] = {}
        self._rows: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
        self._ledger = Ledger(db, ids, now, self._rows)
        self._deliveries = Deliveries(db, now, node, self._rows)
        self._arrivals = Arrivals(db, ids, now, node, self._rows, self._ledger, self._deliveries)
        self._finals = finals
        self._touched: dict[int, None] = {}  # messages of several parts that may be settled now
        self._finished: set[int] = set()
        self._outcomes: list[Outcome] = []
        self._heard: list[tuple[int, Hear]] = []  # with its place among the entries; -1: an orphan whose part came now

    def write(self, entries: list[Entry]) -> Written:
        results: list[object] = [None] * len(entries)
        self._known = self._answered(entries)
        self._ledger.lock(
            [entry.message for entry in entries if isinstance(entry, _PAID)],
            [(entry.message.id, entry.message.user_id) for entry in entries if isinstance(entry, Fail)],
        )
        self._arrivals.look(entries)
        for n, entry in enumerate(entries):
            if isinstance(entry, Hear):
                self._heard.append((n, entry))
            else:
                results[n] = _POST[type(entry)](self, entry)
        self._arrivals.write()
        self._flush()
        self._hear(results)
        self._deliveries.settle()
        told = self._tell()
        self._flush()
        return Written(results, self._ledger.balances(), self._outcomes, told)

    # -- new messages

    def _answered(self, entries: list[Entry]) -> dict[str, Repeat]:
        """The first answers to those requests that have been answered before, by key."""
        keys = [key for entry in entries if (key := _request_key(entry))]
        if not keys:
            return {}
        found = self._db.read_batch("find_ingress", [(key.hex(),) for key in keys])
        return salts.spent(self._db, keys) | {row[0]: Repeat(*row[1:]) for row in found}

    def _admit(self, accept: Accept) -> Repeat | Refused | None:
        message = accept.message
        key = message.ingress_key.hex()
        if key in self._known:
            return self._known[key]
        if refusal := self._ledger.refusal(message):
            return refusal
        if key:
            self._answer(key, message.id, Repeat(message.id, "accepted", ""))
        self._insert(message, accept)
        return None

    def _answer(self, key: str, row_id: int, first: Repeat) -> None:
        self._known[key] = first
        self._rows["insert_ingress"].append((row_id, key, first.message_id, first.code, first.text))

    def _insert(self, m: Message, accept: Accept) -> None:
        self._rows["insert_messages"].append(
            (m.id, m.created, "MT", m.door, m.user_id, m.gateway_id, m.sender, m.target, m.text, m.coding, m.parts,
             m.duration, m.price, m.cost, m.currency, m.client_ip, m.message_class, "QUEUED", m.created)
        )  # fmt: skip
        if m.octets or m.udh or m.due or m.valid:
            self._rows["insert_options"].append((m.id, m.octets.hex(), m.udh.hex(), m.due, m.valid))
        if m.imdn is not None:
            wanted = (m.id, m.imdn.id, m.imdn.sent, int(m.imdn.delivered), int(m.imdn.failed))
            self._rows["insert_imdn"].append(wanted)
        stage = Stage.STARTED if accept.started else Stage.WAITING
        node = self._node if accept.ours else 0
        self._rows["insert_queue"].append((m.id, node, int(stage), int(accept.started), m.due or m.created))
        self._ledger.reserve(m, accept.credit)
        if accept.said:
            self._note(m.id, "rules", accept.said)

    def _note(self, message_id: int, kind: str, detail: str, at: Millis | None = None) -> None:
        """For the message's story, see store/story.py."""
        self._rows["insert_events"].append((message_id, kind, detail[:COMMENT], self._now if at is None else at))

    # -- from phones

    def _receive(self, entry: Receive) -> Received:
        key = entry.key.hex()
        if key in self._known:
            return Received(False)
        if key:
            self._answer(key, self._ids.next(), Repeat(None, "received", ""))
        return self._arrivals.receive(entry)

    def _settle_arrival(self, entry: Settle) -> bool | NoCredit:
        settled = self._arrivals.settle(entry)
        if settled is True:
            self._note(entry.message.id, "arrived", notes.of_arrival(entry.arrival.incoming), entry.message.created)
        return settled

    # -- what dispatch reports

    def _remember(self, entry: Remember) -> Repeat | None:
        key = entry.ingress_key.hex()
        if key in self._known:
            return self._known[key]
        self._answer(key, self._ids.next(), Repeat(None, entry.code, entry.text))
        return None

    def _amend(self, entry: Amend) -> None:
        self._rows["answer_ingress"].append((entry.ingress_key.hex(), entry.code, entry.text))

    def _start(self, entry: Start) -> None:
        for message_id, attempt in entry.attempts:
            self._move(message_id, Stage.STARTED, attempt, self._now)

    def _reroute(self, entry: Reroute) -> None:
        m = entry.message
        self._rows["reroute_messages"].append((m.id, m.gateway_id, m.cost))
        self._move(m.id, Stage.WAITING, 1, self._now)
        self._note(m.id, "rerouted", entry.why)

    def _postpone(self, entry: Postpone) -> None:
        if entry.why:
            self._note(entry.message_id, "attempt", entry.why)
        self._move(entry.message_id, Stage.WAITING, entry.attempt, entry.due)

    def _move(self, message_id: MessageId, stage: Stage, attempt: int, due: Millis) -> None:
        node = 0 if stage in _NOBODYS else self._node
        self._moves[message_id] = (message_id, node, int(stage), attempt, due)

    def _take(self, entry: Take) -> None:
        m, submitted = entry.message, entry.submitted
        provider_id = canonical_id(submitted.provider_id)[:PROVIDER_ID]
        if provider_id != submitted.provider_id:
            own = (m.id, entry.part, entry.attempt, submitted.provider_id[:PROVIDER_ID])
            self._rows["insert_spellings"].append(own)
        self._rows["insert_parts"].append((m.id, entry.part, entry.total, entry.attempt, m.gateway_id, provider_id, ""))
        if self._orphans:
            since = first_id(Millis(self._now - KEEP))
            for orphan_id, receipt in self._orphans.pop(m.gateway_id, id_forms(submitted.provider_id), since):
                self._heard.append((-1, Hear(receipt, orphan_id)))
        if not entry.last:
            return None
        if submitted.unverified:
            return self._move(m.id, Stage.UNVERIFIED, entry.attempt, self._now)
        self._taken(m, entry.attempt, submitted, entry.expires)
        if entry.total > 1:
            self._touched[m.id] = None
        return None

    def _confirm(self, entry: Confirm) -> None:
        self._taken(entry.message, entry.attempt, entry.submitted, entry.expires)
        self._touched[entry.message.id] = None  # its receipt may have come meanwhile

    def _taken(self, m: Message, attempt: int, submitted: Submitted, expires: Millis) -> None:
        self._close(m, submitted.state, "", submitted.comment, took=1)
        if submitted.state is State.ENROUTE:
            self._move(m.id, Stage.TAKEN, attempt, expires)
        else:
            self._rows["delete_queue"].append((m.id,))
            self._final(m.id, m.user_id, State.QUEUED, submitted.state, "")

    def _fail(self, entry: Fail) -> None:
        m = entry.message
        self._close(m, entry.state, entry.reason, entry.comment, took=0)
        self._final(m.id, m.user_id, State.QUEUED, entry.state, entry.reason)
        self._ledger.refund(m.id, m.user_id, m.price)
        self._rows["delete_queue"].append((m.id,))

    def _doubt(self, entry: Doubt) -> None:
        self._close(entry.message, State.UNKNOWN, "no_answer", entry.comment, took=1)
        self._move(entry.message.id, Stage.DOUBT, 0, entry.expires)

    def _close(self, m: Message, state: State, reason: str, comment: str, *, took: int) -> None:
        """The provider's answer: the state of the message, and its one CDR."""
        reason, comment = reason[:REASON], comment[:COMMENT]
        self._rows["update_messages"].append((m.id, state, reason, comment, self._now))
        self._rows["insert_cdrs"].append((m.id, took, state, reason, comment))
        if (delivered := _TELLING.get(state)) is not None:
            self._outcomes.append(Outcome(m.gateway_id, m.target, delivered))

    # -- receipts

    def _hear(self, results: list[object]) -> None:
        matched = match(self._db, [entry.receipt for _, entry in self._heard])
        self._lock((sent, self._heard[place][1].receipt.state) for place, sent in matched.items())
        for place, (n, entry) in enumerate(self._heard):
            sent = matched.get(place)
            if n >= 0:
                results[n] = sent is not None
            if sent is not None and entry.orphan:
                self._rows["delete_receipts"].append((entry.orphan,))
            if entry.receipt.state in NOT_YET:
                if sent is not None:
                    self._note_receipt(sent, entry.receipt)
                continue
            if sent is not None:
                self._settle(sent, entry.receipt)
            else:
                self._keep(entry)
        self._settle_whole()

    def _lock(self, ends: Iterable[tuple[Sent, State]]) -> None:
        """Those who may get their money back."""
        if self._refund:
            self._ledger.lock((), [(sent.message_id, sent.user_id) for sent, state in ends if state in FAILED])

    def _note_receipt(self, sent: Sent, receipt: Receipt) -> None:
        """One that doesn't become the state of its message, or not alone."""
        self._note(sent.message_id, "receipt", notes.of_receipt(receipt, sent.part if sent.parts > 1 else 0))

    def _settle(self, sent: Sent, receipt: Receipt) -> None:
        open_ = may_change(sent, receipt.state) and sent.message_id not in self._finished
        if sent.parts > 1 or not open_:
            self._note_receipt(sent, receipt)
        if sent.part:
            self._parts[sent.message_id, sent.part, sent.attempt] = receipt.state
        if sent.parts > 1:
            self._touched[sent.message_id] = None
        elif open_:
            self._finish(sent, receipt.state, receipt.error, receipt.comment)

    def _settle_whole(self) -> None:
        """A message of several parts is final when each part is; the worst one names its state."""
        if not self._touched:
            return
        self._flush()
        states: defaultdict[int, dict[int, Sent]] = defaultdict(dict)
        rows = self._db.read_batch("parts_of", [(message_id,) for message_id in self._touched])
        for row in sorted(rows, key=itemgetter(0, 1, 2)):  # the newest attempt of each part stays
            sent = Sent.of(row)
            states[sent.message_id][sent.part] = sent
        whole: list[tuple[Sent, State]] = []
        for by_part in states.values():
            sent = next(iter(by_part.values()))
            if len(by_part) < sent.parts or not all(s.part_state for s in by_part.values()):
                continue
            worst = worst_of(State(s.part_state) for s in by_part.values())
            if may_change(sent, worst):
                whole.append((sent, worst))
        self._lock(whole)
        for sent, worst in whole:
            self._finish(sent, worst, "", f"{sent.parts} parts" if sent.parts > 1 else "")

    def _finish(self, sent: Sent, state: State, error: str, comment: str) -> None:
        self._finished.add(sent.message_id)  # once, whatever else this batch says of it
        failed = state in FAILED
        reason = state.lower() if failed else ""
        told = (f"error {error}" if failed and error.strip("0") else "", comment)
        comment = ": ".join(filter(None, told))[:COMMENT]
        refunded = failed and self._refund
        if sent.state is State.EXPIRED:
            comment = comment or "Delivered after it had expired"
        self._rows["keep_states"].append((sent.message_id,))
        self._rows["update_messages"].append((sent.message_id, state, reason, comment, self._now))
        self._rows["update_cdrs"].append((sent.message_id, state, reason, comment, int(not refunded)))
        self._rows["delete_queue"].append((sent.message_id,))
        self._final(sent.message_id, sent.user_id, sent.state, state, reason)
        if failed or state is State.DELIVERED:
            millis = None if failed else max(self._now - sent.changed, 0)
            self._outcomes.append(Outcome(sent.gateway_id, sent.target, not failed, millis))
        if refunded:
            self._ledger.refund(sent.message_id, sent.user_id, Micros(sent.price))

    def _keep(self, entry: Hear) -> None:
        """Until the answer to its submit comes. At hand, too; of commits that are rolled back the table knows better,
        and the sweep reads it."""
        r, orphan_id, provider_id = entry.receipt, entry.orphan or self._ids.next(), kept_id(entry.receipt)
        if not provider_id:
            return
        if not entry.orphan:
            row = (
                orphan_id, r.gateway_id, provider_id, r.state, r.error[:REASON], r.comment[:COMMENT], r.sender[:NUMBER],
                r.target[:NUMBER],
            )  # fmt: skip
            self._rows["insert_receipts"].append(row)
        self._orphans.add(orphan_id, r)

    # -- deliveries

    def _post(self, entry: Post) -> None:
        self._deliveries.post(entry.deliveries)

    def _defer(self, entry: Defer) -> None:
        self._deliveries.defer(entry)

    def _divert(self, entry: Divert) -> None:
        self._deliveries.divert(entry)

    def _conclude(self, entry: Conclude) -> None:
        self._deliveries.conclude(entry)

    def _final(self, message_id: int, user_id: UserId, before: State, state: State, reason: str) -> None:
        if self._finals is not None:
            self._finals.add(message_id, Final(user_id, before, state, reason))

    def _tell(self) -> list[Delivery]:
        """Receipts for those who asked."""
        if self._finals is None:
            return []
        told = self._finals.deliveries(self._db, self._now)
        self._deliveries.post(told)
        return told

    # -- writing

    def _flush(self) -> None:
        self._ledger.flush()
        if self._moves:
            self._rows["move_queue"] = list(self._moves.values())
            self._moves.clear()
        if self._parts:
            self._rows["settle_parts"] = [(*key, state) for key, state in self._parts.items()]
            self._parts.clear()
        self._db.post(self._rows)
        self._rows.clear()


def _request_key(entry: Entry) -> bytes:
    if isinstance(entry, Accept):
        return entry.message.ingress_key
    if isinstance(entry, Receive):
        return entry.key
    return entry.ingress_key if isinstance(entry, Remember) else b""


_POST: dict[type, Callable[[Commit, Any], object]] = {
    Accept: Commit._admit,
    Receive: Commit._receive,
    Settle: Commit._settle_arrival,
    Remember: Commit._remember,
    Amend: Commit._amend,
    Start: Commit._start,
    Postpone: Commit._postpone,
    Reroute: Commit._reroute,
    Take: Commit._take,
    Confirm: Commit._confirm,
    Fail: Commit._fail,
    Doubt: Commit._doubt,
    Post: Commit._post,
    Defer: Commit._defer,
    Divert: Commit._divert,
    Conclude: Commit._conclude,
}
