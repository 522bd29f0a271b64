"""The characters of a text whose octets came with the name of their character set."""

from __future__ import annotations

import re
from typing import Final

from voipsms.inbound.call import Malformed, utf8

# What providers call a set, in lower case with hyphens → what Python calls it. Nothing else is tried: Python's own
# codecs include some that are no character sets at all.
_CHARSETS: Final[dict[str, str]] = {
    "us-ascii": "ascii",
    "ascii": "ascii",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "latin1": "latin-1",
    "latin-1": "latin-1",
    **{f"iso-8859-{n}": f"iso8859-{n}" for n in (*range(1, 12), *range(13, 17))},
    **{f"windows-{n}": f"cp{n}" for n in range(1250, 1259)},
    "koi8-r": "koi8_r",
    "gb2312": "gb2312",
    "gbk": "gbk",
    "big5": "big5",
    "shift-jis": "shift_jis",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
}
_UTF16: Final[dict[str, str]] = {
    "utf-16be": "utf-16-be",
    "utf-16": "utf-16-be",  # of the air; a mark of the byte order is heeded
    "ucs-2": "utf-16-be",
    "ucs-2be": "utf-16-be",
    "ucs2": "utf-16-be",
    "utf-16le": "utf-16-le",
    "ucs-2le": "utf-16-le",
}
_MARKS: Final = {b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{4})*")
_HALVES: Final = re.compile("[\ud800-\udfff]")


def decode(octets: bytes, charset: str, *, unicode: bool = False) -> str:
    """`charset` empty: UTF-8, else ISO-8859-1. `unicode`: the octets are UTF-8 already, and `charset` what the text had
    before. UTF-16 may be in hexadecimal, four digits a unit. Halves of surrogate pairs stay.

    Raises Malformed for a set that is not known, or octets that are not in it.
    """
    name = charset.strip().lower().replace("_", "-")
    if name in _UTF16 and (_HEX.fullmatch(octets) or not unicode):
        return _utf16(octets, _UTF16[name])
    if name and name not in _CHARSETS and name not in _UTF16:
        raise Malformed("charset is not one that is known here")
    if unicode or not name:
        return utf8(octets)
    try:
        return octets.decode(_CHARSETS[name])
    except UnicodeDecodeError:
        raise Malformed("text is not in its charset") from None


def _utf16(octets: bytes, order: str) -> str:
    if _HEX.fullmatch(octets):
        octets = bytes.fromhex(octets.decode())
    if len(octets) % 2:
        raise Malformed("text is not in its charset")
    if octets[:2] in _MARKS:
        octets, order = octets[2:], _MARKS[octets[:2]]
    return octets.decode(order, "surrogatepass")


def whole(text: str, *, part: bool) -> str:
    """Without halves of surrogate pairs, but for those at the ends of a part, which its neighbours complete."""
    if not _HALVES.search(text):
        return text
    first = text[0] if part and "\udc00" <= text[0] <= "\udfff" else ""
    last = text[-1] if part and "\ud800" <= text[-1] <= "\udbff" else ""
    middle = text[len(first) : len(text) - len(last)]
    return first + _HALVES.sub("\ufffd", middle) + last
