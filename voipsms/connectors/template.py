"""A provider's request as its operator wrote it, compiled once, at load, to sandboxed Jinja2 templates.

A dialect turns text into pieces (DIALECTS), a scanner of places.py finds where each value stands, and what comes
out is one Jinja2 form whatever the dialect: `{{ 'literal' }}{{ tonum|percent }}`. Only values that the dialect names
are ever expressions; literals are string constants, so nothing in them is Jinja2.
"""

from __future__ import annotations

import base64
import difflib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from voipsms import __version__
from voipsms.connectors import places
from voipsms.connectors.places import ESCAPES, Literal, Misplaced, Piece, Scanner, Value
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Message

Render = Callable[[dict[str, str]], str]
Dialect = Callable[[str, int], list[Piece]]

_jinja = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_jinja.filters.update(ESCAPES)

# -- the Mizu dialect ---------------------------------------------------------------------------------------------

_NUMBERS = frozenset({"tonum", "smsid", "fromid", "smscounter", "gatewayid"})  # that may be a JSON number
_KEYWORDS = ("tonum", "fromnum", "fromid", "message", "smsid", "smscounter", "gatewayid", "clientip", "user",
             "password", "apikey", "option")  # fmt: skip
_JSON_WORDS = frozenset({"true", "false", "null"})
_BRACKETED = re.compile(r"\[([A-Za-z]+)\]")


def mizu(text: str, at: int, extra: Sequence[str] = ()) -> list[Piece]:
    """`[tonum]` and its like are values, everything else is literal. Raises Misplaced for an unknown keyword."""
    pieces: list[Piece] = []
    start = 0
    for found in _BRACKETED.finditer(text):
        word = found[1].lower()
        if word in _JSON_WORDS:
            continue
        if word not in _KEYWORDS and word not in extra:
            near = difflib.get_close_matches(word, [*_KEYWORDS, *extra], 1, 0) or ["message"]
            raise Misplaced(at + found.start(), f"unknown keyword {found[0]}; did you mean [{near[0]}]?")
        if found.start() > start:
            pieces.append(Literal(text[start : found.start()], at + start))
        pieces.append(Value(word, at + found.start(), word in _NUMBERS))
        start = found.end()
    return [*pieces, Literal(text[start:], at + start)] if start < len(text) else pieces


DIALECTS: dict[str, Dialect] = {"mizu": mizu}


_NO_GATEWAY = GatewaySettings()


def values(
    message: Message, *, gateway: GatewaySettings = _NO_GATEWAY, gateway_id: GatewayId | None = None, counter: int = 0
) -> dict[str, str]:
    """What the keywords stand for. `counter`: messages of this gateway since it started."""
    return {
        "tonum": message.target,
        "fromnum": gateway.sender or message.sender,
        "fromid": str(message.user_id),
        "message": message.text,
        "smsid": str(message.id),
        "smscounter": str(counter),
        "gatewayid": str(message.gateway_id if gateway_id is None else gateway_id),
        "clientip": message.client_ip,
        "user": gateway.user,
        "password": gateway.password,
        "apikey": gateway.apikey,
        "option": gateway.option,
    }


_SAMPLES = tuple(dict.fromkeys(_KEYWORDS, text) for text in ("36301234567", "007", "a\"b'<&\\\n"))

# -- kinds of body ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """How values are written in a body, what is sent as its Content-Type, and how its shape is checked."""

    scanner: Scanner
    content_type: str
    check: Callable[[str], object] = str
    any_charset: bool = False  # values are written in ASCII alone


FORM = Kind(places.form, "application/x-www-form-urlencoded")
JSON = Kind(places.json_text, "application/json", json.loads, any_charset=True)
XML = Kind(places.xml, "text/xml; charset=utf-8", lambda text: ElementTree.fromstring(text.encode()), any_charset=True)
TEXT = Kind(places.plain, "text/plain; charset=utf-8")

_BY_TYPE = ((re.compile(r"application/x-www-form-urlencoded"), FORM), (re.compile(r".*[/+]json"), JSON),
            (re.compile(r".*[/+]xml"), XML))  # fmt: skip
_BY_SHAPE = ((re.compile(r"\s*<"), XML), (re.compile(r"\s*[{\[]"), JSON), (re.compile(r"[^\s=&]+="), FORM))


def kind_of(content_type: str | None, body: str) -> Kind:
    """By the Content-Type where there is one, else by the body's shape. `body`: its literals, values left out."""
    if content_type is not None:
        media = content_type.partition(";")[0].strip().lower()
        return next((kind for pattern, kind in _BY_TYPE if pattern.fullmatch(media)), TEXT)
    return next((kind for pattern, kind in _BY_SHAPE if pattern.match(body)), TEXT)


# -- compiling ----------------------------------------------------------------------------------------------------


def compile_pieces(scanned: Iterator[str | places.Placed]) -> Render:
    """The Jinja2 form of scanned pieces. Raises Misplaced, from the scanner too."""
    source = "".join(
        f"{{{{ {piece!a} }}}}" if isinstance(piece, str) else f"{{{{ {piece.expression}|{piece.escape} }}}}"
        for piece in scanned
    )
    try:
        template = _jinja.from_string(source)
    except TemplateError as error:
        raise Misplaced(0, str(error)) from error
    # What Template.render does, less the copies of the values that it takes: half of its time here.
    root, context = template.root_render_func, template.new_context
    return lambda named: "".join(root(context(named, shared=True)))


def compile_value(
    section: str, key: str, text: str, scanner: Scanner = places.plain, *, dialect: str = "auto",
    extra: Sequence[str] = (),
) -> Render:  # fmt: skip
    """A template of one text that is no HTTP request: a program's argument, a subject, the user of a URI.

    `extra`: keywords beside those of `values`, in lower case. Raises ConfigError with the place of what is wrong.
    """
    try:
        return compile_pieces(scanner(mizu(text, 0, extra)))
    except Misplaced as error:
        raise ConfigError(f"[{section}] {key}: character {error.at + 1}: {error}") from error


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
                      "expect", "accept-encoding"})  # fmt: skip
_USERINFO = re.compile(r"(https?://)([^/?]*)@", re.IGNORECASE)
_DEFAULTS = (("Accept", "*/*"), ("User-Agent", f"voipsms/{__version__}"), ("Accept-Encoding", "identity"))


class RequestTemplate:
    """smsurl, smssenddata and smssendheader of one gateway. Raises ConfigError with the place of what is wrong."""

    def __init__(self, settings: GatewaySettings, dialect: Dialect = mizu) -> None:
        self._section = "global" if settings.name == "default" else f"gateway:{settings.name}"
        self._dialect = dialect
        self._headers: list[tuple[str, Render]] = []
        self._fixed: list[tuple[str, str]] = []
        for found in re.finditer(r"[^|\n]+", settings.smssendheader):
            self._within("smssendheader", self._read_header, found[0], found.start())
        self._url: Render = self._within("smsurl", self._read_url, settings.smsurl)
        self._body: Render | None = None
        if settings.smssenddata:
            self._body = self._within("smssenddata", self._read_body, settings.smssenddata)
        self._add_missing(_DEFAULTS)
        self._static = tuple(self._fixed)

    def render(self, message: Message) -> Request:
        """Raises Unwritable where a value can't stand in its place."""
        return self.render_values(values(message))

    def render_values(self, named: dict[str, str]) -> Request:
        headers = self._static
        if self._headers:
            headers += tuple((name, render(named)) for name, render in self._headers)
        if self._body is None:
            return Request("GET", self._url(named), headers, None)
        return Request("POST", self._url(named), headers, self._body(named).encode("utf-8", "replace"))

    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        parts = urlsplit(self._url(_SAMPLES[0]))
        return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    def _within(self, key: str, read: Callable[[str, int], Render], text: str, at: int = 0) -> Render:
        try:
            return read(text, at)
        except Misplaced as error:
            raise ConfigError(f"[{self._section}] {key}: character {error.at + 1}: {error}") from error

    def _add_missing(self, headers: tuple[tuple[str, str], ...]) -> None:
        present = {name.lower() for name, _ in (*self._fixed, *self._headers)}
        self._fixed += [(name, value) for name, value in headers if name.lower() not in present]

    def _read_header(self, text: str, at: int) -> Render:
        name, colon, value = text.partition(":")
        if not text.strip():
            return str
        if not colon or not _HEADER_NAME.fullmatch(name.strip()):
            raise Misplaced(at, "must be `Name: value`, several by |")
        if name.strip().lower() in _FRAMING:
            raise Misplaced(at, f"{name.strip()} is set by the connector itself")
        begin = at + len(text) - len(value.lstrip())
        pieces = self._dialect(value.strip(), begin)
        render = compile_pieces(places.header(pieces))
        if any(isinstance(piece, Value) for piece in pieces):
            self._headers.append((name.strip(), render))
        else:
            self._fixed.append((name.strip(), value.strip()))
        return render

    def _read_url(self, text: str, at: int) -> Render:
        scanned = list(places.url(self._dialect(text, at)))
        if scanned and isinstance(scanned[0], str) and (userinfo := _USERINFO.match(scanned[0])):
            scanned[0] = userinfo[1] + scanned[0][userinfo.end() :]
            credentials = base64.b64encode(unquote(userinfo[2]).encode()).decode()
            self._add_missing((("Authorization", f"Basic {credentials}"),))
        render = compile_pieces(iter(scanned))
        self._check_host(render(_SAMPLES[0]))
        return render

    def _check_host(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            usable = (parts.hostname or "").encode("idna") and parts.port != 0 and not re.search(r"[%\\]", parts.netloc)
        except ValueError:  # UnicodeError is one
            usable = False
        if not usable:
            raise Misplaced(0, "must be http(s)://host, with :port from 1 to 65535 where it is another than usual")

    def _read_body(self, text: str, at: int) -> Render:
        pieces = self._dialect(text, at)
        literals = "".join(piece.text if isinstance(piece, Literal) else "x" for piece in pieces)
        content_type = next((value for name, value in self._fixed if name.lower() == "content-type"), None)
        kind = kind_of(content_type, literals)
        self._check_charset(kind, content_type or "")
        render = compile_pieces(kind.scanner(pieces))
        for sample in _SAMPLES:
            try:
                kind.check(render(sample))
            except (ValueError, ElementTree.ParseError) as error:
                raise Misplaced(0, f"is not a well-formed body of {kind.content_type}: {error}") from error
        self._add_missing((("Content-Type", kind.content_type),))
        return render

    def _check_charset(self, kind: Kind, content_type: str) -> None:
        if content_type.lower().startswith("multipart/"):
            raise Misplaced(0, "a multipart body can't be written as a template")
        charset = re.search(r"charset\s*=\s*\"?([\w-]+)", content_type, re.IGNORECASE)
        if charset and not kind.any_charset and charset[1].lower() not in ("utf-8", "utf8"):
            raise Misplaced(0, f"is sent in UTF-8, not in the {charset[1]} that the Content-Type header says")
