"""What a webhook gets as JSON, and its signature."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.deliveries import AT, delivery
from voipsms.carriers import hook_json
from voipsms.model import MessageId, Subject

PAGE = Path(__file__).parents[2] / "docs/delivery.md"
SECRET = "whsec_árvíz"
HEAD = {"id": "7000000000000000000", "delivery": "7000000000000000001", "to": "36201234567"}
TEXT = {**HEAD, "type": "message", "from": "36301112233", "timestamp": "2007-02-26T12:36:50.123Z"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": "Szia 🎉"}, {"text": "Szia 🎉"}),
        (
            {"fields": (("gateway", "smsc"), ("parts", "3"), ("complete", "no"), ("sent", str(AT - 123)))},
            {"gateway": "smsc", "parts": 3, "complete": False, "timestamp": "2007-02-26T12:36:50.000Z"},
        ),
        (
            {"text": "", "fields": (("udh", "0605040b8423f0"), ("octets", "00ff"))},
            {"text": "", "udh": "0605040b8423f0", "octets": "00ff"},
        ),
    ],
    ids=["a text", "a long one", "a binary one"],
)
def test_texts(changes: dict[str, Any], expected: dict[str, object]) -> None:
    usual = {"text": "Szia, 1 & 2 < 3", "parts": 1, "complete": True, "udh": "", "gateway": ""}
    assert json.loads(hook_json.body(delivery(**changes))) == TEXT | usual | expected


def test_a_receipt() -> None:
    told = delivery(
        "", subject=Subject.RECEIPT, source="36201234567", fields=(
            ("state", "EXPIRED"), ("reason", "no_receipt"), ("sender", "36209999999"), ("accepted", "1"),
            ("parts", "2"), ("price", "50000"), ("currency", "EUR"),
        ),
    )  # fmt: skip
    assert json.loads(hook_json.body(told)) == TEXT | {
        "type": "receipt", "from": "36209999999", "text": "", "state": "EXPIRED", "reason": "no_receipt", "parts": 2,
        "price": "0.05", "currency": "EUR",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "further"),
    [
        ((), {}),
        (
            (("notice", "warning"), ("state", "ENROUTE"), ("sender", "36209999999"), ("other", "x")),
            {"notice": "warning", "state": "ENROUTE", "sender": "36209999999"},
        ),
    ],
    ids=["of nothing", "of a message"],
)
def test_a_notice(fields: tuple[tuple[str, str], ...], further: dict[str, str]) -> None:
    told = delivery("Low", subject=Subject.NOTICE, source="voipsms", target="", message_id=MessageId(0), fields=fields)
    assert json.loads(hook_json.body(told)) == TEXT | further | {
        "type": "notice", "from": "voipsms", "to": "", "id": "", "text": "Low",
    }  # fmt: skip


@given(st.text(st.characters()))
def test_any_text_is_json(text: str) -> None:
    body = hook_json.body(delivery(text))
    assert body.isascii()
    assert json.loads(body)["text"] == text


def test_a_signature() -> None:
    """By OpenSSL: printf '1700000000.{}' | openssl dgst -sha256 -hmac s3cret"""
    told = hook_json.signature("s3cret", 1_700_000_000, b"{}")
    assert told == "t=1700000000,v1=97926816e98fbb41ccb1673225ff29a2f35369099990e1b1561651e7bd097ebf"


def documented() -> str:
    """The example in docs/delivery.md."""
    page = PAGE.read_text("utf-8")
    (found,) = re.findall(r"```python\n(.*?def verified\(.*?)```", page, re.DOTALL)
    assert len(found.splitlines()) <= 14
    return str(found)


@pytest.mark.parametrize(
    ("at", "secret", "body", "header", "holds"),
    [
        (0, SECRET, b'{"a":1}', None, True),
        (299, SECRET, b'{"a":1}', None, True),
        (301, SECRET, b'{"a":1}', None, False),
        (-301, SECRET, b'{"a":1}', None, False),
        (0, "another", b'{"a":1}', None, False),
        (0, SECRET, b'{"a":2}', None, False),
        (0, SECRET, b'{"a":1}', "", False),
        (0, SECRET, b'{"a":1}', "v1=00,t=now", False),
        (0, SECRET, b'{"a":1}', "t=1700000000,v1=é", False),
    ],
    ids=[
        "right",
        "a little late",
        "too late",
        "from the future",
        "another secret",
        "changed",
        "none",
        "nonsense",
        "no hexadecimal",
    ],
)
def test_the_documented_check(at: int, secret: str, body: bytes, header: str | None, holds: bool) -> None:
    known: dict[str, object] = {}
    exec(compile(documented(), "docs/delivery.md", "exec"), known)  # our own page
    signed = hook_json.signature(SECRET, 1_700_000_000, b'{"a":1}')
    check = known["verified"]
    assert callable(check)
    assert check(signed if header is None else header, body, secret, 1_700_000_000 + at) is holds
