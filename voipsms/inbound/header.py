"""What a user data header says of a part: where it stands in a long text, and what else."""

from __future__ import annotations

from typing import Final

from voipsms.inbound.call import Malformed
from voipsms.sms import udh
from voipsms.sms.udh import CONCATENATION_8, CONCATENATION_16, BadHeader
from voipsms.values import Value

_CONCATENATIONS: Final = (CONCATENATION_8, CONCATENATION_16)


class Place(Value, frozen=True):
    """As in Inbound; `udh`: what else the header has, with its length octet."""

    udh: bytes = b""
    reference: int = 0
    total: int = 1
    number: int = 1


def read_hex(text: str) -> Place:
    """`050003330201`; empty: no header. Raises Malformed."""
    try:
        return read_header(bytes.fromhex(text))
    except ValueError:
        raise Malformed("udh must be octets in hexadecimal") from None


def read_header(octets: bytes) -> Place:
    """Raises Malformed for lengths that aren't true, and for a part that can't be, such as 7 of 3."""
    if not octets:
        return Place()
    try:
        header = udh.parse(octets)
    except BadHeader as error:
        raise Malformed(f"udh: {error}") from None
    others = [element for element in header.elements if element.iei not in _CONCATENATIONS]
    rest = udh.serialize(others) if others else b""
    if len(others) == len(header.elements):
        return Place(rest)
    if (part := header.concatenation) is None:
        raise Malformed("udh: a part that can't be: its number is 0 or past the total")
    return Place(rest, part.reference, part.total, part.number) if part.total > 1 else Place(rest)
