"""A message that its provider seems to have taken: its CDR waits for the second answer, whoever gets that."""

from __future__ import annotations

import pytest

from tests.store.rig import LATER, PRICE, House
from voipsms import recovery
from voipsms.model import Message, Receipt, State, Submitted
from voipsms.recovery import Claimed
from voipsms.store.entries import Accept, Confirm, Fail, Hear, Stage, Take
from voipsms.store.ids import now_millis


def unverified(house: House, provider_id: str = "00M1") -> Message:
    message = house.accepted()
    first = Submitted(provider_id, State.ACCEPTED, "OK", unverified=True)
    house.commit(Take(message, 1, 1, 1, first, last=True, expires=LATER))
    return message


def test_no_cdr_before_the_second_answer(house: House) -> None:
    message = unverified(house)
    assert house.rows("SELECT COUNT(*) FROM tb_cdrs") == [(0,)]
    assert house.state(message)[0] is State.QUEUED
    queued = house.queued(message)
    assert queued is not None
    assert queued[:3] == (house.node.number, Stage.UNVERIFIED, 1)
    house.check()


@pytest.mark.parametrize(
    "submitted, left",
    [(Submitted("m1", State.ACCEPTED, "DONE"), None), (Submitted("m1", State.ENROUTE, "DONE"), Stage.TAKEN)],
    ids=["says no more", "receipts follow"],
)
def test_confirmed(house: House, submitted: Submitted, left: Stage | None) -> None:
    message = unverified(house)
    house.commit(Confirm(message, 1, submitted, LATER))
    assert house.cdr(message) == (60, PRICE, submitted.state.value, "")
    assert house.state(message) == (submitted.state, "", "DONE")
    queued = house.queued(message)
    assert (queued[1] if queued else None) is left
    house.check()


def test_not_sent_after_all(house: House) -> None:
    message = unverified(house)
    house.commit(Fail(message, State.REJECTED, "refused_by_provider", "no such number"))
    assert house.cdr(message) == (0, 0, "REJECTED", "refused_by_provider")
    assert house.movements(message) == [("reserve", -PRICE), ("refund", PRICE)]
    assert house.queued(message) is None
    house.check()


def test_a_receipt_that_comes_before_the_second_answer_counts(house: House) -> None:
    message = unverified(house)
    assert house.hear("m1", State.UNDELIVERABLE) is True
    assert house.state(message)[0] is State.QUEUED
    house.commit(Confirm(message, 1, Submitted("m1", State.ENROUTE), LATER))
    assert house.state(message)[0] is State.UNDELIVERABLE
    assert house.queued(message) is None


def test_who_inherits_it_asks_again(house: House) -> None:
    message = unverified(house)
    house.db.write("disown", node=house.node.number)
    with house.db.transaction():
        [claimed] = recovery.claim(house.db, house.node.number, 0)
    assert claimed == Claimed(message, Stage.UNVERIFIED, 1, claimed.due, "00M1")
    assert [row[0] for row in house.db.read("owned", node=house.node.number)] == [message.id]


def test_options_survive(house: House) -> None:
    """What few messages have is there again for who takes them over."""
    message = house.message(octets=b"\x00\xff", udh=b"\x02\x70\x00", due=LATER, valid=3600)
    house.commit(Accept(message, started=False, ours=False))
    with house.db.transaction():
        [claimed] = recovery.claim(house.db, house.node.number, 0)
    assert claimed == Claimed(message, Stage.WAITING, 0, LATER)


def test_unsettled_parts_are_found_page_by_page(house: House) -> None:
    messages = [house.taken(f"{n:02}a", f"{n:02}B", message=house.accepted(price=0, parts=2)) for n in range(60)]
    house.db.write_batch("move_queue", [(m.id, 0, int(Stage.TAKEN), 1, now_millis() - 1) for m in messages])
    house.commit(Hear(Receipt(house.gateway(), "3b", State.DELIVERED)))
    found, after = [], (0, 0)
    while page := recovery.unsettled(house.db, now_millis(), after):
        assert len(page) <= 100
        after = (page[-1][0].id, page[-1][1])
        found += page
    expected = [(m, part, f"{n:02}{'aB'[part - 1]}") for n, m in enumerate(messages) for part in (1, 2)]
    assert found == [one for one in expected if one[2] != "03B"]
