"""Everybody in a chain is charged once and paid back once, nobody goes below what is theirs, and months are counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.rig import CREDIT, LATER, PRICE, House, failure, takes
from tests.store.test_terms import add, terms, wants
from voipsms import recovery
from voipsms.errors import MonthlyLimit, NoCredit, NoResellerCredit
from voipsms.model import Message, Micros, Millis, Receipt, State
from voipsms.store.commit import Commit
from voipsms.store.entries import Accept, Doubt, Hear, Written
from voipsms.store.ids import now_millis
from voipsms.store.orphans import Orphans

BIG, SMALL = 20_000, 30_000  # what the resellers pay; the user pays PRICE


@pytest.fixture(autouse=True)
def resellers(house: House) -> None:
    """alice buys from small, and small from big."""
    add(house, "big")
    add(house, "small", "big")
    wants(house, "alice", reseller="small")


def message(house: House, *, price: int = PRICE, small: int = SMALL, big: int = BIG, **fields: object) -> Message:
    charges = ((house.users["small"], Micros(small)), (house.users["big"], Micros(big)))
    return house.message("alice", price=price, charges=charges, **fields)


def accepted(house: House, **fields: object) -> Message:
    made = message(house, **fields)  # type: ignore[arg-type]
    assert house.commit(Accept(made, started=True)).results == [None]
    return made


def spent(house: House) -> tuple[int, int, int]:
    """By alice, small and big."""
    return CREDIT - house.balance("alice"), CREDIT - house.balance("small"), CREDIT - house.balance("big")


# -- charged


def test_each_level_is_charged_its_price(house: House) -> None:
    made = message(house)
    written = house.commit(Accept(made, started=True))
    assert written.results == [None]
    assert written.balances == {
        house.users["alice"]: CREDIT - PRICE, house.users["small"]: CREDIT - SMALL, house.users["big"]: CREDIT - BIG,
    }  # fmt: skip
    assert spent(house) == (PRICE, SMALL, BIG)
    assert house.movements(made) == [("reserve", -PRICE), ("reserve", -SMALL), ("reserve", -BIG)]
    assert house.rows("SELECT message_id, level, user_id, price, refunded FROM tb_charges ORDER BY level") == [
        (made.id, 1, house.users["small"], SMALL, 0), (made.id, 2, house.users["big"], BIG, 0),
    ]  # fmt: skip


def test_the_cdr_says_what_the_user_pays(house: House) -> None:
    made = accepted(house)
    house.commit(*takes(made, "1"))
    assert house.cdr(made) == (60, PRICE, "ENROUTE", "")


def test_who_buys_from_nobody_costs_no_charges(house: House) -> None:
    house.taken("1", message=house.accepted("bob"))
    assert house.rows("SELECT * FROM tb_charges") == []


def test_an_advertisement_is_the_user_s_alone(house: House) -> None:
    made = message(house, price=PRICE - 10_000)
    house.commit(Accept(made, started=True, credit=Micros(10_000)))
    house.commit(failure(made))
    assert spent(house) == (0, 0, 0)
    assert [kind for kind, _ in house.movements(made)].count("advert") == 1


# -- paid back

Ends = Callable[[House, Message], object]


def _heard(house: House, made: Message) -> None:
    house.commit(*takes(made, "1"))
    house.hear("1", State.UNDELIVERABLE)


def _heard_at_once(house: House, made: Message) -> None:
    """The receipt is there before the answer to the submit."""
    house.hear("1", State.REJECTED)
    house.commit(*takes(made, "1"))


def _in_parts(house: House, made: Message) -> None:
    house.commit(*takes(made, "1", "2"))
    house.hear("1", State.DELIVERED)
    house.hear("2", State.EXPIRED)


def _in_doubt(house: House, made: Message) -> None:
    house.commit(Doubt(made, "timed out", LATER))
    house.commit(Hear(Receipt(made.gateway_id, "unknown", State.REJECTED, sender=made.sender, target=made.target)))


ENDS: dict[str, Ends] = {
    "refused": lambda house, made: house.commit(failure(made)),
    "a receipt": _heard,
    "a receipt before the answer": _heard_at_once,
    "parts": _in_parts,
    "in doubt": _in_doubt,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_failure_pays_everybody_back(house: House, end: Ends) -> None:
    made = accepted(house)
    end(house, made)
    assert spent(house) == (0, 0, 0)
    assert house.rows("SELECT refunded FROM tb_charges") == [(1,), (1,)]
    assert house.cdr(made)[:2] == (0, 0)


def test_once_however_often_it_is_said(house: House) -> None:
    made = accepted(house)
    _heard(house, made)
    house.hear("1", State.REJECTED)
    house.hear("1", State.DELIVERED)
    assert spent(house) == (0, 0, 0)
    assert len(house.movements(made)) == 6


def test_by_another_process_which_never_saw_the_chain(house: House) -> None:
    made = house.message("alice")
    accepted(house, id=made.id)
    house.commit(failure(made))
    assert spent(house) == (0, 0, 0)


def test_after_the_user_has_left_the_reseller(house: House) -> None:
    made = accepted(house)
    wants(house, "alice", reseller="")
    house.commit(failure(made))
    assert spent(house) == (0, 0, 0)


def test_accepted_and_refused_in_one_commit(house: House) -> None:
    made = message(house)
    house.commit(Accept(made, started=True), failure(made))
    assert spent(house) == (0, 0, 0)


def test_many_at_once(house: House) -> None:
    made = [accepted(house, small=n, big=2 * n) for n in range(1, 9)]
    house.commit(*(failure(one) for one in made[::2]))
    assert spent(house) == (4 * PRICE, sum(range(2, 9, 2)), 2 * sum(range(2, 9, 2)))


def test_what_was_free_for_the_user(house: House) -> None:
    kept, failed = accepted(house, price=0), accepted(house, price=0)
    house.commit(*takes(kept, "1"), failure(failed))
    assert spent(house) == (0, SMALL, BIG)


def test_no_receipt_keeps_the_charges(house: House) -> None:
    made = accepted(house)
    house.commit(*takes(made, "1"))
    with house.db.transaction():
        assert recovery.overdue(house.db, Millis(LATER + 1)) == 1
    assert spent(house) == (PRICE, SMALL, BIG)


def test_without_refunds_a_failure_costs_everybody(house: House) -> None:
    house.refund = False
    _heard(house, accepted(house))
    assert spent(house) == (PRICE, SMALL, BIG)


# -- refused


@pytest.mark.parametrize("poor", ["small", "big"])
def test_a_level_that_cannot_pay_refuses_for_all(house: House, poor: str) -> None:
    made = message(house, **{poor: CREDIT + 1})
    (result,) = house.commit(Accept(made, started=True)).results
    assert type(result) is NoResellerCredit
    assert str(result) == "A reseller of this account has not enough credit"
    assert spent(house) == (0, 0, 0)
    assert house.rows("SELECT * FROM tb_charges") == house.rows("SELECT * FROM tb_messages") == []


def test_to_the_last_of_it_and_no_further(house: House) -> None:
    each = CREDIT // 4
    made = [message(house, big=each) for _ in range(6)]
    results = house.commit(*(Accept(one, started=True) for one in made)).results
    assert [type(result) for result in results] == [type(None)] * 4 + [NoResellerCredit] * 2
    assert house.balance("big") == 0


def test_a_reseller_may_be_postpaid(house: House) -> None:
    wants(house, "big", credit_limit=Micros(5))
    accepted(house, big=CREDIT + 5)
    assert house.balance("big") == -5
    assert type(house.commit(Accept(message(house, big=1), True)).results[0]) is NoResellerCredit


def test_the_user_s_own_credit_is_asked_first(house: House) -> None:
    made = message(house, price=CREDIT + 1, small=CREDIT + 1)
    assert type(house.commit(Accept(made, started=True)).results[0]) is NoCredit


# -- messages a month


def at(house: House, when: Millis, *messages: Message) -> Written:
    with house.db.transaction():
        commit = Commit(house.db, house.ids, when, house.node.number, True, Orphans())
        return commit.write([Accept(one, started=True) for one in messages])


def counted(house: House, *names: str) -> Message:
    return house.message("alice", price=1, counted=tuple(house.users[name] for name in names))


NOVEMBER, DECEMBER, JANUARY = Millis(1_795_000_000_000), Millis(1_798_000_000_000), Millis(1_799_000_000_000)


def test_so_many_and_no_more(house: House) -> None:
    wants(house, monthly=3)
    results = at(house, NOVEMBER, *(counted(house, "alice") for _ in range(5))).results
    assert [type(result) for result in results] == [type(None)] * 3 + [MonthlyLimit] * 2
    assert str(results[-1]) == "No more messages this month"
    assert spent(house)[0] == 3
    assert type(at(house, NOVEMBER, counted(house, "alice")).results[0]) is MonthlyLimit
    assert house.rows("SELECT sent, previous, last_sent FROM tb_terms WHERE monthly = 3") == [(3, 0, NOVEMBER)]


def test_a_new_month_counts_anew(house: House) -> None:
    wants(house, monthly=3)
    for when, sent in ((NOVEMBER, 2), (DECEMBER, 3), (JANUARY, 1)):
        assert at(house, when, *(counted(house, "alice") for _ in range(sent))).results == [None] * sent
    assert house.rows("SELECT sent, previous FROM tb_terms WHERE monthly = 3") == [(1, 3)]


def test_a_clock_that_goes_back_gives_nothing_away(house: House) -> None:
    wants(house, monthly=1)
    assert at(house, DECEMBER, counted(house, "alice")).results == [None]
    assert type(at(house, NOVEMBER, counted(house, "alice")).results[0]) is MonthlyLimit
    assert type(at(house, DECEMBER, counted(house, "alice")).results[0]) is MonthlyLimit
    assert at(house, JANUARY, counted(house, "alice")).results == [None]


def test_what_is_refused_is_not_counted(house: House) -> None:
    wants(house, monthly=5)
    broke = house.message("alice", price=CREDIT + 1, counted=(house.users["alice"],))
    assert type(at(house, NOVEMBER, broke).results[0]) is NoCredit
    assert house.rows("SELECT sent FROM tb_terms WHERE monthly = 5") == [(0,)]


def test_what_fails_stays_counted(house: House) -> None:
    wants(house, monthly=5)
    made = counted(house, "alice")
    at(house, NOVEMBER, made)
    house.commit(failure(made))
    assert house.rows("SELECT sent FROM tb_terms WHERE monthly = 5") == [(1,)]


def test_a_reseller_s_limit_is_for_all_who_buy_from_it(house: House) -> None:
    wants(house, "small", monthly=2)
    wants(house, "alice", monthly=9)
    results = at(house, now_millis(), *(counted(house, "alice", "small") for _ in range(3))).results
    assert [type(result) for result in results] == [type(None)] * 2 + [MonthlyLimit]
    assert [(found.sent, found.monthly) for found in (terms(house, "alice"), terms(house, "small")) if found] == [
        (2, 9), (2, 2),
    ]  # fmt: skip


def test_a_limit_that_was_taken_away_meanwhile(house: House) -> None:
    """The message was accepted by what this process knew a moment ago."""
    wants(house, monthly=1)
    wants(house, monthly=0)
    assert at(house, NOVEMBER, *(counted(house, "alice") for _ in range(3))).results == [None] * 3


# -- the proof


FORGED = {
    "charged twice": "INSERT INTO tb_ledger (id, user_id, msgid, kind, amount, created) SELECT 7, user_id, message_id, 'reserve', -price, 1 FROM tb_charges WHERE level = 1",  # noqa: E501
    "not charged": "DELETE FROM tb_ledger WHERE amount = -20000",
    "a charge of nobody": "DELETE FROM tb_charges WHERE level = 2",
}


@pytest.mark.parametrize("statement", FORGED.values(), ids=FORGED)
def test_a_level_that_is_wrong_is_found(house: House, statement: str) -> None:
    made = accepted(house)
    house.commit(*takes(made, "1"))
    assert house.db.read("wrong_charges") == []
    _forge(house, statement)
    assert [row[0] for row in house.db.read("wrong_charges")] == [made.id]
    house.db.write_batch("delete_movements", [(made.id,)])
    _mend(house, made)


def test_one_who_has_the_money_back_alone_is_found(house: House) -> None:
    made = accepted(house)
    house.commit(*takes(made, "1"))
    _forge(house, "UPDATE tb_charges SET refunded = 1 WHERE level = 2")
    assert house.db.read("uneven_charges") == [(made.id, "big", 1)]
    _mend(house, made)


def _forge(house: House, statement: str) -> None:
    connection = house.engine.connect()
    connection.cursor().execute(statement)
    connection.close()


def _mend(house: House, made: Message) -> None:
    """So that the fixture's own check holds."""
    for table in ("movements", "charges", "cdrs", "queue", "parts", "messages"):
        house.db.write_batch(f"delete_{table}", [(made.id,)])
    _forge(house, f"UPDATE tb_users SET balance = {CREDIT} WHERE balance > 0")  # noqa: S608 — a number
