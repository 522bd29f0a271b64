"""IceWarp's variables and modifiers, as the document shows them and as docs/templates.md fills its gaps."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.connectors.messages import message
from voipsms.connectors import places
from voipsms.connectors.places import Unwritable
from voipsms.connectors.template import RequestTemplate, compile_value, values
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, Message
from voipsms.values import replace

CLICKATELL = (  # the document's own URL, its slip of a space included
    "http://api.clickatell.com/http/sendmsg?user=xxx&password=xxx&api_id=xxx&to=%number%&udh=%udh;len;hex %"
    "&data=%data;isascii%%data;isunicode;unicode;value=&unicode=1%&concat=%parts%"
)
TO = "http://api.clickatell.com/http/sendmsg?user=xxx&password=xxx&api_id=xxx&to=%2B36209876543"
ICEWARP = (
    "https://other.test/sms/?number=%number%&data=%data%&udh=%udh%&binary= %binary%&pid=%pid%&dcs=%dcs%"
    "&sender=%sender%&msgid=%msgid%&user=me&pass=secret"
)


def text(written: str = "hello", sender: str = "36301234567") -> Message:
    return message(written, sender=sender, number=77)


def unicode(written: str = "Жő") -> Message:
    return replace(message(written), coding=Coding.UCS2)


def binary(octets: bytes = b"\x01\xff\xfb", udh: bytes = b"\x06\x05\x04\x0b\x84\x23\xf0") -> Message:
    return replace(message(""), octets=octets, udh=udh, coding=Coding.BINARY, parts=2)


HELLO = text()


@dataclass(frozen=True, slots=True)
class Case:
    template: str
    sent: str
    message: Message = HELLO


CASES = {
    "number": Case("%number%", "+36209876543"),
    "short code": Case("%number%", "1234", replace(text(), target="1234")),
    "case": Case("%Number%", "+36209876543"),
    "interprefix": Case("num=%number;interprefix=00%", "num=0036209876543"),
    "no prefix": Case("%number;interprefix=%", "36209876543"),
    "interprefix of a name": Case("%sender;interprefix=00%", "ACME", text(sender="ACME")),
    "data": Case("%data%", "hello"),
    "body": Case("%body%", "hello"),
    "data, binary": Case("%data%", "Af/7", binary()),
    "data, binary, hex": Case("%data;hex%", "01FFFB", binary()),
    "data, unicode": Case("%data;unicode%", "04160151", unicode()),
    "data, unicode, hex": Case("%data;unicode;hex%", "04160151", unicode()),
    "data, hex, unicode": Case("%data;hex;unicode%", "04160151", unicode()),
    "data, unicode, b64": Case("%data;unicode;b64%", "BBYBUQ==", unicode()),
    "data, unicode, emoji": Case("%data;unicode%", "D83DDE00", unicode("\U0001f600")),
    "data, binary, unicode": Case("%data;unicode%", "01FFFB", binary()),
    "data, hex": Case("%data;hex%", "68656C6C6F"),
    "data, b64": Case("%data;b64%", "aGVsbG8="),
    "data, hex, then b64": Case("%data;hex;b64%", "Njg2NTZDNkM2Rg=="),
    "data, len": Case("%data;len%", "\x05hello"),
    "data, len, hex": Case("%data;len;hex%", "0568656C6C6F"),
    "data, len in octets": Case("%data;len;hex%", "02C3A9", text("é")),
    "data, len, unicode": Case("%data;len;unicode%", "0404160151", unicode()),
    "data, charset, hex": Case("%data;charset=iso-8859-2;hex%", "3FF5", unicode()),
    "data, charset, len, hex": Case("%data;len;hex;charset=iso-8859-2%", "02E1F5", text("áő")),
    "data, charset, binary": Case("%data;charset=iso-8859-2;b64%", "Af/7", binary()),
    "udh, text": Case("[%udh%]", "[]"),
    "udh, len, text": Case("[%udh;len;hex%]", "[]"),
    "udh": Case("%udh%", "BQQLhCPw", binary()),
    "udh, len": Case("%udh;len%", "BgUEC4Qj8A==", binary()),
    "udh, hex": Case("%udh;hex%", "05040B8423F0", binary()),
    "udh, len, hex": Case("%udh;len;hex%", "0605040B8423F0", binary()),
    "udh, hex, len": Case("%udh;hex;len%", "0605040B8423F0", binary()),
    "udh, spaces": Case("%udh; len; hex %", "0605040B8423F0", binary()),
    "udh, if any": Case("%udh;isbinary;hex;value=!%", "05040B8423F0!", binary()),
    "udh, if any, text": Case("[%udh;isbinary;hex;value=!%]", "[]"),
    "binary": Case("%binary%%pid%%dcs%", "104", binary()),
    "not binary": Case("%binary%%pid%%dcs%", "000"),
    "dcs, unicode": Case("%dcs%", "8", unicode()),
    "dcs, flash": Case("%dcs%", "16", replace(text(), message_class=0)),
    "sender": Case("%sender%", "36301234567"),
    "phone alias": Case("%sender_phonealias%", "+36301234567"),
    "phone alias of a name": Case("%sender_phonealias%", "ACME", text(sender="ACME")),
    "parts": Case("%parts%", "2", binary()),
    "msgid": Case("%msgid%", "77"),
    "condition": Case("[%condition%]", "[]"),
    "condition, unicode": Case("%condition; is unicode; value=&unicode=1%", "&unicode=1", unicode()),
    "condition, not unicode": Case("[%condition;isunicode;value=&unicode=1%]", "[]"),
    "condition, ascii": Case("%condition;isascii;value=a%%condition;isbinary;value=b%", "a"),
    "condition, ascii, octets too": Case("%condition;isascii;value=a%%condition;isbinary;value=b%", "ab", binary()),
    "all conditions": Case("%condition;isascii;isbinary;value=a%", "a", binary()),
    "not all conditions": Case("[%condition;isascii;isbinary;value=a%]", "[]"),
    "GSM letters are not unicode": Case("%data;isascii%%data;isunicode;unicode%", "é", text("é")),
    "sender's own encoding": Case("%sender;isascii%%sender;isunicode;hex%", "C3A9", text(sender="é")),
    "values": Case("%data;value=a;value=b%", "helloab"),
    "value before": Case("%data;value=a;hex%", "68656C6C6Fa"),
    "percent encoding is none of ours": Case("%20%data%20", "%20hello20"),
    "hexadecimal words": Case("%ABcd%", "%ABcd%"),
    "mizu's keywords": Case("[tonum] %data%", "[tonum] hello"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_written(case: Case) -> None:
    template = compile_value("global", "smsurl", case.template, places.plain, dialect="icewarp")
    assert template(values(case.message)) == case.sent


@pytest.mark.parametrize(
    "sent, query",
    [
        (text("a & b"), "&udh=&data=a%20%26%20b&concat=1"),
        (unicode(), "&udh=&data=04160151&unicode=1&concat=1"),
        (binary(), "&udh=0605040B8423F0&data=Af%2F7&concat=2"),
    ],
    ids=["text", "unicode", "binary"],
)
def test_the_documents_clickatell_url(sent: Message, query: str) -> None:
    compiled = RequestTemplate(GatewaySettings(smsurl=CLICKATELL))
    assert compiled.render(sent).url == TO + query
    assert compiled.per_part


def test_the_documents_url_to_another_icewarp() -> None:
    compiled = RequestTemplate(GatewaySettings(smsurl=ICEWARP))
    assert compiled.render(binary()).url == (
        "https://other.test/sms/?number=%2B36209876543&data=Af%2F7&udh=BQQLhCPw&binary=%201&pid=0&dcs=4"
        "&sender=36301234567&msgid=1&user=me&pass=secret"
    )


def test_octets_of_a_charset_go_into_the_url_as_they_are() -> None:
    compiled = RequestTemplate(
        GatewaySettings(smsurl="http://a.test/?t=%data;charset=iso-8859-2%&l=%data;charset=cp1250;len%")
    )
    assert compiled.render(text("áő Ж")).url == "http://a.test/?t=%E1%F5%20%3F&l=%04%E1%F5%20%3F"


def test_a_length_has_one_octet() -> None:
    template = compile_value("g", "k", "%data;len;hex%")
    assert template(values(text("x" * 255))).startswith("FF78")
    with pytest.raises(Unwritable, match="more than 255 octets"):
        template(values(text("x" * 256)))


@pytest.mark.parametrize(
    "template, error",
    [
        ("%data%%nummber%", "character 7: unknown variable %nummber%; did you mean %number%?"),
        ("%data;hexx%", "character 7: unknown modifier ;hexx; did you mean ;hex?"),
        ("%data;hex;isunicod%", "character 11: unknown modifier ;isunicod; did you mean ;isunicode?"),
        ("%data;value%", "character 7: unknown modifier ;value; did you mean ;value=?"),
        ("a%data;charset=nope%", "character 2: unknown charset 'nope'"),
        ("a%data;charset=hex%", "character 2: unknown charset 'hex'"),
        ("a%data;charset=idna%", "character 2: unknown charset 'idna'"),
        ("a%data;charset=utf-8;unicode%", "character 2: ;unicode and ;charset= are two character sets for one value"),
        ("%data;charset=utf-8%", "character 1: octets of another charset can stand in a URL or a form alone"),
        ("%data;hex;hex;b64;b64;hex%", "character 23: more than 4 encodings of one value"),
    ],
)
def test_what_is_refused(template: str, error: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"[global] smsurl: {error}")):
        compile_value("global", "smsurl", template, places.json_text, dialect="icewarp")


def test_a_value_must_leave_its_place_as_it_was() -> None:
    body = '{"a":"%data;isunicode;value=",%"}'
    with pytest.raises(ConfigError, match="character 7: this ends in another place than it began"):
        RequestTemplate(GatewaySettings(smsurl="http://a.test", smssenddata=body))


def test_json_numbers() -> None:
    body = '{"dcs":%dcs%,"to":%number%,"parts":%parts%,"id":%msgid%,"t":%data%}'
    compiled = RequestTemplate(GatewaySettings(smsurl="http://a.test", smssenddata=body))
    assert compiled.render(text()).body == b'{"dcs":0,"to":"+36209876543","parts":1,"id":77,"t":"hello"}'
