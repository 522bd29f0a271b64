from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from voipsms.connectors.places import Unwritable
from voipsms.connectors.template import RequestTemplate
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings

BASE = "http://api.test/send"
NASTY = [
    "'",
    '"',
    "\n",
    "\r\nX-Forged: 1",
    "[tonum]",
    "{SELECT 1}",
    "{{ 7*7 }}",
    "{% raw %}",
    "{# x #}",
    "%number%",
    "%",
    "%00",
    "&to=1",
    "=",
    "<b>",
    "]]>",
    "-->",
    "&amp;",
    "\x00",
    "\U0001f600",
    "\\",
    '\\"',
    "/",
    "?",
    "#",
    ";",
    "+",
    " ",
    "..",
    "é",
    "\u2028",
    "}}",
    "' }}{{ 1",
    "\ufffe",
    "\x1b",
]
texts = st.one_of(st.text(max_size=20), st.lists(st.sampled_from(NASTY), max_size=4).map("".join))


def template(url: str = BASE, body: str = "", header: str = "", name: str = "default") -> RequestTemplate:
    return RequestTemplate(GatewaySettings(smsurl=url, smssenddata=body, smssendheader=header, name=name))


def headers(compiled: RequestTemplate) -> dict[str, str]:
    return dict(compiled.render(message()).headers)


# -- what operators write -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, sent",
    [
        (BASE + "?to=[tonum]&from=[fromnum]&text=[message]&id=[smsid]",
         BASE + "?to=36209876543&from=36301234567&text=a%20%26%20b&id=1"),
        (BASE + "?to=[ToNum]", BASE + "?to=36209876543"),
        (BASE + "/[tonum]/x?a[]=1&b=[1,2]&c=[true]", BASE + "/36209876543/x?a[]=1&b=[1,2]&c=[true]"),
        ("http://[::1]:8080/?t=[tonum]", "http://[::1]:8080/?t=36209876543"),
        (BASE + "?to=00[tonum]&t=Sent: [message]", BASE + "?to=0036209876543&t=Sent:%20a%20%26%20b"),
        (BASE + "?t={ [tonum] }}", BASE + "?t=%7B%2036209876543%20%7D%7D"),
        (BASE + "?t=é\\", BASE + "?t=%C3%A9%5C"),
        ("HTTPS://api.test?t=[tonum]", "HTTPS://api.test?t=36209876543"),
        (BASE, BASE),
    ],
    ids=["query", "case", "brackets", "ipv6", "prefix", "braces", "unsafe literals", "no path", "no keyword"],
)  # fmt: skip
def test_urls(url: str, sent: str) -> None:
    request = template(url).render(message("a & b"))
    assert (request.method, request.url, request.body) == ("GET", sent, None)


@pytest.mark.parametrize(
    "body, header, sent, content_type",
    [
        ("to=[tonum]&text=[message]", "", b"to=36209876543&text=a%20%22%3C", "application/x-www-form-urlencoded"),
        ('{"to":["[tonum]"],"t":"[message]"}', "", b'{"to":["36209876543"],"t":"a \\"<"}', "application/json"),
        ('{"to":[tonum],"from":[fromnum],"t":[message],"x":[1,2],"y":[true]}', "",
         b'{"to":36209876543,"from":"36301234567","t":"a \\"<","x":[1,2],"y":[true]}', "application/json"),
        ('[{"to":"[tonum]"}]', "", b'[{"to":"36209876543"}]', "application/json"),
        ("[[tonum]]", "Content-Type: application/x+json", b"[36209876543]", "application/x+json"),
        ("<a to='[tonum]'>[message]</a>", "", b"<a to='36209876543'>a &#34;&#60;</a>", "text/xml; charset=utf-8"),
        ("<a><![CDATA[[message]]]></a>", "", b"<a><![CDATA[]]>a &#34;&#60;<![CDATA[]]></a>", "text/xml; charset=utf-8"),
        ("To [tonum]: [message]", "", b'To 36209876543: a "<', "text/plain; charset=utf-8"),
        ("{[message]}", "Content-Type: text/plain", b'{a "<}', "text/plain"),
        ("[message]", "", b'a "<', "text/plain; charset=utf-8"),
        ("a=é\r\n", "", "a=é\r\n".encode(), "application/x-www-form-urlencoded"),
    ],
    ids=["form", "json", "bare json", "json array", "json by header", "xml", "cdata", "text", "text by header",
         "message alone", "literal newline"],
)  # fmt: skip
def test_bodies(body: str, header: str, sent: bytes, content_type: str) -> None:
    compiled = template(BASE, body, header)
    request = compiled.render(message('a "<'))
    assert (request.method, request.url, request.body) == ("POST", BASE, sent)
    assert dict(request.headers)["Content-Type"] == content_type


def test_headers() -> None:
    compiled = template(BASE, "", "Authorization: Bearer a:b=| X-To : +[tonum] \n\nX-From: [fromnum]|User-Agent: mine")
    found = dict(compiled.render(message(sender="Jó: 1")).headers)
    assert found == {
        "Authorization": "Bearer a:b=", "X-To": "+36209876543", "X-From": "J%C3%B3:%201", "User-Agent": "mine",
        "Accept": "*/*", "Accept-Encoding": "identity",
    }  # fmt: skip


def test_userinfo_becomes_a_header() -> None:
    compiled = template("https://me%40x:hu%3Ash@api.test:8443/send?to=[tonum]")
    assert compiled.render(message()).url == "https://api.test:8443/send?to=36209876543"
    assert headers(compiled)["Authorization"] == "Basic bWVAeDpodTpzaA=="
    assert compiled.origin() == ("https", "api.test", 8443)


@pytest.mark.parametrize(
    "url, origin",
    [("http://a.test", ("http", "a.test", 80)), ("https://[::1]/", ("https", "::1", 443))],
)
def test_origin(url: str, origin: tuple[str, str, int]) -> None:
    assert template(url).origin() == origin


@pytest.mark.parametrize(
    "url, body, header, error",
    [
        (
            BASE + "?t=[tonumm]",
            "",
            "",
            "[global] smsurl: character 24: unknown keyword [tonumm]; did you mean [tonum]?",
        ),
        (
            BASE,
            "a=[mesage]",
            "",
            "[global] smssenddata: character 3: unknown keyword [mesage]; did you mean [message]?",
        ),
        (
            BASE,
            "",
            "A: b|X: [smsidd]",
            "[global] smssendheader: character 9: unknown keyword [smsidd]; did you mean [smsid]?",
        ),
        (
            BASE + "?t=%41%x",
            "",
            "",
            "[global] smsurl: character 27: '%' must be followed by two hexadecimal digits; % itself is %25",
        ),
        (BASE + "?p=a#b", "", "", "[global] smsurl: character 25: '#' ends what is sent; # itself is %23"),
        (BASE + "?p=a\nb", "", "", r"[global] smsurl: character 25: '\n' is not allowed here"),
        (
            "http://[tonum].test/",
            "",
            "",
            "[global] smsurl: character 8: a value can't stand before the path of the URL",
        ),
        (
            "http://api.test[message]",
            "",
            "",
            "[global] smsurl: character 16: a value can't stand before the path of the URL",
        ),
        ("http://api.test:0/", "", "", "[global] smsurl: character 1: must be http(s)://host,"),
        ("http://api.test:99999/", "", "", "[global] smsurl: character 1: must be http(s)://host,"),
        ("http:///x", "", "", "[global] smsurl: character 1: must be http(s)://host,"),
        ("http://[::1/", "", "", "[global] smsurl: character 1: must be http(s)://host,"),
        ("http://a..b/", "", "", "[global] smsurl: character 1: must be http(s)://host,"),
        ("http://a b/", "", "", "[global] smsurl: character 1: must be http(s)://host,"),
        (
            BASE,
            '{"a":"\\[message]"}',
            "",
            "[global] smssenddata: character 7: a value can't end an escape that began before it",
        ),
        (BASE, '{"a":"\\u00[tonum]"}', "", "[global] smssenddata: character 7: a value can't end an escape"),
        (
            BASE,
            '{"a":1[tonum]}',
            "",
            "[global] smssenddata: character 1: is not a well-formed body of application/json",
        ),
        (BASE, '{"a":', "", "[global] smssenddata: character 1: is not a well-formed body of application/json"),
        (
            BASE,
            "<a>&#[tonum];</a>",
            "",
            "[global] smssenddata: character 4: a value can't end an entity that began before it",
        ),
        (BASE, "<[tonum]/>", "", "[global] smssenddata: character 2: a value can't stand in a tag of an XML document"),
        (BASE, "<a><!-- [tonum] --></a>", "", "[global] smssenddata: character 9: a value can't stand in a comment"),
        (BASE, "<a>", "", "[global] smssenddata: character 1: is not a well-formed body of text/xml"),
        (BASE, "a=%4[tonum]", "", "[global] smssenddata: character 3: '%' must be followed by two hexadecimal digits"),
        (
            BASE,
            "x",
            "Content-Type: multipart/form-data; boundary=x",
            "[global] smssenddata: character 1: a multipart body",
        ),
        (
            BASE,
            "x",
            "Content-Type: text/plain; charset=latin1",
            "[global] smssenddata: character 1: is sent in UTF-8, not in",
        ),
        (BASE, "", "no colon", "[global] smssendheader: character 1: must be `Name: value`, several by |"),
        (BASE, "", "A: b|[tonum]: x", "[global] smssendheader: character 6: must be `Name: value`, several by |"),
        (
            BASE,
            "",
            "Content-Length: 3",
            "[global] smssendheader: character 1: Content-Length is set by the connector itself",
        ),
        (BASE, "", "X: a\x01", r"[global] smssendheader: character 5: '\x01' is not allowed here"),
    ],
)
def test_a_template_that_cannot_compile_names_its_place(url: str, body: str, header: str, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(error)):
        template(url, body, header)


def test_the_section_of_a_named_gateway() -> None:
    with pytest.raises(ConfigError, match=r"^\[gateway:acme\] smsurl: "):
        template("http://x/[nothing]", name="acme")


def test_xml_in_another_charset_is_right_in_it() -> None:
    body = '<?xml version="1.0" encoding="ISO-8859-1"?><a>[message]</a>'
    sent = template(BASE, body, "Content-Type: text/xml; charset=ISO-8859-1").render(message("é€")).body
    assert ElementTree.fromstring(sent or b"").text == "é€"


# -- no value changes the shape of a request ----------------------------------------------------------------------


def unsurrogated(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@settings(max_examples=200, deadline=None)
@given(text=texts, sender=texts)
def test_query(text: str, sender: str) -> None:
    request = template(BASE + "?a=1&from=[fromnum]&[fromnum]=x&t=-[message]-").render(message(text, sender=sender))
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("http", "api.test", "/send", "")
    sender = unsurrogated(sender)
    assert parse_qsl(parts.query, keep_blank_values=True) == [
        ("a", "1"), ("from", sender), (sender, "x"), ("t", f"-{unsurrogated(text)}-"),
    ]  # fmt: skip
    assert request.url.isascii()


@settings(max_examples=200, deadline=None)
@given(text=texts)
def test_path(text: str) -> None:
    compiled = template(BASE + "/[message]/end")
    if text and not text.strip("."):
        with pytest.raises(Unwritable):
            compiled.render(message(text))
        return
    segments = urlsplit(compiled.render(message(text)).url).path.split("/")
    assert [unquote(segment) for segment in segments] == ["", "send", unsurrogated(text), "end"]


@settings(max_examples=200, deadline=None)
@given(text=texts, sender=texts)
def test_form(text: str, sender: str) -> None:
    body = template(BASE, "from=[fromnum]&t=-[message]-&z=1").render(message(text, sender=sender)).body or b""
    assert parse_qsl(body.decode("ascii"), keep_blank_values=True) == [
        ("from", unsurrogated(sender)), ("t", f"-{unsurrogated(text)}-"), ("z", "1"),
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(text=texts, sender=texts, target=texts)
def test_json(text: str, sender: str, target: str) -> None:
    written = '{"n":[tonum],"from":"[fromnum]","t":["-[message]-",[message]],"[fromnum]":"\\\\[message]\\"","z":[1]}'
    body = template(BASE, written).render(message(text, sender=sender, target=target)).body or b""
    read = json.loads(body, object_pairs_hook=list)
    assert read[0][0] == "n"
    assert str(read[0][1]) == target
    assert read[1:] == [
        ("from", sender), ("t", [f"-{text}-", text]), (sender, f'\\{text}"'), ("z", [1]),
    ]  # fmt: skip


def representable(text: str) -> str:
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


@settings(max_examples=200, deadline=None)
@given(text=texts, sender=texts)
def test_xml(text: str, sender: str) -> None:
    written = '<a b="[fromnum]" c=\'-[message]-\'><!-- " --><t>[message]</t><![CDATA[<[message]>]]><z/></a>'
    root = ElementTree.fromstring(template(BASE, written).render(message(text, sender=sender)).body or b"")
    text, sender = representable(text), representable(sender)
    assert root.attrib == {"b": sender, "c": f"-{text}-"}
    assert [(child.tag, child.text or "", child.tail or "") for child in root] == [
        ("t", text, f"<{text}>"), ("z", "", ""),
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(text=texts, sender=texts)
def test_header_values(text: str, sender: str) -> None:
    found = template(BASE, "", "X-Text: a=[message]; b=[fromnum]").render(message(text, sender=sender)).headers
    (value,) = [value for name, value in found if name == "X-Text"]
    assert re.fullmatch(r"[\x20-\x7e]*", value)
    first, second = value.split("; ")
    assert unquote(first) == "a=" + unsurrogated(text)
    assert unquote(second) == "b=" + unsurrogated(sender)


@settings(max_examples=100, deadline=None)
@given(text=texts)
def test_plain(text: str) -> None:
    body = template(BASE, "SMS [message]", "Content-Type: text/plain").render(message(text)).body or b""
    assert body == ("SMS " + text).encode("utf-8", "replace")


@settings(max_examples=300, deadline=None)
@given(literal=st.text(max_size=30), kind=st.sampled_from(["url", "form", "json", "xml", "text"]))
def test_no_template_raises_anything_else(literal: str, kind: str) -> None:
    types = {
        "form": "application/x-www-form-urlencoded",
        "json": "application/json",
        "xml": "text/xml",
        "text": "text/plain",
    }
    try:
        if kind == "url":
            template(BASE + "?" + literal)
        else:
            template(BASE, literal, f"Content-Type: {types[kind]}")
    except ConfigError:
        pass
