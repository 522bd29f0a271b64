"""What operators may do to a value, in Jinja2 by these names, in IceWarp's dialect by its modifiers. Pure.

Each takes text or octets (`bytes`, which only IceWarp's chains make) and never raises anything but Unwritable.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from voipsms.connectors.escapes import Unwritable, json_value, percent, xml
from voipsms.sms import numbers

_LONGEST_SHORT: Final = 6  # digits of a short code, as sms/numbers.py has it


def text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace")


def utf16(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-16-be", "replace")


def hexadecimal(value: str | bytes) -> str:
    return octets(value).hex().upper()


def b64(value: str | bytes) -> str:
    return base64.b64encode(octets(value)).decode()


def e164(value: str) -> str:
    """`+` before a number; short codes and names stay as they are."""
    return "+" + value if value.isascii() and value.isdecimal() and len(value) > _LONGEST_SHORT else value


def number(value: object) -> int:
    """For comparisons; what is no number is 0."""
    digits = text(value)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else 0


# -- IceWarp's own ------------------------------------------------------------------------------------------------


def payload(message: str, octets: str) -> str | bytes:
    """The text, or the octets of a binary message from their hexadecimal form."""
    return bytes.fromhex(octets) if octets else message


def header_octets(udh: str) -> bytes:
    """Without the length octet."""
    return bytes.fromhex(udh)[1:]


def default_b64(value: str | bytes) -> str:
    """Octets for which no encoding was asked."""
    return b64(value) if isinstance(value, bytes) else value


def interprefix(value: str | bytes, prefix: str) -> str | bytes:
    return prefix + value[1:] if isinstance(value, str) and value.startswith("+") else value


def charset(value: str | bytes, name: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.encode(name, "replace")
    except UnicodeError as error:
        raise Unwritable(f"the text can't be written in {name}") from error


def length(value: str | bytes) -> str | bytes:
    """Behind its length in octets; what is empty stays so."""
    size = len(octets(value))
    if size > 255:
        raise Unwritable("a text of more than 255 octets has no length octet")
    if not size:
        return value
    return bytes((size,)) + value if isinstance(value, bytes) else chr(size) + value


def in_ascii(value: str | bytes) -> bool:
    return isinstance(value, bytes) or value.isascii()


def is_octets(value: str | bytes) -> bool:
    return isinstance(value, bytes) and bool(value)


# Of plain Jinja2; `lower` and `upper` can make a text longer, but never many times.
PLAIN: Final[dict[str, Callable[[Any], Any]]] = {
    "urlencode": percent, "json": json_value, "xml": xml, "hex": hexadecimal, "b64": b64, "e164": e164,
    "ucs2hex": lambda value: utf16(value).hex().upper(), "national": numbers.national,
    "lower": str.lower, "upper": str.upper, "trim": str.strip, "length": len,
}  # fmt: skip
OURS: Final[dict[str, Callable[..., Any]]] = {
    "text": text, "number": number, "octets": octets, "utf16": utf16, "payload": payload,
    "header_octets": header_octets, "default_b64": default_b64, "interprefix": interprefix,
    "charset": charset, "length_octet": length,
    "in_ascii": in_ascii, "is_octets": is_octets,
}  # fmt: skip
