"""Pairs of calls under way: what they hold of their payers' credit, and how they become CDRs. Inside a transaction.

A row of tb_calls is its process's own until that has died; whoever deletes it writes the CDRs, so that they are written
once. What is reserved is what the ledger has taken under the pair's id: there is no second account of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from voipsms.errors import NoCredit, NoResellerCredit
from voipsms.model import GatewayId, MessageId, Micros, Millis, Msisdn, State, UserId
from voipsms.rating import Rate
from voipsms.store.database import Database
from voipsms.store.entries import Moved
from voipsms.store.ids import IdSource, id_time, now_millis
from voipsms.store.ledger import Ledger, Rows
from voipsms.values import Value, reader, replace, to_line

NUMBER, REASON, COMMENT = 32, 32, 255  # characters that the tables have room for


class Fee(Value, frozen=True):
    """What a leg costs one payer, as it was when it was opened: the price of a minute, and what comes to it."""

    price: Micros = Micros(0)
    connect_fee: Micros = Micros(0)
    minimum: Micros = Micros(0)

    def amount(self, seconds: int) -> Micros:
        """By the second; 0 of a leg that was not answered."""
        return Rate(self.price, self.connect_fee, self.minimum).amount(seconds, 1) if seconds else Micros(0)


class Leg(Value, frozen=True):
    """`fees`: of the account, then of its resellers, nearest first. `reserved`: seconds. `answered` and `over`: 0 not
    yet; over is also a number that another one has taken the place of."""

    number: Msisdn
    opened: Millis
    fees: tuple[Fee, ...]
    reserved: int = 0
    answered: Millis = Millis(0)
    over: Millis = Millis(0)
    sender: str = ""
    gateway_id: GatewayId = GatewayId(0)
    cost: Fee = Fee()

    def seconds(self, now: Millis) -> int:
        """From its answer until now, or its end; begun ones count."""
        return max(0, -((self.answered - (self.over or now)) // 1000)) if self.answered else 0


class Pair(Value, frozen=True):
    """What becomes a pair of calls, and whatever else is dialled for it. `payers`: the account, then its resellers;
    `granted`: seconds from the answer of the last leg."""

    id: MessageId
    payers: tuple[UserId, ...]
    currency: str
    legs: tuple[Leg, ...] = ()
    granted: int = 0

    def longer(self, seconds: int) -> Pair:
        legs = tuple(leg if leg.over else replace(leg, reserved=leg.reserved + seconds) for leg in self.legs)
        return replace(self, legs=legs, granted=self.granted + seconds)

    def needs(self) -> list[int]:
        """What each payer has to have reserved."""
        amounts = ([fee.amount(leg.reserved) for fee in leg.fees] for leg in self.legs)
        return [sum(each) for each in zip(*amounts, strict=True)]


class Cdr(Value, frozen=True):
    """One of a leg that is over."""

    number: Msisdn
    sender: str
    gateway_id: GatewayId
    start: Millis
    seconds: int
    fees: tuple[Fee, ...]
    cost: Fee
    reason: str = ""
    comment: str = ""

    @property
    def state(self) -> State:
        return State.DELIVERED if self.seconds else State.UNDELIVERABLE


class Prolonged(Moved, frozen=True):
    pair: Pair
    seconds: int


class Kept(Value, frozen=True):
    """A row of tb_calls."""

    node: int
    seen: Millis
    pair: Pair


_read: Callable[[bytes], Pair] = reader(Pair)


def _text(pair: Pair) -> str:
    return to_line(pair).decode()


class _Money:
    """The ledger of one pair. `taken`: what it has of each payer."""

    def __init__(self, db: Database, ids: IdSource, pair: Pair, now: Millis) -> None:
        self._db, self._pair = db, pair
        self.rows: Rows = defaultdict(list)
        self._ledger = Ledger(db, ids, now, self.rows)
        self._ledger.lock_users(set(pair.payers))
        self._taken = {UserId(user): int(amount) for user, amount in db.read("taken_for", id=pair.id)}

    def _more(self, owed: Sequence[int]) -> list[tuple[UserId, int]]:
        return [(user, amount - self._taken.get(user, 0)) for user, amount in zip(self._pair.payers, owed, strict=True)]

    def lacking(self, owed: Sequence[int]) -> UserId | None:
        """Who can't pay so much."""
        return next(
            (user for user, more in self._more(owed) if more > 0 and not self._ledger.affords(user, more)), None
        )

    def settle(self, owed: Sequence[int], kind: str) -> dict[UserId, Micros]:
        """So that it has just that of each payer; returns the balances."""
        for user, more in self._more(owed):
            self._ledger.move(user, self._pair.id, kind if more > 0 else "refund", -more)
        self._ledger.flush()
        self._db.post(self.rows)
        return self._ledger.balances()


def reserve(db: Database, ids: IdSource, node: int, pair: Pair, now: Millis, *, new: bool) -> Moved | None:
    """Has the credit that the pair as it is now needs. None: another process has closed it. Raises NoCredit."""
    money = _Money(db, ids, pair, now)
    short = money.lacking(pair.needs())
    if short is not None:
        raise NoCredit if short == pair.payers[0] else NoResellerCredit
    if new:
        db.write("insert_call", id=pair.id, node=node, seen=now, pair=_text(pair))
    elif not db.write("update_call", id=pair.id, node=node, seen=now, pair=_text(pair)):
        return None
    return Moved(money.settle(pair.needs(), "reserve"))


def prolong(db: Database, ids: IdSource, node: int, pair: Pair, most: int, now: Millis) -> Prolonged | None:
    """As many seconds more as the payers can pay for; None: there are none, or another process has closed it."""
    money = _Money(db, ids, pair, now)
    seconds = bisect_left(range(1, most + 1), True, key=lambda n: money.lacking(pair.longer(n).needs()) is not None)
    longer = pair.longer(seconds)
    if not seconds or not db.write("update_call", id=pair.id, node=node, seen=now, pair=_text(longer)):
        return None
    return Prolonged(money.settle(longer.needs(), "reserve"), longer, seconds)


def close(
    db: Database, ids: IdSource, node: int, pair: Pair, cdrs: Sequence[Cdr], now: Millis
) -> Moved | None:  # fmt: skip
    """One CDR a leg; what was reserved and not used goes back. None: that has been done already."""
    if not db.write("delete_call", id=pair.id, node=node):
        return None
    money = _Money(db, ids, pair, now)
    made = zip(_several(ids, len(cdrs)), cdrs, strict=True)
    db.write_batch("insert_call_cdrs", [_row(cdr_id, pair, cdr) for cdr_id, cdr in made])
    owed = [sum(cdr.fees[level].amount(cdr.seconds) for cdr in cdrs) for level in range(len(pair.payers))]
    for level in range(1, len(pair.payers)):
        money.rows["insert_charges"].append((pair.id, level, pair.payers[level], owed[level]))
    return Moved(money.settle(owed, "charge"))


def _several(ids: IdSource, count: int) -> list[int]:
    """Of one millisecond: no month ends between them, so that they are archived together."""
    while True:
        found = [ids.next() for _ in range(count)]
        if not found or id_time(found[0]) == id_time(found[-1]):
            return found


def _row(cdr_id: int, pair: Pair, cdr: Cdr) -> tuple[object, ...]:
    return (cdr_id, pair.id, pair.payers[0], cdr.gateway_id, cdr.sender[:NUMBER], cdr.number[:NUMBER], cdr.start,
            cdr.seconds, cdr.fees[0].amount(cdr.seconds), cdr.cost.amount(cdr.seconds), pair.currency, cdr.state,
            cdr.reason[:REASON], cdr.comment[:COMMENT])  # fmt: skip


def beat(db: Database, node: int, pairs: Iterable[Pair], now: Millis) -> int:
    """This process lives, and this is what it knows."""
    rows = [(pair.id, node, now, _text(pair)) for pair in pairs]
    return db.write_batch("beat_calls", rows) if rows else 0


def lost(db: Database, node: int, ours: Mapping[MessageId, object]) -> list[Kept]:
    """Pairs that nobody looks after: of dead processes, or left behind by an earlier holder of this node's number."""
    dead = {row[0] for row in db.read("dead_nodes", now=now_millis(), node=node)}
    kept = [Kept(row[0], Millis(row[1]), _read(row[2].encode())) for row in db.read("calls")]
    alive = {row[0] for row in db.read("nodes")} - dead
    return [one for one in kept if one.node not in alive or (one.node == node and one.pair.id not in ours)]


def abandoned(kept: Kept, reason: str) -> list[Cdr]:
    """As far as is known, a leg lasted until its process was last heard of, and no longer than was reserved for it."""
    return [
        Cdr(leg.number, leg.sender, leg.gateway_id, leg.opened, min(leg.seconds(kept.seen), leg.reserved), leg.fees,
            leg.cost, reason)
        for leg in kept.pair.legs
    ]  # fmt: skip
