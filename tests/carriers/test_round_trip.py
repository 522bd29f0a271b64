"""What we write in other people's formats is what we read in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.carriers.deliveries import AT, delivery
from voipsms.carriers.clickatell import FORM, mo_form, mo_soap, mo_xml, receipt_form, routo_receipt_form
from voipsms.carriers.mo_log import line
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound import clickatell, mo_log, routo
from voipsms.inbound.call import Origin, read_call
from voipsms.model import Delivery, GatewayId, Inbound, Millis, State, Subject
from voipsms.settings import GlobalSettings

ORIGIN = Origin(GatewayId(5), GatewaySettings(smsurl="null:"), GlobalSettings())
SECOND = Millis(AT // 1000 * 1000)
TEXTS = ["Szia", "árvíz & <tűrő> 🎉 %00 +1=2", "sorok\nközött\t tab", "5 €"]


def by_form(told: Delivery) -> Inbound:
    return clickatell.message(ORIGIN, read_call(mo_form(told), "", b""))


def by_post(told: Delivery) -> Inbound:
    return clickatell.message(ORIGIN, read_call(b"", FORM, mo_form(told)))


def by_xml(told: Delivery) -> Inbound:
    return clickatell.message(ORIGIN, read_call(b"", FORM, mo_xml(told)))


def by_soap(told: Delivery) -> Inbound:
    return clickatell.message(ORIGIN, read_call(b"", FORM, mo_soap(told)))


@pytest.mark.parametrize("carry", [by_form, by_post, by_xml, by_soap])
@pytest.mark.parametrize("text", TEXTS, ids=["ASCII", "all kinds", "lines", "the euro"])
def test_texts(carry: Callable[[Delivery], Inbound], text: str) -> None:
    read = carry(delivery(text))
    assert read == Inbound(
        GatewayId(5), "36301112233", "36201234567", text, provider_id="7000000000000000000", sent=SECOND
    )


@pytest.mark.parametrize("state", sorted(State))
def test_receipts(state: State) -> None:
    told = delivery("", subject=Subject.RECEIPT, fields=(("state", state),))
    ours = clickatell.receipt(ORIGIN, read_call(receipt_form(told), "", b""))
    theirs = routo.receipt(ORIGIN, read_call(b"", FORM, routo_receipt_form(told)))
    assert ours.provider_id == theirs.provider_id == "7000000000000000000"
    ends_nothing = {State.QUEUED, State.ENROUTE}
    assert theirs.state is (State.ENROUTE if state in ends_nothing else state)
    assert ours.state is (State.ENROUTE if state in ends_nothing | {State.ACCEPTED, State.UNKNOWN} else state)


def test_mo_log() -> None:
    octets = line(delivery("árvíztűrő 🎉\tvége"))
    read = mo_log.read_line(ORIGIN.gateway_id, "f", 0, octets.removesuffix(b"\n"))
    assert (read.source, read.target, read.text, read.sent) == (
        "36301112233", "36201234567", "árvíztűrő 🎉 vége", SECOND,
    )  # fmt: skip
