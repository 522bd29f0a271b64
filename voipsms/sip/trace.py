"""SIP messages for the debug log: never credentials, and with `mask` neither texts nor whole numbers."""

from __future__ import annotations

import re

from voipsms.masking import HIDDEN, mask_number, mask_text

_SECRET = re.compile(r"(?im)^((?:proxy-)?authorization)[ \t]*:.*(?:\r?\n[ \t].*)*")
_NUMBER = re.compile(r"(?i)((?:sips?|tel):\+?)([0-9]{7,})")


def describe(octets: bytes, mask: bool) -> str:
    """The message as text, whatever it is."""
    head, blank, body = octets.decode("utf-8", "replace").partition("\r\n\r\n")
    head = _SECRET.sub(rf"\1: {HIDDEN}", head)
    if mask:
        head = _NUMBER.sub(lambda found: found[1] + mask_number(found[2]), head)
        body = mask_text(body) if body else ""
    return head + blank + body
