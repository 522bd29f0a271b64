from __future__ import annotations

import contextlib
import time
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.inbound import xml
from voipsms.inbound.call import Malformed

LAUGHS = (
    b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha">
"""
    + b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x%d;" % (n - 1) * 10) for n in range(1, 10))
    + b"""]><a>&x9;</a>"""
)


@pytest.mark.parametrize(
    "octets, found",
    [
        (b"<a><b>1</b><C> 2 </C><d/></a>", {"b": (b"1",), "c": (b" 2 ",), "d": (b"",)}),
        (b"<a>x</a>", {"a": (b"x",)}),
        (b"<a>x<b>1</b>y</a>", {"b": (b"1",)}),
        (b'<n:a xmlns:n="u"><n:b n:c="d">1</n:b></n:a>', {"b": (b"1",)}),
        (b"<a><b>1</b><b>2</b></a>", {"b": (b"1", b"2")}),
        (b"<a>&lt;&amp;&#233;&#x20ac;<![CDATA[<]]></a>", {"a": "<&é€<".encode()}),
        ("<a>é</a>".encode(), {"a": "é".encode()}),
        (b"<a>\xe9</a>", {"a": "é".encode()}),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>', {"a": "é".encode()}),
        ("\ufeff<a>é</a>".encode("utf-16-le"), {"a": "é".encode()}),
        (b' <a x="1"xmlns:b="u">1</a>', {"a": b"1"}),
    ],
    ids=["leaves", "root", "mixed", "namespaces", "twice", "entities of XML", "UTF-8", "latin-1 untold",
         "latin-1 told", "UTF-16", "blank left out"],
)  # fmt: skip
def test_leaves(octets: bytes, found: dict[str, object]) -> None:
    assert xml.leaves(octets) == {k: v if isinstance(v, tuple) else (v,) for k, v in found.items()}


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"text", b"<a>", b"<a></b>", b"<a/><b/>", b"<a>&nbsp;</a>", b"<a>\0</a>", b"<a>&#0;</a>",
        LAUGHS,
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/">%x;]><a/>',
        b"<!DOCTYPE a><a/>",
        b"<a>" * (xml.DEEPEST + 1) + b"</a>" * (xml.DEEPEST + 1),
        b"<a>" * 60_000,
        b"<a>" + b"<b/>" * xml.MOST_ELEMENTS + b"</a>",
        b"<a>" + b"x" * xml.LONGEST + b"</a>",
        b'<?xml version="1.0" encoding="rot13"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a/>',
    ],
    ids=["nothing", "text", "half", "crossed", "two roots", "HTML's entity", "NUL", "NUL by number", "billion laughs",
         "external DTD", "file", "parameter entity", "empty DTD", "deep", "deeper", "many", "long", "rot13", "utf-7",
         "many octets a character"],
)  # fmt: skip
def test_hostile_or_broken_xml_is_refused_at_once(octets: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(Malformed) as caught:
        xml.leaves(octets)
    assert str(caught.value).isprintable()
    assert time.perf_counter() - began < 5


def test_a_hundred_megabytes_are_refused_unread() -> None:
    octets = b"<a>" + bytes(100_000_000)
    began = time.perf_counter()
    with pytest.raises(Malformed):
        xml.leaves(octets)
    assert time.perf_counter() - began < 1


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_any_text_survives(text: str) -> None:
    assert xml.leaves(f"<a><b>{escape(text)}</b></a>".encode()) == {"b": (text.encode(),)}


@given(st.binary(max_size=80) | st.text("<>/ab=\"'&;!?[]-x ", max_size=80).map(str.encode))
def test_any_octets_are_leaves_or_malformed(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        xml.leaves(octets)
