"""What a log may show: the length of a text, the ends of a number, never a password."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

HIDDEN = "***"

# Names whose values are secrets in somebody's API, whatever their case and their separators.
_SECRET = (
    r"[\w.-]*(?:pass|pwd|secret|token|auth|credential|hash|salt|md5|cookie)[\w.-]*"
    r"|[\w.-]*(?:key|signature|session_?id)|p|pw|pin|api_?id"
)
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_PAIR = re.compile(rf"(?<![\w.-])({_SECRET})=([^&\s;\"'<>]+)", re.IGNORECASE)
_JSON = re.compile(rf'"({_SECRET})"(\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s",\]}}]+)', re.IGNORECASE)
_XML = re.compile(rf"<((?:[\w.-]+:)?(?:{_SECRET}))((?:\s[^<>]*)?)>[^<]*(?=<)", re.IGNORECASE)
_QUOTED = re.compile(rf"(?<![\w.-])({_SECRET})(\s*=\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
# A path segment that nobody would choose by hand: at least 16 characters, letters and digits mixed.
_OPAQUE = re.compile(r"/(?=[^/?#]*[0-9])(?=[^/?#]*[A-Za-z])[\w.:~-]{16,}(?=[/?#]|$)")
_SHOWN_HEADERS = frozenset({"accept", "content-type", "content-length", "user-agent", "host", "retry-after"})


def mask_text(text: str) -> str:
    """`*** (42)`: how long it is, not what it says."""
    return f"{HIDDEN} ({len(text)})"


def mask_number(number: str) -> str:
    """Country and area stay to read, and the last two digits; a sender of letters or a short code stays whole."""
    if len(number) < 7 or not any(map(str.isdecimal, number)):
        return number
    return number[:4] + "*" * (len(number) - 6) + number[-2:]


def mask_url(url: str) -> str:
    """The URL without its userinfo, the values of secret parameters, and keys that stand in its path."""
    head, question, query = url.partition("?")
    authority = urlsplit(head).netloc
    userinfo, at, _ = authority.rpartition("@")
    if at:
        head = head.replace(userinfo + at, HIDDEN + at, 1)
    return _OPAQUE.sub("/" + HIDDEN, head) + question + _PAIR.sub(rf"\1={HIDDEN}", query)


def mask_body(body: str) -> str:
    """A form, JSON, XML or plain body without the values of secret names."""
    body = _JSON.sub(rf'"\1"\2"{HIDDEN}"', body)
    body = _QUOTED.sub(rf'\1\2"{HIDDEN}"', body)
    body = _XML.sub(rf"<\1\2>{HIDDEN}", body)
    return _PAIR.sub(rf"\1={HIDDEN}", body)


def mask_headers(headers: Iterable[tuple[str, str]]) -> str:
    """`Name: value` lines; a value is shown only where its header never carries a secret."""
    return "\r\n".join(f"{name}: {value if name.lower() in _SHOWN_HEADERS else HIDDEN}" for name, value in headers)


def is_secret(name: str) -> bool:
    """Whether a field of this name never belongs into a log."""
    return _SECRET_NAME.fullmatch(name) is not None
