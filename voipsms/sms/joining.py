"""The text of one part of several, and the parts' texts made one again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from voipsms.model import Coding
from voipsms.sms import gsm0338
from voipsms.sms.dcs import decode_user_data, smpp_scheme

GAP: Final = "[…]"  # where parts are missing
_ESCAPE: Final = chr(gsm0338.ESCAPE)


def part_text(data_coding: int, octets: bytes) -> str | None:
    """As decode_user_data; but half a surrogate pair, and an escape at the end, stay for `join` to complete."""
    scheme = smpp_scheme(data_coding)
    if scheme.coding is Coding.UCS2 and not scheme.compressed:
        even = len(octets) & ~1
        return octets[:even].decode("utf-16-be", "surrogatepass") + "\ufffd" * (len(octets) - even)
    text = decode_user_data(data_coding, octets)
    if text and scheme.coding is Coding.GSM7 and _ends_in_escape(octets):
        return text[:-1] + _ESCAPE
    return text


def _ends_in_escape(octets: bytes) -> bool:
    """An even number of escapes are spaces, two by two."""
    return (len(octets) - len(octets.rstrip(b"\x1b"))) % 2 == 1


def join(texts: Iterable[str | None]) -> str:
    """Of parts in their order; None: it has not come."""
    whole = ""
    for text in texts:
        if text is None:
            whole = whole if whole.endswith(GAP) else _ended(whole) + GAP
        elif text and whole.endswith(_ESCAPE):
            whole = whole[:-1] + gsm0338.after_escape(text[0]) + text[1:]
        else:
            whole += text
    return _ended(whole).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _ended(text: str) -> str:
    """The GSM alphabet shows an escape before nothing as a space."""
    return text[:-1] + " " if text.endswith(_ESCAPE) else text
