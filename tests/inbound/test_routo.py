"""The request of RoutoMessaging's manual (seeds/001, §7.1), and table 6."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import GATEWAY, by_get, by_post, coded, origin
from voipsms.inbound.call import Malformed
from voipsms.inbound.routo import message, receipt
from voipsms.model import Inbound, Receipt, State
from voipsms.sms.routo import MEANINGS, routo_state

MANUAL = "user=username&pass=password&dcs=0&org=originator_number&dest=destination_number&message=message_text"


def test_the_manuals_request() -> None:
    call = by_post(MANUAL.replace("destination_number", "441234567890").replace("originator_number", "447700900123"))
    assert message(origin("routo"), call) == Inbound(GATEWAY, "447700900123", "441234567890", "message_text")
    with pytest.raises(Malformed, match="dest must be a number"):
        message(origin("routo"), by_post(MANUAL))


@pytest.mark.parametrize(
    "dcs, told, text, octets",
    [
        ("0", "Hello", "Hello", b""),
        ("", "Hello", "Hello", b""),
        ("0", "004A", "004A", b""),
        ("0", "Jó 😀", "Jó 😀", b""),
        ("0", b"J\xf3", "Jó", b""),
        ("8", "004A00F3D83DDE00", "Jó😀", b""),
        ("8", "004a00f3", "Jó", b""),
        ("8", "Jó 😀", "Jó 😀", b""),
        ("8", "004A0", "004A0", b""),
        ("24", "004A", "J", b""),
        ("8", "D83D", "\ufffd", b""),
        ("3", b"J\xf3", "Jó", b""),
        ("4", "00FF", "", b"\0\xff"),
        ("245", "00FF", "", b"\0\xff"),
        ("240", "flash", "flash", b""),
    ],
    ids=["plain", "no dcs", "plain hex", "UTF-8", "latin-1", "UCS-2", "lower hex", "characters", "odd hex",
         "UCS-2 with class", "half a pair", "latin-1 by dcs", "octets", "octets with class", "flash"],
)  # fmt: skip
def test_codings(dcs: str, told: str | bytes, text: str, octets: bytes) -> None:
    call = by_post(coded({"user": "u", "pass": "p", "dcs": dcs, "org": "361", "dest": "362", "message": told}))
    found = message(origin("routo"), call)
    assert (found.text, found.octets) == (text, octets)


@pytest.mark.parametrize(
    "query",
    ["dest=2&message=x", "org=1&message=x", "org=1&dest=2", "org=&dest=2&message=x", "org=1&dest=2&message=x&dcs=256",
     "org=1&dest=2&message=x&dcs=-1", "org=1&dest=2&message=x&dcs=a", "org=1&dest=2&message=xyz&dcs=4",
     "org=1&org=1&dest=2&message=x", "org=" + "1" * 21 + "&dest=2&message=x"],
)  # fmt: skip
def test_bad_messages(query: str) -> None:
    with pytest.raises(Malformed):
        message(origin("routo"), by_get(query))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["0", "8"]))
def test_any_text_survives(text: str, dcs: str) -> None:
    told = text.encode("utf-16-be").hex().upper() if dcs == "8" and text else text
    if told.startswith(("FEFF", "FFFE")):
        told = "FEFF" + told
    call = by_post(coded({"org": "361", "dest": "362", "dcs": dcs, "message": told}))
    assert message(origin("routo"), call).text == text


@pytest.mark.parametrize("code", range(256))
def test_every_status(code: int) -> None:
    found = receipt(origin("routo"), by_get(f"mess_id=1001&status={code}&number=447700900123"))
    state = routo_state(str(code))
    assert state is not None
    comment = "" if state is State.DELIVERED else MEANINGS.get(code, "")
    assert found == Receipt(GATEWAY, "1001", state, str(code), comment, target="447700900123")
    assert (found.state is State.DELIVERED) == (code == 0)


@pytest.mark.parametrize(
    "query",
    ["status=0&number=1", "mess_id=&status=0&number=1", "mess_id=1&number=1", "mess_id=1&status=0",
     "mess_id=1&status=256&number=1", "mess_id=1&status=-1&number=1", "mess_id=1&status=DELIVRD&number=1",
     "mess_id=1&status=&number=1", "mess_id=1&status=0&number=x", "mess_id=1&mess_id=2&status=0&number=1",
     "mess_id=1&status=²&number=1"],
)  # fmt: skip
def test_bad_receipts(query: str) -> None:
    with pytest.raises(Malformed):
        receipt(origin("routo"), by_get(query))
