"""SIP messages for the debug log: never credentials, and with `mask` neither texts nor names nor whole numbers."""

from __future__ import annotations

import re

from voipsms.masking import HIDDEN, mask_number, mask_text

_SECRET = re.compile(r"(?im)^((?:proxy-)?authorization)[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*")
# With the visual separators of RFC 3966 §3; a dot only where no IP address can stand.
_NUMBER = re.compile(r"(?i)(sips?:(?:\+|%2b)?)([0-9][0-9()-]{5,}[0-9])|(tel:\+?)([0-9][0-9.()-]{5,}[0-9])")
_DISPLAY_NAME = re.compile(  # it is often a number, too
    r"(?im)^((?:from|f|to|t|contact|m|p-(?:asserted|preferred)-identity|remote-party-id|diversion|referred-by|b)"
    r'[ \t]*:[ \t]*)(?:"(?:[^"\\\r\n]|\\.)*"[ \t]*|[^<>":\s][^<>":\r\n]*)(?=<)'
)
_SUBJECT = re.compile(r"(?im)^(subject|s)[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*")


def describe(octets: bytes, mask: bool) -> str:
    """The message as text, whatever it is."""
    head, blank, body = octets.decode("utf-8", "replace").partition("\r\n\r\n")
    head = _SECRET.sub(rf"\1: {HIDDEN}", head)
    if mask:
        head = _NUMBER.sub(lambda found: (found[1] or found[3]) + mask_number(found[2] or found[4]), head)
        head = _DISPLAY_NAME.sub(rf"\1{HIDDEN} ", head)
        head = _SUBJECT.sub(rf"\1: {HIDDEN}", head)
        body = mask_text(body) if body else ""
    return head + blank + body
