"""Where a request's texts come from, its method, several targets, the verify request, binary messages, the host."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from tests.connectors.nasty import texts, unsurrogated
from voipsms.connectors.places import Unwritable
from voipsms.connectors.template import RequestTemplate, compile_value, template_files, values
from voipsms.connectors.template_files import LARGEST_FILE, NO_FILES, TemplateFile, TemplateFiles
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, GatewayId, Part
from voipsms.values import replace

BASE = "http://api.test/send"
ONE, TWO, THREE = "36201111111", "36202222222", "36203333333"


def template(url: str = BASE, data: str = "", header: str = "", **told: Any) -> RequestTemplate:
    return RequestTemplate(GatewaySettings(smsurl=url, smssenddata=data, smssendheader=header, **told))


# -- files --------------------------------------------------------------------------------------------------------

FILES: dict[str, tuple[dict[str, bytes], TemplateFiles]] = {
    "none": ({}, NO_FILES),
    "for all": ({"smssenddata.txt": b"a=[message]"}, TemplateFiles(TemplateFile("smssenddata.txt", "a=[message]"))),
    "of the gateway": (
        {"smssenddata.txt": b"a", "smssenddata_3.txt": b"b", "smssenddata_33.txt": b"c"},
        TemplateFiles(TemplateFile("smssenddata_3.txt", "b")),
    ),
    "of another gateway": ({"smssenddata_4.txt": b"b"}, NO_FILES),
    "headers": (
        {"smssenddata.txt": b"a", "smssendheader.txt": b"A: 1\r\nB: 2\r\n", "smssendheader_03.txt": b"x"},
        TemplateFiles(TemplateFile("smssenddata.txt", "a"), TemplateFile("smssendheader.txt", "A: 1\r\nB: 2")),
    ),
    "empty": ({"smssenddata.txt": b"a", "smssenddata_3.txt": b""},
              TemplateFiles(TemplateFile("smssenddata_3.txt", ""))),
    "byte order mark": ({"smssenddata.txt": b"\xef\xbb\xbfa\n\n"},
                        TemplateFiles(TemplateFile("smssenddata.txt", "a\n"))),
    "largest": ({"smssenddata.txt": b"a" * LARGEST_FILE},
                TemplateFiles(TemplateFile("smssenddata.txt", "a" * LARGEST_FILE))),
}  # fmt: skip


@pytest.mark.parametrize("written, found", FILES.values(), ids=FILES)
def test_files(tmp_path: Path, written: dict[str, bytes], found: TemplateFiles) -> None:
    for name, octets in written.items():
        (tmp_path / name).write_bytes(octets)
    assert template_files(tmp_path, GatewayId(3)) == found


@pytest.mark.parametrize(
    "octets, error",
    [
        (b"ab\xff", "octet 3 is not UTF-8"), (b"a" * (LARGEST_FILE + 1), "is larger than 1048576 octets"),
        (None, "Is a directory"),
    ],
    ids=["latin-1", "too large", "unreadable"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["smssenddata.txt", "smssendheader_3.txt"])
def test_files_that_cannot_be_used(tmp_path: Path, name: str, octets: bytes | None, error: str) -> None:
    if octets is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(octets)
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / name}: {error}")):
        template_files(tmp_path, GatewayId(3))


FROM_FILES = TemplateFiles(
    TemplateFile("smssenddata_3.txt", "to=[tonum]"),
    TemplateFile("smssendheader.txt", "X-A: [fromnum]\r\nX-B: 1|X-C: 2"),
)


def test_what_files_say_is_sent() -> None:
    request = RequestTemplate(GatewaySettings(smsurl=BASE), files=FROM_FILES).render(message())
    assert (request.method, request.body) == ("POST", b"to=36209876543")
    found = dict(request.headers)
    assert (found["X-A"], found["X-B"], found["X-C"]) == ("36301234567", "1", "2")


def test_a_setting_wins_over_files() -> None:
    told = GatewaySettings(smsurl=BASE, smssenddata="t=[message]", smssendheader="X-D: 3")
    request = RequestTemplate(told, files=FROM_FILES).render(message())
    assert request.body == b"t=hello"
    assert {"X-D"} == {name for name, _ in request.headers if name.startswith("X-")}


def test_an_empty_file_means_no_body() -> None:
    request = RequestTemplate(GatewaySettings(smsurl=BASE), files=TemplateFiles(TemplateFile("a", ""))).render(
        message()
    )
    assert (request.method, request.body) == ("GET", None)


def test_a_fault_names_its_file() -> None:
    files = TemplateFiles(TemplateFile("smssenddata_3.txt", "to=[tonumm]"))
    with pytest.raises(ConfigError, match=r"^\[gateway:x\] smssenddata \(smssenddata_3.txt\): character 4: unknown"):
        RequestTemplate(GatewaySettings(smsurl=BASE, name="x"), files=files)
    files = TemplateFiles(None, TemplateFile("smssendheader.txt", "A: 1\nB: [x]"))
    with pytest.raises(ConfigError, match=r"^\[global\] smssendheader \(smssendheader.txt\): character 9: unknown"):
        RequestTemplate(GatewaySettings(smsurl=BASE), files=files)


# -- method, dialect, host ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, data, sent",
    [
        ("auto", "", ("GET", None)), ("auto", "x", ("POST", b"x")),
        ("get", "", ("GET", None)), ("post", "", ("POST", b"")),
        ("post", "x", ("POST", b"x")), ("put", "x", ("PUT", b"x")), ("put", "", ("PUT", b"")),
    ],
)  # fmt: skip
def test_method(method: str, data: str, sent: tuple[str, bytes | None]) -> None:
    request = template(data=data, smsmethod=method).render(message())
    assert (request.method, request.body) == sent


def test_get_has_no_body() -> None:
    with pytest.raises(ConfigError, match=r"^\[global\] smssenddata: is not sent where smsmethod = get"):
        template(data="x", smsmethod="get")
    request = RequestTemplate(GatewaySettings(smsurl=BASE, smsmethod="get"), files=FROM_FILES).render(message())
    assert (request.method, request.body) == ("GET", None)


@pytest.mark.parametrize(
    "url, dialect, sent",
    [
        ("?a=[tonum]", "auto", "?a=36209876543"), ("?a=%number%", "auto", "?a=%2B36209876543"),
        ("?a={{ tonum }}", "auto", "?a=36209876543"), ("?a={% if tonum %}1{% endif %}", "auto", "?a=1"),
        ("?a=[tonum]&b={{ tonum }}", "mizu", "?a=36209876543&b=%7B%7B%20tonum%20%7D%7D"),
        ("?a=[tonum]&b={{ tonum }}", "jinja", "?a=[tonum]&b=36209876543"),
        ("?a=[tonum]&b=%number%", "icewarp", "?a=[tonum]&b=%2B36209876543"),
    ],
)  # fmt: skip
def test_dialect(url: str, dialect: str, sent: str) -> None:
    assert template(BASE + url, smsdialect=dialect).render(message()).url == BASE + sent


@pytest.mark.parametrize(
    "url, data, error",
    [
        ("?a=[tonum]", "{{ message }}", "{{ is jinja and [tonum] is mizu: smsdialect must say which is meant"),
        ("?a=%data%", "[message]", "%data% is icewarp and [message] is mizu: smsdialect must"),
        ("?a={SELECT 1}", "{% if user %}", "{% if is jinja and {SELECT is mizu: smsdialect must"),
    ],
)
def test_dialects_are_not_mixed_by_accident(url: str, data: str, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(f"[global] smsdialect: {error}")):
        template(BASE + url, data)
    with pytest.raises(ConfigError, match="^" + re.escape(f"[g] k: {error}")):
        compile_value("g", "k", url + data)


KEYS = {"user": "a b", "password": "x/y@z:?#", "apikey": "k&y", "option": "eu.api.test:8443"}


def test_constants_of_the_gateway() -> None:
    compiled = template("https://[user]:[password]@[option]/[user]?k=[apikey]", "", "X-Key: [apikey]", **KEYS)
    request = compiled.render(message())
    assert request.url == "https://eu.api.test:8443/a%20b?k=k%26y"
    assert dict(request.headers)["Authorization"] == "Basic YSBiOngveUB6Oj8j"
    assert dict(request.headers)["X-Key"] == "k&y"
    assert compiled.origin() == ("https", "eu.api.test", 8443)


@pytest.mark.parametrize(
    "url, dialect",
    [("https://{{ option }}/x", "jinja"), ("https://[option]?a=[tonum]", "mizu"), ("[option]/x", "mizu")],
)
def test_a_constant_as_the_host(url: str, dialect: str) -> None:
    told = "https://eu.api.test:8443" if url.startswith("[") else "eu.api.test:8443"
    if url.startswith("["):
        with pytest.raises(ConfigError, match="character 1: must be http"):
            template(url, option=told)
        return
    assert template(url, option=told).origin() == ("https", "eu.api.test", 8443)


@pytest.mark.parametrize("option", ["", "a/b", "a@b", "a.test?", "a b", "a#", "a\\b", "a\r\nb", "évil/"])
def test_a_constant_that_is_no_host(option: str) -> None:
    with pytest.raises(ConfigError, match=r"^\[global\] smsurl: character 1: must be http"):
        template("https://[option]/x", option=option)


@pytest.mark.parametrize(
    "url, data, header",
    [
        ("http://[password]/", "", ""), (BASE + "?[passwordd]=x", "", ""), (BASE, '{"a": "[password]', ""),
        (BASE, "<a>[apikey]", ""), (BASE, "", "A [user]"), (BASE + "?p={{ password.x }}", "", ""),
    ],
)  # fmt: skip
def test_no_error_says_a_secret(url: str, data: str, header: str) -> None:
    told = {name: f"{name} s3cr3t" for name in ("user", "password", "apikey")}
    with pytest.raises(ConfigError) as caught:
        template(url, data, header, **told)
    assert "s3cr3t" not in f"{caught.value}{caught.value.__cause__}"


# -- several targets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, data, sent",
    [
        ("?to=[tonum]&t=[message]", "", "?to=36201111111,36202222222,36203333333&t=hello"),
        ("/[tonum]", "", "/36201111111,36202222222,36203333333"),
        ("?to={{ tonum|e164 }}", "", "?to=%2B36201111111,%2B36202222222,%2B36203333333"),
        ("?to=%number;interprefix=00%", "", "?to=0036201111111,0036202222222,0036203333333"),
        ("", "to=[tonum]", b"to=36201111111,36202222222,36203333333"),
        ("", '{"to":"[tonum]"}', b'{"to":"36201111111,36202222222,36203333333"}'),
        ("", '{"to":[[tonum]]}', b'{"to":[36201111111,36202222222,36203333333]}'),
        ("", '{"to":[%number%]}', b'{"to":["+36201111111","+36202222222","+36203333333"]}'),
        ("", "<a><to>[tonum]</to></a>", b"<a><to>36201111111,36202222222,36203333333</to></a>"),
        ("", '[{% for n in targets %}"{{ n }}"{% if not loop.last %},{% endif %}{% endfor %}]',
         b'["36201111111","36202222222","36203333333"]'),
    ],
)  # fmt: skip
def test_several_targets(url: str, data: str, sent: str | bytes) -> None:
    compiled = template(BASE + url, data, smsbatch=10)
    request = compiled.render(message(), targets=(ONE, TWO, THREE))
    assert (request.body or request.url.removeprefix(BASE)) == sent
    alone = compiled.render(message(target=ONE))
    assert alone == compiled.render(message(), targets=(ONE,))
    assert TWO not in alone.url + (alone.body or b"").decode()


@pytest.mark.parametrize(
    "separator, url, data, sent",
    [
        (";", "?to=[tonum]", "", "?to=36201111111;36202222222"),
        (" ", "?to=[tonum]", "", "?to=36201111111%2036202222222"),
        ("&to=", "?to=[tonum]", "", "?to=36201111111&to=36202222222"),
        ("%0A", "?to=[tonum]", "", "?to=36201111111%0A36202222222"),
        ('","', "", '{"to":["[tonum]"]}', b'{"to":["36201111111","36202222222"]}'),
        ("</to><to>", "", "<a><to>[tonum]</to></a>", b"<a><to>36201111111</to><to>36202222222</to></a>"),
    ],
)
def test_the_separator_is_a_literal_of_the_operator(separator: str, url: str, data: str, sent: str | bytes) -> None:
    request = template(BASE + url, data, smsbatch=2, smsbatchseparator=separator).render(message(), targets=(ONE, TWO))
    assert (request.body or request.url.removeprefix(BASE)) == sent


@pytest.mark.parametrize(
    "url, data, separator, error",
    [
        ("", '{"to":[tonum]}', ",", "smssenddata: character 1: is not a well-formed body of application/json"),
        ("", '{"to":"[tonum]"}', '"', "smssenddata: character 8: this ends in another place than it began"),
        ("", "<a>[tonum]</a>", "<b>", "smssenddata: character 1: is not a well-formed body of text/xml"),
        ("?to=[tonum]", "", "#", "smsurl: character 25: '#' ends what is sent"),
        ("?to=[tonum]", "", "%", "smsurl: character 25: '%' must be followed by two"),
        ("/[tonum]", "", "?", "smsurl: character 22: this ends in another place than it began"),
        ("?to=x{SELECT '[tonum]'}", "", ",", "smsurl: character 26: [tonum] in a SELECT is one number: smsbatch must"),
        ("?to={% for n in targets %}{{ tonum }}{% endfor %}", "", ",", "smsurl: character 47: tonum in a loop over"),
    ],
)  # fmt: skip
def test_several_targets_where_they_cannot_stand(url: str, data: str, separator: str, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(f"[global] {error}")):
        template(BASE + url, data, smsbatch=2, smsbatchseparator=separator)


LIST = template(BASE, '{"to":["[tonum]"],"z":1}', smsbatch=9, smsbatchseparator='","')
QUERY = template(BASE + "?to=[tonum]&z=1", smsbatch=9)


@settings(max_examples=100, deadline=None)
@given(targets=st.lists(texts, min_size=1, max_size=4))
def test_no_target_becomes_two(targets: list[str]) -> None:
    assert json.loads(LIST.render(message(), targets=targets).body or b"") == {"to": targets, "z": 1}
    url = QUERY.render(message(), targets=targets).url
    written = urlsplit(url).query.removesuffix("&z=1").removeprefix("to=").split(",")
    assert [dict(parse_qsl(f"x={one}", keep_blank_values=True))["x"] for one in written] == list(
        map(unsurrogated, targets)
    )


# -- the verify request -------------------------------------------------------------------------------------------

VERIFY = GatewaySettings(
    smsurl=BASE, smssendheader="X-Key: [apikey]", smsverifyurl="http://api.test/state/[messageId]?to=[tonum]",
    apikey="k", smsmethod="put", smssenddata="t=[message]", smsbatch=5,
)  # fmt: skip


def test_verify_by_get() -> None:
    request = RequestTemplate(VERIFY, verify=True, files=FROM_FILES).render(message(), messageid="a/b c")
    assert (request.method, request.url) == ("GET", "http://api.test/state/a%2Fb%20c?to=36209876543")
    assert request.body is None
    assert dict(request.headers)["X-Key"] == "k"


@pytest.mark.parametrize(
    "data, messageid, body",
    [
        ('{"id":[messageid]}', "17", b'{"id":17}'), ('{"id":[messageid]}', "017", b'{"id":"017"}'),
        ('{"to":[tonum]}', "", b'{"to":36209876543}'),
        ("id={{ messageid }}", "a&b", b"id=a%26b"),
        ("id=%messageId%", "a&b", b"id=a%26b"),
    ],
)  # fmt: skip
def test_verify_by_post(data: str, messageid: str, body: bytes) -> None:
    told = GatewaySettings(smsurl=BASE, smsverifyurl=BASE, smssenddataverify=data, smsbatch=5)
    request = RequestTemplate(told, verify=True).render(message(), messageid=messageid)
    assert (request.method, request.body) == ("POST", body)


def test_the_message_id_is_known_to_the_verify_request_alone() -> None:
    with pytest.raises(ConfigError, match=r"^\[global\] smsurl: character 24: unknown keyword \[messageId\]"):
        template(BASE + "?a=[messageId]")
    with pytest.raises(ConfigError, match=r"^\[global\] smsverifyurl: character 24: unknown keyword \[messageIdd\]"):
        RequestTemplate(GatewaySettings(smsurl=BASE, smsverifyurl=BASE + "?a=[messageIdd]"), verify=True)
    with pytest.raises(ConfigError, match=r"^\[global\] smssenddataverify: character 1: "):
        RequestTemplate(GatewaySettings(smsurl=BASE, smsverifyurl=BASE, smssenddataverify="[x]"), verify=True)


# -- binary messages ----------------------------------------------------------------------------------------------

BINARY = replace(message(""), octets=b"\x00\xff", udh=b"\x02\x70\x00", coding=Coding.BINARY)


@pytest.mark.parametrize(
    "query, sent",
    [
        ("?d=%data;hex%&u=%udh;len;hex%", "?d=00FF&u=027000"),
        ("?d={{ octets }}&u={{ udh }}", "?d=00FF&u=027000"),
        ("?d={% if binary %}{{ octets }}{% else %}{{ message|hex }}{% endif %}&u={{ udh }}", "?d=00FF&u=027000"),
    ],
)
def test_binary_messages(query: str, sent: str) -> None:
    compiled = template(BASE + query)
    assert compiled.render(BINARY).url == BASE + sent
    assert compiled.per_part
    part = Part(BINARY, 2, 2, b"\x01", b"\x05\x00\x03\x07\x02\x02")
    assert compiled.render(BINARY, part=part).url == BASE + sent.replace("00FF", "01").replace("027000", "050003070202")


def test_a_text_has_no_octets() -> None:
    named = values(message("é"), part=Part(message("é"), 1, 2, b"\x05", b"\x05\x00\x03\x07\x02\x01"))
    assert (named["octets"], named["udh"], named["message"]) == ("", "", "é")


@pytest.mark.parametrize(
    "query, error",
    [("?t=[message]", "no place for a binary message"), ("?t=%data%", "no place for a user data header")],
)
def test_a_template_without_a_place_for_octets(query: str, error: str) -> None:
    compiled = template(BASE + query)
    assert not compiled.per_part
    with pytest.raises(Unwritable, match=error):
        compiled.render(BINARY)


def test_a_verify_request_needs_no_octets() -> None:
    request = RequestTemplate(GatewaySettings(smsurl=BASE, smsverifyurl=BASE), verify=True).render(BINARY)
    assert request.url == BASE


def test_a_missing_name_is_no_request() -> None:
    compiled = template(BASE + "?a={SELECT 1}")
    with pytest.raises(Unwritable, match="select_"):
        compiled.render(message())
