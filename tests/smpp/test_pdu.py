"""Our values agree with smpplib's tables, and our octets with its writer's."""

from __future__ import annotations

from typing import Any

import pytest
from smpplib import command, consts

from voipsms.smpp.codec import decode, encode
from voipsms.smpp.pdu import LAYOUTS, RESPONSE, Body, Pdu, PduError, ShortMessage, command_name, has_answer
from voipsms.smpp.status import STATUSES


@pytest.mark.parametrize("command_id", LAYOUTS, ids=command_name)
def test_fields_are_the_mandatory_parameters(command_id: int) -> None:
    kind, layout = LAYOUTS[command_id]
    names = [name for name, _ in layout if name != "sm_length"]
    assert [*kind.__struct_fields__] == names


def smpplibs(name: str, **values: Any) -> bytes:
    """What smpplib writes, with the sequence number 9."""
    pdu = command.factory(name, **values, sequence=0)
    pdu.sequence = 9
    octets: bytes = pdu.generate()
    return octets


SUBMIT: dict[str, Any] = {
    "service_type": "CMT", "source_addr_ton": 5, "source_addr_npi": 0, "source_addr": "Foo", "dest_addr_ton": 1,
    "dest_addr_npi": 1, "destination_addr": "36301234567", "esm_class": 0x40, "protocol_id": 1, "priority_flag": 2,
    "schedule_delivery_time": "", "validity_period": "020610233429000R", "registered_delivery": 1,
    "replace_if_present_flag": 0, "data_coding": 8, "sm_default_msg_id": 0, "short_message": b"\5\0\3\1\2\1hello",
}  # fmt: skip


@pytest.mark.parametrize("name, command_id", [("submit_sm", 4), ("deliver_sm", 5)])
def test_short_message_as_smpplib_writes_it(name: str, command_id: int) -> None:
    theirs = smpplibs(name, **SUBMIT)
    body = ShortMessage(**SUBMIT)
    assert encode(command_id, 0, 9, body) == theirs
    assert decode(theirs) == Pdu(command_id, 0, 9, body)


def test_tlvs_as_smpplib_writes_them() -> None:
    theirs = smpplibs("submit_sm", **{**SUBMIT, "short_message": None, "source_port": 5060, "message_payload": b"text"})
    assert sorted(decode(theirs).tlvs) == [(0x020A, b"\x13\xc4"), (0x0424, b"text")]


BINDS = {"system_id": "me", "password": "secret", "system_type": "VMS", "address_range": ""}


@pytest.mark.parametrize("name", ["bind_transmitter", "bind_receiver", "bind_transceiver"])
def test_bind_as_smpplib_writes_it(name: str) -> None:
    theirs = smpplibs(name, **BINDS)
    pdu = decode(theirs)
    assert {field: getattr(pdu.body, field) for field in BINDS} == BINDS
    assert encode(pdu.command_id, 0, 9, pdu.body) == theirs


@pytest.mark.parametrize("name", [name for name in dir(consts) if name.startswith("SMPP_ESME_")])
def test_every_status_is_smpplibs(name: str) -> None:
    assert STATUSES[getattr(consts, name)].name == name.removeprefix("SMPP_")


@pytest.mark.parametrize(
    "command_id, expected",
    [(0x04, True), (0x15, True), (0x21, True), (0x102, False), (0x0B, False), (0x00, False), (0x99, False)],
)
def test_has_answer(command_id: int, expected: bool) -> None:
    assert has_answer(command_id) is expected


def test_names() -> None:
    assert Pdu(0x80000004, 0, 1).name == "submit_sm_resp"
    assert Pdu(0x99, 0, 1).name == "command 0x00000099"
    assert Pdu(4 | RESPONSE, 0, 1).is_response
    assert str(PduError("cut", 0x417)) == "cut, status"


def test_tlv_gives_the_first() -> None:
    body: Body = ShortMessage()
    pdu = Pdu(5, 0, 1, body, ((1, b"a"), (1, b"b")))
    assert (pdu.tlv(1), pdu.tlv(2)) == (b"a", None)
