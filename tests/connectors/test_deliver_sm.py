from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms import metrics
from voipsms.connectors.deliver_sm import Dialect, dialect_of, read
from voipsms.gateway_settings import SmppSettings
from voipsms.model import GatewayId, Inbound, Millis, Receipt, State
from voipsms.smpp.pdu import (
    DATA_SM,
    DELIVER_SM,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    DataMessage,
    Pdu,
    ShortMessage,
    Tlvs,
)
from voipsms.store.inbound import arrival_of
from voipsms.store.joining import Whole

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


def sar(reference: int, total: int, number: int) -> Tlvs:
    return (
        (SAR_MSG_REF_NUM, reference.to_bytes(2)), (SAR_TOTAL_SEGMENTS, bytes((total,))),
        (SAR_SEGMENT_SEQNUM, bytes((number,))),
    )  # fmt: skip


def text(text: str = "", **fields: Any) -> Inbound:
    return Inbound(GATEWAY, "", "", text, **fields)


DELIVERED, STATE_2, STATE_5 = receipt(State.DELIVERED), (MESSAGE_STATE, b"\2"), (MESSAGE_STATE, b"\5")
ID = (RECEIPTED_MESSAGE_ID, b"ABC-1\0")

CASES: dict[str, tuple[Pdu, Receipt | Inbound | None]] = {
    "by esm_class": (deliver_sm(TEXT), DELIVERED),
    "by esm_class, with other bits": (deliver_sm(TEXT, 0x87), DELIVERED),
    "by content": (deliver_sm(TEXT, 0), DELIVERED),
    "by the TLV alone": (deliver_sm("", 0, 0, (ID, STATE_2)), receipt(State.DELIVERED, "", "ABC-1")),
    "TLVs beside a text": (deliver_sm("Hi", 0, 0, (ID, STATE_2)), receipt(State.DELIVERED, "", "ABC-1")),
    "the TLV id of a text from a phone": (deliver_sm("Hi", 0, 0, (ID,)), text("Hi")),
    "the TLV id alone": (deliver_sm("", 0, 0, (ID,)), receipt(State.UNKNOWN, "", "ABC-1")),
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
    "a text": (deliver_sm("hello", 0), text("hello")),
    "an empty text": (deliver_sm("", 0), text("")),
    "a text in the default alphabet": (deliver_sm(b"\x00 \x1be", 0), text("@ €")),
    "a text in Latin-1": (deliver_sm(b"\xe1", 0, 3), text("á")),
    "a text in UCS-2": (deliver_sm("😀".encode("utf-16-be"), 0, 8), text("😀")),
    "a part": (deliver_sm(b"\5\0\3\1\2\1hello", 0x40), text("hello", reference=1, total=2)),
    "a part with a wide reference": (
        deliver_sm(b"\6\x08\4\1\2\3\2hello", 0x40), text("hello", reference=0x102, total=3, number=2),
    ),
    "a part with ports, too": (
        deliver_sm(b"\x0b\0\3\1\2\1\5\4\1\2\3\4hello", 0x40),
        text("hello", reference=1, total=2, udh=b"\6\5\4\1\2\3\4"),
    ),
    "ports": (deliver_sm(b"\6\5\4\1\2\3\4\xff", 0x40, 4), text(octets=b"\xff", udh=b"\6\5\4\1\2\3\4")),
    "a header that is longer than any on the air": (
        deliver_sm(b"\xfb\0\3\1\2\1\x70\xf4" + bytes(0xF4) + b"hello", 0x40),
        text("hello", reference=1, total=2, udh=b"\xf6\x70\xf4" + bytes(0xF4)),
    ),
    "the only part": (deliver_sm(b"\5\0\3\7\1\1hello", 0x40), text("hello", reference=7)),
    "SAR": (deliver_sm("hello", 0, 0, sar(258, 3, 2)), text("hello", reference=258, total=3, number=2)),
    "SAR of one": (deliver_sm("hello", 0, 0, sar(258, 1, 1)), text("hello", reference=258)),
    "SAR and a header": (deliver_sm(b"\5\0\3\1\2\1hello", 0x40, 0, sar(9, 3, 3)), text("hello", reference=1, total=2)),
    "SAR without the number": (deliver_sm("hello", 0, 0, sar(9, 3, 3)[:2]), text("hello")),
    "half a pair at each end": (
        deliver_sm(b"\5\0\3\1\3\2\xde\0\0a\xd8\x3d", 0x40, 8),
        text("\ude00a\ud83d", reference=1, total=3, number=2),
    ),
    "an odd octet": (deliver_sm(b"\5\0\3\1\2\1\0aX", 0x40, 8), text("a\ufffd", reference=1, total=2)),
    "an escape at the end": (deliver_sm(b"\5\0\3\1\2\1a\x1b", 0x40), text("a\x1b", reference=1, total=2)),
    "two escapes at the end": (deliver_sm(b"\5\0\3\1\2\1a\x1b\x1b", 0x40), text("a ", reference=1, total=2)),
    "an escape at the end of a whole text": (deliver_sm(b"a\x1b", 0), text("a ")),
    "UDHI without a header": (deliver_sm("hello", 0x40), text("hello")),
    "a text by data_sm": (data_sm(0, (MESSAGE_PAYLOAD, b"hello")), text("hello")),
    "an acknowledgement by the phone's user": (deliver_sm("yes", 0x10), text("yes")),
    "a text that speaks of receipts": (deliver_sm("the id: 5 and stat: good", 0), text("the id: 5 and stat: good")),
    "octets": (deliver_sm(b"\1\2", 0, 4), text(octets=b"\1\2")),
}  # fmt: skip


@pytest.mark.parametrize("pdu, expected", CASES.values(), ids=CASES.keys())
def test_read(pdu: Pdu, expected: Receipt | Inbound | None) -> None:
    assert isinstance(pdu.body, ShortMessage | DataMessage)
    assert read(GATEWAY, pdu, pdu.body) == expected


LIES: dict[str, tuple[Pdu, str, str]] = {  # the text that is left, and what is counted
    "part 7 of 3": (deliver_sm(b"\5\0\3\1\3\7hello", 0x40), "hello", "smpp_udh"),
    "part 0": (deliver_sm(b"\5\0\3\1\3\0hello", 0x40), "hello", "smpp_udh"),
    "of 0": (deliver_sm(b"\5\0\3\1\0\0hello", 0x40), "hello", "smpp_udh"),
    "an element of a wrong length": (deliver_sm(b"\5\0\2\1\3\1hello", 0x40), "hello", "smpp_udh"),
    "an element past its header": (deliver_sm(b"\5\0\x09\1\3\1hello", 0x40), "hello", "smpp_udh"),
    "a header past the message": (deliver_sm(b"\x48ello", 0x40), "Hello", "smpp_udh"),
    "a short header past the message": (deliver_sm(b"\5\0\3", 0x40), "é@¥", "smpp_udh"),
    "no octet": (deliver_sm(b"", 0x40), "", "smpp_udh"),
    "SAR 7 of 3": (deliver_sm("hello", 0, 0, sar(1, 3, 7)), "hello", "smpp_sar"),
    "SAR of none": (deliver_sm("hello", 0, 0, sar(1, 0, 0)), "hello", "smpp_sar"),
}


@pytest.mark.parametrize("pdu, left, counted", LIES.values(), ids=LIES)
def test_headers_that_lie(pdu: Pdu, left: str, counted: str) -> None:
    """A whole text, counted: refused, it would come again for ever."""
    assert isinstance(pdu.body, ShortMessage)
    before = malformed(counted)
    assert read(GATEWAY, pdu, pdu.body) == text(left)
    assert malformed(counted) == before + 1


def malformed(door: str) -> float:
    return metrics.registry.get_sample_value("voipsms_malformed_total", {"door": door}) or 0.0


# -- O2 (seeds/004) -----------------------------------------------------------------------------------------------

O2 = (
    "id:{id} sub:001 dlvrld:001\nsubmit date:2611201200 done date:2611201201\nstat:{stat} err:{error}"
)  # fmt: skip
O2_WORDS = {
    "DELIVRD": State.DELIVERED,
    "EXPIRED": State.EXPIRED,
    "DELETED": State.DELETED,
    "UNDELIV": State.UNDELIVERABLE,
    "ACCEPTD": State.ACCEPTED,
    "DELIVERY UNKNOWN": State.UNKNOWN,
    "REJECTED": State.REJECTED,
}


@pytest.mark.parametrize("word, state", O2_WORDS.items())
@pytest.mark.parametrize("esm_class", [0x04, 0x00])
def test_o2(word: str, state: State, esm_class: int) -> None:
    pdu = deliver_sm(O2.format(id="1208280001", stat=word, error="021"), esm_class)
    assert isinstance(pdu.body, ShortMessage)
    assert read(GATEWAY, pdu, pdu.body) == receipt(state, "021", "1208280001")
    in_one_line = deliver_sm(O2.format(id="1208280001", stat=word, error="021").replace("\n", " "), esm_class)
    assert isinstance(in_one_line.body, ShortMessage)
    assert read(GATEWAY, in_one_line, in_one_line.body) == receipt(state, "021", "1208280001")


# -- Routo (seeds/001, §4.3) --------------------------------------------------------------------------------------

ROUTO = Dialect(receiptcodes="routo", alphabet="latin1")
ROUTO_CASES: dict[str, tuple[str, Receipt]] = {
    "code 0": ("id:1f2e sub:001 dlvrd:001 stat:0 err:000", receipt(State.DELIVERED)),
    "code 1 is not ENROUTE": (
        "id:1f2e stat:1 err:000", receipt(State.REJECTED, comment="Rejected: message length is invalid"),
    ),
    "code 253": ("id:1f2e stat:253 err:0", receipt(State.EXPIRED, "0", comment="Expired")),
    "code 254, any other": ("id:1f2e stat:254", receipt(State.UNKNOWN, "", comment="Roaming level not supported")),
    "a word wins over the code": ("id:1f2e stat:DELIVRD err:253", receipt(State.DELIVERED, "253")),
    "the code explains the word": (
        "id:1f2e stat:REJECTD err:072",
        receipt(State.REJECTED, "072", comment="Rejected: invalid source address TON"),
    ),
    "the code where the word says nothing": (
        "id:1f2e stat:UNKNOWN err:251", receipt(State.UNDELIVERABLE, "251", comment="Undeliverable"),
    ),
    "the code alone": ("id:1f2e err:252", receipt(State.DELETED, "252", comment="Deleted")),
    "neither": ("id:1f2e stat:WHAT err:x", receipt(State.UNKNOWN, "x", comment="id:1f2e stat:WHAT err:x")),
}  # fmt: skip


@pytest.mark.parametrize("text, expected", ROUTO_CASES.values(), ids=ROUTO_CASES)
def test_routo(text: str, expected: Receipt) -> None:
    pdu = deliver_sm(text)
    assert isinstance(pdu.body, ShortMessage)
    assert read(GATEWAY, pdu, pdu.body, ROUTO) == expected


@pytest.mark.parametrize("octets, coding, text", [
    (b"\xe1@", 0, "á@"), (b"\0", 1, "@"), ("ű".encode("utf-16-be"), 8, "ű"),
])  # fmt: skip
def test_an_alphabet_that_is_latin1(octets: bytes, coding: int, text: str) -> None:
    pdu = deliver_sm(octets, 0, coding)
    assert isinstance(pdu.body, ShortMessage)
    assert read(GATEWAY, pdu, pdu.body, ROUTO) == Inbound(GATEWAY, "", "", text)


# -- ids ----------------------------------------------------------------------------------------------------------

IDS: dict[str, tuple[str, str, Tlvs, str]] = {  # msgid, the text's id, TLVs, what the answer to the submit had
    "auto leaves it": ("auto", "0000001234", (), "0000001234"),
    "hex: decimal here": ("hex", "1234", (), "4d2"),
    "hex: padded decimal here": ("hex", "0000001234", (), "4d2"),
    "hex: no decimal number": ("hex", "4D2", (), "4D2"),
    "dec: hexadecimal here": ("dec", "4D2", (), "1234"),
    "dec: padded hexadecimal here": ("dec", "000004d2", (), "1234"),
    "dec: with 0x": ("dec", "0x4d2", (), "1234"),
    "dec: a GUID": ("dec", "6f9619ff-8b86", (), "6f9619ff-8b86"),
    "the TLV is the answer's": ("hex", "4660", ((RECEIPTED_MESSAGE_ID, b"1234\0"),), "1234"),
    "the TLV is the text's": ("hex", "1234", ((RECEIPTED_MESSAGE_ID, b"1234\0"),), "4d2"),
}


@pytest.mark.parametrize("msgid, written, tlvs, expected", IDS.values(), ids=IDS)
def test_ids(msgid: str, written: str, tlvs: Tlvs, expected: str) -> None:
    pdu = deliver_sm(f"id:{written} stat:DELIVRD err:000", 4, 0, tlvs)
    assert isinstance(pdu.body, ShortMessage)
    found = read(GATEWAY, pdu, pdu.body, Dialect(msgid=msgid))
    assert isinstance(found, Receipt)
    assert found.provider_id == expected


def test_dialect_is_the_settings() -> None:
    smpp = SmppSettings(msgid="hex", receiptcodes="routo", alphabet="latin1")
    assert dialect_of(smpp) == Dialect("hex", "routo", "latin1")


WORDS = st.sampled_from(
    ["id:", "stat:", "err:", "sub:001", "dlvrd:001", "\n", "DELIVRD", "UNKNOWN", "253", "9" * 40, "ffff", "0x",
     "²", "\0", " "]
)  # fmt: skip
TAGS = st.sampled_from(
    [RECEIPTED_MESSAGE_ID, MESSAGE_STATE, NETWORK_ERROR_CODE, SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM]
)
DIALECTS = st.builds(
    Dialect, st.sampled_from(["auto", "hex", "dec"]), st.sampled_from(["smpp", "routo"]),
    st.sampled_from(["gsm", "latin1"]),
)  # fmt: skip


@given(
    st.lists(WORDS, max_size=12).map(lambda words: "".join(words).encode("utf-8")) | st.binary(max_size=60),
    st.integers(0, 255),
    st.integers(0, 255),
    st.lists(st.tuples(TAGS, st.binary(max_size=5)), max_size=8),
    DIALECTS,
)  # fmt: skip
def test_anything_can_be_read(
    octets: bytes, esm_class: int, coding: int, tlvs: list[tuple[int, bytes]], dialect: Dialect
) -> None:
    pdu = deliver_sm(octets, esm_class, coding, tuple(tlvs))
    assert isinstance(pdu.body, ShortMessage)
    found = read(GATEWAY, pdu, pdu.body, dialect)
    if isinstance(found, Inbound):
        assert 1 <= found.number <= found.total <= 255
        assert arrival_of(Whole(found, "smpp"), 1, Millis(1)).incoming.text.encode() or not found.text
    else:
        assert found is None or found.provider_id
