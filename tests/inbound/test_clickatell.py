"""The examples of Clickatell's two-way guide (seeds/000, §11.3) and of Mizu's document (seeds/002, "SMS callback")."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import GATEWAY, by_get, by_post, coded, origin
from voipsms.inbound.call import LONGEST_TEXT, Call, Malformed, read_call
from voipsms.inbound.clickatell import STATES, message, read_time, receipt
from voipsms.model import Inbound, Millis, Receipt, State

GET = (
    "api_id=12345&from=279991235642&to=27123456789&timestamp=2008-08-0609:43:50&text=Hereisthe%20messagetext"
    "&charset=ISO-8859-1&udh=&moMsgId=b2aee337abd962489b123fda9c3480fa"
)
XML = """<?xml version="1.0"?>
<clickmo>
  <api_id>xxx</api_id>
  <moMsgId>fa6ba35b330ce1bc7e2008e5d92d57aa</moMsgId>
  <from>handset_number_here</from>
  <to>mo_number_here</to>
  <timestamp>2007-02-26 14:36:50</timestamp>
  <text>xxx</text>
  <charset>ISO-8859-1</charset>
  <udh></udh>
</clickmo>
"""
SOAP = """<?xml version="1.0" encoding="ISO-8859-1"?>
<SOAP-ENV:Envelope SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"
xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-
instance"xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" xmlns:tns="clickatell_mo">
<SOAP-ENV:Body>
<tns:mo_callback xmlns:tns="clickatell_mo">
<api_id xsi:type="xsd:int">xyz</api_id>
<from xsi:type="xsd:string">xyz</from>
<to xsi:type="xsd:string">xyz</to>
<timestamp xsi:type="xsd:string">xyz</timestamp>
<charset xsi:type="xsd:string">xyz</charset>
<udh xsi:type="xsd:string">xyz</udh>
<text xsi:type="xsd:string">xyz</text>
<momsgid xsi:type="xsd:string">xyz</momsgid>
</tns:mo_callback>
</SOAP-ENV:Body>
</SOAP-ENV:Envelope>
"""
MIZU = (
    "api_id=3144985&from=3611111111&to=3622222222&timestamp=2009-07-04 21:39:40&text=Test+1+2+3&charset=ISO-8859-1"
    "&udh=&moMsgId=5jv45t5tb42bavu34drfr"
)
TEXT = "Jó <&\"'> 100% + 😀"


def at(*when: int) -> Millis:
    return Millis(int(datetime(*when, tzinfo=UTC).timestamp() * 1000))  # type: ignore[misc,arg-type]


def filled(soap: str, **values: str) -> str:
    """The manual's envelope with something in place of each `xyz`."""
    for name, value in values.items():
        before, after = soap.split(f"<{name} ", 1)
        soap = f"{before}<{name} {after.replace('xyz', escape(value), 1)}"
    return soap


FILLED_XML = XML.replace("handset_number_here", "279991235642").replace("mo_number_here", "27123456789")
FILLED_SOAP = filled(
    SOAP, to="27123456789", timestamp="2007-02-26 14:36:50", charset="ISO-8859-1", udh="050003330202", momsgid="m1",
    text="xyz", **{"from": "279991235642"},
)  # fmt: skip

OF_GET = Inbound(
    GATEWAY, "279991235642", "27123456789", "Hereisthe messagetext",
    provider_id="b2aee337abd962489b123fda9c3480fa", sent=at(2008, 8, 6, 7, 43, 50),
)  # fmt: skip
OF_XML = Inbound(
    GATEWAY, "279991235642", "27123456789", "xxx",
    provider_id="fa6ba35b330ce1bc7e2008e5d92d57aa", sent=at(2007, 2, 26, 12, 36, 50),
)  # fmt: skip
OF_SOAP = Inbound(
    GATEWAY, "279991235642", "27123456789", "xyz", reference=0x33, total=2, number=2, provider_id="m1",
    sent=at(2007, 2, 26, 12, 36, 50),
)  # fmt: skip
OF_MIZU = Inbound(
    GATEWAY, "3611111111", "3622222222", "Test 1 2 3", provider_id="5jv45t5tb42bavu34drfr",
    sent=at(2009, 7, 4, 19, 39, 40),
)  # fmt: skip


@pytest.mark.parametrize(
    "call, inbound",
    [
        (by_get(GET), OF_GET),
        (by_post(GET), OF_GET),
        (by_post(MIZU), OF_MIZU),
        (by_post("data=" + FILLED_XML), OF_XML),
        (by_post(coded({"data": FILLED_XML})), OF_XML),
        (by_get(coded({"data": FILLED_XML})), OF_XML),
        (by_post(FILLED_XML, "text/xml"), OF_XML),
        (by_post(FILLED_XML, ""), OF_XML),
        (by_post("Data=" + FILLED_SOAP), OF_SOAP),
        (by_post(coded({"Data": FILLED_SOAP})), OF_SOAP),
        (by_get(coded({"data": FILLED_SOAP})), OF_SOAP),
        (by_post(FILLED_SOAP, "application/soap+xml; charset=ISO-8859-1"), OF_SOAP),
    ],
    ids=["GET", "POST", "POST of Mizu's document", "XML by POST, bare", "XML by POST", "XML by GET", "XML as body",
         "XML as body without a type", "SOAP by POST, bare", "SOAP by POST", "SOAP by GET", "SOAP as body"],
)  # fmt: skip
def test_messages(call: Call, inbound: Inbound) -> None:
    assert message(origin("clickatell"), call) == inbound


@pytest.mark.parametrize(
    "call",
    [by_post("data=" + XML), by_post("Data=" + SOAP), by_post(MIZU.replace("&times", "×"))],
    ids=["XML", "SOAP", "Mizu's document as it is printed"],
)
def test_placeholders_are_no_numbers(call: Call) -> None:
    with pytest.raises(Malformed):
        message(origin("clickatell"), call)


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"text": b"caf\xe9 + 1", "charset": "ISO-8859-1"}, "café + 1"),
        ({"text": TEXT, "charset": "UTF-8"}, TEXT),
        ({"text": TEXT.encode("utf-16-be"), "charset": "UTF-16BE"}, TEXT),
        ({"text": TEXT.encode("utf-16-be").hex(), "charset": "UTF-16BE"}, TEXT),
        ({"text": b"caf\xe9"}, "café"),
        ({"text": TEXT}, TEXT),
        ({"text": b"\xd8\x3d", "charset": "UTF-16BE", "udh": "050003330201"}, "\ud83d"),
        ({"text": b"\xd8\x3d", "charset": "UTF-16BE"}, "\ufffd"),
        ({"text": ""}, ""),
    ],
    ids=["latin-1", "UTF-8", "UTF-16BE", "UTF-16BE in hex", "no charset", "no charset, UTF-8", "half a pair at a cut",
         "half a pair", "empty"],
)  # fmt: skip
def test_charsets(fields: dict[str, str | bytes], text: str) -> None:
    told: dict[str, str | bytes] = {"from": "361", "to": "362", "moMsgId": "m", **fields}
    for call in (by_get(coded(told)), by_post(coded(told))):
        assert message(origin("clickatell"), call).text == text


GOOD: dict[str, str | bytes] = {"from": "361", "to": "362", "text": "x", "moMsgId": "m"}


@pytest.mark.parametrize(
    "changed, why",
    [
        ({"from": None}, "from is missing"),
        ({"to": None}, "to is missing"),
        ({"text": None}, "text is missing"),
        ({"from": ""}, "from must be a number or name of 1 to 20 characters"),
        ({"from": "3" * 21}, "from must be a number or name of 1 to 20 characters"),
        ({"from": "a\nb"}, "from must be a number or name of 1 to 20 characters"),
        ({"to": "acme"}, "to must be a number of at most 20 digits"),
        ({"to": "3" * 21}, "to must be a number of at most 20 digits"),
        ({"charset": "xyz"}, "charset is not one that is known here"),
        ({"charset": "UTF-8", "text": b"\xe9"}, "text is not in its charset"),
        ({"udh": "050003330307"}, "udh: a part that can't be: its number is 0 or past the total"),
        ({"udh": "0500033303"}, "udh: the header says 5 octets and has 4"),
        ({"udh": "zz"}, "udh must be octets in hexadecimal"),
        ({"moMsgId": "m" * 65}, "moMsgId must be at most 64 characters without blanks"),
        ({"moMsgId": "a b"}, "moMsgId must be at most 64 characters without blanks"),
        ({"text": "x" * (LONGEST_TEXT + 1)}, f"text has more than {LONGEST_TEXT} characters"),
        ({"TEXT": "y"}, "text is given twice"),
        ({"data": "<a>"}, "this is no XML"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_bad_input(changed: dict[str, str | bytes | None], why: str) -> None:
    fields = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    with pytest.raises(Malformed) as caught:
        message(origin("clickatell"), by_get(coded(fields)))
    assert str(caught.value) == why


def test_a_doubled_element_is_refused() -> None:
    with pytest.raises(Malformed, match="from is given twice"):
        message(origin("clickatell"), by_post(FILLED_XML.replace("<from>", "<from>1</from><from>"), "text/xml"))


@pytest.mark.parametrize(
    "text, millis",
    [
        ("2008-08-06 09:43:50", at(2008, 8, 6, 7, 43, 50)),
        ("2008-08-0609:43:50", at(2008, 8, 6, 7, 43, 50)),
        ("1970-01-01 00:00:00", 0), ("", 0), ("2008-13-06 09:43:50", 0), ("2008-02-30 09:43:50", 0), ("soon", 0),
    ],
)  # fmt: skip
def test_times(text: str, millis: int) -> None:
    assert read_time(text) == millis


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["UTF-8", "UTF-16BE", "ISO-8859-1"]))
def test_any_text_in_any_charset_survives_a_form(text: str, charset: str) -> None:
    octets = text.encode(charset, "replace")
    if charset == "UTF-16BE" and all(octet in b"0123456789abcdefABCDEF" for octet in octets):
        octets = octets.hex().encode()
    if octets[:2] in (b"\xfe\xff", b"\xff\xfe") and charset == "UTF-16BE":
        octets = b"\xfe\xff" + octets
    expected = text if charset != "ISO-8859-1" else octets.decode("latin-1")
    fields: dict[str, str | bytes] = {**GOOD, "text": octets, "charset": charset}
    assert message(origin("clickatell"), by_post(coded(fields))).text == expected


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_any_text_survives_xml(text: str) -> None:
    for body, found in ((FILLED_XML, "<text>xxx</text>"), (FILLED_SOAP, '"xsd:string">xyz<')):
        told = body.replace(found, found.replace(found[-10:-7] if "xxx" in found else "xyz", escape(text)))
        call = by_post(coded({"data": told.replace(' encoding="ISO-8859-1"', "")}))
        assert message(origin("clickatell"), call).text == text


@given(st.binary(max_size=200))
def test_anything_is_a_message_or_malformed(octets: bytes) -> None:
    for read in (message, receipt):
        for query, kind in ((octets, ""), (b"from=1&to=2&text=3&moMsgId=4&udh=" + octets, ""), (b"", "text/xml")):
            with contextlib.suppress(Malformed):
                read(origin("clickatell"), read_call(query, kind, octets if kind else b""))


# -- receipts


@pytest.mark.parametrize(
    "query, own, found",
    [
        ("apiMsgId=a1&cliMsgId=9&to=361&from=362&timestamp=1218008129&status=004&charge=0.3", "answer",
         Receipt(GATEWAY, "a1", State.DELIVERED, "", "", "362", "361")),
        ("apiMsgId=a1&cliMsgId=9&to=361&status=004", "ours", Receipt(GATEWAY, "9", State.DELIVERED, target="361")),
        ("apiMsgId=a1&status=4", "ours", Receipt(GATEWAY, "a1", State.DELIVERED)),
        ("cliMsgId=9&status=007", "answer",
         Receipt(GATEWAY, "9", State.UNDELIVERABLE, "007", "Error delivering message to handset")),
    ],
    ids=["by the answer's id", "by ours", "ours, but there is none", "only ours"],
)  # fmt: skip
def test_receipts(query: str, own: str, found: Receipt) -> None:
    known = origin("clickatell", inbound_receipts=own)
    assert receipt(known, by_get(query)) == found
    assert receipt(known, by_post(query)) == found


def test_a_receipt_by_xml() -> None:
    body = "<callback><apiMsgId>a1</apiMsgId><status>010</status></callback>"
    assert receipt(origin("clickatell"), by_post(coded({"data": body}))).state is State.EXPIRED


@pytest.mark.parametrize("code", STATES)
def test_every_code(code: int) -> None:
    found = receipt(origin("clickatell"), by_get(f"apiMsgId=a&status={code:03d}"))
    assert found.state is STATES[code][0]
    assert found.comment == ("" if code == 4 else STATES[code][1])


@pytest.mark.parametrize(
    "query",
    ["status=004", "apiMsgId=&status=004", "apiMsgId=a", "apiMsgId=a&status=", "apiMsgId=a&status=000",
     "apiMsgId=a&status=015", "apiMsgId=a&status=x", "apiMsgId=a&status=٤", "apiMsgId=a&status=004&status=004",
     "apiMsgId=a%20b&status=004"],
)  # fmt: skip
def test_bad_receipts(query: str) -> None:
    with pytest.raises(Malformed):
        receipt(origin("clickatell"), by_get(query))
