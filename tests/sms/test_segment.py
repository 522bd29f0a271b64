"""Counts worked out by hand from 3GPP TS 23.040 §9.2.3.24.1 and 23.038 §6.2.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.errors import TooLong
from voipsms.model import Coding
from voipsms.sms import gsm0338
from voipsms.sms.gsm0338 import NotInAlphabet
from voipsms.sms.segment import (
    Segments,
    cut_octets,
    cut_text,
    parts_needed,
    room,
    segment,
    segment_octets,
    udh_for,
)
from voipsms.sms.udh import BadHeader

GSM7, UCS2 = Coding.GSM7, Coding.UCS2


@pytest.mark.parametrize(
    "text,coding,lengths",
    [
        ("", GSM7, [0]),
        ("hello", GSM7, [5]),
        ("x" * 160, GSM7, [160]),
        ("x" * 161, GSM7, [153, 8]),
        ("x" * 306, GSM7, [153, 153]),
        ("x" * 307, GSM7, [153, 153, 1]),
        ("x" * 459, GSM7, [153, 153, 153]),
        ("§" * 160, GSM7, [160]),
        ("@" * 161, GSM7, [153, 8]),
        ("€" * 80, GSM7, [160]),
        ("€" * 81, GSM7, [152, 10]),  # 76 whole pairs fit into 153
        ("x" * 158 + "€", GSM7, [160]),
        ("x" * 159 + "€", GSM7, [153, 8]),
        ("x" * 152 + "€" + "x" * 10, GSM7, [152, 12]),  # the pair would be cut at 153
        ("x" * 151 + "€" + "x" * 10, GSM7, [153, 10]),
        ("x" * 152 + "€" + "x" * 150 + "€" + "x", GSM7, [152, 152, 3]),
        ("ő", UCS2, [2]),
        ("ő" * 70, UCS2, [140]),
        ("ő" * 71, UCS2, [134, 8]),
        ("ő" * 134, UCS2, [134, 134]),
        ("ő" * 135, UCS2, [134, 134, 2]),
        ("x" * 69 + "ő", UCS2, [140]),
        ("x" * 70 + "ő", UCS2, [134, 8]),
        ("😀" * 35, UCS2, [140]),
        ("😀" * 36, UCS2, [132, 12]),  # 33 whole pairs fit into 67 units
        ("ő" * 69 + "😀", UCS2, [134, 8]),
        ("ő" * 66 + "😀" + "ő" * 5, UCS2, [132, 14]),
        ("ő" * 65 + "😀" + "ő" * 5, UCS2, [134, 10]),
        ("ç" * 3, UCS2, [6]),
    ],
    ids=lambda value: value[:3] + str(len(value)) if isinstance(value, str) else None,
)
def test_narrow(text: str, coding: Coding, lengths: list[int]) -> None:
    segments = segment(text)
    assert segments.coding is coding
    assert [len(body) for body in segments.bodies] == lengths
    assert segments.parts == parts_needed(text) == len(lengths)
    decoded = [gsm0338.decode(body) if coding is GSM7 else body.decode("utf-16-be") for body in segments.bodies]
    assert "".join(decoded) == text


@pytest.mark.parametrize(
    "text,lengths",
    [
        ("x" * 160, [160]),
        ("x" * 161, [152, 9]),
        ("x" * 305, [152, 152, 1]),
        ("x" * 151 + "€" * 6, [151, 12]),
        ("ő" * 70, [140]),
        ("ő" * 71, [132, 10]),
        ("ő" * 65 + "😀" * 4, [130, 16]),
    ],
    ids=lambda value: value[:3] + str(len(value)) if isinstance(value, str) else None,
)
def test_wide(text: str, lengths: list[int]) -> None:
    assert [len(body) for body in segment(text, wide_reference=True).bodies] == lengths
    assert parts_needed(text, wide_reference=True) == len(lengths)


@pytest.mark.parametrize(
    "count,wide,lengths",
    [(0, False, [0]), (140, False, [140]), (141, False, [134, 7]), (268, False, [134, 134]), (141, True, [133, 8])],
)
def test_octets(count: int, wide: bool, lengths: list[int]) -> None:
    octets = bytes(i % 256 for i in range(count))
    segments = segment_octets(octets, wide_reference=wide)
    assert segments.coding is Coding.BINARY
    assert [len(body) for body in segments.bodies] == lengths
    assert b"".join(segments.bodies) == octets


@pytest.mark.parametrize(
    "text,coding,octets",
    [
        ("aé", Coding.LATIN1, b"a\xe9"),
        ("a\x00\xff", Coding.BINARY, b"a\x00\xff"),
        ("aé", GSM7, b"a\x05"),
        ("a", UCS2, b"\0a"),
        ("a\ud83d", UCS2, b"\0a\0?"),  # half a pair is no character
    ],
)
def test_coding_given(text: str, coding: Coding, octets: bytes) -> None:
    assert segment(text, coding=coding) == Segments(coding, (octets,))


@pytest.mark.parametrize("text,coding", [("ő", GSM7), ("ő", Coding.LATIN1), ("€", Coding.BINARY)])
def test_coding_lacks_the_character(text: str, coding: Coding) -> None:
    with pytest.raises(NotInAlphabet):
        segment(text, coding=coding)
    with pytest.raises(NotInAlphabet):
        segment(text, coding=coding, transliterate=True)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("It’s “ok”…", Segments(GSM7, (b'It\'s "ok"...',))),
        ("plain", Segments(GSM7, (b"plain",))),
        ("’😀", Segments(UCS2, ("’😀".encode("utf-16-be"),))),  # nothing is won, so nothing is replaced
    ],
    ids=["all", "none", "emoji"],
)
def test_transliterate(text: str, expected: Segments) -> None:
    assert segment(text, transliterate=True) == expected


@pytest.mark.parametrize("text", ["x" * 153 * 255, "ő" * 67 * 255, "€" * 76 * 255], ids=["gsm", "ucs2", "escaped"])
def test_longest(text: str) -> None:
    assert parts_needed(text) == 255
    with pytest.raises(TooLong):
        parts_needed(text + text[0])


def test_longest_octets() -> None:
    assert segment_octets(bytes(134 * 255)).parts == 255
    with pytest.raises(TooLong):
        segment_octets(bytes(134 * 255 + 1))


@pytest.mark.parametrize(
    "number,total,reference,wide,header",
    [
        (1, 1, 7, False, ""),
        (1, 2, 7, False, "050003070201"),
        (2, 2, 7, False, "050003070202"),
        (255, 255, 0x1FF, False, "050003ffffff"),
        (1, 2, 0x1234, True, "06080412340201"),
        (2, 3, 0x10007, True, "06080400070302"),
    ],
)
def test_udh(number: int, total: int, reference: int, wide: bool, header: str) -> None:
    assert udh_for(number, total, reference, wide).hex() == header


@pytest.mark.parametrize("number,total", [(0, 2), (3, 2), (1, 256), (2, 1), (0, 0)])
def test_no_such_part(number: int, total: int) -> None:
    with pytest.raises(BadHeader):
        udh_for(number, total, 1)


@given(
    st.text(st.sampled_from("ab@€[\n§") | st.sampled_from("aő😀€"), max_size=700),
    st.booleans(),
    st.sampled_from([None, UCS2]),
)
def test_joined_again(text: str, wide: bool, coding: Coding | None) -> None:
    segments = segment(text, wide_reference=wide, coding=coding)
    gsm = segments.coding is GSM7
    each = (152 if gsm else 132) if wide else (153 if gsm else 134)
    # Every part is whole by itself: nothing was cut in a pair.
    decoded = [gsm0338.decode(body) if gsm else body.decode("utf-16-be") for body in segments.bodies]
    assert "".join(decoded) == text
    if segments.parts == 1:
        assert len(segments.bodies[0]) <= (160 if gsm else 140)
    else:
        assert sum(map(len, segments.bodies)) > (160 if gsm else 140)
        assert all(each - 2 <= len(body) <= each for body in segments.bodies[:-1])
        assert 0 < len(segments.bodies[-1]) <= each


@given(st.text(), st.booleans())
def test_any_text(text: str, transliterate: bool) -> None:
    assert segment(text, transliterate=transliterate).parts >= 1


# -- pieces of any coding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("header, septets, octets", [(0, 160, 140), (6, 153, 134), (7, 152, 133), (12, 146, 128)])
def test_room(header: int, septets: int, octets: int) -> None:
    assert (room(True, header), room(False, header)) == (septets, octets)


@pytest.mark.parametrize("count, pieces", [(0, [0]), (134, [134]), (135, [134, 1]), (268, [134, 134])])
def test_cut_octets(count: int, pieces: list[int]) -> None:
    assert [len(piece) for piece in cut_octets(bytes(count), 134)] == pieces


def test_too_many_octets() -> None:
    assert len(cut_octets(bytes(134 * 255), 134)) == 255
    with pytest.raises(TooLong):
        cut_octets(bytes(134 * 255 + 1), 134)


TEXTS = st.text(st.characters(exclude_characters="\x1b\x0e\x0f"), max_size=300)  # which iso2022_jp shifts by


@given(TEXTS, st.integers(8, 40), st.sampled_from(["utf-16-be", "euc_jp", "iso2022_jp", "utf-8"]))
def test_cut_text(text: str, room: int, codec: str) -> None:
    text = text.encode(codec, "ignore").decode(codec)
    pieces = cut_text(text, lambda piece: piece.encode(codec), room)
    assert "".join(piece.decode(codec) for piece in pieces) == text
    assert all(len(piece) <= room for piece in pieces)
    assert len(pieces) == 1 or all(pieces)


def test_too_much_text() -> None:
    assert len(cut_text("x" * 2550, str.encode, 10)) == 255
    with pytest.raises(TooLong):
        cut_text("x" * 2551, str.encode, 10)
