"""The GSM 7-bit default alphabet and its extension table, 3GPP TS 23.038 §6.2.1 and §6.2.1.1.

Texts are kept unpacked, one septet an octet, as SMPP carries them; `pack` and `unpack` are those of §6.1.2.1.1.
"""

from __future__ import annotations

import codecs
import re

from voipsms.errors import ProtocolError

ESCAPE = 0x1B

# §6.2.1: a row is sixteen codes. 0x09 is the capital Ç, whatever older tables print.
DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip


class NotInAlphabet(ProtocolError):
    """A text holds a character that the wanted coding does not have."""


class BadSeptets(ProtocolError):
    """Packed octets are fewer than the septets they are said to hold."""


# codecs.charmap_encode is fast only with a map whose code 0 is U+0000 and whose codes are single octets. So @ and the
# characters of the extension table first get codes of their own from 0x80 on, which most texts never need replaced.
_AT = 0x80
_UNMAPPED = "\ufffe"
_ESCAPED = {0x81 + i: bytes((ESCAPE, code)) for i, code in enumerate(EXTENSION)}
_ENCODING = codecs.charmap_build(
    ("\0" + DEFAULT[1:].replace("\x1b", _UNMAPPED) + "@" + "".join(EXTENSION.values())).ljust(256, _UNMAPPED)
)
_AT_TO_ZERO = bytes.maketrans(bytes((_AT,)), b"\0")
_ESCAPED_CODES = bytes(_ESCAPED)

_DECODING = DEFAULT.ljust(256, "\ufffd")
_ESCAPED_PAIR = re.compile("\x1b(.?)", re.DOTALL)
# §6.2.1.1: a code without a character of its own shows that of the default table; a second escape shows a space.
_AFTER_ESCAPE = {DEFAULT[code]: character for code, character in EXTENSION.items()} | {"\x1b": " ", "": " "}


def _marked(text: str) -> bytes:
    try:
        marked = codecs.charmap_encode(text, "strict", _ENCODING)[0]
    except UnicodeEncodeError as error:
        raise NotInAlphabet(f"U+{ord(text[error.start]):04X} is not in the GSM alphabet") from None
    if b"\0" in marked:
        raise NotInAlphabet("U+0000 is not in the GSM alphabet")
    return marked


def encode(text: str) -> bytes:
    """Unpacked septets; a character of the extension table makes two. Raises NotInAlphabet."""
    octets = _marked(text)
    if octets.isascii():
        return octets
    octets = octets.translate(_AT_TO_ZERO)
    if not octets.isascii():
        for code, pair in _ESCAPED.items():
            octets = octets.replace(bytes((code,)), pair)
    return octets


def septets(text: str) -> int:
    """How many septets the text makes. Raises NotInAlphabet."""
    marked = _marked(text)
    if marked.isascii():
        return len(marked)
    return 2 * len(marked) - len(marked.translate(None, _ESCAPED_CODES))


def decode(octets: bytes) -> str:
    """The text of unpacked septets, whatever they are: octets from 0x80 on become U+FFFD, a last escape a space."""
    text = codecs.charmap_decode(octets, "strict", _DECODING)[0]
    if "\x1b" not in text:
        return text
    return _ESCAPED_PAIR.sub(lambda pair: _AFTER_ESCAPE.get(pair[1], pair[1]), text)


def after_escape(character: str) -> str:
    """What a character of the default table is behind an escape."""
    return _AFTER_ESCAPE.get(character, character)


def pack(unpacked: bytes, fill_bits: int = 0) -> bytes:
    """§6.1.2.1.1; `fill_bits` zero bits go first, so that septets start on a septet boundary after a header."""
    packed = bytearray()
    held, bits = 0, fill_bits
    for septet in unpacked:
        held |= (septet & 0x7F) << bits
        bits += 7
        if bits >= 8:
            packed.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits:
        packed.append(held)
    return bytes(packed)


def unpack(packed: bytes, count: int, fill_bits: int = 0) -> bytes:
    """The first `count` septets, `fill_bits` bits in. Raises BadSeptets where there are fewer."""
    needed = (fill_bits + 7 * count + 7) // 8
    if count < 0 or needed > len(packed):
        raise BadSeptets(f"{len(packed)} octets can't hold {count} septets")
    bits = int.from_bytes(packed[:needed], "little") >> fill_bits
    return bytes(bits >> 7 * position & 0x7F for position in range(count))


def fill_bits(header_octets: int) -> int:
    """Bits between a header (its length octet counted) and the first septet, 3GPP TS 23.040 §9.2.3.24."""
    return -header_octets * 8 % 7
