import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.model import Coding
from voipsms.sms import dcs
from voipsms.sms.dcs import Indication, Scheme, Waiting, decode_user_data, smpp_data_coding, smpp_scheme
from voipsms.sms.gsm0338 import NotInAlphabet

GSM7, UCS2, BINARY, LATIN1 = Coding.GSM7, Coding.UCS2, Coding.BINARY, Coding.LATIN1


@pytest.mark.parametrize(
    "octet,scheme",
    [
        (0x00, Scheme(GSM7)),
        (0x04, Scheme(BINARY)),
        (0x08, Scheme(UCS2)),
        (0x10, Scheme(GSM7, 0)),
        (0x13, Scheme(GSM7, 3)),
        (0x15, Scheme(BINARY, 1)),
        (0x18, Scheme(UCS2, 0)),
        (0x20, Scheme(GSM7, compressed=True)),
        (0x38, Scheme(UCS2, 0, compressed=True)),
        (0x40, Scheme(GSM7, automatic_deletion=True)),
        (0x5A, Scheme(UCS2, 2, automatic_deletion=True)),
        (0x74, Scheme(BINARY, 0, compressed=True, automatic_deletion=True)),
        (0xC0, Scheme(GSM7, waiting=Waiting(Indication.VOICEMAIL, False, False))),
        (0xC9, Scheme(GSM7, waiting=Waiting(Indication.FAX, True, False))),
        (0xD8, Scheme(GSM7, waiting=Waiting(Indication.VOICEMAIL, True, True))),
        (0xD3, Scheme(GSM7, waiting=Waiting(Indication.OTHER, False, True))),
        (0xEA, Scheme(UCS2, waiting=Waiting(Indication.EMAIL, True, True))),
    ],
    ids=lambda value: f"{value:02x}" if isinstance(value, int) else "",
)
def test_scheme_both_ways(octet: int, scheme: Scheme) -> None:
    assert dcs.parse(octet) == scheme
    assert dcs.serialize(scheme) == octet


@pytest.mark.parametrize(
    "octet,scheme",
    [
        (0x0C, Scheme(GSM7)),  # alphabet 3 is reserved
        (0x03, Scheme(GSM7)),  # no class where bit 4 doesn't say so
        (0x80, Scheme(GSM7)),  # reserved groups
        (0xBF, Scheme(GSM7)),
        (0xF0, Scheme(GSM7, 0)),
        (0xF3, Scheme(GSM7, 3)),
        (0xF5, Scheme(BINARY, 1)),
        (0xFB, Scheme(GSM7, 3)),  # bit 3 is reserved
        (0xC4, Scheme(GSM7, waiting=Waiting(Indication.VOICEMAIL, False, False))),  # bit 2 is reserved
    ],
    ids=lambda value: f"{value:02x}" if isinstance(value, int) else "",
)
def test_read_only(octet: int, scheme: Scheme) -> None:
    assert dcs.parse(octet) == scheme


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_keeps_its_meaning(octet: int) -> None:
    scheme = dcs.parse(octet)
    assert dcs.parse(dcs.serialize(scheme)) == scheme


def test_what_the_air_lacks() -> None:
    assert dcs.serialize(Scheme(LATIN1, 1)) == 0x15
    assert dcs.serialize(Scheme(UCS2, waiting=Waiting(Indication.FAX, True, False))) == 0xC9


@pytest.mark.parametrize(
    "coding,message_class,data_coding",
    [
        (GSM7, None, 0x00), (LATIN1, None, 0x03), (BINARY, None, 0x04), (UCS2, None, 0x08),
        (GSM7, 0, 0xF0), (GSM7, 1, 0xF1), (GSM7, 3, 0xF3), (BINARY, 2, 0xF6), (UCS2, 0, 0x18), (UCS2, 3, 0x1B),
    ],
)  # fmt: skip
def test_smpp_both_ways(coding: Coding, message_class: int | None, data_coding: int) -> None:
    assert smpp_data_coding(coding, message_class) == data_coding
    assert smpp_scheme(data_coding) == Scheme(coding, message_class)


def test_latin1_has_no_class() -> None:
    assert smpp_data_coding(LATIN1, 0) == 3


@pytest.mark.parametrize(
    "data_coding,coding", [(1, GSM7), (2, BINARY), (5, BINARY), (6, BINARY), (9, BINARY), (15, BINARY)]
)
def test_smpp_scheme(data_coding: int, coding: Coding) -> None:
    assert smpp_scheme(data_coding) == Scheme(coding)


@pytest.mark.parametrize(
    "data_coding,octets,text",
    [
        (0, b"\x00\x1b\x65\x5f", "@€§"),
        (1, b"a_b@c$ [x]\n", "a_b@c$ [x]\n"),  # IA5 is ASCII
        (1, b"a\x00b\x1b\x65", "a@b€"),  # but this is no ASCII text
        (1, b"\x80", "\ufffd"),
        (2, b"abc", None),
        (3, b"\xe9\xa4", "é¤"),
        (4, b"abc", None),
        (5, b"\x93\xfa", "日"),
        (6, b"\xd0", "а"),
        (7, b"\xe0", "א"),
        (8, b"\x01\x51\xd8\x3d\xde\x00", "ő😀"),
        (8, b"\x01\x51\x01", "ő\ufffd"),  # half a unit
        (8, b"\xd8\x3d", "\ufffd"),  # half a pair
        (9, b"abc", None),
        (10, b"\x1b$BF|", "日"),
        (13, b"\xc6\xfc", "日"),
        (14, b"\xc7\xd1", "한"),
        (15, b"abc", None),
        (0x18, b"\x01\x51", "ő"),
        (0x10, b"\x00", "@"),
        (0x20, b"abc", None),  # compressed
        (0xC8, b"\x11", "_"),
        (0xE0, b"\x01\x51", "ő"),
        (0xF0, b"\x11", "_"),
        (0xF5, b"\x11", None),
    ],
    ids=lambda value: hex(value) if isinstance(value, int) else "",
)
def test_decode_user_data(data_coding: int, octets: bytes, text: str | None) -> None:
    assert decode_user_data(data_coding, octets) == text


@given(st.integers(0, 255), st.binary(max_size=20))
def test_decode_never_raises(data_coding: int, octets: bytes) -> None:
    text = decode_user_data(data_coding, octets)
    assert text is None or len(text) <= len(octets)


@given(st.text().filter(lambda text: text.isascii() or text.isprintable()))
def test_ucs2_round_trip(text: str) -> None:
    assert decode_user_data(8, text.encode("utf-16-be")) == text


# -- encode_text --------------------------------------------------------------------------------------------------

CHARSETS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 0x11, 0x18, 0xF0, 0xF6]
READ_BACK = {2: "latin-1", 4: "latin-1", 0xF6: "latin-1"}


@given(st.text(max_size=20), st.sampled_from(CHARSETS))
def test_what_is_encoded_is_read_back(text: str, data_coding: int) -> None:
    try:
        octets = dcs.encode_text(data_coding, text)
    except NotInAlphabet:
        return
    charset = READ_BACK.get(data_coding)
    read = octets.decode(charset) if charset else decode_user_data(data_coding, octets)
    if data_coding in (1, 5, 10, 13, 14):  # 1: an SMSC may mean ASCII; the others have two ways for \ and ~
        assert read is not None
    else:
        assert read == text


@pytest.mark.parametrize("data_coding", [9, 11, 12, 15, 0x20, 0x38])
def test_no_character_set(data_coding: int) -> None:
    with pytest.raises(NotInAlphabet, match=f"no text can be coded for data_coding {data_coding}$"):
        dcs.encode_text(data_coding, "a")


def test_septets_and_octets() -> None:
    assert [n for n in range(256) if dcs.is_septets(n)] == [
        n
        for n in range(256)
        if n in (0, 1) or (n >= 0x10 and dcs.parse(n).coding is GSM7 and not dcs.parse(n).compressed)
    ]
    assert [n for n in range(0x20) if dcs.is_septets(n)] == [0, 1, 0x10, 0x11, 0x12, 0x13, 0x1C, 0x1D, 0x1E, 0x1F]
    assert [n for n in range(0x20) if dcs.is_octets(n)] == [2, 4, 0x14, 0x15, 0x16, 0x17]


@pytest.mark.parametrize("text", ["\x1b", "a\x0eb", "日\x0f"])
def test_a_text_cannot_change_the_character_set(text: str) -> None:
    with pytest.raises(NotInAlphabet, match="would change the character set"):
        dcs.encode_text(10, text)
