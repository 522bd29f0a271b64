"""The alphabet as 3GPP TS 23.038 prints it, code by code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.sms import gsm0338
from voipsms.sms.gsm0338 import BadSeptets, NotInAlphabet, decode, encode, fill_bits, pack, septets, unpack

# §6.2.1, by column as the clause prints it: code points in Unicode, without 0x1B.
TABLE = {
    0x00: 0x40, 0x01: 0xA3, 0x02: 0x24, 0x03: 0xA5, 0x04: 0xE8, 0x05: 0xE9, 0x06: 0xF9, 0x07: 0xEC,
    0x08: 0xF2, 0x09: 0xC7, 0x0A: 0x0A, 0x0B: 0xD8, 0x0C: 0xF8, 0x0D: 0x0D, 0x0E: 0xC5, 0x0F: 0xE5,
    0x10: 0x394, 0x11: 0x5F, 0x12: 0x3A6, 0x13: 0x393, 0x14: 0x39B, 0x15: 0x3A9, 0x16: 0x3A0, 0x17: 0x3A8,
    0x18: 0x3A3, 0x19: 0x398, 0x1A: 0x39E, 0x1C: 0xC6, 0x1D: 0xE6, 0x1E: 0xDF, 0x1F: 0xC9,
    0x24: 0xA4, 0x40: 0xA1,
    0x5B: 0xC4, 0x5C: 0xD6, 0x5D: 0xD1, 0x5E: 0xDC, 0x5F: 0xA7, 0x60: 0xBF,
    0x7B: 0xE4, 0x7C: 0xF6, 0x7D: 0xF1, 0x7E: 0xFC, 0x7F: 0xE0,
}  # fmt: skip
TABLE |= {code: code for code in range(0x20, 0x7B) if code not in TABLE}  # where it is ASCII
# §6.2.1.1
EXTENSION = {
    0x0A: 0x0C, 0x14: 0x5E, 0x28: 0x7B, 0x29: 0x7D, 0x2F: 0x5C, 0x3C: 0x5B, 0x3D: 0x7E, 0x3E: 0x5D, 0x40: 0x7C,
    0x65: 0x20AC,
}  # fmt: skip
ALL = [chr(point) for point in (*TABLE.values(), *EXTENSION.values())]
gsm_texts = st.text(st.sampled_from(ALL))


def test_table_is_whole() -> None:
    assert sorted(TABLE) == [code for code in range(128) if code != 0x1B]


@pytest.mark.parametrize("code,point", TABLE.items(), ids=lambda value: f"{value:02x}")
def test_default(code: int, point: int) -> None:
    assert encode(chr(point)) == bytes((code,))
    assert decode(bytes((code,))) == chr(point)
    assert septets(chr(point)) == 1


@pytest.mark.parametrize("code,point", EXTENSION.items(), ids=lambda value: f"{value:02x}")
def test_extension(code: int, point: int) -> None:
    assert encode(chr(point)) == bytes((0x1B, code))
    assert decode(bytes((0x1B, code))) == chr(point)
    assert septets(chr(point)) == 2


def test_nothing_else_encodes() -> None:
    points = {point for point in range(0x11000) if point not in range(0xD800, 0xE000)}
    for point in points - {ord(character) for character in ALL}:
        with pytest.raises(NotInAlphabet):
            encode(chr(point))


@pytest.mark.parametrize(
    "text", ["\0", "\x1b", "a\0b", "€\x1b", "ç", "ő", "\ud83d", "😀", "\x80", "\x81", "`", "\t", "\xa0"]
)
def test_outside(text: str) -> None:
    with pytest.raises(NotInAlphabet):
        encode(text)
    with pytest.raises(NotInAlphabet):
        septets(text)


@pytest.mark.parametrize(
    "octets,text",
    [
        (b"", ""),
        (b"\x1b", " "),  # an escape without its code
        (b"a\x1b", "a "),
        (b"\x1b\x1b", " "),  # reserved for another table: a space
        (b"\x1b\x1be", " e"),
        (b"\x1bA", "A"),  # no such extension: the default table's character
        (b"\x1b\x00", "@"),
        (b"\x1b\x0d", "\r"),
        (b"\x1b\x14\x14", "^Λ"),
        (b"\x80\xff", "\ufffd\ufffd"),
        (b"\x1b\xe5", "\ufffd"),
    ],
)
def test_decode_total(octets: bytes, text: str) -> None:
    assert decode(octets) == text


@given(gsm_texts)
def test_round_trip(text: str) -> None:
    octets = encode(text)
    assert decode(octets) == text
    assert len(octets) == septets(text)


@given(st.binary())
def test_decode_never_raises(octets: bytes) -> None:
    assert len(decode(octets)) <= len(octets)


@given(st.text())
def test_encode_raises_only_its_own(text: str) -> None:
    try:
        octets = encode(text)
    except NotInAlphabet:
        assert set(text) - set(ALL)
    else:
        assert decode(octets) == text


@pytest.mark.parametrize(
    "text,bits,packed",
    [
        ("", 0, ""),
        ("a", 0, "61"),
        ("1234567", 0, "31d98c56b3dd00"),
        ("12345678", 0, "31d98c56b3dd70"),
        ("hellohello", 0, "e8329bfd4697d9ec37"),
        ("a", 1, "c2"),
        ("aa", 6, "40380c"),
    ],
)
def test_packing(text: str, bits: int, packed: str) -> None:
    assert pack(encode(text), bits).hex() == packed
    assert unpack(bytes.fromhex(packed), len(text), bits) == encode(text)
    assert unpack(bytes.fromhex(packed) + b"\xff\xff", len(text), bits) == encode(text)


@given(st.lists(st.integers(0, 127), max_size=160).map(bytes), st.integers(0, 6))
def test_packing_round_trip(unpacked: bytes, bits: int) -> None:
    packed = pack(unpacked, bits)
    assert len(packed) == (bits + 7 * len(unpacked) + 7) // 8
    assert unpack(packed, len(unpacked), bits) == unpacked


@pytest.mark.parametrize("packed,count,bits", [(b"", 1, 0), (b"a", 2, 0), (b"a", 1, 2), (b"abc", -1, 0)])
def test_too_few_octets(packed: bytes, count: int, bits: int) -> None:
    with pytest.raises(BadSeptets):
        unpack(packed, count, bits)


@pytest.mark.parametrize("octets,bits", [(0, 0), (6, 1), (7, 0), (8, 6), (12, 2)])
def test_fill_bits(octets: int, bits: int) -> None:
    assert fill_bits(octets) == bits
    assert (octets * 8 + bits) % 7 == 0


def test_a_full_part_is_140_octets() -> None:
    assert len(pack(encode("x" * 160))) == 140
    assert len(pack(encode("x" * 153), fill_bits(6))) == 134
    assert len(gsm0338.DEFAULT) == 128
