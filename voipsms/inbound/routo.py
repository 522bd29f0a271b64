"""RoutoMessaging's messages (seeds/001, §7.1) and receipts (§5.3.2, table 6)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from voipsms.inbound import characters
from voipsms.inbound.call import Call, Malformed, Origin, bounded, identity, number, sender, utf8
from voipsms.model import Coding, Inbound, Receipt, State
from voipsms.sms.dcs import smpp_scheme
from voipsms.sms.routo import routo_meaning, routo_state

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def message(origin: Origin, call: Call) -> Inbound:
    """A message has no id there. Raises Malformed."""
    told = utf8(call.needed("message"))
    scheme = smpp_scheme(_dcs(call.word("dcs")))
    text, octets = _READINGS.get(Coding.BINARY if scheme.compressed else scheme.coding, _as_it_is)(told)
    return Inbound(
        origin.gateway_id,
        sender(call.needed("org"), "org"),
        number(call.needed("dest"), "dest"),
        bounded(characters.whole(text, part=False), "message"),
        octets,
    )


def receipt(origin: Origin, call: Call) -> Receipt:
    """Numbers to 255 that table 6 doesn't have are UNKNOWN, as §4.3 says. Raises Malformed."""
    code = call.word("status")
    state = routo_state(code) if len(code) <= 3 else None
    if state is None or int(code) > 255:
        raise Malformed("status must be 0 to 255")
    provider_id = identity(call.needed("mess_id"), "mess_id")
    if not provider_id:
        raise Malformed("mess_id is empty")
    told = "" if state is State.DELIVERED else routo_meaning(code)
    return Receipt(origin.gateway_id, provider_id, state, code, told, target=number(call.needed("number"), "number"))


def _dcs(text: str) -> int:
    """ "Usually 0"."""
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= 255):
        raise Malformed("dcs must be 0 to 255")
    return int(text)


def _as_it_is(told: str) -> tuple[str, bytes]:
    return told, b""


def _ucs2(told: str) -> tuple[str, bytes]:
    """In hexadecimal as it is sent (§5.6), else as characters."""
    if _HEX.fullmatch(told) and len(told) % 4 == 0:
        return characters.decode(told.encode(), "UTF-16BE"), b""
    return told, b""


def _octets(told: str) -> tuple[str, bytes]:
    if not _HEX.fullmatch(told):
        raise Malformed("message must be in hexadecimal, since its dcs says octets")
    return "", bytes.fromhex(told)


_READINGS: Final[dict[Coding, Callable[[str], tuple[str, bytes]]]] = {Coding.UCS2: _ucs2, Coding.BINARY: _octets}
