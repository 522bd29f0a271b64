from __future__ import annotations

import pytest

from voipsms.connectors.deliver_sm import read
from voipsms.model import GatewayId, Receipt, State
from voipsms.smpp.pdu import (
    DATA_SM,
    DELIVER_SM,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
    DataMessage,
    Pdu,
    ShortMessage,
    Tlvs,
)

GATEWAY = GatewayId(7)
TEXT = "id:1f2e sub:001 dlvrd:001 submit date:2611201200 done date:2611201201 stat:DELIVRD err:000 text:hi"
BARE = "id:1f2e stat:UNDELIV err:021"


def deliver_sm(text: str | bytes, esm_class: int = 4, coding: int = 0, tlvs: Tlvs = ()) -> Pdu:
    octets = text.encode() if isinstance(text, str) else text
    return Pdu(DELIVER_SM, 0, 1, ShortMessage(esm_class=esm_class, data_coding=coding, short_message=octets), tlvs)


def data_sm(esm_class: int, *tlvs: tuple[int, bytes]) -> Pdu:
    return Pdu(DATA_SM, 0, 1, DataMessage(esm_class=esm_class), tlvs)


def receipt(state: State, error: str = "000", provider_id: str = "1f2e", comment: str = "") -> Receipt:
    return Receipt(GATEWAY, provider_id, state, error, comment)


DELIVERED, STATE_2, STATE_5 = receipt(State.DELIVERED), (MESSAGE_STATE, b"\2"), (MESSAGE_STATE, b"\5")
ID = (RECEIPTED_MESSAGE_ID, b"ABC-1\0")

CASES: dict[str, tuple[Pdu, Receipt | str | None]] = {
    "by esm_class": (deliver_sm(TEXT), DELIVERED),
    "by esm_class, with other bits": (deliver_sm(TEXT, 0x87), DELIVERED),
    "by content": (deliver_sm(TEXT, 0), DELIVERED),
    "by the TLV alone": (deliver_sm("", 0, 0, (ID, STATE_2)), receipt(State.DELIVERED, "", "ABC-1")),
    "in message_payload": (deliver_sm("", 4, 0, ((MESSAGE_PAYLOAD, TEXT.encode()),)), DELIVERED),
    "in UCS-2": (deliver_sm(TEXT.encode("utf-16-be"), 4, 8), DELIVERED),
    "lower case, few fields": (deliver_sm(BARE.lower()), receipt(State.UNDELIVERABLE, "021")),
    "TLVs win over the text": (deliver_sm(TEXT, 4, 0, (ID, STATE_5)), receipt(State.UNDELIVERABLE, "000", "ABC-1")),
    "TLV id without NUL": (
        deliver_sm(TEXT, 4, 0, ((RECEIPTED_MESSAGE_ID, b"9"),)), receipt(State.DELIVERED, provider_id="9"),
    ),
    "an empty TLV id": (deliver_sm(TEXT, 4, 0, ((RECEIPTED_MESSAGE_ID, b""),)), DELIVERED),
    "a state that nobody knows": (deliver_sm(TEXT, 4, 0, ((MESSAGE_STATE, b"\x63"),)), DELIVERED),
    "an empty state": (deliver_sm(TEXT, 4, 0, ((MESSAGE_STATE, b""),)), DELIVERED),
    "a network's error": (
        deliver_sm(BARE, 4, 0, ((NETWORK_ERROR_CODE, b"\3\1\2"),)), receipt(State.UNDELIVERABLE, "258"),
    ),
    "a cut network's error": (
        deliver_sm(BARE, 4, 0, ((NETWORK_ERROR_CODE, b"\3\1"),)), receipt(State.UNDELIVERABLE, "021"),
    ),
    "intermediate": (deliver_sm(TEXT, 0x20), receipt(State.ENROUTE)),
    "intermediate with a final word": (deliver_sm(BARE, 0x20), receipt(State.ENROUTE, "021")),
    "an unknown word": (
        deliver_sm("id:1f2e stat:WHATEVER err:0"), receipt(State.UNKNOWN, "0", comment="id:1f2e stat:WHATEVER err:0"),
    ),
    "ids keep _ and @": (deliver_sm("id:a_b@c stat:DELIVRD"), receipt(State.DELIVERED, "", "a_b@c")),
    "without an id": (deliver_sm("stat:DELIVRD err:000"), None),
    "no receipt at all": (deliver_sm("what?"), None),
    "data_sm": (data_sm(4, (MESSAGE_PAYLOAD, TEXT.encode())), DELIVERED),
    "data_sm with TLVs only": (data_sm(4, ID, STATE_5), receipt(State.UNDELIVERABLE, "", "ABC-1")),
    "a text": (deliver_sm("hello", 0), "hello"),
    "an empty text": (deliver_sm("", 0), ""),
    "a text in the default alphabet": (deliver_sm(b"\x00 \x1be", 0), "@ €"),
    "a text in Latin-1": (deliver_sm(b"\xe1", 0, 3), "á"),
    "a text in UCS-2": (deliver_sm("😀".encode("utf-16-be"), 0, 8), "😀"),
    "a part": (deliver_sm(b"\5\0\3\1\2\1hello", 0x40), "hello"),
    "UDHI without a header": (deliver_sm("hello", 0x40), "hello"),
    "a text by data_sm": (data_sm(0, (MESSAGE_PAYLOAD, b"hello")), "hello"),
    "an acknowledgement by the phone's user": (deliver_sm("yes", 0x10), "yes"),
    "a text that speaks of receipts": (deliver_sm("the id: 5 and stat: good", 0), "the id: 5 and stat: good"),
    "octets": (deliver_sm(b"\1\2", 0, 4), "0102"),
}  # fmt: skip


@pytest.mark.parametrize("pdu, expected", CASES.values(), ids=CASES.keys())
def test_read(pdu: Pdu, expected: Receipt | str | None) -> None:
    assert isinstance(pdu.body, ShortMessage | DataMessage)
    assert read(GATEWAY, pdu, pdu.body) == expected
