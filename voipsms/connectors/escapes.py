"""How a value is written at its place, so that it can't become anything else. Pure; ESCAPES is for the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any


class Unwritable(ValueError):
    """This value can't stand in its place under any spelling."""


_XML_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2
_XML_ODD = re.compile(r"[^ !#$%()*+,\-./0-9:;=?@A-Z\[\]_a-z]")
_XML_ENTITIES = {ord(c): f"&#{ord(c)};" for c in "&<>\"'\t\n\r"}
_JSON_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_LINE_ENDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986 §2.3
_TOKEN = frozenset(b"!#$&'*+^`|:/@")  # RFC 9110 §5.6.2 token characters, and three harmless ones


def _percent_table(safe: frozenset[int]) -> list[str]:
    return [chr(octet) if octet in safe else f"%{octet:02X}" for octet in range(256)]


_PERCENT = _percent_table(_UNRESERVED)
_HEADER = _percent_table(_UNRESERVED | _TOKEN)


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace")


def percent(value: str | bytes) -> str:
    return "".join([_PERCENT[octet] for octet in _octets(value)])


def _path(value: str | bytes) -> str:
    octets = _octets(value)
    # RFC 3986 §6.2.2.3: a dot segment is removed on the way even where its dots are written as %2E.
    if octets and not octets.strip(b"."):
        raise Unwritable("a text of dots alone can't stand in the path of a URL")
    return percent(octets)


def _header(value: str) -> str:
    return "".join([_HEADER[octet] for octet in _octets(value)])


def json_value(value: str) -> str:
    return encode_basestring_ascii(value)


def _json_string(value: str) -> str:
    return encode_basestring_ascii(value)[1:-1]


def _json_number(value: str) -> str:
    return value if _JSON_NUMBER.fullmatch(value) else encode_basestring_ascii(value)


def xml(value: str) -> str:
    if not _XML_ODD.search(value):
        return value
    clean = _XML_FORBIDDEN.sub("\ufffd", value).translate(_XML_ENTITIES)
    return clean.encode("ascii", "xmlcharrefreplace").decode()  # right in whatever charset the document declares


def _cdata(value: str) -> str:
    return f"]]>{xml(value)}<![CDATA["


def _plain(value: str) -> str:
    return value


def _unicode(value: str) -> str:
    """Without half surrogate pairs, which no encoding can write."""
    return value.encode("utf-8", "replace").decode()


def _line(value: str) -> str:
    return _LINE_ENDS.sub(" ", _unicode(value))


def _argument(value: str) -> str:
    return _unicode(value).replace("\0", "\ufffd")


def _argument_start(value: str) -> str:
    written = _argument(value)
    return " " + written if written.startswith("-") else written


ESCAPES: dict[str, Callable[[Any], str]] = {
    "as_path": _path,
    "as_percent": percent,
    "as_json_string": _json_string,
    "as_json_number": _json_number,
    "as_json_value": json_value,
    "as_xml": xml,
    "as_cdata": _cdata,
    "as_header": _header,
    "as_plain": _plain,
    "as_line": _line,
    "as_argument": _argument,
    "as_argument_start": _argument_start,
}
