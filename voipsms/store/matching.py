"""Which part of which message a receipt is about, and whether it may change what is known of it.

By the id that the provider has given, in each of its spellings; where a submit got no answer, by the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from voipsms.model import GatewayId, Receipt, State, UserId
from voipsms.sms.receipt import canonical_id, id_forms
from voipsms.store.database import Database
from voipsms.values import Value

PROVIDER_ID = 80  # characters kept of a provider's id

# Receipts that say nothing new: the message is still under way.
NOT_YET = frozenset({State.QUEUED, State.ENROUTE, State.ACCEPTED})
# States that a receipt may still change.
_OPEN = frozenset({State.ENROUTE, State.ACCEPTED, State.UNKNOWN})
_SEVERITY = (
    State.DELIVERED, State.UNKNOWN, State.DELETED, State.EXPIRED, State.UNDELIVERABLE, State.REJECTED,
)  # fmt: skip


class Sent(Value, frozen=True):
    """A part as the tables have it, with what its message says of itself."""

    message_id: int
    part: int  # 0: a message in doubt, which has no row of a part
    attempt: int
    part_state: str
    parts: int  # into which the connector had cut the message
    state: State
    user_id: UserId
    price: int
    gateway_id: GatewayId
    target: str
    changed: int  # when its state was: of one without a receipt, when its gateway answered

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Sent:
        return cls(row[0], row[1], row[2], row[3], row[4], State(row[5]), UserId(row[6]), *row[7:])


def may_change(sent: Sent, state: State) -> bool:
    """What expired may have been delivered all the same. Its refund stands: nobody is billed after the time."""
    return sent.state in _OPEN or (sent.state is State.EXPIRED and state is State.DELIVERED)


def worst_of(states: Iterable[State]) -> State:
    """Of the parts of a message, which are final."""
    return max(states, key=_SEVERITY.index)


def kept_id(receipt: Receipt) -> str:
    """'' names nothing: many parts may have no id."""
    return canonical_id(receipt.provider_id)[:PROVIDER_ID]


def match(db: Database, receipts: Sequence[Receipt]) -> dict[int, Sent]:
    """Which part each receipt is about, by its place among them."""
    if not receipts:
        return {}
    exact = [(n, receipt.gateway_id, kept_id(receipt)) for n, receipt in enumerate(receipts)]
    found = _first(db, "match_receipts", [row for row in exact if row[2]])
    rest = [
        (n, gateway_id, form[:PROVIDER_ID])
        for n, gateway_id, own in exact if own and n not in found
        for form in id_forms(receipts[n].provider_id)
    ]  # fmt: skip
    if rest:
        found = {**_first(db, "match_receipts_again", rest), **found}
    return found | _match_doubts(db, {n: receipt for n, receipt in enumerate(receipts) if n not in found})


def _match_doubts(db: Database, receipts: dict[int, Receipt]) -> dict[int, Sent]:
    """A submit that got no answer has no id, but its numbers; the oldest message with a receipt's numbers is it."""
    rows = [(n, r.gateway_id, r.sender, r.target) for n, r in receipts.items() if r.target]
    found: dict[int, Sent] = {}
    taken = {0}
    for n, *row in sorted(db.read_batch("match_doubts", rows), key=itemgetter(1)) if rows else ():
        if n not in found and row[0] not in taken and receipts[n].state not in NOT_YET:
            taken.add(row[0])
            found[n] = Sent.of(tuple(row))
    return found


def _first(db: Database, name: str, rows: list[tuple[int, GatewayId, str]]) -> dict[int, Sent]:
    """The newest message wins: providers use their ids again. Within it a part of which nothing was said yet."""
    best: dict[int, tuple[Any, ...]] = {}
    for n, *row in db.read_batch(name, rows):
        if n not in best or (row[0], not row[3]) > (best[n][0], not best[n][3]):
            best[n] = tuple(row)
    return {n: Sent.of(row) for n, row in best.items()}
