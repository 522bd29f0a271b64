"""MESSAGE bodies: what is read, ignored, refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.errors import ProtocolError
from voipsms.sip.body import CHARSETS, BadBody, Body, Ignored, TextBody, UnsupportedBody, read_body
from voipsms.sip.headers import Headers

CPIM = b"From: <sip:mallory@evil.example>\r\nTo: Bob <sip:bob@example.com>\r\nDateTime: 2026-01-01T00:00:00Z\r\n\r\n"
COMPOSING = b"<?xml version='1.0'?><isComposing><state>active</state></isComposing>"
MIXED = (
    b"preamble\r\n--B\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
    b"--B\r\nContent-Type: text/plain;\r\n charset=iso-8859-1\r\n\r\nol\xe1\r\n--Bad\r\n--B--\r\nepilogue"
)


def nested(depth: int) -> bytes:
    body = b"Content-Type: text/plain\r\n\r\ndeep"
    for _ in range(depth):
        body = b"Content-Type: message/cpim\r\n\r\nSubject: x\r\n\r\n" + body
    return b"Subject: x\r\n\r\n" + body


READ: dict[str, tuple[str | None, bytes, Body]] = {
    "plain": ("text/plain", b"hi", TextBody("hi")),
    "no type": (None, "é".encode(), TextBody("é")),
    "no body": (None, b"", TextBody("")),
    "odd spelling": ('Text / PLAIN ; Charset="UTF-8"', "ő".encode(), TextBody("ő")),
    "ascii is utf-8": ("text/plain;charset=us-ascii", "é".encode(), TextBody("é")),
    "byte order mark": ("text/plain", b"\xef\xbb\xbfhi", TextBody("hi")),
    "latin 2": ("text/plain;charset=ISO-8859-2", b"\xf5", TextBody("ő")),
    "underscore": ("text/plain;charset=shift_jis", "日本".encode("shift-jis"), TextBody("日本")),
    "utf-16 without mark": ("text/plain;charset=utf-16", b"\x00h\x00i", TextBody("hi")),
    "utf-16 with mark": ("text/plain;charset=utf-16", b"\xff\xfeh\x00i\x00", TextBody("hi")),
    "gb18030": ("text/plain;charset=GB18030", "你好".encode("gb18030"), TextBody("你好")),
    "line ends stay": ("text/plain", b"a\r\nb\n", TextBody("a\r\nb\n")),
    "composing": ("application/im-iscomposing+xml", COMPOSING, Ignored("is-composing")),
    "imdn": ("message/imdn+xml", b"<imdn/>", Ignored("imdn")),
    "cpim": ("message/cpim", CPIM + b"Content-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n\r\nthere",
             TextBody("hello\r\n\r\nthere")),
    "cpim with LF": ("message/cpim", b"From: <sip:a@b>\n\nContent-Type: text/plain\n\nhi", TextBody("hi")),
    "cpim without inner headers": ("message/cpim", CPIM + b"\r\nhi", TextBody("hi")),
    "cpim imdn": ("message/cpim", CPIM + b"Content-Type: message/imdn+xml\r\n\r\n<imdn/>", Ignored("imdn")),
    "cpim composing": ("message/cpim", CPIM + b"Content-type: application/im-iscomposing+xml\r\n\r\n" + COMPOSING,
                       Ignored("is-composing")),
    "cpim base64": ("message/cpim", CPIM + b"Content-Transfer-Encoding: base64\r\n\r\naGk=", TextBody("hi")),
    "mixed": ("multipart/mixed;boundary=B", MIXED, TextBody("olá\r\n--Bad")),
    "alternative": ('multipart/alternative; boundary="B"',
                    b"--B\r\nContent-Type: text/html\r\n\r\n<b>\r\n--B \r\n\r\nplain\r\n--B--", TextBody("plain")),
    "unterminated": ("multipart/mixed;boundary=B", b"--B\r\n\r\nplain", TextBody("plain")),
    "only ignorable": ("multipart/mixed;boundary=B", b"--B\r\nContent-Type: message/imdn+xml\r\n\r\n<x/>\r\n--B--",
                       Ignored("imdn")),
    "cpim in multipart": ("multipart/mixed;boundary=B",
                          b"--B\r\nContent-Type: message/cpim\r\n\r\nA: b\r\n\r\n\r\nhi\r\n--B--", TextBody("hi")),
    "deep enough": ("message/cpim", nested(2), TextBody("deep")),
}  # fmt: skip


def headers(kind: str | None) -> Headers:
    return Headers([("Content-Type", kind)] if kind is not None else [])


@pytest.mark.parametrize(("kind", "body", "expected"), READ.values(), ids=READ)
def test_read(kind: str | None, body: bytes, expected: Body) -> None:
    assert read_body(headers(kind), body) == expected


REFUSED: dict[str, tuple[str, bytes, type[ProtocolError]]] = {
    "html": ("text/html", b"<b>", UnsupportedBody),
    "unknown charset": ("text/plain;charset=utf-7", b"hi", UnsupportedBody),
    "a codec that is not a charset": ("text/plain;charset=rot13", b"hi", UnsupportedBody),
    "not utf-8": ("text/plain", b"\xff", BadBody),
    "half a utf-16 unit": ("text/plain;charset=utf-16be", b"\x00h\x00", BadBody),
    "no subtype": ("text", b"hi", BadBody),
    "empty type": ("", b"hi", BadBody),
    "unbalanced quote": ('text/plain;charset="utf-8', b"hi", BadBody),
    "cpim that ends in its headers": ("message/cpim", b"From: <sip:a@b>", BadBody),
    "cpim of html": ("message/cpim", CPIM + b"Content-Type: text/html\r\n\r\n<b>", UnsupportedBody),
    "bad base64": ("message/cpim", CPIM + b"Content-Transfer-Encoding: base64\r\n\r\na", BadBody),
    "uuencode": ("message/cpim", CPIM + b"Content-Transfer-Encoding: uuencode\r\n\r\na", UnsupportedBody),
    "header without colon": ("message/cpim", CPIM + b"nonsense\r\n\r\nhi", BadBody),
    "no boundary": ("multipart/mixed", MIXED, BadBody),
    "nothing between boundaries": ("multipart/mixed;boundary=B", b"", UnsupportedBody),
    "no text part": ("multipart/mixed;boundary=B", b"--B\r\nContent-Type: image/png\r\n\r\n\x89\r\n--B--",
                     UnsupportedBody),
    "too many parts": ("multipart/mixed;boundary=B",
                       b"--B\r\nContent-Type: image/png\r\n\r\n\x89\r\n" * 30 + b"--B\r\n\r\nhi", UnsupportedBody),
    "too deep": ("message/cpim", nested(100), BadBody),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(kind: str, body: bytes, error: type[ProtocolError]) -> None:
    with pytest.raises(error):
        read_body(headers(kind), body)


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [("Content-Type", "text/html", "Accept"), ("e", "gzip", "Accept-Encoding")],
    ids=["type", "coding"],
)
def test_refusal_says_what_is_understood(name: str, value: str, answer: str) -> None:
    with pytest.raises(UnsupportedBody) as caught:
        read_body(Headers([(name, value)]), b"hi")
    assert caught.value.headers[0][0] == answer


def test_identity_coding_is_none() -> None:
    assert read_body(Headers([("Content-Encoding", "Identity")]), b"hi") == TextBody("hi")


@pytest.mark.parametrize("charset", CHARSETS)
def test_every_charset_is_a_codec(charset: str) -> None:
    text = "AZ 09".encode(CHARSETS[charset])
    assert read_body(headers(f"text/plain;charset={charset}"), text) == TextBody("AZ 09")


KINDS = ["text/plain;charset=gb18030", "message/cpim", "multipart/mixed;boundary=B"]
PIECES = [
    b"--B", b"--", b"\r\n", b"\n", b"Content-Type: ", b"message/cpim", b"multipart/mixed;boundary=B", b"text/plain",
    b"x", b": ", b"Content-Transfer-Encoding: base64",
]  # fmt: skip


@settings(max_examples=300)
@given(
    st.sampled_from(KINDS) | st.text(max_size=30),
    st.binary(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join),
)
def test_nothing_else_is_raised(kind: str, body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        read_body(headers(kind), body)
