"""No value changes the shape of anything, in any dialect and at any place: what comes out is read by a real parser."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from email.parser import HeaderParser
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from tests.connectors.nasty import NASTY, texts, unsurrogated
from voipsms.connectors import places
from voipsms.connectors.places import Unwritable
from voipsms.connectors.template import RequestTemplate, compile_value, values
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding
from voipsms.values import replace

BASE = "http://api.test/send"
# How each dialect writes the text, the sender, and something that is there for texts that aren't UCS-2 alone.
DIALECTS = {
    "mizu": ("[message]", "[fromnum]", "", ""),
    "icewarp": ("%data%", "%sender%", "%condition;isascii;value=", "%"),
    "jinja": ("{{ message }}", "{{ fromnum }}", "{% if not unicode %}", "{% endif %}"),
    "jinja, filters": ("{{ message ~ '' }}", "{{ fromnum if fromnum else '' }}", "{% if not unicode %}", "{% endif %}"),
    "jinja, loops": (
        "{% for n in targets %}{{ message }}{% endfor %}", "{{ fromnum[:1000] }}", "{% if 1 %}", "{% endif %}",
    ),
}  # fmt: skip
each = pytest.mark.parametrize("dialect", DIALECTS)
quick = settings(max_examples=60, deadline=None)


def written(template: str, dialect: str) -> str:
    text, sender, begin, end = DIALECTS[dialect]
    return template.replace("TEXT", text).replace("FROM", sender).replace("<<", begin).replace(">>", end)


@cache
def request(
    dialect: str, url: str = BASE, body: str = "", header: str = ""
) -> Callable[[str, str], tuple[str, bytes, str]]:
    """The URL, the body and the header `X` for a text and a sender."""
    compiled = RequestTemplate(GatewaySettings(
        smsurl=written(url, dialect), smssenddata=written(body, dialect), smssendheader=written(header, dialect),
        smsdialect=dialect.partition(",")[0],
    ))  # fmt: skip

    def render(text: str, sender: str) -> tuple[str, bytes, str]:
        made = compiled.render(message(text, sender=sender))
        return made.url, made.body or b"", dict(made.headers).get("X", "")

    return render


@each
@quick
@given(text=texts, sender=texts)
def test_query(dialect: str, text: str, sender: str) -> None:
    url, _, _ = request(dialect, BASE + "?a=1&FROM=x&t=-TEXT-<<&b=2>>")(text, sender)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("http", "api.test", "/send", "")
    assert parse_qsl(parts.query, keep_blank_values=True) == [
        ("a", "1"), (unsurrogated(sender), "x"), ("t", f"-{unsurrogated(text)}-"), ("b", "2"),
    ]  # fmt: skip
    assert url.isascii()


@each
@quick
@given(text=texts, sender=texts)
def test_path(dialect: str, text: str, sender: str) -> None:
    render = request(dialect, BASE + "/TEXT/FROM/end?x=1")
    if any(value and not value.strip(".") for value in (text, sender)):
        with pytest.raises(Unwritable):
            render(text, sender)
        return
    segments = urlsplit(render(text, sender)[0]).path.split("/")
    assert list(map(unquote, segments)) == ["", "send", unsurrogated(text), unsurrogated(sender), "end"]


@each
@quick
@given(text=texts, sender=texts)
def test_form(dialect: str, text: str, sender: str) -> None:
    body = request(dialect, body="from=FROM&t=-TEXT-&z=1")(text, sender)[1]
    assert parse_qsl(body.decode("ascii"), keep_blank_values=True) == [
        ("from", unsurrogated(sender)), ("t", f"-{unsurrogated(text)}-"), ("z", "1"),
    ]  # fmt: skip


@each
@quick
@given(text=texts, sender=texts)
def test_json(dialect: str, text: str, sender: str) -> None:
    body = request(dialect, body='{"from":"FROM","t":["-TEXT-",TEXT],"FROM":"\\\\TEXT\\"","z":[1]}')(text, sender)[1]
    assert json.loads(body, object_pairs_hook=list) == [
        ("from", sender), ("t", [f"-{text}-", text]), (sender, f'\\{text}"'), ("z", [1]),
    ]  # fmt: skip


@each
@quick
@given(text=texts, sender=texts)
def test_xml(dialect: str, text: str, sender: str) -> None:
    body = '<a b="FROM" c=\'-TEXT-\'><!-- " --><t>TEXT</t><![CDATA[<TEXT>]]><z/></a>'
    root = ElementTree.fromstring(request(dialect, body=body)(text, sender)[1])
    text, sender = (
        re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", v) for v in (text, sender)
    )
    assert root.attrib == {"b": sender, "c": f"-{text}-"}
    assert [(child.tag, child.text or "", child.tail or "") for child in root] == [
        ("t", text, f"<{text}>"), ("z", "", ""),
    ]  # fmt: skip


@each
@quick
@given(text=texts, sender=texts)
def test_header(dialect: str, text: str, sender: str) -> None:
    value = request(dialect, header="X: a=TEXT; b=FROM|Y: 1")(text, sender)[2]
    parsed = HeaderParser().parsestr(f"X: {value}\r\nY: 1\r\n\r\n")
    assert parsed.keys() == ["X", "Y"]
    assert [unquote(part) for part in parsed["X"].split("; ")] == [
        "a=" + unsurrogated(text),
        "b=" + unsurrogated(sender),
    ]


@quick
@given(text=texts, sender=texts)
def test_select(text: str, sender: str) -> None:
    statement = "{SELECT '<[message]>' || [fromnum] || ' ?' || (SELECT count(*) FROM kept WHERE x = '[message]')}"
    compiled = RequestTemplate(GatewaySettings(smsurl=f"{BASE}?x={statement}"))
    (select,) = compiled.selects
    assert select.sql == "SELECT ? || ? || ? || (SELECT count(*) FROM kept WHERE x = ?)"
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE TABLE kept (x TEXT)")
        found = database.execute(select.sql, select.bind(compiled.named(message(text, sender=sender)))).fetchall()
    finally:
        database.close()
    text, sender = unsurrogated(text), unsurrogated(sender)
    assert found == [(f"<{text}>{sender} ?0",)]
    sent = compiled.render(message(), selected={select.name: found[0][0]}).url
    assert parse_qsl(urlsplit(sent).query, keep_blank_values=True) == [("x", found[0][0])]


ECHO = (
    "import json, sys; print(json.dumps([a.encode('utf-8', 'surrogateescape').decode('utf-8') for a in sys.argv[1:]]))"
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=3, deadline=None)
@given(found=st.lists(texts, min_size=20, max_size=60))
def test_arguments_of_a_program(dialect: str, found: list[str]) -> None:
    wanted, given_ = [], []
    first, inner = (
        compile_value("global", "smsurl", written(text, dialect), places.argument, dialect=dialect.partition(",")[0])
        for text in ("TEXT", "--text=TEXT;FROM")
    )
    for text in [*found, *NASTY]:
        named = values(message(text, sender=text))
        clean = unsurrogated(text).replace("\0", "\ufffd")
        given_ += [first(named), inner(named)]
        wanted += [" " + clean if clean.startswith("-") else clean, f"--text={clean};{clean}"]
    done = subprocess.run([sys.executable, "-c", ECHO, "--", *given_], capture_output=True, check=True)
    assert json.loads(done.stdout) == ["--", *wanted]


@each
@quick
@given(text=texts)
def test_a_line_stays_one(dialect: str, text: str) -> None:
    line = compile_value("g", "k", written("SMS: TEXT", dialect), places.line, dialect=dialect.partition(",")[0])
    written_line = line(values(message(text)))
    assert len((written_line + ".").splitlines()) == 1
    assert re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", "SMS: " + unsurrogated(text)) == written_line


# -- IceWarp's modifiers and Jinja2's filters, whatever the value -------------------------------------------------

MODIFIERS = (
    "unicode", "isunicode", "isascii", "isbinary", "hex", "b64", "len", "value=&v=1", "interprefix=00",
    "charset=iso-8859-2", "charset=utf-16-le",
)  # fmt: skip
VARIABLES = (
    "number",
    "data",
    "udh",
    "binary",
    "pid",
    "dcs",
    "sender",
    "sender_phonealias",
    "parts",
    "msgid",
    "condition",
)


@settings(max_examples=200, deadline=None)
@given(
    variable=st.sampled_from(VARIABLES),
    chain=st.lists(st.sampled_from(MODIFIERS), max_size=4, unique=True),
    text=texts.filter(lambda text: len(text.encode("utf-16-le", "replace")) < 250),
    sender=texts,
    octets=st.binary(max_size=60),
    coding=st.sampled_from(Coding),
)
def test_icewarp_chains(variable: str, chain: list[str], text: str, sender: str, octets: bytes, coding: Coding) -> None:
    told = ";".join([variable, *chain])
    if {"unicode", "charset=iso-8859-2"} <= {*chain} or {"unicode", "charset=utf-16-le"} <= {*chain}:
        return
    compiled = RequestTemplate(GatewaySettings(smsurl=f"{BASE}?a=%{told}%&o=%data%%udh%&z=1"))
    sent = replace(message(text, sender=sender), octets=octets, udh=b"\x03\x01\x01A" if octets else b"", coding=coding)
    url = compiled.render(sent).url
    keys = [key for key, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    assert keys in (["a", "o", "z"], ["a", "v", "o", "z"])
    assert url.isascii()
    assert "v" not in keys or "value=&v=1" in chain


FILTERS = ("urlencode", "json", "xml", "hex", "ucs2hex", "b64", "e164", "national", "lower", "upper", "trim", "length")


@settings(max_examples=200, deadline=None)
@given(chain=st.lists(st.sampled_from(FILTERS), max_size=4), text=texts)
def test_jinja_filters(chain: list[str], text: str) -> None:
    value = "|".join(["message", *chain])
    body = f'{{"a":"{{{{ {value} }}}}","b":{{{{ {value} }}}},"z":1}}'
    sent = RequestTemplate(GatewaySettings(smsurl=f"{BASE}?a={{{{ {value} }}}}&z=1", smssenddata=body)).render(
        message(text)
    )
    assert [key for key, _ in parse_qsl(urlsplit(sent.url).query, keep_blank_values=True)] == ["a", "z"]
    read = json.loads(sent.body or b"", object_pairs_hook=list)
    assert [key for key, _ in read] == ["a", "b", "z"]
    assert read[0][1] == read[1][1]


# -- templates that nobody would write ----------------------------------------------------------------------------

FRAGMENTS = (
    *NASTY, "[tonum]", "[fromid]", "{SELECT ", "'[message]'", "}", "%data", ";hex", ";charset=", ";value=", ";len", "%",
    "{{", "}}", "message", "|hex", "[:3]", " ~ ", "{% if ", "unicode", " %}", "{% else %}", "{% endif %}", "n",
    "{% for n in targets %}", "{% endfor %}", "loop.last", "not ", "(", ")", "<a>", "</a>", "<![CDATA[", "&#", "a=",
    "x", "1", "{%-",
)  # fmt: skip
TYPES = {
    "form": "application/x-www-form-urlencoded", "json": "application/json", "xml": "text/xml", "text": "text/plain",
}  # fmt: skip


@pytest.mark.parametrize("dialect", ["auto", "mizu", "icewarp", "jinja"])
@settings(max_examples=150, deadline=None)
@given(
    written_=st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join),
    kind=st.sampled_from(["url", "header", *TYPES]),
    several=st.integers(1, 2),
    text=texts,
)
def test_any_template_is_refused_or_works(dialect: str, written_: str, kind: str, several: int, text: str) -> None:
    told: dict[str, Any] = {"url": {"smsurl": f"{BASE}?{written_}"}, "header": {"smssendheader": f"X: {written_}"}}.get(
        kind, {"smssenddata": written_, "smssendheader": f"Content-Type: {TYPES.get(kind)}"}
    )
    told = {"smsurl": BASE, **told}
    try:
        compiled = RequestTemplate(GatewaySettings(**told, smsdialect=dialect, smsbatch=several))
    except ConfigError:
        return
    with suppress(Unwritable):
        compiled.render(message(text), selected={select.name: text for select in compiled.selects})
