"""Messages → parts → PDUs, octet by octet, for every way of cutting and coding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from tests.connectors.test_smpp import connector
from voipsms.connectors.short_message import QOS_TIME_TO_LIVE
from voipsms.connectors.smpp import SmppConnector
from voipsms.connectors.smpp_parts import Cutter
from voipsms.errors import RefusedHere, SubmitRefused
from voipsms.gateway_settings import SmppSettings
from voipsms.model import Coding, Message, Part
from voipsms.smpp.codec import encode
from voipsms.smpp.pdu import (
    COMMANDS,
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    DataMessage,
    PduError,
    ShortMessage,
    Tlvs,
)
from voipsms.sms import gsm0338
from voipsms.sms.dcs import is_septets
from voipsms.sms.udh import References
from voipsms.values import replace

GSM7, UCS2, LATIN1, BINARY = Coding.GSM7, Coding.UCS2, Coding.LATIN1, Coding.BINARY
LONG = {GSM7: ("x" * 161, [153, 8], 0x00), UCS2: ("ű" * 71, [134, 8], 0x08), LATIN1: ("ä" * 141, [134, 7], 0x03)}
SHORT = {GSM7: ("x" * 160, 160), UCS2: ("ű" * 70, 140), LATIN1: ("ä" * 140, 140)}
WAYS = ["udh", "sar", "payload", "split"]
PORTS = b"\x06\x05\x04\x0b\x84\x23\xf0"  # WAP push, destination port 2948


def binary(octets: bytes, udh: bytes = b"", **more: Any) -> Message:
    return replace(message(""), coding=BINARY, octets=octets, udh=udh, **more)


def sent(gateway: SmppConnector, what: Message) -> list[tuple[ShortMessage, Tlvs]]:
    pdus = []
    for part in gateway.split(what):
        body, tlvs = gateway.compose(part)
        assert isinstance(body, ShortMessage)
        pdus.append((body, tlvs))
    return pdus


def why_not(gateway: SmppConnector, what: Message) -> str:
    (part,) = gateway.split(what)
    with pytest.raises(SubmitRefused) as raised:
        gateway.compose(part)
    return raised.value.comment


# -- one part -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", SHORT)
@pytest.mark.parametrize("longsms", WAYS)
@pytest.mark.parametrize("version", [33, 34, 50])
def test_one_part(coding: Coding, longsms: str, version: int) -> None:
    text, octets = SHORT[coding]
    gateway = connector(longsms=longsms, version=version)
    (part,) = gateway.split(replace(message(text), coding=coding))
    assert (part.number, part.total, part.udh, len(part.user_data)) == (1, 1, b"", octets)
    ((body, tlvs),) = sent(gateway, replace(message(text), coding=coding))
    assert (body.short_message, body.esm_class, body.data_coding, tlvs) == (part.user_data, 0, LONG[coding][2], ())


# -- several ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", LONG)
@pytest.mark.parametrize("longsms, version", [("udh", 34), ("sar", 33), ("payload", 33)])  # 3.3 has no TLVs
def test_udh(coding: Coding, longsms: str, version: int) -> None:
    text, lengths, data_coding = LONG[coding]
    gateway = connector(longsms=longsms, version=version)
    parts = gateway.split(replace(message(text), coding=coding))
    assert [len(part.user_data) for part in parts] == lengths
    reference = parts[0].udh[3]
    assert [part.udh for part in parts] == [bytes((5, 0, 3, reference, 2, number)) for number in (1, 2)]
    for part in parts:
        body, tlvs = gateway.compose(part)
        assert isinstance(body, ShortMessage)
        assert (body.short_message, body.esm_class, body.data_coding) == (part.udh + part.user_data, 0x40, data_coding)
        assert tlvs == ()


WIDE = {GSM7: [152, 9], UCS2: [132, 10], LATIN1: [133, 8]}


@pytest.mark.parametrize("coding", WIDE)
def test_udh_with_a_reference_of_16_bits(coding: Coding) -> None:
    pdus = sent(connector(reference=16), replace(message(LONG[coding][0]), coding=coding))
    headers = [body.short_message[:7] for body, _ in pdus]
    assert {header[:3] + header[5:6] for header in headers} == {b"\6\x08\4\2"}
    assert headers[0][3:5] == headers[1][3:5]
    assert [header[6] for header in headers] == [1, 2]
    assert [len(body.short_message) - 7 for body, _ in pdus] == WIDE[coding]


@pytest.mark.parametrize("coding", LONG)
@pytest.mark.parametrize("reference", [8, 16])
def test_sar(coding: Coding, reference: int) -> None:
    text, lengths, data_coding = LONG[coding]
    pdus = sent(connector(longsms="sar", reference=reference), replace(message(text), coding=coding))
    assert [len(body.short_message) for body, _ in pdus] == (lengths if reference == 8 else WIDE[coding])
    assert {(body.esm_class, body.data_coding) for body, _ in pdus} == {(0, data_coding)}
    number = pdus[0][1][0][1]
    assert len(number) == 2
    assert number[:1] == b"\0" or reference == 16
    assert [tlvs for _, tlvs in pdus] == [
        ((SAR_MSG_REF_NUM, number), (SAR_TOTAL_SEGMENTS, b"\2"), (SAR_SEGMENT_SEQNUM, bytes((place,))))
        for place in (1, 2)
    ]


@pytest.mark.parametrize("coding", LONG)
def test_payload(coding: Coding) -> None:
    text, lengths, data_coding = LONG[coding]
    ((body, tlvs),) = sent(connector(longsms="payload"), replace(message(text), coding=coding))
    assert (body.short_message, body.esm_class, body.data_coding) == (b"", 0, data_coding)
    ((tag, octets),) = tlvs
    assert (tag, len(octets)) == (MESSAGE_PAYLOAD, sum(lengths))


WORDS = {
    "at a space": ("a" * 150 + " " + "b" * 20, ["a" * 150, "b" * 20]),
    "the space is the first octet too many": ("a" * 160 + " " + "b" * 20, ["a" * 160, "b" * 20]),
    "at a line's end": ("a" * 120 + "\n" + "b" * 60, ["a" * 120, "b" * 60]),
    "one space of several": ("a" * 158 + "   " + "b" * 20, ["a" * 158 + "  ", "b" * 20]),
    "no word to cut at": ("a" * 170, ["a" * 160, "a" * 10]),
    "a space far ahead": ("a " + "b" * 170, ["a " + "b" * 158, "b" * 12]),
    "pairs stay whole": ("a" * 159 + "€" + "b", ["a" * 159, "€b"]),
    "three": ("a" * 100 + " " + "b" * 100 + " " + "c" * 100, ["a" * 100, "b" * 100, "c" * 100]),
}


@pytest.mark.parametrize("text, pieces", WORDS.values(), ids=WORDS)
def test_parts_that_stand_alone(text: str, pieces: list[str]) -> None:
    pdus = sent(connector(longsms="split"), message(text))
    assert [gsm0338.decode(body.short_message) for body, _ in pdus] == pieces
    assert {(body.esm_class, tlvs) for body, tlvs in pdus} == {(0, ())}
    parts = connector(longsms="split").split(message(text))
    assert [(part.number, part.total) for part in parts] == [(n, len(pieces)) for n in range(1, len(pieces) + 1)]


def test_parts_that_stand_alone_in_ucs2() -> None:
    text = "ű" * 69 + "😀" + "ő" * 5
    pdus = sent(connector(longsms="split"), replace(message(text), coding=UCS2))
    assert [body.short_message.decode("utf-16-be") for body, _ in pdus] == ["ű" * 69, "😀" + "ő" * 5]


@settings(max_examples=60)
@given(st.text(alphabet="ab€[ \nű😀", min_size=1, max_size=700), st.sampled_from(WAYS))
def test_nothing_is_lost(text: str, longsms: str) -> None:
    """The parts hold the text; those that stand alone may lack a space or line end where they were cut."""
    coding = GSM7 if all(c in "ab€[ \n" for c in text) else UCS2
    pieces = []
    for body, tlvs in sent(connector(longsms=longsms), replace(message(text), coding=coding)):
        octets = dict(tlvs).get(MESSAGE_PAYLOAD, body.short_message)[6 if body.esm_class else 0 :]
        pieces.append(gsm0338.decode(octets) if coding is GSM7 else octets.decode("utf-16-be"))
    at = 0
    for piece in pieces:
        if longsms == "split" and not text.startswith(piece, at):
            at += 1
        assert text.startswith(piece, at)
        at += len(piece)
    assert at == len(text) or (longsms == "split" and text[at:].isspace())


def test_references_are_each_destinations_own() -> None:
    gateway = connector()

    def reference(target: str) -> int:
        return gateway.split(message("x" * 200, target=target))[0].udh[3]

    first = reference("361")
    assert [reference("361") for _ in range(3)] == [(first + step) % 256 for step in (1, 2, 3)]
    other = reference("362")
    assert reference("361") == (first + 4) % 256
    assert reference("362") == (other + 1) % 256


def test_references_wrap_by_their_width() -> None:
    def second(bits: int) -> bytes:
        cutter = Cutter(SmppSettings(reference=bits), 0xFFFE)
        cutter.split(message("x" * 200))
        return cutter.split(message("x" * 200))[0].udh

    assert References(0xFFFE, wide=True).next("1") == 0xFFFF
    assert second(16)[3:5] == b"\0\0"
    assert second(8)[3] == 0


# -- texts in a coding that the operator chose --------------------------------------------------------------------

FORCED: dict[str, tuple[int, str, bytes]] = {  # data_coding, text, octets
    "0, GSM": (0, "@€", b"\0\x1b\x65"),
    "1, GSM": (1, "@", b"\0"),
    "2, octets": (2, "áb", b"\xe1b"),
    "3, Latin-1": (3, "á@", b"\xe1@"),
    "4, octets": (4, "áb", b"\xe1b"),
    "5, JIS": (5, "漢", "漢".encode("shift_jis")),
    "6, Cyrillic": (6, "Ж", b"\xb6"),
    "7, Hebrew": (7, "א", b"\xe0"),
    "8, UCS-2": (8, "x😀", "x😀".encode("utf-16-be")),
    "10, ISO-2022-JP": (10, "漢a", b"\x1b$B4A\x1b(Ba"),
    "13, extended JIS": (13, "漢", "漢".encode("euc_jp")),
    "14, KS C 5601": (14, "한", "한".encode("euc_kr")),
    "0xF0, GSM of class 0": (0xF0, "@", b"\0"),
    "0x18, UCS-2 of class 0": (0x18, "é", b"\0\xe9"),
    "0xF5, octets of class 1": (0xF5, "é", b"\xe9"),
}


@pytest.mark.parametrize("data_coding, text, octets", FORCED.values(), ids=FORCED)
def test_data_coding(data_coding: int, text: str, octets: bytes) -> None:
    ((body, tlvs),) = sent(connector(datacoding=data_coding), replace(message(text), coding=UCS2))
    assert (body.data_coding, body.short_message, body.esm_class, tlvs) == (data_coding, octets, 0, ())


CAN_NOT = {
    "Cyrillic in GSM": (0, "Ж", "U+0416 is not in the GSM alphabet"),
    "Cyrillic in Latin-1": (3, "aЖ", "U+0416 is not in latin-1, data_coding 3"),
    "Hebrew in Cyrillic": (6, "א", "U+05D0 is not in iso8859-5, data_coding 6"),
    "emoji in KS C 5601": (14, "😀", "U+1F600 is not in euc_kr, data_coding 14"),
    "euro as octets": (4, "€", "U+20AC is not in latin-1, data_coding 4"),
    "pictograms": (9, "a", "no text can be coded for data_coding 9"),
    "reserved": (11, "a", "no text can be coded for data_coding 11"),
    "compressed": (0x20, "a", "no text can be coded for data_coding 32"),
}


@pytest.mark.parametrize("data_coding, text, words", CAN_NOT.values(), ids=CAN_NOT)
def test_a_text_that_the_coding_can_not_carry(data_coding: int, text: str, words: str) -> None:
    assert why_not(connector(datacoding=data_coding), replace(message(text), coding=UCS2)) == words


def test_a_coding_that_can_not_be() -> None:
    assert why_not(connector(), message("漢字")) == "U+6F22 is not in the GSM alphabet"


@pytest.mark.parametrize("settings", [{}, {"datacoding": 0}, {"datacoding": 3}, {"longsms": "split"}], ids=str)
def test_transliterated_where_accept_chose_the_default_alphabet(settings: dict[str, Any]) -> None:
    assert connector(**settings).split(message("“hi”"))[0].user_data == b'"hi"'


@pytest.mark.parametrize("data_coding", [5, 6, 8, 10, 13, 14])
@pytest.mark.parametrize("reference, room", [(8, 134), (16, 133)])
def test_characters_are_never_cut(data_coding: int, reference: int, room: int) -> None:
    text = {6: "Ж", 8: "😀", 14: "한글"}.get(data_coding, "漢字") * 120
    codec = {5: "shift_jis", 6: "iso8859-5", 8: "utf-16-be", 10: "iso2022_jp", 13: "euc_jp", 14: "euc_kr"}[data_coding]
    gateway = connector(datacoding=data_coding, reference=reference)
    bodies = [body.short_message[140 - room :] for body, _ in sent(gateway, replace(message(text), coding=UCS2))]
    assert len(bodies) > 1 or data_coding == 6
    assert all(len(body) <= room for body in bodies[:-1])
    assert "".join(body.decode(codec) for body in bodies) == text or len(bodies) == 1


@pytest.mark.parametrize("data_coding, number, octets", [(-1, 1, b"\0"), (0, 0, b"@"), (1, 1, b"\0"), (3, 3, b"@")])
def test_an_smsc_whose_default_alphabet_is_latin1(data_coding: int, number: int, octets: bytes) -> None:
    ((body, _),) = sent(connector(alphabet="latin1", datacoding=data_coding), message("@"))
    assert (body.data_coding, body.short_message) == (number, octets)


# -- octets -------------------------------------------------------------------------------------------------------


def test_binary() -> None:
    ((body, tlvs),) = sent(connector(), binary(b"\0\1\xff" * 40))
    assert (body.data_coding, body.esm_class, body.short_message, tlvs) == (4, 0, b"\0\1\xff" * 40, ())


def test_binary_with_its_own_header() -> None:
    ((body, _),) = sent(connector(), binary(b"\1\2", PORTS))
    assert (body.data_coding, body.esm_class, body.short_message) == (4, 0x40, PORTS + b"\1\2")


@pytest.mark.parametrize("data_coding, expected", [(2, 2), (0xF5, 0xF5), (0, 4), (3, 4), (8, 4)])
def test_octets_stay_octets(data_coding: int, expected: int) -> None:
    ((body, _),) = sent(connector(datacoding=data_coding), binary(b"\1\2"))
    assert body.data_coding == expected


def test_binary_of_a_class() -> None:
    ((body, _),) = sent(connector(), binary(b"\1", message_class=1))
    assert body.data_coding == 0xF5


@pytest.mark.parametrize("longsms", ["udh", "split"])  # octets can't stand alone
@pytest.mark.parametrize("udh, header, room", [
    (b"", b"\x05\x00\x03", 134),
    (PORTS, b"\x0b\x00\x03", 128),
], ids=["bare", "with ports"])  # fmt: skip
def test_long_binary(longsms: str, udh: bytes, header: bytes, room: int) -> None:
    octets = bytes(range(200))
    pdus = sent(connector(longsms=longsms), binary(octets, udh))
    assert [body.esm_class for body, _ in pdus] == [0x40, 0x40]
    reference = pdus[0][0].short_message[3]
    assert [body.short_message for body, _ in pdus] == [
        header + bytes((reference, 2, number)) + udh[1:] + body
        for number, body in ((1, octets[:room]), (2, octets[room:]))
    ]


def test_long_binary_by_sar() -> None:
    octets = bytes(200)
    pdus = sent(connector(longsms="sar"), binary(octets, PORTS))
    assert [(body.esm_class, body.short_message) for body, _ in pdus] == [
        (0x40, PORTS + octets[:128]), (0x40, PORTS + octets[128:]),
    ]  # fmt: skip
    assert [tlvs[1:] for _, tlvs in pdus] == [
        ((SAR_TOTAL_SEGMENTS, b"\2"), (SAR_SEGMENT_SEQNUM, bytes((number,)))) for number in (1, 2)
    ]


def test_long_binary_as_payload() -> None:
    ((body, tlvs),) = sent(connector(longsms="payload"), binary(bytes(200), PORTS))
    assert (body.esm_class, body.short_message, tlvs) == (0x40, b"", ((MESSAGE_PAYLOAD, PORTS + bytes(200)),))


NO_BINARY = {
    "a part already": (
        binary(bytes(200), b"\5\0\3\1\2\1"),
        "its header says that it is a part already, and it doesn't fit into one",
    ),
    "a header that lies": (binary(b"\1", b"\7\0\3\1\2\1"), "the length octet of its header is wrong"),
    "octets behind the header": (binary(b"\1", b"\1\0\3"), "the length octet of its header is wrong"),
    "no header to add to": (binary(bytes(200), b"\2\0\3"), "an information element reaches past its header"),
    "a header without room": (
        binary(bytes(20), bytes((131, 0x70, 129)) + bytes(129)), "its header leaves no room for parts",
    ),
    "too long": (binary(bytes(134 * 255 + 1)), "The message would take more than 255 parts"),
}  # fmt: skip


@pytest.mark.parametrize("what, words", NO_BINARY.values(), ids=NO_BINARY)
def test_binary_that_can_not_be_sent(what: Message, words: str) -> None:
    assert why_not(connector(), what) == words


def test_a_header_that_nobody_knows_goes_as_it_is() -> None:
    for longsms in WAYS:
        ((body, tlvs),) = sent(connector(longsms=longsms), binary(b"\1", b"\2\0\3"))
        assert (body.short_message, body.esm_class, tlvs) == (b"\2\0\3\1", 0x40, ())


def test_a_part_with_its_own_concatenation_goes_as_it_is() -> None:
    ((body, _),) = sent(connector(), binary(bytes(134), b"\5\0\3\1\2\1"))
    assert body.short_message == b"\5\0\3\1\2\1" + bytes(134)


HEX = {"bare": (-1, 4), "as UCS-2": (8, 8), "as GSM": (0, 0)}


@pytest.mark.parametrize("data_coding, expected", HEX.values(), ids=HEX)
def test_hex_string(data_coding: int, expected: int) -> None:
    ((body, _),) = sent(connector(hexstring="00e9ff", datacoding=data_coding), message("whatever"))
    assert (body.data_coding, body.short_message) == (expected, b"\0\xe9\xff")


def test_a_message_of_octets_has_its_own_in_spite_of_a_hex_string() -> None:
    ((body, _),) = sent(connector(hexstring="00"), binary(b"\1"))
    assert body.short_message == b"\1"


# -- flash --------------------------------------------------------------------------------------------------------


def flash(text: str = "hello", coding: Coding = GSM7) -> Message:
    return replace(message(text), message_class=0, coding=coding)


@pytest.mark.parametrize("settings, coding, data_coding", [
    ({}, GSM7, 0xF0),
    ({}, UCS2, 0x18),
    ({"flash": "nsms", "systemtype": "NSMS"}, GSM7, 0),
    ({"systemtype": "nsms"}, UCS2, 8),
], ids=str)  # fmt: skip
def test_flash(settings: dict[str, Any], coding: Coding, data_coding: int) -> None:
    ((body, _),) = sent(connector(**settings), flash(coding=coding))
    assert body.data_coding == data_coding


@pytest.mark.parametrize("longsms", WAYS)
async def test_long_flash(longsms: str) -> None:
    words = "a flash message can't be longer than one part"
    assert why_not(connector(longsms=longsms), flash("x" * 161)) == words
    assert why_not(connector(longsms=longsms, systemtype="NSMS"), message("x" * 161)) == words
    assert len(sent(connector(longsms=longsms), flash("x" * 160))) == 1
    with pytest.raises(RefusedHere):
        await connector(longsms=longsms).describe(flash("x" * 161))


# -- data_sm ------------------------------------------------------------------------------------------------------


def test_data_sm() -> None:
    gateway = connector(isdata=True, servicetype=1)
    (part,) = gateway.split(replace(message("hello", sender="Company"), valid=60))
    assert gateway.compose(part) == (
        DataMessage("CMT", 5, 0, "Company", 1, 1, "36209876543", 0, 1, 0),
        ((MESSAGE_PAYLOAD, b"hello"), (QOS_TIME_TO_LIVE, b"\0\0\0\x3c")),
    )


@pytest.mark.parametrize("longsms, esm_class, payloads", [
    ("udh", 0x40, [159, 14]), ("sar", 0, [153, 8]), ("payload", 0, [161]), ("split", 0, [160, 1]),
])  # fmt: skip
def test_long_data_sm(longsms: str, esm_class: int, payloads: list[int]) -> None:
    gateway = connector(isdata=True, longsms=longsms)
    pdus = [gateway.compose(part) for part in gateway.split(message("x" * 161))]
    assert {body.esm_class for body, _ in pdus} == {esm_class}
    assert [len(dict(tlvs)[MESSAGE_PAYLOAD]) for _, tlvs in pdus] == payloads
    assert {len(tlvs) for _, tlvs in pdus} == {4 if longsms == "sar" else 1}


# -- anything at all ----------------------------------------------------------------------------------------------

ANYTHING = st.fixed_dictionaries(
    {
        "longsms": st.sampled_from(WAYS),
        "datacoding": st.integers(-1, 255),
        "reference": st.sampled_from([8, 16]),
        "alphabet": st.sampled_from(["gsm", "latin1"]),
        "version": st.sampled_from([33, 34]),
        "recipients": st.sampled_from([(), ("[tonum]",), ("1", "2")]),
        "hexstring": st.sampled_from(["", "00ff", "00" * 300]),
    }
)
MESSAGES = st.builds(
    lambda words, sender, coding, octets, udh, message_class: replace(
        message(words, sender=sender), coding=coding, octets=octets, udh=udh, message_class=message_class
    ),
    st.text(max_size=400),
    st.text(max_size=25),
    st.sampled_from(Coding),
    st.binary(max_size=300),
    st.binary(max_size=20).map(lambda rest: bytes((len(rest),)) + rest) | st.binary(max_size=10),
    st.sampled_from([None, 0, 1]),
)


def refused(gateway: SmppConnector, part: Part) -> str:
    """Why no PDU is made of it; empty: one is."""
    try:
        body, tlvs = gateway.compose(part)
        encode(COMMANDS[type(body)], 0, 1, body, tlvs)
    except (SubmitRefused, PduError) as error:  # `submit` makes a PduError RefusedHere
        return f"{type(error).__name__}: {error}"
    length = 160 if is_septets(body.data_coding) else 140
    assert isinstance(body, DataMessage) or len(body.short_message) <= length
    return ""


@settings(max_examples=200)
@given(ANYTHING, MESSAGES)
def test_anything_is_sent_or_refused(smpp: dict[str, Any], what: Message) -> None:
    gateway = connector(**smpp)
    parts = gateway.split(what)
    reasons = {refused(gateway, part) for part in parts}
    assert len(reasons) == 1
    (reason,) = reasons
    assert len(parts) == 1 or not reason or reason.startswith("PduError")  # a sender that no PDU can carry
