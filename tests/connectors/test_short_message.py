"""The fields of the PDUs that submit: addresses, settings, times, recipients; and how they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.messages import message
from tests.connectors.test_smpp import connector
from voipsms.connectors.short_message import Composer, ton_npi
from voipsms.gateway_settings import GatewaySettings, SmppSettings
from voipsms.model import Coding, Message, Millis, Part
from voipsms.smpp.pdu import (
    MESSAGE_PAYLOAD,
    DataMessage,
    Destination,
    DistributionList,
    MultiMessage,
    ShortMessage,
)
from voipsms.values import replace

NOW = 1_795_198_807_000  # 2026-11-20 18:20:07 UTC
HOUR = 3_600_000
TARGET = "36209876543"


def compose(what: Message, sender: str = "", **settings: Any) -> ShortMessage | MultiMessage | DataMessage:
    gateway = GatewaySettings(sender=sender, smpp=SmppSettings(**settings))
    return Composer(gateway, lambda: NOW).compose(Part(what, 1, 1, b"hello"))[0]


def short(what: Message, sender: str = "", **settings: Any) -> ShortMessage:
    body = compose(what, sender, **settings)
    assert isinstance(body, ShortMessage)
    return body


# -- addresses ----------------------------------------------------------------------------------------------------

KINDS = {
    "Company": (5, 0), "AB12": (5, 0), "36301234567": (1, 1), "+36301234567": (1, 1), "06301234567": (2, 1),
    "0612345": (2, 1), "12345": (3, 1), "123": (3, 1), "123456": (3, 1), "1234567": (1, 1), "12": (1, 1), "": (0, 0),
}  # fmt: skip


@pytest.mark.parametrize("address, kind", KINDS.items())
def test_ton_npi(address: str, kind: tuple[int, int]) -> None:
    digits = address.removeprefix("+")
    assert ton_npi(digits) == kind
    body = short(message(sender=address))
    assert (body.source_addr_ton, body.source_addr_npi, body.source_addr) == (*kind, digits)
    if digits.isdecimal():  # what a target always is
        body = short(message(target=digits))
        assert (body.dest_addr_ton, body.dest_addr_npi, body.destination_addr) == (*kind, digits)


FIXED: dict[str, tuple[dict[str, Any], tuple[int, int, int, int]]] = {
    "all": ({"sourceton": 2, "sourcenpi": 8, "destinationton": 6, "destinationnpi": 9}, (2, 8, 6, 9)),
    "SourceTON": ({"sourceton": 0}, (0, 1, 1, 1)),
    "SourceNPI": ({"sourcenpi": 0}, (1, 0, 1, 1)),
    "DestinationTON": ({"destinationton": 0}, (1, 1, 0, 1)),
    "DestinationNPI": ({"destinationnpi": 0}, (1, 1, 1, 0)),
    "none": ({}, (1, 1, 1, 1)),
}


@pytest.mark.parametrize("settings, numbers", FIXED.values(), ids=FIXED)
def test_fixed_ton_npi(settings: dict[str, Any], numbers: tuple[int, ...]) -> None:
    body = short(message(), **settings)
    assert (body.source_addr_ton, body.source_addr_npi, body.dest_addr_ton, body.dest_addr_npi) == numbers


@pytest.mark.parametrize("sender, settings, expected", [
    ("", {"senderaddress": "Company"}, (5, 0, "Company")),
    ("", {"senderaddress": "+36201111111"}, (1, 1, "36201111111")),
    ("Gateway", {}, (5, 0, "Gateway")),
    ("Gateway", {"senderaddress": "Company"}, (5, 0, "Company")),
])  # fmt: skip
def test_a_sender_of_the_gateways_own(sender: str, settings: dict[str, str], expected: tuple[int, int, str]) -> None:
    body = short(message(), sender, **settings)
    assert (body.source_addr_ton, body.source_addr_npi, body.source_addr) == expected


# -- single parameters --------------------------------------------------------------------------------------------


def test_by_default() -> None:
    assert short(message()) == ShortMessage(
        "", 1, 1, "36301234567", 1, 1, TARGET, priority_flag=1, registered_delivery=1, short_message=b"hello"
    )


PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{
        f"servicetype {number}": ({"servicetype": number}, {"service_type": word})
        for number, word in enumerate(("", "CMT", "CPT", "VMN", "VMA", "WAP", "USSD", "CBS"))
    },
    **{
        f"msgpriority {number}": ({"msgpriority": number}, {"priority_flag": max(number, 0)}) for number in range(-1, 4)
    },
    "msgexpire": ({"msgexpire": "000003000000000R"}, {"validity_period": "000003000000000R"}),
    "receipts": ({"receipts": False}, {"registered_delivery": 0}),
    "DataCoding": ({"datacoding": 6}, {"data_coding": 6}),
}


@pytest.mark.parametrize("settings, fields", PARAMETERS.values(), ids=PARAMETERS)
def test_parameters(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    assert short(message(), **settings) == replace(short(message()), **fields)


@pytest.mark.parametrize("message_class, coding, data_coding", [
    (0, Coding.GSM7, 0xF0), (2, Coding.GSM7, 0xF2), (0, Coding.UCS2, 0x18), (None, Coding.UCS2, 8),
    (None, Coding.LATIN1, 3), (0, Coding.BINARY, 0xF4),
])  # fmt: skip
def test_message_class(message_class: int | None, coding: Coding, data_coding: int) -> None:
    assert short(replace(message(), message_class=message_class, coding=coding)).data_coding == data_coding


# -- times --------------------------------------------------------------------------------------------------------

TIMES: dict[str, tuple[dict[str, Any], int, int, str, str]] = {  # settings, due, valid, schedule, validity
    "absolute": ({}, NOW + HOUR + 100, 0, "261120192007100+", ""),
    "relative": ({"scheduletime": "relative"}, NOW + HOUR, 0, "000000010000000R", ""),
    "kept by us": ({"scheduletime": "none"}, NOW + HOUR, 0, "", ""),
    "due already": ({}, NOW, 0, "", ""),
    "valid": ({}, 0, 90, "", "000000000130000R"),
    "valid over msgexpire": ({"msgexpire": "000003000000000R"}, 0, 3600, "", "000000010000000R"),
    "msgexpire with a time": (
        {"msgexpire": "000003000000000R"}, NOW + HOUR, 0, "261120192007000+", "000003000000000R",
    ),
    "valid from its time on": ({}, NOW + HOUR, 60, "261120192007000+", "000000010100000R"),
}  # fmt: skip


@pytest.mark.parametrize("settings, due, valid, schedule, validity", TIMES.values(), ids=TIMES)
def test_times(settings: dict[str, Any], due: int, valid: int, schedule: str, validity: str) -> None:
    what = replace(message(), due=Millis(due), valid=valid)
    body = short(what, **settings)
    assert (body.schedule_delivery_time, body.validity_period) == (schedule, validity)
    assert Composer(GatewaySettings(smpp=SmppSettings(**settings)), lambda: NOW).schedule(what) == schedule


def test_data_sm_can_not_be_scheduled() -> None:
    composer = Composer(GatewaySettings(smpp=SmppSettings(isdata=True)), lambda: NOW)
    assert composer.schedule(replace(message(), due=Millis(NOW + HOUR))) == ""


# -- recipients ---------------------------------------------------------------------------------------------------


def test_another_recipient() -> None:
    body = short(message(), recipients=("123",))
    assert body == replace(short(message()), dest_addr_ton=3, destination_addr="123")


def test_the_target_by_its_keyword() -> None:
    assert short(message(), recipients=("[tonum]",)) == short(message())


def test_several() -> None:
    body = compose(message(), recipients=("36301", "[tonum]", "36301", "0620111"), servicetype=1, msgexpire="x")
    assert body == MultiMessage(
        "CMT", 1, 1, "36301234567",
        (Destination(3, 1, "36301"), Destination(1, 1, TARGET), Destination(2, 1, "0620111")),
        priority_flag=1, validity_period="x", registered_delivery=1, short_message=b"hello",
    )  # fmt: skip


def test_lists() -> None:
    body = compose(message(), recipients=("friends", "staff"), recipienttype=1)
    assert isinstance(body, MultiMessage)
    assert body.dest_addresses == (DistributionList("friends"), DistributionList("staff"))
    one = compose(message(), recipients=("friends",), recipienttype=1)
    assert isinstance(one, MultiMessage)


def test_data_sm_to_another() -> None:
    body = compose(message(), recipients=("123",), isdata=True)
    assert body == DataMessage("", 1, 1, "36301234567", 3, 1, "123", 0, 1, 0)


# -- in words -----------------------------------------------------------------------------------------------------

SUBMIT = (
    "submit_sm service_type= source_addr_ton=1 source_addr_npi=1 source_addr=36301234567 dest_addr_ton=1 "
    "dest_addr_npi=1 destination_addr=36209876543 esm_class=0x00 protocol_id=0 priority_flag=1 "
    "schedule_delivery_time= validity_period= registered_delivery=1 replace_if_present_flag=0 data_coding=0x00 "
    "sm_default_msg_id=0 short_message="
)
SHOWN: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "short": ({}, "hi", [SUBMIT + "6869"]),
    "payload": ({"longsms": "payload"}, "x" * 161, [SUBMIT + " message_payload=" + "78" * 161]),
    "data_sm": (
        {"isdata": True},
        "hi",
        [
            "data_sm service_type= source_addr_ton=1 source_addr_npi=1 source_addr=36301234567 dest_addr_ton=1 "
            "dest_addr_npi=1 destination_addr=36209876543 esm_class=0x00 registered_delivery=1 data_coding=0x00 "
            "message_payload=6869"
        ],
    ),
    "submit_multi": (
        {"recipients": ("361", "36209876543")},
        "hi",
        [
            "submit_multi service_type= source_addr_ton=1 source_addr_npi=1 source_addr=36301234567 "
            "dest_addresses=3/1:361,1/1:36209876543 esm_class=0x00 protocol_id=0 priority_flag=1 "
            "schedule_delivery_time= validity_period= registered_delivery=1 replace_if_present_flag=0 data_coding=0x00 "
            "sm_default_msg_id=0 short_message=6869"
        ],
    ),
}


@pytest.mark.parametrize("settings, text, lines", SHOWN.values(), ids=SHOWN)
async def test_describe(settings: dict[str, Any], text: str, lines: list[str]) -> None:
    assert await connector(**settings).describe(message(text)) == lines


async def test_describe_several() -> None:
    first, second = await connector(longsms="sar").describe(message("x" * 161))
    assert first.endswith(" sar_total_segments=02 sar_segment_seqnum=01")
    assert second.endswith(" sar_total_segments=02 sar_segment_seqnum=02")
    assert " short_message=" + "78" * 153 + " sar_msg_ref_num=00" in first
    lists = await connector(recipients=("a", "b"), recipienttype=1).describe(message())
    assert " dest_addresses=a,b " in lists[0]
    assert MESSAGE_PAYLOAD == 0x0424
