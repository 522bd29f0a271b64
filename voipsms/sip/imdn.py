"""Instant message disposition notification, RFC 5438: what a phone asks for in message/cpim, and what it gets."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from voipsms.model import Imdn
from voipsms.sip.headers import Headers

NAMESPACE = "urn:ietf:params:imdn"
# As an IMDN repeats them; what else stands there is no id and no time, and asks for nothing that can be given.
_ID = re.compile(r"[!-~]{1,128}", re.ASCII)
_TIME = re.compile(r"[-+:.TZtz0-9]{10,40}", re.ASCII)  # RFC 3862 §4.5
_PREFIX = re.compile(r"(?:([-\w.]{1,40})\s+)?<" + re.escape(NAMESPACE) + ">", re.ASCII)  # RFC 3862 §4.6


def requested(headers: Headers) -> Imdn | None:
    """By the headers of a CPIM message; None: nothing is wanted, or not in a way that could be answered."""
    space = next(filter(None, map(_PREFIX.fullmatch, headers.get_all("NS"))), None)
    if space is None:
        return None
    dot = f"{space[1]}." if space[1] else ""
    wanted = {
        word.partition(";")[0].strip().lower()
        for value in headers.get_all(f"{dot}Disposition-Notification")
        for word in value.split(",")
    }
    message_id, sent = headers.get(f"{dot}Message-ID"), headers.get("DateTime")
    delivered, failed = "positive-delivery" in wanted, "negative-delivery" in wanted
    if not (delivered or failed) or not _ID.fullmatch(message_id):
        return None
    return Imdn(message_id, sent if _TIME.fullmatch(sent) else "", delivered, failed)


def notification(
    message_id: str, sent: str, disposition: str, *, recipient: str, to: str, own_id: str
) -> bytes:  # fmt: skip
    """A body of type message/cpim, §7.2.1.1, §8.

    `message_id` and `sent` are the words of the message that it is about; `disposition`: delivered, failed or error;
    `recipient` and `to`: the URIs of who was to get that message and of who has sent it.
    """
    uri = escape(recipient)
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="urn:ietf:params:xml:ns:imdn">'
        f"<message-id>{escape(message_id)}</message-id><datetime>{escape(sent)}</datetime>"
        f"<recipient-uri>{uri}</recipient-uri><original-recipient-uri>{uri}</original-recipient-uri>"
        f"<delivery-notification><status><{disposition}/></status></delivery-notification></imdn>\r\n"
    ).encode()
    head = (
        f"From: <{recipient}>\r\nTo: <{to}>\r\nNS: imdn <{NAMESPACE}>\r\nimdn.Message-ID: {own_id}\r\n\r\n"
        "Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n"
        f"Content-length: {len(xml)}\r\n\r\n"
    )
    return head.encode() + xml
