"""Clickatell's formats, octet by octet, and read again by what reads them from providers."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote_to_bytes

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.deliveries import AT, delivery
from voipsms.carriers.clickatell import (
    STATUS,
    mo_form,
    mo_soap,
    mo_xml,
    receipt_form,
    routo_receipt_form,
    state_of,
    timestamp,
)
from voipsms.model import Delivery, Millis, State, Subject
from voipsms.sms.routo import CODES, MEANINGS, routo_state

UDH = ("udh", "050003330201")


def xml_of(body: bytes) -> bytes:
    name, _, value = body.partition(b"=")
    assert name == b"data"
    assert value.isascii()
    assert b"&" not in value
    return unquote_to_bytes(value)


def parameters(body: bytes) -> dict[str, bytes]:
    pairs = [pair.partition(b"=") for pair in body.split(b"&")]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name.decode(): unquote_to_bytes(value) for name, _, value in pairs}


def test_the_manuals_get() -> None:
    told = delivery("Hereisthe messagetext", fields=(UDH,))
    assert mo_form(told) == (
        b"api_id=12345&from=36301112233&to=36201234567&timestamp=2007-02-26%2014%3A36%3A50"
        b"&text=Hereisthe%20messagetext&charset=ISO-8859-1&udh=050003330201&moMsgId=7000000000000000000"
    )


@pytest.mark.parametrize(
    ("text", "octets", "charset"),
    [
        ("Szia", b"Szia", "ISO-8859-1"),
        ("", b"", "ISO-8859-1"),
        ("árvíz", "árvíz".encode("latin-1"), "ISO-8859-1"),
        ("tűrő 🎉", "tűrő 🎉".encode("utf-16-be"), "UTF-16BE"),
        ("5 €", "5 €".encode("utf-16-be"), "UTF-16BE"),
        ("&from=1#?=+%00\r\n", b"&from=1#?=+%00\r\n", "ISO-8859-1"),
        ("half \ud83d", "half ?".encode("utf-16-be"), "UTF-16BE"),
    ],
    ids=["ASCII", "empty", "Latin-1", "more", "the euro", "what forms are made of", "half a pair"],
)
def test_a_forms_charset(text: str, octets: bytes, charset: str) -> None:
    form = parameters(mo_form(delivery(text)))
    assert (form["text"], form["charset"]) == (octets, charset.encode())
    assert len(form) == 8


def test_a_binary_message() -> None:
    told = delivery("", fields=(("udh", "0605040b8423f0"), ("octets", "00ff26")))
    form = dict(parse_qsl(mo_form(told).decode(), keep_blank_values=True))
    assert (form["text"], form["charset"], form["udh"]) == ("00ff26", "", "0605040b8423f0")
    assert b"<text>00ff26</text><charset /><udh>0605040b8423f0</udh>" in xml_of(mo_xml(told))


def test_the_manuals_xml() -> None:
    assert xml_of(mo_xml(delivery(fields=(UDH,)))) == (
        b'<?xml version="1.0"?>\n<clickmo><api_id>12345</api_id><moMsgId>7000000000000000000</moMsgId>'
        b"<from>36301112233</from><to>36201234567</to><timestamp>2007-02-26 14:36:50</timestamp>"
        b"<text>Szia, 1 &amp; 2 &lt; 3</text><charset>ISO-8859-1</charset><udh>050003330201</udh></clickmo>"
    )


def test_the_manuals_soap() -> None:
    assert xml_of(mo_soap(delivery("tűrő"))) == (
        b'<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        b'<SOAP-ENV:Envelope SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
        b' xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        b' xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" xmlns:tns="clickatell_mo"><SOAP-ENV:Body>'
        b'<tns:mo_callback xmlns:tns="clickatell_mo"><api_id xsi:type="xsd:int">12345</api_id>'
        b'<from xsi:type="xsd:string">36301112233</from><to xsi:type="xsd:string">36201234567</to>'
        b'<timestamp xsi:type="xsd:string">2007-02-26 14:36:50</timestamp>'
        b'<charset xsi:type="xsd:string">UTF-8</charset><udh xsi:type="xsd:string" />'
        b'<text xsi:type="xsd:string">t&#369;r&#337;</text><momsgid xsi:type="xsd:string">7000000000000000000</momsgid>'
        b"</tns:mo_callback></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("</text><to>1</to>", "</text><to>1</to>"),
        ("]]>&#0;&x;", "]]>&#0;&x;"),
        ("a\x00b\x1bc\x0cd", "a\ufffdb\ufffdc\ufffdd"),
        ("half \ud83d", "half \ufffd"),
        ("\ufffe\uffff", "\ufffd\ufffd"),
        ("🎉", "🎉"),
    ],
    ids=["elements", "references", "controls", "half a pair", "no characters", "beyond the first plane"],
)
def test_texts_in_xml(text: str, read: str) -> None:
    for body in (mo_xml(delivery(text)), mo_soap(delivery(text))):
        root = fromstring(xml_of(body))
        (found,) = (element for element in root.iter() if element.tag == "text")
        assert (found.text, len(found)) == (read, 0)


@given(st.text(), st.text(), st.text())
def test_whatever_is_said_is_read_again(text: str, source: str, udh: str) -> None:
    told = delivery(text, source=source, fields=(("udh", udh),))
    form = parameters(mo_form(told))
    assert form["text"].decode(form["charset"].decode()) == text
    assert form["from"].decode() == source
    for body in (mo_xml(told), mo_soap(told)):
        assert sum(element.tag in ("text", "from", "udh") for element in fromstring(xml_of(body)).iter()) == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), "2007-02-26 14:36:50"),
        ((("sent", str(AT - 86_400_000)),), "2007-02-25 14:36:50"),
        ((("sent", "1215604800000"),), "2008-07-09 14:00:00"),
        ((("sent", "999999999999999"),), "2007-02-26 14:36:50"),
        ((("sent", "soon"),), "2007-02-26 14:36:50"),
    ],
    ids=["ours", "the provider's", "no summer time", "in the year 33658", "none"],
)
def test_times_are_two_hours_ahead(fields: tuple[tuple[str, str], ...], expected: str) -> None:
    assert timestamp(delivery(fields=fields)) == expected


def test_the_last_hour_of_time() -> None:
    assert timestamp(delivery(created=Millis(0))) == "1970-01-01 02:00:00"


# -- receipts


def receipt(state: str = "DELIVERED") -> Delivery:
    fields = (("state", state), ("reason", ""), ("sender", "+36 20"))
    return delivery("", subject=Subject.RECEIPT, source="36301112233", target="36301112233", fields=fields)


def test_a_receipt_as_parameters() -> None:
    assert receipt_form(receipt()) == (
        b"api_id=12345&apiMsgId=7000000000000000000&from=%2B36%2020&to=36301112233"
        b"&timestamp=2007-02-26%2014%3A36%3A50&status=004"
    )


def test_a_receipt_in_routos_words() -> None:
    assert routo_receipt_form(receipt("EXPIRED")) == b"mess_id=7000000000000000000&status=253&number=36301112233"


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_codes(state: State) -> None:
    assert STATUS[state].isdecimal()
    assert CODES[state] in MEANINGS
    known = State.ENROUTE if state is State.QUEUED else state
    assert routo_state(str(CODES[state])) is known


@pytest.mark.parametrize("word", ["", "GONE", "delivered"], ids=["none", "another", "in small letters"])
def test_no_state_is_unknown(word: str) -> None:
    assert state_of(receipt(word)) is State.UNKNOWN
