"""A provider's request as its operator wrote it, compiled once, at load, to sandboxed Jinja2 templates.

A dialect (dialects/) turns text into pieces, a place of places.py follows them and says how each value is written, and
what comes out is one Jinja2 form whatever the dialect (sandbox.py). docs/templates.md is this for operators.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from voipsms import __version__
from voipsms.connectors import places
from voipsms.connectors.body import Kind, check_shape, kind_of
from voipsms.connectors.dialects import Dialect, Mixed, dialect_of
from voipsms.connectors.dialects.select import Select
from voipsms.connectors.named import samples
from voipsms.connectors.named import values as values
from voipsms.connectors.pieces import Literal, Misplaced, Piece, Value, flat, names_of, spread
from voipsms.connectors.places import Scanner, Unwritable
from voipsms.connectors.request_url import check_host, settled, without_userinfo
from voipsms.connectors.sandbox import BadExpression, compile_jinja
from voipsms.connectors.sandbox import Render as Render
from voipsms.connectors.template_files import NO_FILES, TemplateFile, TemplateFiles
from voipsms.connectors.template_files import template_files as template_files
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Message, Part

T = TypeVar("T")
Read = Callable[[str, int], T]

# -- compiling ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text. `names`: what it needs; `selects`: whose results it needs by their names."""

    render: Render
    names: frozenset[str]
    selects: tuple[Select, ...] = ()

    def __call__(self, named: Mapping[str, object]) -> str:
        """Raises Unwritable where a value can't stand in its place."""
        if "targets" in self.names and "targets" not in named:
            named = {**named, "targets": (named["tonum"],)}
        return self.render(named)


def _compiled(pieces: Sequence[Piece], place: Scanner, selects: Sequence[Select] = ()) -> Template:
    source, _ = places.jinja(pieces, place)
    try:
        return Template(compile_jinja(source), names_of(pieces), tuple(selects))
    except BadExpression as error:
        raise Misplaced(0, str(error)) from error


def compile_value(
    section: str,
    key: str,
    text: str,
    scanner: Scanner = places.plain,
    *,
    dialect: str = "auto",
    extra: Sequence[str] = (),
) -> Template:
    """A template of one text that is no HTTP request: a program's argument, a subject, the user of a URI.

    `extra`: names beside those of `values`, in lower case. Raises ConfigError with the place of what is wrong.
    """
    try:
        pieces, selects = dialect_of([text], dialect)(text, 0, extra)
        return _compiled(pieces, scanner, selects)
    except Misplaced as error:
        raise ConfigError(f"[{section}] {key}: character {error.at + 1}: {error}") from error
    except Mixed as error:
        raise ConfigError(f"[{section}] {key}: {error}") from error


# -- requests -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
                      "expect", "accept-encoding"})  # fmt: skip
_HEADERS = re.compile(
    r"(?:\{\{.*?\}\}|\{%.*?%\}|\{SELECT\b.*?\}|[^|\n])+",
    re.IGNORECASE,  # a | between braces is their own
)
_DEFAULTS = (("Accept", "*/*"), ("User-Agent", f"voipsms/{__version__}"), ("Accept-Encoding", "identity"))


class RequestTemplate:
    """smsurl, smssenddata and smssendheader of one gateway; with `verify` smsverifyurl and smssenddataverify.

    Raises ConfigError with the place of what is wrong.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        gateway_id: GatewayId | None = None,
        files: TemplateFiles = NO_FILES,
        verify: bool = False,
    ) -> None:
        self._settings, self._gateway_id, self._verify = settings, gateway_id, verify
        self._extra = ("messageid",) if verify else ()
        self._several = settings.smsbatch > 1 and not verify
        self._headers: list[tuple[str, Template]] = []
        self._fixed: list[tuple[str, str]] = []
        url_key, data_key = ("smsverifyurl", "smssenddataverify") if verify else ("smsurl", "smssenddata")
        url = getattr(settings, url_key)
        data, data_key = self._data(getattr(settings, data_key), data_key, files.data)
        header, header_key = _told(settings.smssendheader, "smssendheader", files.header)
        self._dialect = self._chosen((url, data, header))
        for found in _HEADERS.finditer(header):
            self._within(header_key, self._read_header, found[0], found.start())
        self._url = self._within(url_key, self._read_url, url)
        self._body = self._within(data_key, self._read_body, data) if data else None
        self._add_missing(_DEFAULTS)
        self._static = tuple(self._fixed)
        self.method = self._method()
        self._settle()

    def _settle(self) -> None:
        whole = [self._url, *(template for _, template in self._headers), *([self._body] if self._body else [])]
        self.names: frozenset[str] = frozenset().union(*(template.names for template in whole))
        found = {select.name: select for template in whole for select in template.selects}
        self.selects: tuple[Select, ...] = tuple(found.values())
        self.per_part = "udh" in self.names and not self._verify

    # -- at a message ---------------------------------------------------------------------------------------------

    def named(
        self, message: Message, *, counter: int = 0, part: Part | None = None, messageid: str = ""
    ) -> dict[str, str]:
        """What the template's names stand for, but for the results of `selects`, which have to be added."""
        named = values(message, gateway=self._settings, gateway_id=self._gateway_id, counter=counter, part=part)
        if self._verify:
            named["messageid"] = messageid
        return named

    def render(
        self,
        message: Message,
        *,
        counter: int = 0,
        part: Part | None = None,
        messageid: str = "",
        targets: Sequence[str] = (),
        selected: Mapping[str, str] | None = None,
    ) -> Request:
        """`selected`: what each of `selects` found, by its name. Raises Unwritable as `render_values`."""
        named = self.named(message, counter=counter, part=part, messageid=messageid)
        return self.render_values({**named, **selected} if selected else named, targets)

    def render_values(self, named: Mapping[str, str], targets: Sequence[str] = ()) -> Request:
        """`targets`: who gets the message; none: `tonum` alone. Raises Unwritable where a value can't stand in its
        place, or the template has none for the octets of a binary message."""
        self._check_binary(named)
        known = {**named, "targets": tuple(targets) or (named["tonum"],)}
        headers = self._static
        if self._headers:
            headers += tuple((name, template.render(known)) for name, template in self._headers)
        body = self._body.render(known).encode("utf-8", "replace") if self._body else None
        return Request(self.method, self._url.render(known), headers, b"" if body is None and self._posts else body)

    @property
    def _posts(self) -> bool:
        return self.method != "GET"

    def _check_binary(self, named: Mapping[str, str]) -> None:
        if self._verify:
            return
        if named.get("octets") and "octets" not in self.names:
            raise Unwritable("the template has no place for a binary message")
        if named.get("udh") and "udh" not in self.names:
            raise Unwritable("the template has no place for a user data header")

    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        parts = urlsplit(self._url(next(samples(self._url.names, False))))
        return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    # -- at the load ----------------------------------------------------------------------------------------------

    def _method(self) -> str:
        chosen = "auto" if self._verify else self._settings.smsmethod
        if chosen == "auto":
            return "POST" if self._body else "GET"
        return chosen.upper()

    def _data(self, told: str, key: str, file: TemplateFile | None) -> tuple[str, str]:
        if self._verify:
            return told, key
        if self._settings.smsmethod == "get":
            if told:
                raise ConfigError(f"[{self._settings.section}] {key}: is not sent where smsmethod = get")
            return "", key
        return _told(told, key, file)

    def _chosen(self, texts: Sequence[str]) -> Dialect:
        try:
            return dialect_of(texts, self._settings.smsdialect)
        except Mixed as error:
            raise ConfigError(f"[{self._settings.section}] smsdialect: {error}") from error

    def _within(self, key: str, read: Read[T], text: str, at: int = 0) -> T:
        try:
            return read(text, at)
        except Misplaced as error:
            raise ConfigError(f"[{self._settings.section}] {key}: character {error.at + 1}: {error}") from error

    def _pieces(self, text: str, at: int) -> tuple[list[Piece], list[Select]]:
        pieces, selects = self._dialect(text, at, self._extra)
        for piece in flat(pieces) if self._several else ():
            if isinstance(piece, Value) and any(s.name in piece.names and "tonum" in s.names for s in selects):
                raise Misplaced(piece.at, "[tonum] in a SELECT is one number: smsbatch must be 1")
        return pieces, selects

    def _compile(self, pieces: Sequence[Piece], place: Scanner, selects: Sequence[Select]) -> Template:
        if self._several:
            pieces = spread(pieces, self._settings.smsbatchseparator)
        return _compiled(pieces, place, selects)

    def _add_missing(self, headers: tuple[tuple[str, str], ...]) -> None:
        present = {name.lower() for name, _ in (*self._fixed, *self._headers)}
        self._fixed += [(name, value) for name, value in headers if name.lower() not in present]

    def _read_header(self, text: str, at: int) -> None:
        name, colon, value = text.partition(":")
        if not text.strip():
            return
        if not colon or not _HEADER_NAME.fullmatch(name.strip()):
            raise Misplaced(at, "must be `Name: value`, several by |")
        if name.strip().lower() in _FRAMING:
            raise Misplaced(at, f"{name.strip()} is set by the connector itself")
        pieces, selects = self._pieces(value.strip(), at + len(text) - len(value.lstrip()))
        template = self._compile(pieces, places.header, selects)
        literals = [piece.text for piece in pieces if isinstance(piece, Literal)]
        if len(literals) == len(pieces):
            self._fixed.append((name.strip(), "".join(literals)))
        else:
            self._headers.append((name.strip(), template))

    def _read_url(self, text: str, at: int) -> Template:
        pieces, selects = self._pieces(text, at)
        pieces, credentials = without_userinfo(settled(pieces, self._settings))
        if credentials:
            self._add_missing((("Authorization", credentials),))
        template = self._compile(pieces, places.url, selects)
        check_host(template(next(samples(template.names, False))))
        return template

    def _read_body(self, text: str, at: int) -> Template:
        pieces, selects = self._pieces(text, at)
        shape = "".join(piece.text if isinstance(piece, Literal) else "x" for piece in pieces)
        kind = kind_of(next((value for name, value in self._fixed if name.lower() == "content-type"), None), shape)
        template = self._compile(pieces, kind.scanner, selects)
        self._check_samples(template, kind)
        self._add_missing((("Content-Type", kind.content_type),))
        return template

    def _check_samples(self, template: Template, kind: Kind) -> None:
        for sample in samples(template.names, self._several):
            check_shape(kind, template.render(sample))


def _told(setting: str, key: str, file: TemplateFile | None) -> tuple[str, str]:
    """A setting, or else a file's text, and what a fault of it is said to be in."""
    if setting or file is None:
        return setting, key
    return file.text, f"{key} ({file.name})"
