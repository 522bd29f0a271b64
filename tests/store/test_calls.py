"""Pairs of calls in the tables: what is reserved, used and given back, once, whoever does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.store.rig import CREDIT, House
from tests.store.test_processes import at_once
from tests.store.test_terms import add
from voipsms.errors import NoCredit, NoResellerCredit
from voipsms.model import GatewayId, MessageId, Micros, Millis, Msisdn
from voipsms.store import archive, calls
from voipsms.store.archive import Month
from voipsms.store.calls import Cdr, Fee, Leg, Pair, Prolonged
from voipsms.store.cdrs import Which, read_cdrs, sums
from voipsms.store.database import Engine
from voipsms.store.entries import Moved
from voipsms.store.ids import IdSource, first_id, now_millis
from voipsms.values import replace

ONE, TWO = Msisdn("36301112233"), Msisdn("436641234567")
CHEAP, DEAR = Fee(Micros(60_000)), Fee(Micros(600_000), Micros(20_000), Micros(100_000))  # 0.001 and 0.01 a second
NOW = now_millis()
PROOFS = ("wrong_balances", "wrong_charges", "uneven_charges", "wrong_calls", "missing_cdrs")


def leg(number: Msisdn = ONE, *fees: Fee, seconds: int = 60) -> Leg:
    return Leg(number, NOW, fees or (CHEAP,), seconds)


def pair_of(house: House, *legs: Leg, users: tuple[str, ...] = ("alice",)) -> Pair:
    payers = tuple(house.users[name] for name in users)
    return Pair(MessageId(house.ids.next()), payers, "EUR", legs or (leg(),), 60)


def cdr(number: Msisdn = ONE, seconds: int = 0, *fees: Fee, reason: str = "", cost: Fee = CHEAP) -> Cdr:
    return Cdr(number, TWO, GatewayId(0), NOW, seconds, fees or (CHEAP,), cost, reason)


def opened(house: House, pair: Pair) -> Pair:
    with house.db.transaction():
        assert calls.reserve(house.db, house.ids, house.node.number, pair, NOW, new=True) is not None
    return pair


def closed(house: House, pair: Pair, *cdrs: Cdr, node: int = 0) -> Moved | None:
    with house.db.transaction():
        return calls.close(house.db, house.ids, node or house.node.number, pair, cdrs, NOW)


def prolonged(house: House, pair: Pair, most: int = 60) -> Prolonged | None:
    with house.db.transaction():
        return calls.prolong(house.db, house.ids, house.node.number, pair, most, NOW)


def bill(house: House) -> list[tuple[object, ...]]:
    columns = "target, duration, parts, price, cost, state, reason"
    return house.rows(f"SELECT {columns} FROM tb_cdrs WHERE type = 'CALL' ORDER BY id")  # noqa: S608 — a constant


def proven(house: House) -> bool:
    return all(house.db.read(name) == [] for name in PROOFS)


# -- what a leg costs

COSTS = {
    "not answered": (DEAR, 0, 0),
    "a second": (CHEAP, 1, 1_000),
    "the least": (DEAR, 1, 100_000),
    "begun minutes are not filled": (DEAR, 61, 630_000),
    "rounded to the nearest millionth": (Fee(Micros(1)), 30, 1),
    "rounded down": (Fee(Micros(1)), 29, 0),
    "an hour": (CHEAP, 3600, 3_600_000),
}


@pytest.mark.parametrize("fee, seconds, amount", COSTS.values(), ids=COSTS)
def test_a_leg_costs(fee: Fee, seconds: int, amount: int) -> None:
    assert fee.amount(seconds) == amount


LASTED = {
    "not answered": (0, 0, 5_000, 0),
    "going on": (1_000, 0, 5_000, 4),
    "a begun second": (1_000, 0, 5_001, 5),
    "over": (1_000, 3_500, 9_000, 3),
    "answered after it was seen": (1_000, 0, 900, 0),
}


@pytest.mark.parametrize("answered, over, now, seconds", LASTED.values(), ids=LASTED)
def test_a_leg_has_lasted(answered: int, over: int, now: int, seconds: int) -> None:
    assert replace(leg(), answered=Millis(answered), over=Millis(over)).seconds(Millis(now)) == seconds


# -- reserved, used, given back


def test_a_pair_pays_for_what_it_has_used(house: House) -> None:
    pair = opened(house, pair_of(house, leg(ONE), leg(TWO, DEAR)))
    assert house.balance() == CREDIT - 60_000 - 620_000
    moved = closed(house, pair, cdr(ONE, 42), cdr(TWO, 30, DEAR, cost=Fee(Micros(7))))
    assert moved is not None
    assert moved.balances == {house.users["alice"]: CREDIT - 42_000 - 320_000}
    assert bill(house) == [
        (ONE, 42, 0, 42_000, 42_000, "DELIVERED", ""), (TWO, 30, 0, 320_000, 4, "DELIVERED", ""),
    ]  # fmt: skip
    assert proven(house)


def test_one_that_is_not_answered_costs_nothing(house: House) -> None:
    pair = opened(house, pair_of(house, leg(ONE, DEAR)))
    closed(house, pair, cdr(ONE, 0, DEAR, reason="busy"))
    assert house.balance() == CREDIT
    assert bill(house) == [(ONE, 0, 0, 0, 0, "UNDELIVERABLE", "busy")]
    assert proven(house)


def test_more_than_was_reserved_is_paid_as_well(house: House) -> None:
    closed(house, opened(house, pair_of(house)), cdr(ONE, 61))
    assert house.balance() == CREDIT - 61_000
    assert proven(house)


def test_it_is_written_once(house: House) -> None:
    pair = opened(house, pair_of(house))
    assert closed(house, pair, cdr(ONE, 10)) is not None
    assert closed(house, pair, cdr(ONE, 10)) is None
    assert prolonged(house, pair) is None
    with house.db.transaction():
        assert calls.reserve(house.db, house.ids, house.node.number, pair.longer(5), NOW, new=False) is None
    assert len(bill(house)) == 1
    assert house.balance() == CREDIT - 10_000


def test_who_can_not_pay_reserves_nothing(house: House) -> None:
    pair = pair_of(house, leg(ONE, DEAR, seconds=99))
    with pytest.raises(NoCredit), house.db.transaction():
        calls.reserve(house.db, house.ids, house.node.number, pair, NOW, new=True)
    assert (house.balance(), house.db.read("calls")) == (CREDIT, [])
    opened(house, pair_of(house, leg(ONE, DEAR, seconds=98)))  # 0.98 and the fee of 0.02
    assert house.balance() == 0


PROLONGED = {  # what alice (1.00) and bob (0.10 below zero) can pay for after the first minute
    "as asked": ("alice", CHEAP, 60, 60),
    "what is left": ("alice", DEAR, 60, 38),
    "postpaid": ("bob", CHEAP, 60, 40),
    "admins always": ("admin", DEAR, 60, 60),
}


@pytest.mark.parametrize("user, fee, asked, got", PROLONGED.values(), ids=PROLONGED)
def test_as_long_as_there_is_credit(house: House, user: str, fee: Fee, asked: int, got: int) -> None:
    pair = opened(house, pair_of(house, leg(ONE, fee), users=(user,)))
    found = prolonged(house, pair, asked)
    assert found is not None
    assert (found.seconds, found.pair.granted, found.pair.legs[0].reserved) == (got, 60 + got, 60 + got)
    closed(house, pair, cdr(ONE, 60 + got, fee))
    assert proven(house)


def test_a_leg_that_is_over_is_not_prolonged(house: House) -> None:
    over = replace(leg(TWO, seconds=7), answered=NOW, over=Millis(NOW + 7_000))
    pair = opened(house, pair_of(house, leg(ONE), over))
    found = prolonged(house, pair)
    assert found is not None
    assert [one.reserved for one in found.pair.legs] == [120, 7]
    assert house.balance() == CREDIT - 127_000


# -- resellers


@pytest.fixture
def chain(house: House) -> Callable[[Fee, Fee], Pair]:
    add(house, "big")

    def made(own: Fee, of_reseller: Fee) -> Pair:
        return pair_of(house, leg(ONE, own, of_reseller), leg(TWO, own, of_reseller), users=("alice", "big"))

    return made


def test_resellers_pay_by_their_own_prices(house: House, chain: Callable[[Fee, Fee], Pair]) -> None:
    before = house.balance("big")
    pair = opened(house, chain(CHEAP, Fee(Micros(30_000))))
    assert (house.balance(), house.balance("big")) == (CREDIT - 120_000, before - 60_000)
    fees = CHEAP, Fee(Micros(30_000))
    closed(house, pair, cdr(ONE, 10, *fees), cdr(TWO, 20, *fees))
    assert (house.balance(), house.balance("big")) == (CREDIT - 30_000, before - 15_000)
    assert house.rows("SELECT level, price, refunded FROM tb_charges") == [(1, 15_000, 0)]
    assert proven(house)


def test_a_reseller_without_credit(house: House, chain: Callable[[Fee, Fee], Pair]) -> None:
    with pytest.raises(NoResellerCredit), house.db.transaction():
        calls.reserve(
            house.db, house.ids, house.node.number, chain(CHEAP, Fee(Micros(10**12))), NOW, new=True
        )  # fmt: skip
    assert house.balance() == CREDIT


# -- several processes


@pytest.fixture
def other(house: House, engine: Engine) -> Iterator[House]:
    other = House(engine, number=7)
    yield other
    other.close()


def test_two_close_the_same_pair(house: House, other: House) -> None:
    pairs = [opened(house, pair_of(house, users=("admin",))) for _ in range(20)]
    done: list[MessageId] = []

    def work(one: House) -> Callable[[], None]:
        left = list(pairs)

        def close() -> None:
            while left:
                if closed(one, left[0], cdr(ONE, 10), node=house.node.number) is not None:
                    done.append(left[0].id)
                left.pop(0)

        return close

    at_once(work(house), work(other))
    assert sorted(done) == [pair.id for pair in pairs]
    assert len(bill(house)) == 20
    assert proven(house)


def test_what_a_dead_process_has_left(house: House, other: House) -> None:
    """Another one closes it with what is known: up to when that was last heard of."""
    talking = replace(leg(ONE, seconds=100), answered=NOW, sender=TWO)
    pair = opened(other, pair_of(other, talking, leg(TWO)))
    with house.db.transaction():
        assert calls.lost(house.db, house.node.number, {}) == []
        calls.beat(house.db, other.node.number, [pair], Millis(NOW + 30_500))
        house.db.write("renew_lease", node=7, holder=other.node.holder, lease=0, mark=0)
    (kept,) = calls.lost(house.db, house.node.number, {})
    assert (kept.node, kept.seen, kept.pair) == (7, NOW + 30_500, pair)
    assert closed(house, kept.pair, *calls.abandoned(kept, "gateway_lost"), node=7) is not None
    assert bill(house) == [
        (ONE, 31, 0, 31_000, 0, "DELIVERED", "gateway_lost"), (TWO, 0, 0, 0, 0, "UNDELIVERABLE", "gateway_lost"),
    ]  # fmt: skip
    assert house.balance() == CREDIT - 31_000
    assert proven(house)


def test_it_is_not_billed_beyond_what_was_reserved(house: House) -> None:
    talking = replace(leg(ONE, seconds=100), answered=NOW)
    kept = calls.Kept(1, Millis(NOW + 999_000), pair_of(house, talking))
    assert [one.seconds for one in calls.abandoned(kept, "")] == [100]


def test_one_of_this_number_from_before(house: House) -> None:
    """This process has the number of one that has died; what is its own in memory is not lost."""
    pair = opened(house, pair_of(house))
    assert calls.lost(house.db, house.node.number, {pair.id: pair}) == []
    assert [kept.pair for kept in calls.lost(house.db, house.node.number, {})] == [pair]


def test_a_beat_of_what_is_gone(house: House) -> None:
    pair = pair_of(house)
    assert calls.beat(house.db, house.node.number, [pair], NOW) == 0
    assert calls.beat(house.db, house.node.number, [], NOW) == 0


# -- the proof

COPIED = (
    "msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price, cost, currency, "
    "state, reason, comment"
)
WHERE = f"WHERE target = '{ONE}'"
FIRST = f"FROM tb_cdrs {WHERE}"
MOVED = "INSERT INTO tb_ledger (id, user_id, msgid, kind, amount, created)"
FORGED = {
    "a leg too much": (f"INSERT INTO tb_cdrs (id, {COPIED}) SELECT 7, {COPIED} {FIRST}", "wrong_charges"),
    "a leg too little": (f"DELETE {FIRST}", "wrong_charges"),
    "no leg": ("DELETE FROM tb_cdrs", "wrong_charges"),
    "a text among the legs": ("UPDATE tb_cdrs SET type = 'SMS' " + WHERE, "wrong_charges"),  # noqa: S608 — constants
    "charged twice": (f"{MOVED} SELECT 7, user_id, msgid, '', -5, 1 {FIRST}", "wrong_charges"),
    "not answered, but paid": ("UPDATE tb_cdrs SET duration = 0 " + WHERE, "wrong_calls"),  # noqa: S608 — constants
    "closed, but under way": (
        f"INSERT INTO tb_calls (id, node, seen, pair) SELECT msgid, 1, 1, '' {FIRST}", "wrong_calls"
    ),
}  # fmt: skip


@pytest.mark.parametrize("statement, proof", FORGED.values(), ids=FORGED)
def test_what_is_wrong_is_found(house: House, statement: str, proof: str) -> None:
    pair = opened(house, pair_of(house, leg(ONE), leg(TWO)))
    closed(house, pair, cdr(ONE, 10), cdr(TWO, 20))
    assert proven(house)
    forge(house, statement)
    assert {row[0] for row in house.db.read(proof)} == {pair.id}
    for table in ("tb_ledger", "tb_cdrs", "tb_calls"):
        forge(house, f"DELETE FROM {table}")  # noqa: S608 — a name above
    forge(house, "UPDATE tb_users SET balance = 0")


def forge(house: House, statement: str) -> None:
    connection = house.engine.connect()
    connection.cursor().execute(statement)
    connection.close()


def test_under_way_nothing_is_wrong(house: House) -> None:
    opened(house, pair_of(house))
    assert proven(house)


# -- what comes after


def test_archived_with_their_movements(house: House, tmp_path: Path) -> None:
    """Pairs whose CDRs stand at the end of one page and the beginning of the next."""
    month, next_month = Month.of(date(2026, 1, 1)), Millis(Month.of(date(2026, 2, 1)).start)
    ids = Past(Millis(next_month - 60_000))
    for _ in range(301):
        pair = opened(house, pair_of(house, leg(ONE), leg(TWO), leg(TWO)))
        with house.db.transaction():
            done = [cdr(ONE, 1), cdr(TWO, 1), cdr(TWO, 0)]
            assert calls.close(house.db, ids, house.node.number, pair, done, NOW) is not None
    movements = house.rows("SELECT COUNT(*) FROM tb_ledger WHERE msgid IS NOT NULL")[0][0]
    assert proven(house)
    note = archive.archive(house.db, month, tmp_path)
    assert note is not None
    assert (note.counts["cdrs"], note.counts["ledger"]) == (903, movements)
    assert bill(house) == []
    assert house.balance() == CREDIT - 602_000
    assert proven(house)


class Past(IdSource):
    """Makes ids of another time, as of a call at the end of a month; now and then a millisecond is over."""

    def __init__(self, at: Millis) -> None:
        super().__init__(1)
        self._made = first_id(at)

    def next(self) -> int:
        self._made += (1 << 20) - 1
        return self._made


LISTED = {"calls": ("CALL", 2), "texts": ("SMS", 0), "both": ("", 2)}


@pytest.mark.parametrize("kind, count", LISTED.values(), ids=LISTED)
def test_listed(house: House, kind: str, count: int) -> None:
    closed(house, opened(house, pair_of(house, leg(ONE), leg(TWO))), cdr(ONE, 10), cdr(TWO, 20))
    rows = list(read_cdrs(house.db, Which(Millis(0), Millis(1 << 50), type=kind)))
    assert len(rows) == count
    assert len({row[1] for row in rows}) == (1 if count else 0)


def test_reported(house: House) -> None:
    closed(house, opened(house, pair_of(house, leg(ONE), leg(TWO))), cdr(ONE, 90), cdr(TWO, 0))
    which = Which(Millis(0), Millis(1 << 50), type="CALL")
    found = [
        figures for *_, figures in sums(house.db, "figures_by_gateway", which, Millis(0), Millis(2_000_000_000_000))
    ]
    assert [(one.count, one.seconds, one.revenue, one.delivered, one.failed) for one in found if one.delivered] == [
        (1, 90, 90_000, 1, 0)
    ]
    assert sum(one.failed for one in found) == 1
