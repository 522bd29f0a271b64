"""What a CPIM message asks to hear of itself: RFC 5438 §6."""

from __future__ import annotations

import pytest

from voipsms.model import Imdn
from voipsms.sip.body import TextBody, read_body
from voipsms.sip.headers import Headers

NS = "NS: imdn <urn:ietf:params:imdn>\r\n"
ID = "imdn.Message-ID: 34jk324j\r\n"
TIME = "DateTime: 2026-01-01T10:00:00Z\r\n"
BOTH = "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n"

ASKED: dict[str, tuple[str, Imdn | None]] = {
    "both": (NS + ID + TIME + BOTH, Imdn("34jk324j", "2026-01-01T10:00:00Z", True, True)),
    "delivery": (NS + ID + "imdn.Disposition-Notification: positive-delivery\r\n", Imdn("34jk324j", "", True, False)),
    "failure, among others": (
        NS + ID + "imdn.Disposition-Notification: display,negative-delivery;x=y\r\n", Imdn("34jk324j", "", False, True),
    ),
    "two headers": (
        NS + ID + "imdn.Disposition-Notification: positive-delivery\r\n"
        "imdn.Disposition-Notification: negative-delivery\r\n", Imdn("34jk324j", "", True, True),
    ),
    "another prefix": (
        "NS: x <urn:ietf:params:imdn>\r\nx.Message-ID: a\r\nx.Disposition-Notification: positive-delivery\r\n",
        Imdn("a", "", True, False),
    ),
    "no prefix": (
        "NS: <urn:ietf:params:imdn>\r\nMessage-ID: a\r\nDisposition-Notification: positive-delivery\r\n",
        Imdn("a", "", True, False),
    ),
    "any case": (NS + "IMDN.message-id: a\r\nImdn.disposition-notification: Positive-Delivery\r\n",
                 Imdn("a", "", True, False)),
    "a second namespace": ("NS: x <urn:other>\r\n" + NS + ID + BOTH, Imdn("34jk324j", "", True, True)),
    "no namespace": (ID + BOTH, None),
    "another namespace": ("NS: imdn <urn:other>\r\n" + ID + BOTH, None),
    "no id": (NS + BOTH, None),
    "an id of blanks": (NS + "imdn.Message-ID: a b\r\n" + BOTH, None),
    "an id too long": (NS + f"imdn.Message-ID: {'a' * 129}\r\n" + BOTH, None),
    "display alone": (NS + ID + "imdn.Disposition-Notification: display\r\n", None),
    "nothing": (NS + ID, None),
    "a time that is none": (NS + ID + "DateTime: <now>\r\n" + BOTH, Imdn("34jk324j", "", True, True)),
}  # fmt: skip


@pytest.mark.parametrize("asked, expected", ASKED.values(), ids=ASKED)
def test_asked(asked: str, expected: Imdn | None) -> None:
    body = f"From: <sip:a@b>\r\n{asked}\r\nContent-Type: text/plain\r\n\r\nHi".encode()
    assert read_body(Headers([("Content-Type", "message/cpim")]), body) == TextBody("Hi", expected)


def test_within_another_body() -> None:
    inner = f"{NS}{ID}{BOTH}\r\nContent-Type: text/plain\r\n\r\nHi"
    body = f"--B\r\nContent-Type: message/cpim\r\n\r\n{inner}\r\n--B--".encode()
    found = read_body(Headers([("Content-Type", "multipart/mixed;boundary=B")]), body)
    assert found == TextBody("Hi", Imdn("34jk324j", "", True, True))
