"""A provider's request taken apart, and the readings that every format shares.

Values stay octets: which characters they are is for the format to say, and not always UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import unquote_to_bytes

from voipsms.errors import ProtocolError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId
from voipsms.settings import GlobalSettings
from voipsms.values import Value

MOST_PARAMETERS: Final = 100
LONGEST_NUMBER: Final = 20  # characters, SMPP 3.4 §5.2.8
LONGEST_ID: Final = 64
LONGEST_TEXT: Final = 16_000  # characters: what MySQL's TEXT holds of any, and a hundred parts

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_NUMBER: Final = re.compile(r"\+?[0-9]+", re.ASCII)
_ID: Final = re.compile(r"[\x21-\x7e]+")


class NotTaken(ProtocolError):
    """A request of a provider is not taken, and nothing of it is stored; the text is one line for the provider."""

    status: ClassVar[int]


class Malformed(NotTaken):
    """Not what the format asks for."""

    status = 400


class Unsupported(Malformed):
    """A body of a kind that no format has."""

    status = 415


class Origin(Value, frozen=True):
    """The gateway that a request is for, and what the operator says of it."""

    gateway_id: GatewayId
    gateway: GatewaySettings
    sms: GlobalSettings


class Call(Value, frozen=True):
    """Parameters by their names in lower case, and the whole request as one text (query, then body).

    `unicode`: their values are UTF-8, whatever character set they name, since JSON or XML had them.
    """

    parameters: Mapping[str, tuple[bytes, ...]]
    whole: str = ""
    body: bytes = b""  # where it is no form
    unicode: bool = False

    def octets(self, *names: str) -> bytes | None:
        """The value of the first of these that is there; None: none is. Raises Malformed where it is given twice."""
        for name in names:
            values = self.parameters.get(name.lower(), ())
            if len(values) > 1:
                raise Malformed(f"{name} is given twice")
            if values:
                return values[0]
        return None

    def needed(self, *names: str) -> bytes:
        """As `octets`. Raises Malformed where there is none, too."""
        value = self.octets(*names)
        if value is None:
            raise Malformed(f"{names[0]} is missing")
        return value

    def word(self, *names: str) -> str:
        """As `octets`, as text without blanks at its ends; empty: there is none."""
        return utf8(self.octets(*names) or b"").strip()


# -- a request's parts --------------------------------------------------------------------------------------------


def read_call(query: bytes, content_type: str, body: bytes) -> Call:
    """Raises Malformed: too many parameters, JSON that is none, or a body of another kind."""
    asked = tuple(_pairs(query))
    kind = content_type.partition(";")[0].strip().lower()
    read = _BODIES.get(kind)
    if read is None:
        if body and not (kind.endswith("xml") or kind.startswith("text/")):
            raise Unsupported(f"a body of {_shown(kind)} is not understood")
        return Call(_gather(asked), _whole(query, utf8(body)), body)
    return read(query, asked, body)


def _read_form(query: bytes, asked: tuple[tuple[str, bytes], ...], body: bytes) -> Call:
    """Some send `data=<?xml …` as it is, not percent-coded, so that it ends at its first & if it is read as a form."""
    if (found := _BARE_XML.match(body)) or body.lstrip()[:1] == b"<":
        xml = body[found.end() :] if found else body
        return Call(_gather(asked), _whole(query, utf8(body)), xml)
    return Call(_gather((*asked, *_pairs(body))), _whole(query, _decoded(body)))


def _read_json(query: bytes, asked: tuple[tuple[str, bytes], ...], body: bytes) -> Call:
    """An object; of its values those that are scalars."""
    try:
        fields = json.loads(body, object_pairs_hook=lambda pairs: pairs) if body else []
    except (ValueError, RecursionError):
        raise Malformed("the body is no JSON") from None
    if not (isinstance(fields, list) and all(isinstance(field, tuple) for field in fields)):
        raise Malformed("the body is no JSON object")
    told = tuple((name, _scalar(value)) for name, value in fields if not isinstance(value, list | None))
    return Call(_gather((*asked, *told)), _whole(query, utf8(body)), unicode=True)


def _scalar(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")


_Read = Callable[[bytes, tuple[tuple[str, bytes], ...], bytes], Call]
_BODIES: Final[dict[str, _Read]] = {"": _read_form, _FORM: _read_form, _JSON: _read_json}
_BARE_XML: Final = re.compile(rb"\s*data=(?=\s*<)", re.IGNORECASE)


def _pairs(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Of a query or a form. Raises Malformed."""
    if text.count(b"&") >= MOST_PARAMETERS:
        raise Malformed(f"more than {MOST_PARAMETERS} parameters")
    for piece in text.strip(b"\r\n").split(b"&"):
        name, equals, value = piece.replace(b"+", b" ").partition(b"=")
        if name or equals:
            yield utf8(unquote_to_bytes(name)), unquote_to_bytes(value)


def _gather(pairs: tuple[tuple[str, bytes], ...]) -> dict[str, tuple[bytes, ...]]:
    if len(pairs) > MOST_PARAMETERS:
        raise Malformed(f"more than {MOST_PARAMETERS} parameters")
    found: dict[str, tuple[bytes, ...]] = {}
    for name, value in pairs:
        found[name.strip().lower()] = (*found.get(name.strip().lower(), ()), value)
    return found


def _decoded(text: bytes) -> str:
    return utf8(unquote_to_bytes(text.replace(b"+", b" ")))


def _whole(query: bytes, body: str) -> str:
    return "\n".join(filter(None, (_decoded(query), body)))


def _shown(word: str) -> str:
    return re.sub(r"[^\w/.+-]", "?", word[:40]) or "no kind"


# -- values -------------------------------------------------------------------------------------------------------


def utf8(octets: bytes) -> str:
    """UTF-8, else ISO-8859-1, of which any octets are."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def number(octets: bytes, name: str) -> str:
    """A number of ours, as it was told. Raises Malformed."""
    found = utf8(octets).strip()
    if not _NUMBER.fullmatch(found) or len(found) > LONGEST_NUMBER:
        raise Malformed(f"{name} must be a number of at most {LONGEST_NUMBER} digits")
    return found


def sender(octets: bytes, name: str) -> str:
    """Who a text is from: a number, or the name that a network sends under. Raises Malformed."""
    found = utf8(octets).strip()
    if not 1 <= len(found) <= LONGEST_NUMBER or not found.isprintable():
        raise Malformed(f"{name} must be a number or name of 1 to {LONGEST_NUMBER} characters")
    return found


def identity(octets: bytes | None, name: str) -> str:
    """A message's id at the provider; empty: it has none. Raises Malformed."""
    found = utf8(octets or b"").strip()
    if found and (len(found) > LONGEST_ID or not _ID.fullmatch(found)):
        raise Malformed(f"{name} must be at most {LONGEST_ID} characters without blanks")
    return found


def bounded(text: str, name: str) -> str:
    """Raises Malformed for more than any phone can send."""
    if len(text) > LONGEST_TEXT:
        raise Malformed(f"{name} has more than {LONGEST_TEXT} characters")
    return text
