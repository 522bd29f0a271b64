"""What a webhook gets as JSON, and how it is signed (docs/delivery.md has both)."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import Final

from voipsms.carriers.clickatell import happened, state_of
from voipsms.model import Delivery, Micros, Subject
from voipsms.money import decimal

SIGNATURE: Final = "X-VoipSMS-Signature"
_TYPES: Final = {Subject.TEXT: "message", Subject.RECEIPT: "receipt", Subject.NOTICE: "notice"}


def body(delivery: Delivery) -> bytes:
    """Ids are strings, since JavaScript's numbers can't hold them. `delivery` is the same in a repeat."""
    told: dict[str, object] = {
        "type": _TYPES[delivery.subject], "id": str(delivery.message_id) if delivery.message_id else "",
        "delivery": str(delivery.id), "from": delivery.source, "to": delivery.target, "text": delivery.text,
        "timestamp": _moment(happened(delivery)),
    }  # fmt: skip
    told |= _FURTHER[delivery.subject](delivery, dict(delivery.fields))
    return json.dumps(told, separators=(",", ":")).encode()


def signature(secret: str, at: int, body: bytes) -> str:
    """`t=<unix>,v1=<hex>`: HMAC-SHA256 of the time in digits, a full stop and the body. `at`: seconds."""
    digest = hmac.digest(secret.encode(), b"%d.%b" % (at, body), "sha256")
    return f"t={at},v1={digest.hex()}"


def _moment(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of_text(delivery: Delivery, fields: dict[str, str]) -> dict[str, object]:
    told: dict[str, object] = {
        "parts": int(fields.get("parts", "1")), "complete": fields.get("complete") != "no",
        "udh": fields.get("udh", ""), "gateway": fields.get("gateway", ""),
    }  # fmt: skip
    return told | ({"octets": fields["octets"]} if "octets" in fields else {})


def _of_receipt(delivery: Delivery, fields: dict[str, str]) -> dict[str, object]:
    told: dict[str, object] = {
        "from": fields.get("sender", ""), "state": state_of(delivery), "reason": fields.get("reason", ""),
    }  # fmt: skip
    if "parts" in fields:
        told["parts"] = int(fields["parts"])
    if "price" in fields:
        told |= {"price": str(decimal(Micros(int(fields["price"])))), "currency": fields.get("currency", "")}
    return told


def _of_notice(delivery: Delivery, fields: dict[str, str]) -> dict[str, object]:
    return {name: fields[name] for name in ("notice", "state", "sender") if name in fields}


_FURTHER: Final = {Subject.TEXT: _of_text, Subject.RECEIPT: _of_receipt, Subject.NOTICE: _of_notice}
