"""Every PDU whole, cut at every octet, byte by byte, with octets behind it; and whatever else can come."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.smpp.pdus import PDUS, octets
from voipsms.smpp.codec import Framer, decode, encode
from voipsms.smpp.pdu import (
    DELIVER_SM,
    LAYOUTS,
    LONGEST,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Answer,
    Bind,
    Body,
    Destination,
    DistributionList,
    MultiAnswer,
    MultiMessage,
    Nothing,
    Parameter,
    Pdu,
    PduError,
    Replace,
    ShortMessage,
    Unsuccess,
)
from voipsms.smpp.status import (
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_RINVDESTFLAG,
    ESME_RINVDSTADR,
    ESME_RINVMSGLEN,
    ESME_RINVNUMDESTS,
    ESME_RINVOPTPARSTREAM,
    ESME_RINVPARLEN,
    ESME_RINVSERTYP,
    ESME_RINVSRCADR,
)

EVERY = pytest.mark.parametrize("frame, pdu", PDUS.values(), ids=PDUS.keys())


def with_length(frame: bytes) -> bytes:
    return struct.pack(">I", len(frame)) + frame[4:]


@EVERY
def test_decode(frame: bytes, pdu: Pdu) -> None:
    assert decode(frame) == pdu


@EVERY
def test_encode(frame: bytes, pdu: Pdu) -> None:
    again = encode(pdu.command_id, pdu.command_status, pdu.sequence_number, pdu.body, pdu.tlvs)
    # By §4.4.2 the body of a refusal may be left away; we write its NUL, and a count of none for submit_multi.
    assert again in (frame, with_length(frame + b"\0"), with_length(frame + b"\0\0"))


def read(octets: bytes) -> Pdu | PduError:
    try:
        return decode(octets)
    except PduError as error:
        return error


@EVERY
def test_cut_in_its_header(frame: bytes, pdu: Pdu) -> None:
    for end in range(16):
        with pytest.raises(PduError, match="the header is cut, ESME_RINVCMDLEN"):
            decode(frame[:end])


REQUESTS = {name: row for name, row in PDUS.items() if row[1].command_id < RESPONSE}
ANSWERS = {name: row for name, row in PDUS.items() if name not in REQUESTS}


@pytest.mark.parametrize("frame, pdu", REQUESTS.values(), ids=REQUESTS.keys())
def test_cut_request(frame: bytes, pdu: Pdu) -> None:
    """It is never taken for a whole one, but where the cut is between its TLVs, which nothing can tell."""
    between = [len(encode(pdu.command_id, 0, 0, pdu.body, pdu.tlvs[:count])) for count in range(len(pdu.tlvs))]
    for end in sorted({*range(16, len(frame))} - {*between}):
        error = read(with_length(frame[:end]))
        if isinstance(error, Pdu):  # the first octets of a TLV may be NULs, which look like padding
            assert not any(frame[max(at for at in between if at < end) : end])
            continue
        assert error.command_status in (ESME_RINVCMDLEN, ESME_RINVMSGLEN, ESME_RINVOPTPARSTREAM)
        assert (error.command_id, error.sequence_number) == (pdu.command_id, pdu.sequence_number)


@pytest.mark.parametrize("frame, pdu", ANSWERS.values(), ids=ANSWERS.keys())
def test_cut_answer(frame: bytes, pdu: Pdu) -> None:
    """It is read as far as it goes: the outcome of a submit must not be lost."""
    for end in range(16, len(frame)):
        cut = read(with_length(frame[:end]))
        assert isinstance(cut, Pdu)
        assert (cut.command_id, cut.command_status) == (pdu.command_id, pdu.command_status)


@EVERY
def test_a_length_that_is_not_the_frames(frame: bytes, pdu: Pdu) -> None:
    with pytest.raises(PduError) as raised:
        decode(frame + b"\0")
    assert raised.value.command_status == ESME_RINVCMDLEN


TAILS = {
    "padding": ("00 00 00", ()),
    "unknown tag": ("1401 0002 ABCD", ((0x1401, b"\xab\xcd"),)),
    "the same tag twice": ("0427 0001 01 0427 0001 02", ((0x0427, b"\x01"), (0x0427, b"\x02"))),
    "empty value": ("0424 0000", ((0x0424, b""),)),
    "value, then padding": ("0427 0001 02 00", ((0x0427, b"\x02"),)),
}


@pytest.mark.parametrize("tail, tlvs", TAILS.values(), ids=TAILS.keys())
@pytest.mark.parametrize("name", ["submit_sm", "deliver_sm_resp", "enquire_link", "data_sm_resp"])
def test_tlvs(name: str, tail: str, tlvs: tuple[tuple[int, bytes], ...]) -> None:
    frame, pdu = PDUS[name]
    assert decode(with_length(frame + bytes.fromhex(tail))).tlvs == pdu.tlvs + tlvs


BAD_TAILS = {"value is cut": "0427 0002 01", "header is cut": "0427 00", "not padding": "01"}


@pytest.mark.parametrize("tail", BAD_TAILS.values(), ids=BAD_TAILS.keys())
def test_bad_tlvs_of_a_request(tail: str) -> None:
    with pytest.raises(PduError) as raised:
        decode(with_length(PDUS["submit_sm"][0] + bytes.fromhex(tail)))
    assert raised.value.command_status == ESME_RINVOPTPARSTREAM


@pytest.mark.parametrize("tail", BAD_TAILS.values(), ids=BAD_TAILS.keys())
def test_bad_tlvs_of_an_answer_do_not_lose_it(tail: str) -> None:
    frame, pdu = PDUS["submit_sm_resp"]
    assert decode(with_length(frame + bytes.fromhex(tail))) == pdu


def test_message_id_without_its_nul() -> None:
    frame, pdu = PDUS["submit_sm_resp"]
    assert decode(with_length(frame[:-1])) == pdu


@pytest.mark.parametrize("command_id", [0, 0x0A, 0x16, 0x99, 0x111, 0x8000000B, 0x80000102, 0xFFFFFFFF], ids=hex)
def test_unknown_command(command_id: int) -> None:
    with pytest.raises(PduError, match="is not understood, ESME_RINVCMDID") as raised:
        decode(struct.pack(">IIII", 16, command_id, 0, 77))
    assert (raised.value.command_status, raised.value.sequence_number) == (ESME_RINVCMDID, 77)


@pytest.mark.parametrize("name", ["bind_receiver", "submit_sm"])
def test_a_string_without_end(name: str) -> None:
    frame = with_length(PDUS[name][0][:16] + b"x" * 2000 + b"\0" * 20)
    with pytest.raises(PduError) as raised:
        decode(frame)
    assert raised.value.command_status == ESME_RINVPARLEN


UNWRITABLE = {
    "sender too long": (ShortMessage(source_addr="1" * 21), ESME_RINVSRCADR),
    "destination too long": (ShortMessage(destination_addr="1" * 21), ESME_RINVDSTADR),
    "service type too long": (ShortMessage(service_type="VOICEX"), ESME_RINVSERTYP),
    "NUL in an address": (ShortMessage(source_addr="a\0b"), ESME_RINVPARLEN),
    "NUL in a time": (ShortMessage(validity_period="\0"), ESME_RINVPARLEN),
    "not in ISO 8859-1": (ShortMessage(source_addr="Ω"), ESME_RINVPARLEN),
    "text too long": (ShortMessage(short_message=b"x" * 256), ESME_RINVPARLEN),
    "octet too great": (ShortMessage(data_coding=256), ESME_RINVPARLEN),
    "octet below 0": (ShortMessage(esm_class=-1), ESME_RINVPARLEN),
    "NUL in a password": (Bind(password="a\0"), ESME_RINVPARLEN),
    "password too long": (Bind(password="x" * 256), ESME_RINVPARLEN),
    "NUL in an id": (Answer("\0"), ESME_RINVPARLEN),
    "no destinations": (MultiMessage(), ESME_RINVNUMDESTS),
    "too many destinations": (MultiMessage(dest_addresses=(Destination(),) * 256), ESME_RINVNUMDESTS),
    "NUL in a list's name": (MultiMessage(dest_addresses=(DistributionList("a\0"),)), ESME_RINVPARLEN),
    "status too great": (MultiAnswer("1", (Unsuccess(0, 0, "", 1 << 32),)), ESME_RINVPARLEN),
    "too many unsuccessful": (MultiAnswer("1", (Unsuccess(),) * 256), ESME_RINVPARLEN),
    "replacing text too long": (Replace(short_message=b"x" * 256), ESME_RINVPARLEN),
}


@pytest.mark.parametrize("body, command_status", UNWRITABLE.values(), ids=UNWRITABLE.keys())
def test_what_no_pdu_can_carry(body: Body, command_status: int) -> None:
    with pytest.raises(PduError) as raised:
        encode(SUBMIT_SM, 0, 1, body)
    assert raised.value.command_status == command_status


def test_a_destination_that_is_neither_address_nor_list() -> None:
    frame, _ = PDUS["submit_multi"]
    at = frame.index(b"\2friends")
    with pytest.raises(PduError, match="dest_flag 3") as raised:
        decode(frame[:at] + b"\3" + frame[at + 1 :])
    assert raised.value.command_status == ESME_RINVDESTFLAG


def test_unsuccessful_destinations_as_far_as_they_go() -> None:
    frame, pdu = PDUS["submit_multi_resp"]
    assert isinstance(pdu.body, MultiAnswer)
    for end in range(len(frame) - 1, 19, -1):
        whole = pdu.body.unsuccess_sme[: 1 if end >= 30 else 0]
        assert decode(with_length(frame[:end])).body == MultiAnswer("1f", whole)


def test_tlvs_too_long() -> None:
    with pytest.raises(PduError, match="more than a PDU has"):
        encode(SUBMIT_SM, 0, 1, ShortMessage(), ((0x0424, b"x" * 0xFFFF),))
    with pytest.raises(PduError):
        encode(SUBMIT_SM, 0, 1, ShortMessage(), ((0x0424, b"x" * 0x10000),))


# -- frames -------------------------------------------------------------------------------------------------------

STREAM = b"".join(frame for frame, _ in PDUS.values())


def test_frames_whole() -> None:
    framer = Framer()
    framer.receive_data(STREAM)
    assert [decode(frame) for frame in framer.frames()] == [pdu for _, pdu in PDUS.values()]
    assert list(framer.frames()) == []


@pytest.mark.parametrize("size", [1, 2, 7, 16, 61])
def test_frames_in_pieces(size: int) -> None:
    framer, found = Framer(), []
    for at in range(0, len(STREAM), size):
        framer.receive_data(STREAM[at : at + size])
        found += list(framer.frames())
    assert found == [frame for frame, _ in PDUS.values()]


def test_longest_frame() -> None:
    framer, frame = Framer(), struct.pack(">IIII", LONGEST, 0x15, 0, 1).ljust(LONGEST, b"\0")
    framer.receive_data(frame[:-1])
    assert list(framer.frames()) == []
    framer.receive_data(frame[-1:])
    assert list(framer.frames()) == [frame]


@pytest.mark.parametrize("length", [0, 1, 15, LONGEST + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_lying_length(length: int) -> None:
    """What came before it is still given out."""
    framer, found = Framer(), []
    framer.receive_data(PDUS["unbind"][0] + struct.pack(">I", length) + b"rest")

    def read() -> None:
        for frame in framer.frames():
            found.append(frame)  # noqa: PERF402

    with pytest.raises(PduError) as raised:
        read()
    assert raised.value.command_status == ESME_RINVCMDLEN
    assert found == [PDUS["unbind"][0]]


# -- whatever there is --------------------------------------------------------------------------------------------

_octet = st.integers(0, 255)


def _string(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=longest)


_tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4).map(tuple)
_short_messages = st.builds(
    ShortMessage,
    service_type=_string(5),
    source_addr_ton=_octet,
    source_addr_npi=_octet,
    source_addr=_string(20),
    dest_addr_ton=_octet,
    dest_addr_npi=_octet,
    destination_addr=_string(20),
    esm_class=_octet,
    protocol_id=_octet,
    priority_flag=_octet,
    schedule_delivery_time=_string(16),
    validity_period=_string(16),
    registered_delivery=_octet,
    replace_if_present_flag=_octet,
    data_coding=_octet,
    sm_default_msg_id=_octet,
    short_message=st.binary(max_size=255),
)


_destinations = st.one_of(st.builds(Destination, _octet, _octet, _string(20)), st.builds(DistributionList, _string(20)))
_unsuccess = st.builds(Unsuccess, _octet, _octet, _string(20), st.integers(0, 0xFFFFFFFF))
_VALUES: dict[Parameter, st.SearchStrategy[Any]] = {
    Parameter.STRING: _string(255),
    Parameter.OCTET: _octet,
    Parameter.TEXT: st.binary(max_size=255),
    Parameter.DESTINATIONS: st.lists(_destinations, min_size=1, max_size=5).map(tuple),
    Parameter.UNSUCCESS: st.lists(_unsuccess, max_size=5).map(tuple),
}
_BY_TABLE = sorted(
    command_id for command_id, (kind, _) in LAYOUTS.items() if kind not in (Nothing, ShortMessage, Answer)
)


@settings(max_examples=200)
@given(st.data(), st.sampled_from(_BY_TABLE), _tlvs)
def test_round_trip_by_table(data: st.DataObject, command_id: int, tlvs: tuple[tuple[int, bytes], ...]) -> None:
    kind, layout = LAYOUTS[command_id]
    values = [data.draw(_VALUES[parameter]) for _, parameter in layout]
    body: Body = kind(*values)
    assert decode(encode(command_id, 0, 1, body, tlvs)) == Pdu(command_id, 0, 1, body, tlvs)


@settings(max_examples=150)
@given(st.sampled_from([SUBMIT_SM, DELIVER_SM]), st.integers(0, 0xFFFFFFFF), _short_messages, _tlvs)
def test_round_trip(command_id: int, sequence: int, body: ShortMessage, tlvs: tuple[tuple[int, bytes], ...]) -> None:
    assert decode(encode(command_id, 0, sequence, body, tlvs)) == Pdu(command_id, 0, sequence, body, tlvs)


@settings(max_examples=50)
@given(st.integers(0, 0xFFFFFFFF), _string(255))
def test_round_trip_of_answers(command_status: int, message_id: str) -> None:
    expected = Pdu(SUBMIT_SM_RESP, command_status, 1, Answer(message_id))
    assert decode(encode(SUBMIT_SM_RESP, command_status, 1, Answer(message_id))) == expected


@settings(max_examples=200)
@given(st.sampled_from(sorted({pdu.command_id for _, pdu in PDUS.values()})), st.binary(max_size=80))
def test_garbage_raises_nothing_else(command_id: int, body: bytes) -> None:
    try:
        decode(struct.pack(">IIII", 16 + len(body), command_id, 0, 1) + body)
    except PduError:
        assert command_id < RESPONSE


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_garbage_stream(stream: bytes) -> None:
    framer = Framer()
    framer.receive_data(stream)
    try:
        assert sum(map(len, framer.frames())) <= len(stream)
    except PduError as error:
        assert error.command_status == ESME_RINVCMDLEN  # noqa: PT017


def test_octets_helper_is_what_the_tables_mean() -> None:
    assert octets("00 0a", "'a_b", "FF") == b"\x00\x0aa b\xff"
    assert decode(PDUS["unbind"][0]).body == Nothing()
