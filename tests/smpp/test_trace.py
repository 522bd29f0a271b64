from __future__ import annotations

import pytest

from voipsms.smpp.pdu import (
    Answer,
    Bind,
    Destination,
    DistributionList,
    MultiAnswer,
    MultiMessage,
    Outbind,
    Pdu,
    ShortMessage,
    Unsuccess,
)
from voipsms.smpp.trace import describe, watch

SUBMIT = Pdu(
    4,
    0,
    7,
    ShortMessage("", 5, 0, "Foo", 1, 1, "36301234567", data_coding=8, short_message=b"secret"),
    ((0x0424, b"payload"), (0x0427, b"\x02")),
)
CASES = {
    "bind, masked": (
        Pdu(9, 0, 1, Bind("me", "secret")),
        True,
        "bind_transceiver #1 system_id=me password=*** interface_version=52",
    ),
    "bind, not masked": (
        Pdu(9, 0, 1, Bind("me", "secret")),
        False,
        "bind_transceiver #1 system_id=me password=*** interface_version=52",
    ),
    "submit, masked": (
        SUBMIT,
        True,
        "submit_sm #7 source_addr_ton=5 source_addr=Foo dest_addr_ton=1 dest_addr_npi=1 destination_addr=3630*****67 "
        "data_coding=8 short_message=*** (6) tlv0x0424=*** (7) tlv0x0427=02",
    ),
    "submit, not masked": (
        SUBMIT,
        False,
        "submit_sm #7 source_addr_ton=5 source_addr=Foo dest_addr_ton=1 dest_addr_npi=1 destination_addr=36301234567 "
        "data_coding=8 short_message=736563726574 tlv0x0424=7061796c6f6164 tlv0x0427=02",
    ),
    "submit_multi, masked": (
        Pdu(0x21, 0, 7, MultiMessage(dest_addresses=(Destination(1, 1, "36301234567"), DistributionList("friends")))),
        True,
        "submit_multi #7 "
        "dest_addresses=[dest_addr_ton=1 dest_addr_npi=1 destination_addr=3630*****67, dl_name=friends]",
    ),
    "submit_multi_resp, masked": (
        Pdu(0x80000021, 0, 7, MultiAnswer("1f", (Unsuccess(1, 1, "36301234567", 11),))),
        True,
        "submit_multi_resp #7 ESME_ROK message_id=1f "
        "unsuccess_sme=[dest_addr_ton=1 dest_addr_npi=1 destination_addr=3630*****67 error_status_code=11]",
    ),
    "outbind": (Pdu(0x0B, 0, 1, Outbind("smsc", "secret")), False, "outbind #1 system_id=smsc password=***"),
    "answer": (Pdu(0x80000004, 0, 7, Answer("1f")), True, "submit_sm_resp #7 ESME_ROK message_id=1f"),
    "refusal": (Pdu(0x80000004, 0x58, 7, Answer()), True, "submit_sm_resp #7 ESME_RTHROTTLED(0x58)"),
    "vendor's status": (Pdu(0x80000004, 0x417, 7), True, "submit_sm_resp #7 status(0x417)"),
}


@pytest.mark.parametrize("pdu, mask, text", CASES.values(), ids=CASES.keys())
def test_describe(pdu: Pdu, mask: bool, text: str) -> None:
    assert describe(pdu, mask) == text


def test_watch() -> None:
    lines: list[tuple[str, str]] = []
    watch(lambda direction, text: lines.append((direction, text)), True)("<", Pdu(0x15, 0, 3))
    assert lines == [("<", "enquire_link #3")]
