"""IceWarp's delivery script, deliver.html (seeds/003, "HTTP Request – Delivery Script", "Available Parameters")."""

from __future__ import annotations

import base64
from typing import Final

from voipsms.inbound import characters, header
from voipsms.inbound.call import Call, Malformed, Origin, bounded, identity, number, sender, utf8
from voipsms.inbound.header import Place
from voipsms.model import Inbound

_YES: Final = "1"
_NO: Final = ("", "0")


def message(origin: Origin, call: Call) -> Inbound:
    """Where `to` doesn't say which number of ours it came to, it is the gateway's own sender. Raises Malformed."""
    place, by = _header(call.word("udh"))
    binary = call.word("binary")
    if binary != _YES and binary not in _NO:
        raise Malformed("binary must be 0 or 1")
    told = utf8(call.needed("data"))
    octets = _octets(told, by, "data") if binary == _YES else b""
    text = "" if binary == _YES else bounded(characters.whole(told, part=place.total > 1), "data")
    return Inbound(
        origin.gateway_id,
        sender(call.needed("number"), "number"),
        _target(origin, call),
        text,
        octets,
        place.udh,
        place.reference,
        place.total,
        place.number,
        identity(call.octets("msgid"), "msgid"),
    )


def _target(origin: Origin, call: Call) -> str:
    told = call.octets("to")
    return number(told, "to") if told else origin.gateway.sender


def _header(text: str) -> tuple[Place, str]:
    """And how it is coded: "By default base64", or by `%udh;hex%`, which a header, whose first octet is its length,
    tells apart. Raises Malformed."""
    if not text:
        return Place(), ""
    try:
        return header.read_header(_octets(text, "hex", "udh")), "hex"
    except Malformed as wrong:
        try:
            return header.read_header(_octets(text, "base64", "udh")), "base64"
        except Malformed:
            raise wrong from None


def _octets(text: str, coding: str, name: str) -> bytes:
    """`coding` empty: base64, or hexadecimal where it can't be that."""
    try:
        if coding != "hex":
            return base64.b64decode(text, validate=True)
    except ValueError:
        if coding:
            raise Malformed(f"{name} must be in base64") from None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Malformed(f"{name} must be in base64 or hexadecimal") from None
