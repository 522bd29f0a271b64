"""A text as the user data of its parts: 160/153 septets, 70/67 UTF-16 units, 140/134 octets.

3GPP TS 23.040 §9.2.3.24.1. With a 16-bit reference the header is an octet longer, so 152, 66 and 133.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from voipsms.errors import TooLong
from voipsms.model import Coding
from voipsms.sms import gsm0338
from voipsms.sms.gsm0338 import NotInAlphabet
from voipsms.sms.transliterate import transliterate as nearest
from voipsms.sms.udh import Concatenation, concatenation_element, serialize

_KEPT = 1000  # characters of the longest text whose parts are remembered
MAX_PARTS = 255  # the header counts them in one octet
_TOO_MANY = f"The message would take more than {MAX_PARTS} parts"


@dataclass(frozen=True, slots=True)
class Segments:
    """`bodies`: the user data of each part in order, without its header; at least one."""

    coding: Coding
    bodies: tuple[bytes, ...]

    @property
    def parts(self) -> int:
        return len(self.bodies)


@dataclass(frozen=True, slots=True)
class _Room:
    """Octets that fit in a part (septets being unpacked): alone, after a 6-octet and after a 7-octet header."""

    single: int
    narrow: int
    wide: int


_OCTETS = _Room(140, 134, 133)
_ROOM = {
    Coding.GSM7: _Room(160, 153, 152),
    Coding.UCS2: _Room(140, 134, 132),
    Coding.LATIN1: _OCTETS,
    Coding.BINARY: _OCTETS,
}


def _latin1(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise NotInAlphabet(f"U+{ord(text[error.start]):04X} is not in ISO 8859-1") from None


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "replace")  # half a surrogate pair becomes "?"


_ENCODE: dict[Coding, Callable[[str], bytes]] = {
    Coding.GSM7: gsm0338.encode,
    Coding.UCS2: _utf16,
    Coding.LATIN1: _latin1,
    Coding.BINARY: _latin1,
}


def _pair_before(coding: Coding, octets: bytes, end: int) -> int:
    """How many octets before `end` belong to a pair that a cut at `end` would separate."""
    if coding is Coding.GSM7:
        return 1 if octets[end - 1] == gsm0338.ESCAPE else 0
    if coding is Coding.UCS2:
        return 2 if 0xD8 <= octets[end - 2] <= 0xDB else 0
    return 0


def _cut(coding: Coding, octets: bytes, room: int) -> Iterator[bytes]:
    start = 0
    while len(octets) - start > room:
        end = start + room - _pair_before(coding, octets, start + room)
        yield octets[start:end]
        start = end
    yield octets[start:]


def _segments(coding: Coding, octets: bytes, wide_reference: bool) -> Segments:
    room = _ROOM[coding]
    if len(octets) <= room.single:
        return Segments(coding, (octets,))
    each = room.wide if wide_reference else room.narrow
    if len(octets) <= each * MAX_PARTS:
        bodies = tuple(_cut(coding, octets, each))
        if len(bodies) <= MAX_PARTS:
            return Segments(coding, bodies)
    raise TooLong(_TOO_MANY)


def _encode(text: str, transliterate: bool) -> tuple[Coding, bytes]:
    try:
        return Coding.GSM7, gsm0338.encode(text)
    except NotInAlphabet:
        if transliterate:
            # Where one character stays outside, replacing the others would win nothing: the text goes as it is.
            return _encode_nearest(text)
        return Coding.UCS2, _utf16(text)


def _encode_nearest(text: str) -> tuple[Coding, bytes]:
    try:
        return Coding.GSM7, gsm0338.encode(nearest(text))
    except NotInAlphabet:
        return Coding.UCS2, _utf16(text)


def segment(
    text: str, *, transliterate: bool = False, wide_reference: bool = False, coding: Coding | None = None
) -> Segments:
    """The parts of a text. `coding` None: GSM7 where every character is in that alphabet, else UCS2.

    With a coding given, characters are never replaced; BINARY takes each of U+0000–U+00FF as one octet.
    Raises TooLong, and NotInAlphabet where the coding given lacks a character.
    """
    # Accept asks for the count, and the connector for the parts a moment later.
    segments = _segment_again if len(text) <= _KEPT else _segment
    return segments(text, transliterate, wide_reference, coding)


def _segment(text: str, transliterate: bool, wide_reference: bool, coding: Coding | None) -> Segments:
    if coding is None:
        coding, octets = _encode(text, transliterate)
    else:
        octets = _ENCODE[coding](text)
    return _segments(coding, octets, wide_reference)


_segment_again = lru_cache(maxsize=500)(_segment)


def segment_octets(octets: bytes, *, wide_reference: bool = False) -> Segments:
    """The parts of 8-bit user data. Raises TooLong."""
    return _segments(Coding.BINARY, octets, wide_reference)


def parts_needed(
    text: str, *, transliterate: bool = False, wide_reference: bool = False, coding: Coding | None = None
) -> int:
    """As `segment`, for those who need only the count."""
    return segment(text, transliterate=transliterate, wide_reference=wide_reference, coding=coding).parts


def room(septets: bool, header: int = 0) -> int:
    """Octets of user data (septets being unpacked) in a part beside a header of so many octets."""
    return (140 - header) * 8 // 7 if septets else 140 - header


def cut_octets(octets: bytes, room: int) -> tuple[bytes, ...]:
    """At least one piece. Raises TooLong."""
    pieces = tuple(octets[at : at + room] for at in range(0, len(octets), room)) or (b"",)
    if len(pieces) > MAX_PARTS:
        raise TooLong(_TOO_MANY)
    return pieces


def cut_text(text: str, encode: Callable[[str], bytes], room: int, *, at_words: bool = False) -> tuple[bytes, ...]:
    """Pieces that are each whole characters in `encode`'s coding, of at most `room` octets; at least one.

    `at_words`: cut at the last space or line end of a piece, which is dropped, unless that is in its first half.
    Raises TooLong, and what `encode` raises.
    """
    pieces: list[bytes] = []
    while text or not pieces:
        longest = min(len(text), room)
        fits = bisect_right(range(1, longest + 1), room, key=lambda end: len(encode(text[:end])))
        end, after = fits, fits
        if at_words and fits < len(text):
            space = max(text.rfind(" ", fits // 2, fits + 1), text.rfind("\n", fits // 2, fits + 1))
            end, after = (space, space + 1) if space > 0 else (fits, fits)
        pieces.append(encode(text[:end]))
        text = text[after:]
        if len(pieces) == MAX_PARTS and text:
            raise TooLong(_TOO_MANY)
    return tuple(pieces)


def udh_for(number: int, total: int, reference: int, wide: bool = False) -> bytes:
    """The header of part `number` (from 1) of `total`, its length octet included; empty where there is only one part.

    The reference wraps at 8 bits (16 where wide). Raises BadHeader where there is no such part.
    """
    if total == 1 == number:
        return b""
    return serialize((concatenation_element(Concatenation(reference, total, number, wide)),))
