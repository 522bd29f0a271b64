"""What a MESSAGE says: RFC 3428, with message/cpim (RFC 3862), is-composing (RFC 3994), IMDN (RFC 5438), multipart."""

from __future__ import annotations

import binascii
import functools
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from voipsms.errors import ProtocolError
from voipsms.model import Imdn
from voipsms.sip.grammar import SipParseError, parse_params
from voipsms.sip.headers import Headers
from voipsms.sip.imdn import requested

MAX_DEPTH = 4  # of parts within parts
MAX_PARTS = 20

ACCEPT = (
    "text/plain, message/cpim, multipart/mixed, multipart/alternative, application/im-iscomposing+xml, message/imdn+xml"
)

_IGNORED = {"application/im-iscomposing+xml": "is-composing", "message/imdn+xml": "imdn"}

_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii", "ansi-x3.4-1968", "unicode-1-1-utf-8")  # ASCII is a part of UTF-8
_AS_NAMED = (
    *(f"iso-8859-{part}" for part in range(1, 17) if part != 12), *(f"windows-{page}" for page in range(1250, 1259)),
    "latin1", "utf-16", "utf-16be", "utf-16le", "gb18030", "gbk", "gb2312", "big5", "big5-hkscs", "shift-jis", "euc-jp",
    "iso-2022-jp", "euc-kr", "koi8-r", "koi8-u", "tis-620",
)  # fmt: skip
CHARSETS = dict.fromkeys(_UTF8, "utf-8") | {name: name for name in _AS_NAMED}

_MEDIA_TYPE = re.compile(r"\s*([^\s/;,]+)\s*/\s*([^\s/;,]+)\s*(;.*)?", re.DOTALL)
_LINE_END = re.compile(rb"\A\r?\n")
_BLANK_LINE = re.compile(rb"(?:\A|\r?\n)\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")


class BadBody(ProtocolError):
    """The body is not what its headers say: 400."""


class UnsupportedBody(ProtocolError):
    """The body is of a type, charset or coding that is not understood: 415, with `headers` that say what is."""

    def __init__(self, text: str, headers: tuple[tuple[str, str], ...] = (("Accept", ACCEPT),)) -> None:
        super().__init__(text)
        self.headers = headers


@dataclass(frozen=True, slots=True)
class TextBody:
    """`imdn`: what its sender wants to hear of it."""

    text: str
    imdn: Imdn | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to send: `is-composing` or `imdn`."""

    kind: str


Body = TextBody | Ignored


def read_body(headers: Headers, body: bytes) -> Body:
    """Raises BadBody, UnsupportedBody."""
    return _read(headers, body, MAX_DEPTH)


def _read(headers: Headers, body: bytes, depth: int) -> Body:
    if depth == 0:
        raise BadBody("Too many parts within parts")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedBody("Content-Encoding not understood", (("Accept-Encoding", "identity"),))
    kind, params = _media_type(headers.get("Content-Type", "text/plain"))
    if kind in _IGNORED:
        return Ignored(_IGNORED[kind])
    reader = _READERS.get(kind)
    if reader is None:
        raise UnsupportedBody(f"{kind} is not understood")
    return reader(dict(params), body, depth)


@functools.lru_cache(maxsize=256)
def _media_type(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    match = _MEDIA_TYPE.fullmatch(text)
    try:
        if match is None:
            raise SipParseError("no type")
        params = parse_params(match[3] or "")
    except SipParseError as error:
        raise BadBody("Malformed Content-Type") from error
    return f"{match[1]}/{match[2]}".lower(), tuple(params.items())


# -- one reader a type --------------------------------------------------------------------------------------------


def _text(params: dict[str, str], body: bytes, depth: int) -> TextBody:
    name = params.get("charset", "utf-8").lower().replace("_", "-")
    codec = CHARSETS.get(name)
    if codec is None:
        raise UnsupportedBody("Charset not understood")
    if codec == "utf-16" and body[:2] not in (b"\xfe\xff", b"\xff\xfe"):
        codec = "utf-16-be"  # RFC 2781 §4.3
    try:
        return TextBody(body.decode(codec).removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise BadBody(f"The text is not {name}") from error


def _cpim(params: dict[str, str], body: bytes, depth: int) -> Body:
    """Its From and To are the sender's own words, so they are not read: RFC 3862 §3.1."""
    headers, wrapped = _split_headers(body)
    found = _entity(wrapped, depth - 1)
    if isinstance(found, TextBody) and (wanted := requested(headers)) is not None:
        return TextBody(found.text, wanted)
    return found


def _multipart(params: dict[str, str], body: bytes, depth: int) -> Body:
    """The first text; where there is none, what can be ignored."""
    boundary = params.get("boundary", "")
    if not 1 <= len(boundary) <= 70:  # RFC 2046 §5.1.1
        raise BadBody("multipart without a boundary")
    body = b"\r\n" + body
    delimiter = re.compile(rb"\r?\n--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    marks = list(itertools.islice(delimiter.finditer(body), MAX_PARTS))
    ends = [*(mark.start() for mark in marks[1:]), len(body)]
    ignored: Ignored | None = None
    for mark, end in zip(marks, ends, strict=False):
        if mark[1]:
            break
        try:
            found = _entity(_LINE_END.sub(b"", body[mark.end() : end], count=1), depth - 1)
        except UnsupportedBody:
            continue
        if isinstance(found, TextBody):
            return found
        ignored = found
    if ignored is None:
        raise UnsupportedBody("No part is text")
    return ignored


_READERS: dict[str, Callable[[dict[str, str], bytes, int], Body]] = {
    "text/plain": _text,
    "message/cpim": _cpim,
    "multipart/mixed": _multipart,
    "multipart/alternative": _multipart,
}


# -- MIME inside --------------------------------------------------------------------------------------------------


def _split_headers(entity: bytes) -> tuple[Headers, bytes]:
    """The header lines before the first blank line, and what follows it."""
    blank = _BLANK_LINE.search(entity)
    if blank is None:
        raise BadBody("No blank line after the headers of a part")
    block = _FOLD.sub(" ", entity[: blank.start()].decode("utf-8", "replace"))
    headers = Headers()
    if headers.read(line for line in re.split(r"\r?\n", block) if line):
        raise BadBody("Malformed header in a part")
    return headers, entity[blank.end() :]


def _entity(entity: bytes, depth: int) -> Body:
    headers, body = _split_headers(entity)
    coding = headers.get("Content-Transfer-Encoding", "binary").lower()
    decode = _TRANSFER.get(coding)
    if decode is None:
        raise UnsupportedBody("Content-Transfer-Encoding not understood")
    try:
        return _read(headers, decode(body), depth)
    except binascii.Error as error:
        raise BadBody(f"A part is not {coding}") from error


_TRANSFER: dict[str, Callable[[bytes], bytes]] = {
    "7bit": bytes,
    "8bit": bytes,
    "binary": bytes,
    "base64": binascii.a2b_base64,
    "quoted-printable": binascii.a2b_qp,
}
