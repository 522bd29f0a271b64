"""What the tables tell of a message, on both engines."""

from __future__ import annotations

import pytest

from tests.store.rig import LATER, House, failure, takes
from voipsms import recovery, retention
from voipsms.model import (
    Channel,
    Delivery,
    DeliveryId,
    Inbound,
    Message,
    Micros,
    Millis,
    Msisdn,
    Receipt,
    State,
    Subject,
)
from voipsms.store import story
from voipsms.store.entries import (
    Accept,
    Conclude,
    Defer,
    Doubt,
    Entry,
    Hear,
    Postpone,
    Receive,
    Received,
    Reroute,
    Settle,
    Stage,
)
from voipsms.store.ids import now_millis
from voipsms.store.story import Story
from voipsms.values import replace


def told(house: House, message: Message) -> Story:
    found = story.read(house.db, message.id)
    assert found is not None
    return found


def kinds(house: House, message: Message) -> list[tuple[str, str]]:
    """Without the times; that they grow is checked here."""
    events = told(house, message).events
    times = [event.at for event in events]
    assert times == sorted(times)
    assert all(abs(at - now_millis()) < 60_000 for at in times)
    return [(event.kind, event.detail) for event in events]


ACCEPTED = ("accepted", "by sip from 192.0.2.1, 36201234567 to 36301112233, 1 part, gsm7")
RESERVED = ("reserve", "-0.05 EUR alice")


def test_of_one_that_waits(house: House) -> None:
    message = house.accepted()
    assert kinds(house, message) == [ACCEPTED, RESERVED]
    found = told(house, message)
    assert (found.state, found.cdr, found.parts) == (State.QUEUED, None, [])
    assert (found.waits_for, found.node) == (Stage.STARTED, house.node.number)
    assert (found.user, found.gateway, found.direction) == ("alice", "smsc", "MT")
    assert found.message == message


def test_of_one_that_was_delivered(house: House) -> None:
    message = house.taken("ABC1")
    house.hear("ABC1")
    assert kinds(house, message) == [
        ACCEPTED, RESERVED, ("taken", "by smsc as ABC1"), ("ENROUTE", ""), ("DELIVERED", ""),
    ]  # fmt: skip
    found = told(house, message)
    assert (found.waits_for, found.waits) == (None, "")
    assert found.cdr is not None
    assert found.cdr[14] == "DELIVERED"


def test_of_one_that_failed(house: House) -> None:
    message = house.accepted()
    house.commit(failure(message))
    assert kinds(house, message) == [
        ACCEPTED, RESERVED, ("refund", "0.05 EUR alice"), ("REJECTED", "refused_by_provider: no such number"),
    ]  # fmt: skip


def test_binary_scheduled_and_bounded(house: House) -> None:
    due = Millis(1_800_000_000_000)
    message = house.message(octets=b"\x01\x02", udh=b"\x02\x70\x00", due=due, valid=90, text="")
    house.commit(Accept(message, started=False))
    scheduled = [detail for kind, detail in kinds(house, message) if kind == "scheduled"]
    assert scheduled == ["not before 2027-01-15T08:00:00.000Z", "valid for 90 s"]
    assert told(house, message).message == message
    assert told(house, message).waits == "for a provider, not before 2027-01-15T08:00:00.000Z"


@pytest.mark.parametrize(
    "entry, event",
    [
        (lambda m: Postpone(m.id, 2, LATER, "attempt 1 at smsc: temporary_failure: busy"),
         ("attempt", "attempt 1 at smsc: temporary_failure: busy")),
        (lambda m: Reroute(m, "from smsc to other: gateway_down"), ("rerouted", "from smsc to other: gateway_down")),
        (lambda m: Doubt(m, "the link broke", LATER), ("UNKNOWN", "no_answer: the link broke")),
        (lambda m: Postpone(m.id, 1, LATER, "x" * 300), ("attempt", "x" * 255)),
    ],
    ids=["postponed", "rerouted", "in doubt", "a long reason"],
)  # fmt: skip
def test_setbacks(house: House, entry: object, event: tuple[str, str]) -> None:
    message = house.accepted()
    made: Entry = entry(message)  # type: ignore[operator]
    house.commit(made)
    house.commit(made) if isinstance(made, Postpone) else None  # the same again is told once
    assert [one for one in kinds(house, message) if one not in (ACCEPTED, RESERVED)] == [event]


def test_what_rules_did(house: House) -> None:
    message = house.message()
    house.commit(Accept(message, started=True, said="target was '06301112233'"))
    assert ("rules", "target was '06301112233'") in kinds(house, message)


def test_parts_and_their_receipts(house: House) -> None:
    message = house.accepted(parts=2)
    house.commit(*takes(message, "A1", "A2"))
    house.hear("A2")
    house.hear("A1", State.UNDELIVERABLE, error="034")
    found = kinds(house, message)
    assert [detail for kind, detail in found if kind == "taken"] == [
        "part 1 of 2 by smsc as A1, UNDELIVERABLE", "part 2 of 2 by smsc as A2, DELIVERED",
    ]  # fmt: skip
    assert sorted(detail for kind, detail in found if kind == "receipt") == [
        "part 1: UNDELIVERABLE, error 034", "part 2: DELIVERED",
    ]  # fmt: skip
    assert ("UNDELIVERABLE", "undeliverable: 2 parts") in found


def test_receipts_that_change_nothing(house: House) -> None:
    message = house.taken("ABC1")
    house.commit(Hear(Receipt(house.gateway(), "ABC1", State.ACCEPTED, comment="at the SMSC")))
    house.hear("ABC1")
    house.hear("ABC1", State.UNDELIVERABLE, error="8")
    receipts = [detail for kind, detail in kinds(house, message) if kind == "receipt"]
    assert receipts == ["ACCEPTED: at the SMSC", "UNDELIVERABLE, error 8"]
    assert house.state(message)[0] is State.DELIVERED


def test_a_receipt_that_comes_too_late_corrects_and_tells(house: House) -> None:
    message = house.accepted()
    house.commit(*(replace(entry, expires=Millis(1)) for entry in takes(message, "ABC1")))
    with house.db.transaction():
        assert recovery.overdue(house.db, now_millis()) == 1
    house.hear("ABC1")
    states = [(kind, detail) for kind, detail in kinds(house, message) if kind.isupper()]
    assert states == [("ENROUTE", ""), ("UNKNOWN", "no_receipt: No receipt has come"), ("DELIVERED", "")]


def test_resellers_charges_are_theirs(house: House) -> None:
    message = house.accepted(charges=((house.users["bob"], Micros(30_000)),))
    charges = {event.of: event.detail for event in told(house, message).events if event.of is not None}
    assert charges == {house.users["alice"]: "-0.05 EUR alice", house.users["bob"]: "-0.03 EUR bob"}


def test_there_is_none(house: House) -> None:
    assert story.read(house.db, 1) is None


def test_it_goes_with_its_message(house: House) -> None:
    message = house.taken("ABC1")
    house.hear("ABC1")
    assert house.rows("SELECT COUNT(*) FROM tb_events") == [(1,)]
    with house.db.transaction():
        house.db.write_batch("delete_cdrs", [(message.id,)])
        house.db.write_batch("delete_movements", [(message.id,)])
        house.db.write("credit_user", id=house.users["alice"], amount=50_000)
        assert retention.drop_rows(house.db, message.id + 1) == 1
    assert house.rows("SELECT COUNT(*) FROM tb_events") == [(0,)]
    assert story.read(house.db, message.id) is None


def test_of_one_from_a_phone(house: House) -> None:
    told_of = Inbound(
        house.gateway(), "36301112233", "36201234567", "Hi", provider_id="MO7", sent=Millis(1_700_000_000_000)
    )
    [received] = house.commit(Receive(told_of, Millis(60_000))).results
    assert isinstance(received, Received)
    [arrival] = received.arrivals
    message = house.message(
        id=arrival.incoming.id, created=arrival.incoming.created, door="smpp", sender="36301112233", client_ip="",
        target=Msisdn("36201234567"), price=16_667,
    )  # fmt: skip
    delivery = Delivery(
        DeliveryId(house.ids.next()), message.id, message.user_id, Channel.WEBHOOK, Subject.TEXT, message.sender,
        message.target, message.text, message.created, LATER,
    )  # fmt: skip
    house.commit(Settle(arrival, message, deliveries=(delivery,)))
    before = [
        ("received", "36301112233 to 36201234567 by smsc"),
        ("arrived", "1 part, the provider's id MO7, sent 2023-11-14T22:13:20.000Z"),
    ]
    charge = [event for event in kinds(house, message) if event[1].startswith("-0.016667 EUR alice")]
    assert kinds(house, message)[:2] == before
    assert len(charge) == 1
    assert ("delivery", "text by webhook to be delivered") in kinds(house, message)
    house.commit(Defer(delivery.id, 1, LATER, "HTTP 500"))
    again = "text by webhook to be delivered, failed 1 times: HTTP 500, again at 2096-10-02T07:06:40.000Z"
    assert ("delivery", again) in kinds(house, message)
    house.commit(Conclude(delivery, True, "HTTP 200"))
    assert ("delivery", "text by webhook delivered: HTTP 200") in kinds(house, message)
    assert told(house, message).state is State.DELIVERED
