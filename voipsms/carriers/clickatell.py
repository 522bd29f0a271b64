"""What a webhook gets in Clickatell's formats (its two-way guide, seeds/000 §11.3): the body and its type.

Times are GMT+0200 all year. Values that Clickatell's own platform would give are ours: `api_id` the last nine digits of
the account's id (SOAP wants an xsd:int), `moMsgId` the message's id. The text of a binary message is hexadecimal.
Receipts are not in that guide: they have the names and codes of Clickatell's HTTP callbacks, or Routo's (seeds/001
§5.3.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from voipsms.model import Delivery, Millis, State
from voipsms.sms.routo import CODES

FORM: Final = "application/x-www-form-urlencoded"
_ZONE: Final = timezone(timedelta(hours=2))
_LATEST: Final = Millis(int(datetime(9999, 12, 30, tzinfo=UTC).timestamp()) * 1000)
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2
_LATIN1, _UTF16, _UTF8 = "ISO-8859-1", "UTF-16BE", "UTF-8"
_API_IDS: Final = 10**9
_IN_FORM: Final = ("api_id", "from", "to", "timestamp", "text", "charset", "udh", "moMsgId")
_IN_XML: Final = ("api_id", "moMsgId", "from", "to", "timestamp", "text", "charset", "udh")
_IN_SOAP: Final = ("api_id", "from", "to", "timestamp", "charset", "udh", "text", "moMsgId")

STATUS: Final[dict[State, str]] = {
    State.QUEUED: "008",  # received by gateway
    State.ENROUTE: "003",  # delivered to gateway
    State.ACCEPTED: "003",
    State.DELIVERED: "004",  # received by recipient
    State.REJECTED: "005",  # error with message
    State.DELETED: "006",  # user cancelled message delivery
    State.UNDELIVERABLE: "007",  # error delivering message
    State.EXPIRED: "010",  # message expired
    State.UNKNOWN: "001",  # message unknown
}

_SOAP_ENVELOPE: Final = {
    "SOAP-ENV:encodingStyle": "http://schemas.xmlsoap.org/soap/encoding/",
    "xmlns:SOAP-ENV": "http://schemas.xmlsoap.org/soap/envelope/",
    "xmlns:xsd": "http://www.w3.org/2001/XMLSchema",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xmlns:SOAP-ENC": "http://schemas.xmlsoap.org/soap/encoding/",
    "xmlns:tns": "clickatell_mo",
}


def mo_form(delivery: Delivery) -> bytes:
    """A text as parameters; its octets are in the charset that is named."""
    charset = _charset(delivery, _UTF16)
    named = _named(delivery, charset)
    coded = {"text": charset or "ascii"}
    return _form((name, named[name].encode(coded.get(name, "utf-8"), "replace")) for name in _IN_FORM)


def mo_xml(delivery: Delivery) -> bytes:
    """A text as `data=<clickmo>`. What isn't ASCII stands in character references, whatever the charset."""
    root = Element("clickmo")
    named = _named(delivery, _charset(delivery, _UTF8))
    for name in _IN_XML:
        SubElement(root, name).text = _writable(named[name])
    return _data(b'<?xml version="1.0"?>\n', root)


def mo_soap(delivery: Delivery) -> bytes:
    """A text as `data=<SOAP-ENV:Envelope>`, written as `mo_xml` does."""
    root = Element("SOAP-ENV:Envelope", _SOAP_ENVELOPE)
    told = SubElement(SubElement(root, "SOAP-ENV:Body"), "tns:mo_callback", {"xmlns:tns": "clickatell_mo"})
    named = _named(delivery, _charset(delivery, _UTF8))
    for name in _IN_SOAP:
        kind = "xsd:int" if name == "api_id" else "xsd:string"
        SubElement(told, name.lower(), {"xsi:type": kind}).text = _writable(named[name])
    return _data(b'<?xml version="1.0" encoding="ISO-8859-1"?>\n', root)


def receipt_form(delivery: Delivery) -> bytes:
    """A receipt as parameters."""
    named = {
        "api_id": _api_id(delivery), "apiMsgId": str(delivery.message_id), "from": field(delivery, "sender"),
        "to": delivery.target, "timestamp": timestamp(delivery), "status": STATUS[state_of(delivery)],
    }  # fmt: skip
    return _form((name, value.encode("utf-8", "replace")) for name, value in named.items())


def routo_receipt_form(delivery: Delivery) -> bytes:
    """A receipt with Routo's three parameters and the codes of its table 6."""
    named = {"mess_id": str(delivery.message_id), "status": str(CODES[state_of(delivery)]), "number": delivery.target}
    return _form((name, value.encode("utf-8", "replace")) for name, value in named.items())


def field(delivery: Delivery, name: str) -> str:
    return next((value for key, value in delivery.fields if key == name), "")


def state_of(delivery: Delivery) -> State:
    word = field(delivery, "state")
    return State(word) if word in State.__members__ else State.UNKNOWN


def happened(delivery: Delivery) -> Millis:
    """When the provider had a text, else when we did; of anything else, when we wrote it."""
    sent = field(delivery, "sent")
    at = int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 16 else 0
    return Millis(at) if 0 < at < _LATEST else delivery.created


def timestamp(delivery: Delivery) -> str:
    """MySQL's format, GMT+0200."""
    return datetime.fromtimestamp(happened(delivery) / 1000, _ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _named(delivery: Delivery, charset: str) -> dict[str, str]:
    return {
        "api_id": _api_id(delivery), "moMsgId": str(delivery.message_id), "from": delivery.source,
        "to": delivery.target, "timestamp": timestamp(delivery), "charset": charset, "udh": field(delivery, "udh"),
        "text": field(delivery, "octets") or delivery.text,
    }  # fmt: skip


def _charset(delivery: Delivery, wider: str) -> str:
    """Empty for a binary message, whose text is hexadecimal; `wider`: where Latin-1 hasn't all characters."""
    if field(delivery, "octets"):
        return ""
    return _LATIN1 if delivery.text.isascii() or max(delivery.text) <= "\xff" else wider


def _api_id(delivery: Delivery) -> str:
    return str(delivery.user_id % _API_IDS)


def _writable(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _form(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs).encode()


def _data(declaration: bytes, root: Element) -> bytes:
    return _form([("data", declaration + tostring(root, encoding="us-ascii"))])
