"""Parameters of a request: of its query, and of a form or a JSON object in its body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final
from urllib.parse import unquote_to_bytes

from voipsms.errors import ProtocolError

MOST: Final = 100
_CHARSETS: Final = {"": "utf-8", "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "iso-8859-1": "latin-1"}


class BadQuery(ProtocolError):
    """The text is one line for whoever asks."""

    code: ClassVar[str] = "bad_request"

    def __init__(self, text: str, http_status: int = 400) -> None:
        super().__init__(text)
        self.http_status = http_status


def header(scope: Mapping[str, Any], name: bytes) -> str:
    """Of an ASGI request, by its name in lower case; '' where it has none."""
    return next((str(value, "latin-1") for key, value in scope["headers"] if key == name), "")


class Parameters:
    """By their names in lower case; `spellings`: other name → name. Every method raises BadQuery: what is no UTF-8, is
    given twice, is too many."""

    def __init__(self, spellings: Mapping[str, str]) -> None:
        self._spellings = spellings
        self.found: dict[str, str] = {}

    def add_form(self, octets: bytes, charset: str = "utf-8") -> None:
        """Of a query, or a body of application/x-www-form-urlencoded."""
        try:
            for piece in octets.split(b"&"):
                if piece:
                    name, _, value = piece.partition(b"=")
                    self._add(_name(name), _plain(value).decode(charset))
        except UnicodeDecodeError:
            raise BadQuery("a parameter is no UTF-8") from None

    def add_body(self, content_type: str, octets: bytes) -> None:
        kind, _, rest = content_type.partition(";")
        kind = kind.strip().lower()
        if kind == "application/json":
            self._add_json(octets)
        elif kind in ("", "application/x-www-form-urlencoded"):
            self.add_form(octets.strip(b"\r\n"), _charset(rest))
        elif octets:
            raise BadQuery("the body must be a form or JSON", 415)

    def _add_json(self, octets: bytes) -> None:
        try:
            fields: Any = json.loads(octets.decode(), object_pairs_hook=_Pairs)
        except UnicodeDecodeError:
            raise BadQuery("the body is no UTF-8") from None
        except (ValueError, RecursionError):
            raise BadQuery("the body is no JSON") from None
        if not isinstance(fields, _Pairs):
            raise BadQuery("the body is no JSON object")
        for name, value in fields.pairs:
            if value is not None:
                self._add(_sound(name).strip().lower(), _scalar(value))

    def _add(self, name: str, value: str) -> None:
        name = self._spellings.get(name, name)
        if name in self.found:
            raise BadQuery(f"{_shown(name)} is given twice")
        if len(self.found) >= MOST:
            raise BadQuery(f"more than {MOST} parameters")
        self.found[name] = value


class _Pairs:
    """A JSON object with all that it says, names that come twice, too."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self.pairs = pairs


@lru_cache(maxsize=256)
def _name(octets: bytes) -> str:
    return _plain(octets).decode().strip().lower()


def _plain(octets: bytes) -> bytes:
    """A percent sign that codes nothing stands for itself, as in browsers (URL Standard §1.3)."""
    if b"+" in octets:
        octets = octets.replace(b"+", b" ")
    return unquote_to_bytes(octets) if b"%" in octets else octets


def _charset(parameters: str) -> str:
    """Of a Content-Type's parameters."""
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            if (charset := _CHARSETS.get(value.strip(' "'))) is None:
                raise BadQuery("the charset must be UTF-8 or ISO-8859-1", 415)
            return charset
    return "utf-8"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, int | float):
        return str(value)
    raise BadQuery("values in JSON must be strings or numbers")


def _sound(text: str) -> str:
    """JSON may escape halves of surrogate pairs, which are no characters."""
    if not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text):
        raise BadQuery("a parameter is no UTF-8")
    return text


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= 32 else "a parameter"
