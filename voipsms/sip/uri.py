"""SIP and tel URIs, name-addr and Via values. RFC 3261 §19.1, §20.10, §20.42; RFC 3966."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote as escape
from urllib.parse import unquote as unescape

from voipsms.sip.grammar import SipParseError, params_text, parse_params, quote, unquote
from voipsms.values import Value

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([!#-;=?-~]+)")
_SIP_REST = re.compile(
    r"(?:([^@:]+)(?::([^@]*))?@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?((?:;[^;?]*)*)(?:\?(.*))?"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER_SAFE = "-_.!~*'()&=+$,;?/"  # RFC 3261 §25.1: unreserved and user-unreserved
_PARAM_SAFE = "-_.!~*'()[]/:&+$"

NO_PARAMS: Mapping[str, str] = {}


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if int(text) > 65535:
        raise SipParseError("Port out of range")
    return int(text)


def _pairs(text: str, separator: str) -> dict[str, str]:
    """URI parameters or headers: escaped, never quoted."""
    found: dict[str, str] = {}
    for piece in text.split(separator):
        name, _, value = piece.partition("=")
        name = unescape(name).lower()
        if not name or name in found:
            raise SipParseError("Repeated or nameless URI parameter")
        found[name] = unescape(value)
    return found


class Uri(Value, frozen=True):
    """`user`, `password`, parameters and headers are unescaped; a flag parameter's value is "".

    Of schemes other than sip and sips, `user` is all that stands before the parameters and `host` is "".
    An IPv6 host has no brackets.
    """

    scheme: str
    user: str
    host: str = ""
    port: int | None = None
    params: Mapping[str, str] = NO_PARAMS
    headers: Mapping[str, str] = NO_PARAMS
    password: str | None = None

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Raises SipParseError."""
        match = _SCHEME.fullmatch(text)
        if match is None:
            raise SipParseError("Malformed URI")
        scheme, rest = match[1].lower(), match[2]
        if "%" in rest and _BAD_ESCAPE.search(rest):
            raise SipParseError("Malformed escape in a URI")
        if scheme not in ("sip", "sips"):
            user, semicolon, params = rest.partition(";")
            return cls(scheme, unescape(user), params=_pairs(params, ";") if semicolon else NO_PARAMS)
        parts = _SIP_REST.fullmatch(rest)
        if parts is None:
            raise SipParseError("Malformed SIP URI")
        user, password, host, port, params, headers = parts.groups()
        return cls(
            scheme,
            unescape(user) if user else "",
            host.strip("[]").lower(),
            _port(port),
            _pairs(params[1:], ";") if params else NO_PARAMS,
            _pairs(headers, "&") if headers else NO_PARAMS,
            unescape(password) if password is not None else None,
        )

    def __str__(self) -> str:
        text = f"{self.scheme}:{escape(self.user, _USER_SAFE)}"
        if self.host:
            password = "" if self.password is None else ":" + escape(self.password, "-_.!~*'()&=+$,")
            at = f"{password}@" if self.user else ""
            text += at + host_text(self.host, self.port)
        for name, value in self.params.items():
            text += f";{escape(name, _PARAM_SAFE)}" + (f"={escape(value, _PARAM_SAFE)}" if value else "")
        pairs = [f"{escape(n, _PARAM_SAFE[:-3])}={escape(v, _PARAM_SAFE[:-3])}" for n, v in self.headers.items()]
        return text + ("?" + "&".join(pairs) if pairs else "")


def host_text(host: str, port: int | None) -> str:
    """`host:port` as URIs and Via have it: an IPv6 address in brackets."""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


_PLAIN_ADDR = re.compile(r"<([^<>\"\s]+)>(;[^\"]*)?")
_NAME_ADDR = re.compile(r'(?:("[^"\\]*(?:\\.[^"\\]*)*")\s*|([^<>";,:]*))<([^<>"\s]+)>\s*(;.*)?', re.DOTALL)
_ADDR_SPEC = re.compile(r"([^\s<>\",;?]+)\s*(;.*)?", re.DOTALL)


def address_parts(text: str) -> tuple[str, str, str]:
    """A name-addr's or addr-spec's display name, URI and header parameters, the last two unread.

    Raises SipParseError.
    """
    if plain := _PLAIN_ADDR.fullmatch(text):  # mostly; whatever the next pattern takes besides is dearer
        return "", plain[1], plain[2] or ""
    text = text.strip()  # not left to the pattern: two runs of blanks in a row would take quadratic time
    match = _NAME_ADDR.fullmatch(text)
    if match is not None:
        quoted, words, uri, params = match.groups("")
        return unquote(quoted) if quoted else words.strip(), uri, params
    # RFC 3261 §20.10: without brackets all parameters are the header's, and `?` can't occur.
    match = _ADDR_SPEC.fullmatch(text)
    if match is None:
        raise SipParseError("Malformed address")
    uri, params = match.groups("")
    return "", uri, params


class NameAddr(Value, frozen=True):
    """A From, To, Contact or P-Asserted-Identity value: `"display" <uri>;params`."""

    display: str
    uri: Uri
    params: Mapping[str, str] = NO_PARAMS

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Raises SipParseError."""
        display, uri, params = address_parts(text)
        return cls(display, Uri.parse(uri), parse_params(params) if params else NO_PARAMS)

    @property
    def tag(self) -> str:
        return self.params.get("tag", "")

    def __str__(self) -> str:
        return f"{quote(self.display)} <{self.uri}>{params_text(self.params)}".removeprefix('"" ')


_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([-.!%*_+`'~0-9A-Za-z]+)\s+"
    r"(\[[0-9A-Fa-f:.]+\]|[-_.0-9A-Za-z]+)(?:\s*:\s*(\d{1,5}))?\s*(;.*)?",
    re.IGNORECASE | re.DOTALL,
)


class Via(Value, frozen=True):
    """One Via value. An IPv6 `host` has no brackets; `transport` is in upper case."""

    transport: str
    host: str
    port: int | None = None
    params: Mapping[str, str] = NO_PARAMS

    @classmethod
    def parse(cls, text: str) -> Via:
        """Raises SipParseError."""
        match = _VIA.fullmatch(text)
        if match is None:
            raise SipParseError("Malformed Via")
        transport, host, port, params = match.groups()
        return cls(transport.upper(), host.strip("[]"), _port(port), parse_params(params) if params else NO_PARAMS)

    @property
    def branch(self) -> str:
        return self.params.get("branch", "")

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {host_text(self.host, self.port)}{params_text(self.params)}"
