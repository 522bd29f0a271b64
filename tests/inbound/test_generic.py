from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import GATEWAY, by_get, by_post, coded, origin
from voipsms.inbound.call import Call, Malformed
from voipsms.inbound.generic import find, message, receipt
from voipsms.model import Inbound, Receipt, State
from voipsms.settings import GlobalSettings

MIZU = "apientry=smsreceive&from=1234567&to=98765432&message=Works&now=555"  # seeds/002, "Inbound SMS"
TEXT = "<sms><origin>+361</origin><dest>362</dest><body>Hi, all</body></sms>"


@pytest.mark.parametrize(
    "settings, call, inbound",
    [
        ({}, by_get(MIZU), Inbound(GATEWAY, "1234567", "98765432", "Works")),
        ({}, by_post(MIZU), Inbound(GATEWAY, "1234567", "98765432", "Works")),
        ({}, by_get(MIZU + "&msgid=a-1"), Inbound(GATEWAY, "1234567", "98765432", "Works", provider_id="a-1")),
        (
            {"smsreceive_from": "Originator", "smsreceive_to": " inbox ", "smsreceive_message": "TEXT"},
            by_post('{"originator": "361", "inbox": 362, "text": "Jó 😀"}', "application/json"),
            Inbound(GATEWAY, "361", "362", "Jó 😀"),
        ),
        (
            {
                "smsreceive_from": "<origin>,,</origin>,", "smsreceive_to": "<to>,<dest>,</to>,</dest>",
                "smsreceive_message": "<body>,,</body>,",
            },
            by_post(TEXT, "text/xml"),
            Inbound(GATEWAY, "+361", "362", "Hi, all"),
        ),
        (
            {"smsreceive_check": "sms=in", "smsreceive_message": "msg=,,&,"},
            by_get("sms=in&from=361&to=362&msg=a%20b"),
            Inbound(GATEWAY, "361", "362", "a b"),
        ),
    ],
    ids=["Mizu's own", "by POST", "with an id", "JSON with other names", "cut marks", "check and marks"],
)  # fmt: skip
def test_messages(settings: dict[str, str], call: Call, inbound: Inbound) -> None:
    assert message(origin(sms=GlobalSettings(**settings)), call) == inbound  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spec, found",
    [
        ("b", "2"), ("B", "2"), ("a=,,&,", "1"), ("b=,,&,", "2"), ("x=,b=,&,", "2"), ("b=,a=,&,", "2"),
        ("a=,,z,;", "1&b=2"), ("a=,,b,&", "1"), (",,&,", "a=1"), (",,,", "a=1&b=2"), ("a=,,,", "1&b=2"),
    ],
)  # fmt: skip
def test_where_a_value_is_found(spec: str, found: str) -> None:
    call = Call({"b": (b"2",)}, "a=1&b=2")
    assert find(spec, call, "from") == found


@pytest.mark.parametrize("spec", ["x", "x=,y=,&,", "", "a,b", "a,b,c,d,e"])
def test_what_is_not_there_is_missing(spec: str) -> None:
    with pytest.raises(Malformed, match="from is missing"):
        find(spec, Call({"b": (b"2",)}, "a=1&b=2"), "from")


@pytest.mark.parametrize(
    "check, query",
    [
        ("sms", MIZU.replace("sms", "")),
        ("", "to=1&message=x"),
        ("", "from=1&message=x"),
        ("", "from=1&to=2"),
        ("", "from=1&from=2&to=2&message=x"),
        ("", "from=&to=2&message=x"),
        ("", "from=" + "1" * 21 + "&to=2&message=x"),
        ("", "from=1&to=x&message=x"),
        ("", "from=1&to=2&message=x&msgid=" + "1" * 65),
    ],
    ids=["check", "no from", "no to", "no text", "two", "empty from", "long from", "no number", "long id"],
)
def test_bad_messages(check: str, query: str) -> None:
    with pytest.raises(Malformed):
        message(origin(sms=GlobalSettings(smsreceive_check=check)), by_get(query))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(text: str) -> None:
    for call in (by_get(coded({"from": "1", "to": "2", "message": text})),
                 by_post(coded({"from": "1", "to": "2", "message": text}))):  # fmt: skip
        assert message(origin(), call).text == text


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_setting_finds_a_text_or_nothing(spec: str, whole: str) -> None:
    with contextlib.suppress(Malformed):
        assert find(spec, Call({}, whole), "from") in whole


@pytest.mark.parametrize(
    "query, found",
    [
        ("id=a1&status=DELIVRD", Receipt(GATEWAY, "a1", State.DELIVERED)),
        ("msgid=a1&stat=delivered&err=000", Receipt(GATEWAY, "a1", State.DELIVERED)),
        ("message_id=a1&state=Failed&err=27&to=361&from=362",
         Receipt(GATEWAY, "a1", State.UNDELIVERABLE, "27", "", "362", "361")),
        ("mess_id=a1&status=5", Receipt(GATEWAY, "a1", State.UNDELIVERABLE)),
        ("id=99&msgid=a1&status=DELIVRD&state=9&err=0&error=x", Receipt(GATEWAY, "a1", State.DELIVERED)),
        ("messageid=a1&status=buffered", Receipt(GATEWAY, "a1", State.ENROUTE)),
    ],
)  # fmt: skip
def test_receipts(query: str, found: Receipt) -> None:
    assert receipt(origin(), by_get(query)) == found


@pytest.mark.parametrize(
    "query",
    ["status=DELIVRD", "id=&status=DELIVRD", "id=a1", "id=a1&status=", "id=a1&status=purple", "id=a1&id=a2&status=2",
     "id=a1&status=2&status=2"],
)  # fmt: skip
def test_bad_receipts(query: str) -> None:
    with pytest.raises(Malformed):
        receipt(origin(), by_get(query))
