"""Where a value stands in a request, and how it is written there so that it can't become anything else.

A template arrives here as pieces (literal text and values) from whatever dialect it was written in; each scanner
follows the literals, finds the place of every value, and names the escape for it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that goes out as it is; `at` is where it begins in the template."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Value:
    """An expression of the compiled form, such as `tonum`; `number`: it may stand for a JSON number."""

    expression: str
    at: int
    number: bool = False


Piece = Literal | Value


@dataclass(frozen=True, slots=True)
class Placed:
    """A value and the name in ESCAPES of how it is written at its place."""

    expression: str
    escape: str


class Misplaced(ValueError):
    """The template can't be used: `at` says where in it."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


class Unwritable(ValueError):
    """This value can't stand in its place under any spelling."""


# -- escapes ------------------------------------------------------------------------------------------------------

_XML_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2
_XML_ODD = re.compile(r"[^ !#$%()*+,\-./0-9:;=?@A-Z\[\]_a-z]")
_XML_ENTITIES = {ord(c): f"&#{ord(c)};" for c in "&<>\"'\t\n\r"}
_JSON_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_HEADER_SAFE = "!#$&'*+.^_`|~:/@"  # RFC 9110 §5.6.2 token characters and three harmless ones


def _percent(value: str) -> str:
    return quote(value, safe="", errors="replace")


def _path(value: str) -> str:
    # RFC 3986 §6.2.2.3: a dot segment is removed on the way even where its dots are written as %2E.
    if value and not value.strip("."):
        raise Unwritable("a text of dots alone can't stand in the path of a URL")
    return quote(value, safe="", errors="replace")


def _json_string(value: str) -> str:
    return encode_basestring_ascii(value)[1:-1]


def _json_number(value: str) -> str:
    return value if _JSON_NUMBER.fullmatch(value) else encode_basestring_ascii(value)


def _xml(value: str) -> str:
    if not _XML_ODD.search(value):
        return value
    clean = _XML_FORBIDDEN.sub("\ufffd", value).translate(_XML_ENTITIES)
    return clean.encode("ascii", "xmlcharrefreplace").decode()  # right in whatever charset the document declares


def _cdata(value: str) -> str:
    return f"]]>{_xml(value)}<![CDATA["


def _header(value: str) -> str:
    return quote(value, safe=_HEADER_SAFE, errors="replace")


def _plain(value: str) -> str:
    return value


_LINE_ENDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _unicode(value: str) -> str:
    """Without half surrogate pairs, which no encoding can write."""
    return value.encode("utf-8", "replace").decode()


def _line(value: str) -> str:
    return _LINE_ENDS.sub(" ", _unicode(value))


def _argument(value: str) -> str:
    return _unicode(value).replace("\0", "\ufffd")


ESCAPES: dict[str, Callable[[str], str]] = {
    "path": _path,
    "percent": _percent,
    "json_string": _json_string,
    "json_number": _json_number,
    "json_value": encode_basestring_ascii,
    "xml": _xml,
    "cdata": _cdata,
    "header": _header,
    "plain": _plain,
    "line": _line,
    "argument": _argument,
}

# -- scanners: pieces in, literal text and placed values out ------------------------------------------------------

Scanned = Iterator[str | Placed]
Scanner = Callable[[Iterable[Piece]], Scanned]

_URL_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f#]|%(?![0-9A-Fa-f]{2})")
_FORM_FORBIDDEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HEADER_FORBIDDEN = re.compile(r"[^\t\x20-\x7e]")
_URL_UNSAFE = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
_AUTHORITY = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_WRONG = {
    "%": "must be followed by two hexadecimal digits; % itself is %25",
    "#": "ends what is sent; # itself is %23",
}


def _refuse(piece: Literal, forbidden: re.Pattern[str]) -> None:
    if bad := forbidden.search(piece.text):
        raise Misplaced(piece.at + bad.start(), f"{bad[0]!r} {_WRONG.get(bad[0], 'is not allowed here')}")


def _complete(piece: Literal, half: re.Pattern[str] | None, what: str) -> None:
    """A value must not become the rest of an escape that the literal before it left open."""
    if half and (open_end := half.search(piece.text)):
        raise Misplaced(piece.at + open_end.start(), f"a value can't end {what}")


def url(pieces: Iterable[Piece]) -> Scanned:
    """Values may stand in the path and in the query, never in the scheme, the userinfo, the host or the port."""
    seen = ""
    for piece in pieces:
        if isinstance(piece, Literal):
            _refuse(piece, _URL_FORBIDDEN)
            seen += piece.text
            yield _URL_UNSAFE.sub(lambda found: quote(found[0]), piece.text)
            continue
        authority = _AUTHORITY.match(seen)
        if not authority or authority.end() == len(seen):
            raise Misplaced(piece.at, "a value can't stand before the path of the URL")
        yield Placed(piece.expression, "percent" if "?" in seen else "path")


def form(pieces: Iterable[Piece]) -> Scanned:
    """application/x-www-form-urlencoded: every value is written in percent encoding of its UTF-8."""
    for piece in pieces:
        if isinstance(piece, Literal):
            _refuse(piece, _FORM_FORBIDDEN)
            yield piece.text
        else:
            yield Placed(piece.expression, "percent")


def plain(pieces: Iterable[Piece]) -> Scanned:
    """A text without a shape that a value could change."""
    for piece in pieces:
        yield piece.text if isinstance(piece, Literal) else Placed(piece.expression, "plain")


def line(pieces: Iterable[Piece]) -> Scanned:
    """One line of text, such as a subject: what would end it becomes a space."""
    for piece in pieces:
        yield piece.text if isinstance(piece, Literal) else Placed(piece.expression, "line")


def argument(pieces: Iterable[Piece]) -> Scanned:
    """One argument of a program."""
    for piece in pieces:
        yield piece.text if isinstance(piece, Literal) else Placed(piece.expression, "argument")


def header(pieces: Iterable[Piece]) -> Scanned:
    """A header's value; RFC 9110 §5.5 leaves no escape in it, so values are percent-encoded there."""
    for piece in pieces:
        if isinstance(piece, Literal):
            _refuse(piece, _HEADER_FORBIDDEN)
            yield piece.text
        else:
            yield Placed(piece.expression, "header")


_JSON_HALF = re.compile(r"(?<!\\)(?:\\\\)*\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_JSON_STRING_END = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)


def _in_string(text: str, inside: bool) -> bool:
    """Whether a JSON string is open after `text`."""
    at = 0
    while True:
        if inside:
            end = _JSON_STRING_END.match(text, at)
            if not end:
                return True
            at, inside = end.end(), False
        at = text.find('"', at) + 1
        if not at:
            return False
        inside = True


def json_text(pieces: Iterable[Piece]) -> Scanned:
    """Inside quotes a value is a part of that string; outside it is a value of its own."""
    inside = False
    for piece in pieces:
        if isinstance(piece, Literal):
            inside = _in_string(piece.text, inside)
            _complete(piece, _JSON_HALF if inside else None, "an escape that began before it")
            yield piece.text
        else:
            bare = "json_number" if piece.number else "json_value"
            yield Placed(piece.expression, "json_string" if inside else bare)


# What ends each place of an XML document, and the places that begin in it, longest mark first.
_XML_PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "text": (("<![CDATA[", "CDATA"), ("<!--", "a comment"), ("<?", "a declaration"), ("<", "a tag")),
    "a tag": ((">", "text"), ('"', '"'), ("'", "'")),
    '"': (('"', "a tag"),),
    "'": (("'", "a tag"),),
    "CDATA": (("]]>", "text"),),
    "a comment": (("-->", "text"),),
    "a declaration": (("?>", "text"),),
}
_XML_ESCAPES = {"text": "xml", '"': "xml", "'": "xml", "CDATA": "cdata"}
_XML_HALF = re.compile(r"&[#\w]*\Z")
_XML_MARKS = {place: re.compile("|".join(re.escape(mark) for mark, _ in marks)) for place, marks in _XML_PLACES.items()}


def _xml_place(text: str, place: str) -> str:
    """The place that the document is in after `text`."""
    at = 0
    while found := _XML_MARKS[place].search(text, at):
        place, at = dict(_XML_PLACES[place])[found[0]], found.end()
    return place


def xml(pieces: Iterable[Piece]) -> Scanned:
    """Values may stand in text, in attributes and in CDATA sections."""
    place = "text"
    for piece in pieces:
        if isinstance(piece, Literal):
            place = _xml_place(piece.text, place)
            _complete(piece, _XML_HALF, "an entity that began before it")
            yield piece.text
        elif place in _XML_ESCAPES:
            yield Placed(piece.expression, _XML_ESCAPES[place])
        else:
            raise Misplaced(piece.at, f"a value can't stand in {place} of an XML document")
