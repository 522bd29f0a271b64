"""The pieces that SIP's headers share: quoted strings, comma lists, parameters. RFC 3261 §25.1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from voipsms.errors import ProtocolError

if TYPE_CHECKING:
    from voipsms.sip.message import Request

TOKEN = re.compile(r"[-.!%*_+`'~0-9A-Za-z]+")
_ATOM = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|<[^<>]*>|[,;]|[^"<,;]+', re.DOTALL)
_QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class SipParseError(ProtocolError):
    """Not SIP as RFC 3261 has it. The text is the reason phrase that the peer may see.

    `request` holds as much as could be read where that is enough to answer with `status`; else it is None.
    """

    status = 400

    def __init__(self, reason: str, request: Request | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.request = request
        if status is not None:
            self.status = status


class TooBig(SipParseError):
    """A message beyond the bounds that were set; its rest can't be skipped safely."""

    status = 413


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The value of a token or a quoted string. Raises SipParseError."""
    if not text.startswith('"'):
        return text
    if not _QUOTED.fullmatch(text):
        raise SipParseError("Unbalanced quotes")
    inner = text[1:-1]
    return _ESCAPE.sub(r"\1", inner) if "\\" in inner else inner


def split_values(text: str, separator: str = ",") -> list[str]:
    """The values between separators that stand outside quotes and angle brackets; empty ones dropped.

    Raises SipParseError where quotes or brackets are not balanced.
    """
    if '"' not in text and "<" not in text:
        return [piece for piece in (piece.strip() for piece in text.split(separator)) if piece]
    pieces, start, position = [], 0, 0
    for atom in _ATOM.finditer(text):
        if atom.start() != position:
            break
        position = atom.end()
        if atom[0] == separator:
            pieces.append(text[start : position - 1])
            start = position
    if position != len(text):
        raise SipParseError("Unbalanced quotes or brackets")
    pieces.append(text[start:])
    return [piece for piece in (piece.strip() for piece in pieces) if piece]


def parse_params(text: str, separator: str = ";") -> dict[str, str]:
    """`;name=value;flag` → names in lower case with unquoted values, "" for a flag. Raises SipParseError."""
    found: dict[str, str] = {}
    for piece in split_values(text, separator):
        name, _, value = piece.partition("=")
        name = name.strip().lower()
        if name in found or not name:
            raise SipParseError("Repeated or nameless parameter")
        value = value.strip()
        found[name] = unquote(value) if value.startswith('"') else value
    return found


def params_text(params: Mapping[str, str]) -> str:
    """The inverse of parse_params; what is not a token or host goes into quotes."""
    return "".join(f";{name}={_param_value(value)}" if value else f";{name}" for name, value in params.items())


_PLAIN = re.compile(r"[-.!%*_+`'~0-9A-Za-z\[\]:/@$&]+")


def _param_value(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote(value)
