"""What a SIP message shows in the debug log."""

from __future__ import annotations

import pytest

from voipsms.sip.trace import describe

MASKED = {
    "request line": ("MESSAGE sip:+36201234567@gw SIP/2.0", "MESSAGE sip:+3620*****67@gw SIP/2.0"),
    "escaped plus": ("MESSAGE sip:%2B36201234567@gw SIP/2.0", "MESSAGE sip:%2B3620*****67@gw SIP/2.0"),
    "separators": ("To: <tel:+36-20-123.45-67>", "To: <tel:+36-2*********67>"),
    "an address stays": ("OPTIONS sip:127.0.0.1:5060 SIP/2.0", "OPTIONS sip:127.0.0.1:5060 SIP/2.0"),
    "quoted name": ('From: "+36 20 123 4567" <sip:alice@x>;tag=1', "From: *** <sip:alice@x>;tag=1"),
    "name with escapes": (r'f: "a\"36201234567" <sip:alice@x>', "f: *** <sip:alice@x>"),
    "bare name": ("P-Asserted-Identity: Alice Doe <sip:alice@x>", "P-Asserted-Identity: *** <sip:alice@x>"),
    "no name": ("From: <sip:alice@x>;tag=12345678", "From: <sip:alice@x>;tag=12345678"),
    "no brackets": ("From: sip:alice@x;tag=1", "From: sip:alice@x;tag=1"),
    "subject": ("Subject: lunch\r\n at noon?\r\nTo: <sip:a@x>", "Subject: ***\r\nTo: <sip:a@x>"),
    "Call-ID stays": ("Call-ID: 36201234567@x", "Call-ID: 36201234567@x"),
    "text": ("To: <sip:a@x>\r\n\r\nsecret", "To: <sip:a@x>\r\n\r\n*** (6)"),
}


@pytest.mark.parametrize("whole, shown", MASKED.values(), ids=MASKED.keys())
def test_masked(whole: str, shown: str) -> None:
    assert describe(whole.encode(), True) == shown
    assert describe(whole.encode(), False) == whole


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Authorization "])
def test_credentials_are_never_shown(name: str, mask: bool) -> None:
    head = f'X: 1\r\n{name}: Digest username="a",\r\n response="b"\r\nY: 2'
    assert describe(head.encode(), mask) == f"X: 1\r\n{name.strip()}: ***\r\nY: 2"


def test_octets_that_are_no_text() -> None:
    assert describe(b"\xff\x00", True) == "\ufffd\x00"
