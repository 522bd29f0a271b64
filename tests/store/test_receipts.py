"""Receipts: whenever they come, whatever they call the message, each message is settled once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.rig import CREDIT, LATER, PRICE, House, failure, takes
from voipsms import recovery
from voipsms.model import Message, Millis, Receipt, State
from voipsms.store.database import Engine
from voipsms.store.entries import Doubt, Entry, Hear
from voipsms.store.ids import first_id, now_millis
from voipsms.store.orphans import KEEP, Orphans

FAILING = [State.UNDELIVERABLE, State.EXPIRED, State.DELETED, State.REJECTED]


# -- one part


def test_delivered(house: House) -> None:
    message = house.taken("1a")
    assert house.hear("1a") is True
    assert house.state(message) == (State.DELIVERED, "", "")
    assert house.cdr(message) == (60, PRICE, "DELIVERED", "")
    assert house.queued(message) is None
    assert house.rows("SELECT state FROM tb_parts") == [("DELIVERED",)]


@pytest.mark.parametrize("state", FAILING)
@pytest.mark.parametrize("refund", [True, False], ids=["refund", "no-refund"])
def test_failed(house: House, state: State, refund: bool) -> None:
    house.refund = refund
    message = house.taken("1a")
    house.hear("1a", state, error="034")
    assert house.state(message) == (state, state.lower(), "error 034")
    assert house.cdr(message) == ((0, 0) if refund else (60, PRICE)) + (state, state.lower())
    assert house.balance() == (CREDIT if refund else CREDIT - PRICE)
    assert house.queued(message) is None


@pytest.mark.parametrize("error", ["", "0", "000"])
def test_without_an_error_code_there_is_no_comment(house: House, error: str) -> None:
    message = house.taken("1a")
    house.hear("1a", State.EXPIRED, error)
    assert house.state(message)[1:] == ("expired", "")


@pytest.mark.parametrize("state", [State.ENROUTE, State.ACCEPTED, State.QUEUED])
def test_what_says_nothing_new_changes_nothing(house: House, state: State) -> None:
    message = house.taken("1a")
    assert house.hear("1a", state) is True
    assert house.hear("2b", state) is False
    assert house.state(message)[0] is State.ENROUTE
    assert house.orphaned() == []


def test_unknown_is_final_until_more_is_said(house: House) -> None:
    message = house.taken("1a")
    house.hear("1a", State.UNKNOWN)
    assert house.queued(message) is None
    assert house.cdr(message) == (60, PRICE, "UNKNOWN", "")
    house.hear("1a", State.UNDELIVERABLE)
    assert house.cdr(message) == (0, 0, "UNDELIVERABLE", "undeliverable")


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "apart"])
@pytest.mark.parametrize("state", [State.DELIVERED, State.REJECTED])
def test_twice(house: House, state: State, together: bool) -> None:
    message = house.taken("1a")
    hears = [Hear(Receipt(house.gateway(), "1a", state))] * 2
    for batch in [hears] if together else [[hear] for hear in hears]:
        assert house.commit(*batch).results == [True] * len(batch)
    assert house.state(message)[0] is state
    assert len(house.movements(message)) == (2 if state is State.REJECTED else 1)


def test_the_first_final_word_counts(house: House) -> None:
    delivered, rejected = house.taken("1a"), house.taken("2b")
    house.hear("1a")
    house.hear("1a", State.REJECTED)
    hears = [Hear(Receipt(house.gateway(), "2b", state)) for state in (State.REJECTED, State.DELIVERED)]
    house.commit(*hears)
    assert [house.state(message)[0] for message in (delivered, rejected)] == [State.DELIVERED, State.REJECTED]
    assert house.balance() == CREDIT - PRICE


@pytest.mark.parametrize("refund", [True, False], ids=["refund", "no-refund"])
def test_late_failing_receipts_refund_once(house: House, refund: bool) -> None:
    house.refund = refund
    accepted = house.taken("1a", state=State.ACCEPTED)
    overdue = house.taken("2b", message=house.accepted())
    expire(house)
    assert house.state(overdue)[0] is State.UNKNOWN
    for _ in range(2):
        assert house.hear("1a", State.UNDELIVERABLE) is True
        assert house.hear("2b", State.EXPIRED) is True
    assert [house.state(message)[0] for message in (accepted, overdue)] == [State.UNDELIVERABLE, State.EXPIRED]
    assert house.balance() == CREDIT - (0 if refund else 2 * PRICE)


def expire(house: House) -> None:
    """As if the time for receipts were over."""
    taken = [row[0] for row in house.rows("SELECT id FROM tb_queue WHERE stage = 2")]
    house.db.write_batch("move_queue", [(message_id, 0, 2, 1, 1) for message_id in taken])
    with house.db.transaction():
        recovery.overdue(house.db, now_millis())


# -- whose receipt it is


@pytest.mark.parametrize(
    ("submitted", "heard"),
    [
        ("1A2B", "1a2b"), ("0000123", "123"), ("123", "0000123"), ("0x1f", "1F"), ("31", "1f"), ("1F", "31"),
        ("00000010", "16"), (" 77 ", "77"), ("4f0c-11d2", "4F0C-11D2"), ("18446744073709551615", "ffffffffffffffff"),
        ("id with 'quotes' %s :x", "ID with 'quotes' %s :x"), ("ид", "ИД"), ("0", "0"), ("000", "0"),
    ],
    ids=ascii,
)  # fmt: skip
def test_spellings_of_an_id(shared_house: House, submitted: str, heard: str) -> None:
    message = shared_house.taken(submitted, message=shared_house.accepted("admin"))
    assert shared_house.hear(heard) is True
    assert shared_house.state(message)[0] is State.DELIVERED


@pytest.mark.parametrize("ids", [("1", "2"), ("abc", "abd"), ("10", "11")], ids=str)
def test_another_id_is_another_message(house: House, ids: tuple[str, str]) -> None:
    message = house.taken(ids[0])
    assert house.hear(ids[1]) is False
    assert house.state(message)[0] is State.ENROUTE


def test_an_id_as_it_stands_goes_before_its_other_spelling(house: House) -> None:
    decimal, hexadecimal = house.taken("16"), house.taken("10")
    house.hear("16", State.DELIVERED)
    assert [house.state(message)[0] for message in (decimal, hexadecimal)] == [State.DELIVERED, State.ENROUTE]


def test_ids_belong_to_their_gateway(house: House) -> None:
    message = house.taken("1a")
    other = house.taken("1a", message=house.accepted(gateway_id=house.gateway("other")))
    house.hear("1a", State.REJECTED, gateway="other")
    assert [house.state(m)[0] for m in (message, other)] == [State.ENROUTE, State.REJECTED]


def test_an_id_used_again_names_the_newest_message(house: House) -> None:
    old = house.taken("1a")
    house.hear("1a")
    new = house.taken("1a")
    house.hear("1a", State.REJECTED)
    assert [house.state(message)[0] for message in (old, new)] == [State.DELIVERED, State.REJECTED]
    house.hear("1a", State.UNDELIVERABLE)
    assert house.balance() == CREDIT - PRICE


def test_an_id_used_again_while_the_old_one_still_waits(house: House) -> None:
    old, new = house.taken("1a"), house.taken("1a")
    house.hear("1a")
    assert [house.state(message)[0] for message in (old, new)] == [State.ENROUTE, State.DELIVERED]
    house.hear("1a", State.REJECTED)
    assert [house.state(message)[0] for message in (old, new)] == [State.REJECTED, State.DELIVERED]


@pytest.mark.parametrize("nothing", ["", " ", "\0"], ids=ascii)
def test_no_id_names_nothing(house: House, nothing: str) -> None:
    message = house.taken(nothing)
    assert house.hear(nothing, State.REJECTED) is False
    assert house.orphaned() == []
    assert house.state(message)[0] is State.ENROUTE


def test_a_message_in_doubt_has_no_id_to_be_found_by(house: House) -> None:
    message = house.accepted()
    house.commit(Doubt(message, "timed out", LATER))
    assert house.hear("1a") is False
    assert house.state(message)[0] is State.UNKNOWN


# -- several parts


def test_final_when_all_parts_are(house: House) -> None:
    message = house.taken("1", "2", "3")
    for part in ("1", "2"):
        house.hear(part)
        assert house.state(message)[0] is State.ENROUTE
    house.hear("3")
    assert house.state(message) == (State.DELIVERED, "", "3 parts")
    assert house.cdr(message) == (60, PRICE, "DELIVERED", "")
    assert house.queued(message) is None


@pytest.mark.parametrize("worse", [State.UNKNOWN, *FAILING])
@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "apart"])
def test_the_worst_part_names_the_state(house: House, worse: State, together: bool) -> None:
    message = house.taken("1", "2", "3")
    states = (State.DELIVERED, worse, State.DELIVERED)
    hears = [Hear(Receipt(house.gateway(), str(n), state)) for n, state in enumerate(states, 1)]
    for batch in [hears] if together else [[hear] for hear in hears]:
        house.commit(*batch)
    assert house.state(message)[0] is worse
    assert house.cdr(message)[:2] == ((60, PRICE) if worse is State.UNKNOWN else (0, 0))


def test_the_last_word_on_a_part_counts_as_long_as_the_message_is_open(house: House) -> None:
    message = house.taken("1", "2")
    first = [Hear(Receipt(house.gateway(), "1", state)) for state in (State.UNKNOWN, State.DELIVERED)]
    house.commit(*first)
    house.hear("2")
    assert house.state(message)[0] is State.DELIVERED


def test_parts_with_one_id(house: House) -> None:
    message = house.taken("1", "1")
    house.hear("1")
    house.hear("1")
    assert house.state(message)[0] is State.DELIVERED


def test_receipts_between_the_answers_to_the_parts(house: House) -> None:
    message = house.accepted(parts=2)
    first, second = takes(message, "1", "2")
    house.commit(first)
    assert house.hear("1") is True
    assert house.state(message)[0] is State.QUEUED
    house.commit(Hear(Receipt(house.gateway(), "2", State.DELIVERED)), second)
    assert house.state(message)[0] is State.DELIVERED


def test_parts_that_were_sent_again(house: House) -> None:
    message = house.accepted(parts=2)
    house.commit(takes(message, "1", "2")[0])
    house.commit(*takes(message, "3", "4", attempt=2))
    house.hear("3")
    house.hear("1", State.UNDELIVERABLE)
    house.hear("4")
    assert house.state(message)[0] is State.DELIVERED


def test_a_receipt_for_a_part_of_a_message_that_failed(house: House) -> None:
    message = house.accepted(parts=2)
    house.commit(takes(message, "1", "2")[0])
    house.commit(failure(message, State.UNKNOWN))
    assert house.hear("1", State.UNDELIVERABLE) is True
    assert house.balance() == CREDIT


# -- before the answer to the submit


def hear(house: House, provider_id: str, state: State = State.DELIVERED) -> Hear:
    return Hear(Receipt(house.gateway(), provider_id, state))


def test_in_the_batch_of_the_answer(house: House) -> None:
    before, after = house.accepted(), house.accepted()
    entries: list[Entry] = [hear(house, "1a"), *takes(before, "1A"), *takes(after, "2b"), hear(house, "2B")]
    assert house.commit(*entries).results == [True, None, None, True]
    assert [house.state(message)[0] for message in (before, after)] == [State.DELIVERED] * 2


@pytest.mark.parametrize(("heard", "submitted"), [("1a", "1A"), ("00255", "ff"), ("FF", "255")])
@pytest.mark.parametrize("state", [State.DELIVERED, State.REJECTED])
def test_in_the_batch_before_the_answer(house: House, heard: str, submitted: str, state: State) -> None:
    assert house.hear(heard, state, error="7") is False
    assert len(house.orphaned()) == 1
    message = house.taken(submitted)
    assert house.state(message)[0] is state
    assert house.queued(message) is None
    assert house.orphaned() == []


def sweep(house: House) -> list[object]:
    """What Upkeep does with the receipts that wait."""
    with house.db.transaction():
        found = recovery.orphans(house.db, 0)
    return house.commit(*(Hear(receipt, orphan) for orphan, receipt in found)).results


def test_answered_to_another_process(house: House, engine: Engine) -> None:
    assert house.hear("00FF", State.REJECTED, error="7") is False
    other = House(engine, number=7)
    message = other.taken("255", message=other.accepted())
    other.close()
    assert house.state(message)[0] is State.ENROUTE
    assert sweep(house) == [True]
    assert house.state(message)[:2] == (State.REJECTED, "rejected")
    assert house.orphaned() == []


def test_after_a_restart(house: House) -> None:
    house.hear("1a")
    house.orphans = Orphans()
    assert sweep(house) == [False]
    message = house.taken("1a")
    assert house.state(message)[0] is State.DELIVERED


def test_what_stays_unmatched_stays_one_row(house: House) -> None:
    house.hear("1a")
    rows = house.rows("SELECT * FROM tb_receipts")
    for _ in range(3):
        assert sweep(house) == [False]
    assert house.rows("SELECT * FROM tb_receipts") == rows


def test_a_receipt_that_is_too_old_is_not_of_a_new_message(house: House) -> None:
    house.orphans.add(first_id(Millis(now_millis() - KEEP - 1)), Receipt(house.gateway(), "1a", State.REJECTED))
    assert house.state(house.taken("1a"))[0] is State.ENROUTE


def test_more_orphans_than_are_kept_at_hand(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.store.orphans._MOST", 2)
    house.commit(*(hear(house, provider_id) for provider_id in "abc"))
    messages = [house.taken(provider_id) for provider_id in "abc"]
    assert [house.state(message)[0] for message in messages] == [State.ENROUTE, State.DELIVERED, State.DELIVERED]
    assert sweep(house) == [True]
    assert house.state(messages[0])[0] is State.DELIVERED


# -- for a submit that got no answer


def named(house: House, target: str = "36301112233", state: State = State.DELIVERED, gateway: str = "smsc") -> Hear:
    """A receipt that has the message's numbers, and an id that nobody knows."""
    heard = Receipt(house.gateway(gateway), "c0ffee", state, sender="36201234567", target=target)
    return Hear(heard)


def doubted(house: House, **fields: Any) -> Message:
    message = house.accepted(**fields)
    house.commit(Doubt(message, "timed out", LATER))
    return message


@pytest.mark.parametrize("state, cdr", [(State.DELIVERED, (60, PRICE)), (State.UNDELIVERABLE, (0, 0))])
def test_settles_the_doubt(house: House, state: State, cdr: tuple[int, int]) -> None:
    message = doubted(house)
    assert house.commit(named(house, state=state)).results == [True]
    assert house.state(message)[0] is state
    assert house.cdr(message)[:2] == cdr
    assert house.queued(message) is None
    assert house.orphaned() == []


def test_settles_the_oldest_and_each_once(house: House) -> None:
    first, second, third = (doubted(house) for _ in range(3))
    assert house.commit(named(house), named(house)).results == [True, True]
    assert [house.state(m)[0] for m in (first, second, third)] == [State.DELIVERED, State.DELIVERED, State.UNKNOWN]


def test_leaves_every_other_message_alone(house: House) -> None:
    others = [doubted(house, sender="36209999999"), doubted(house, parts=2), house.taken("1a"), house.accepted()]
    strangers = [named(house, target="36300000000"), named(house, gateway="other"), named(house, state=State.ENROUTE)]
    assert house.commit(*strangers, named(house)).results == [False] * 4
    assert [house.state(m)[0] for m in others] == [State.UNKNOWN, State.UNKNOWN, State.ENROUTE, State.QUEUED]


def test_the_receipt_that_was_there_before_the_doubt(house: House) -> None:
    message = house.accepted()
    house.commit(named(house))
    house.commit(Doubt(message, "timed out", LATER))
    ((orphan, receipt),) = recovery.orphans(house.db, 0)
    assert house.commit(Hear(receipt, orphan)).results == [True]
    assert house.state(message)[0] is State.DELIVERED
    assert house.orphaned() == []
