"""IceWarp's delivery script: seeds/003, "HTTP Request – Delivery Script" and "Available Parameters"."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import GATEWAY, by_get, by_post, coded, origin
from voipsms.inbound.call import Malformed
from voipsms.inbound.icewarp import message
from voipsms.model import Inbound

URL = "id=HTTP&pass=pinnumber&number=+15551234567&data=hello%20world"
OCTETS = bytes.fromhex("00ff10")


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize(
    "fields, inbound",
    [
        ({"data": "hello world"}, Inbound(GATEWAY, "361", "", "hello world")),
        ({"data": "Jó 😀", "binary": "0", "to": "362"}, Inbound(GATEWAY, "361", "362", "Jó 😀")),
        ({"data": "a", "udh": "050003330201"}, Inbound(GATEWAY, "361", "", "a", b"", b"", 0x33, 2, 1)),
        ({"data": "a", "udh": "BQADMwIC"}, Inbound(GATEWAY, "361", "", "a", b"", b"", 0x33, 2, 2)),
        ({"data": b64(OCTETS), "binary": "1"}, Inbound(GATEWAY, "361", "", "", OCTETS)),
        ({"data": OCTETS.hex(), "binary": "1"}, Inbound(GATEWAY, "361", "", "", OCTETS)),
        (
            {"data": "00ff10ff", "binary": "1", "udh": "0605041583158A"},
            Inbound(GATEWAY, "361", "", "", bytes.fromhex("00ff10ff"), bytes.fromhex("0605041583158a")),
        ),
        (
            {"data": b64(OCTETS), "binary": "1", "udh": b64(bytes.fromhex("0605041583158a"))},
            Inbound(GATEWAY, "361", "", "", OCTETS, bytes.fromhex("0605041583158a")),
        ),
        ({"data": "x", "msgid": "m1"}, Inbound(GATEWAY, "361", "", "x", provider_id="m1")),
    ],
    ids=["text", "UTF-8 with target", "part", "part in base64", "octets", "octets that are no base64", "hex by its udh",
         "base64 by its udh", "with an id"],
)  # fmt: skip
def test_messages(fields: dict[str, str], inbound: Inbound) -> None:
    told: dict[str, str | bytes] = {"id": "acme", "pass": "p", "number": "361", **fields}
    assert message(origin("icewarp"), by_get(coded(told))) == inbound
    assert message(origin("icewarp"), by_post(coded(told))) == inbound


def test_the_documents_url() -> None:
    """Its + is a blank, as IceWarp's own `%from%3` would write it %2B."""
    assert message(origin("icewarp"), by_get(URL)) == Inbound(GATEWAY, "15551234567", "", "hello world")


def test_it_came_to_the_gateways_own_number_where_it_does_not_say() -> None:
    assert message(origin("icewarp", sender="3670"), by_get(URL)).target == "3670"


@pytest.mark.parametrize(
    "query",
    ["number=1", "data=x", "number=&data=x", "number=1&data=x&binary=2", "number=1&data=%C3%A9&binary=1",
     "number=1&data=x&binary=1", "number=1&data=x&udh=050003330307", "number=1&data=x&udh=zz!", "number=1&data=x&to=y",
     "number=1&number=2&data=x", "number=" + "1" * 21 + "&data=x"],
)  # fmt: skip
def test_bad_messages(query: str) -> None:
    with pytest.raises(Malformed):
        message(origin("icewarp"), by_get(query))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=50))
def test_any_text_and_any_octets_survive(text: str, octets: bytes) -> None:
    told: dict[str, str | bytes] = {"number": "361", "data": text}
    assert message(origin("icewarp"), by_get(coded(told))).text == text
    told = {"number": "361", "data": b64(octets), "binary": "1"}
    assert message(origin("icewarp"), by_get(coded(told))).octets == octets
