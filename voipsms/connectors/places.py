"""Where a value stands in a request: each place follows the literals of a template and names the escape for a value.

A template arrives here as pieces from whatever dialect it was written in and leaves as Jinja2: literals as string
constants, so nothing in them is Jinja2, and every value behind the escape of its place (escapes.py). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from voipsms.connectors.escapes import Unwritable as Unwritable
from voipsms.connectors.pieces import Branch, Literal, Misplaced, Piece, Value

_WRONG = {
    "%": "must be followed by two hexadecimal digits; % itself is %25",
    "#": "ends what is sent; # itself is %23",
}


def _refuse(piece: Literal, forbidden: re.Pattern[str]) -> None:
    if bad := forbidden.search(piece.text):
        raise Misplaced(piece.at + bad.start(), f"{bad[0]!r} {_WRONG.get(bad[0], 'is not allowed here')}")


def _complete(piece: Literal, half: re.Pattern[str], what: str) -> None:
    """A value must not become the rest of an escape that the literal before it left open."""
    if open_end := half.search(piece.text):
        raise Misplaced(piece.at + open_end.start(), f"a value can't end {what}")


@dataclass(frozen=True, slots=True)
class Place:
    """A text without a shape that a value could change. `half`: the last literal may be a part of a longer mark."""

    half: bool = False

    def after(self, piece: Literal) -> tuple[str, Place]:
        """The literal as it is sent, and the place behind it. Raises Misplaced."""
        return piece.text, self

    def after_value(self) -> Place:
        return replace(self, half=False) if self.half else self

    def escape(self, piece: Value) -> str:
        """The name of the escape for a value here. Raises Misplaced where none can stand."""
        return "as_plain"


Scanner = Place

# -- URLs and forms -----------------------------------------------------------------------------------------------

_URL_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f#]|%(?![0-9A-Fa-f]{2})")
_FORM_FORBIDDEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URL_UNSAFE = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
_AUTHORITY = re.compile(r"https?://[^/?]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Url(Place):
    """Values may stand in the path and in the query, never in the scheme, the userinfo, the host or the port."""

    start: str = ""  # what was read before the path begins
    within: str = ""  # as_path, as_percent; empty: still before the path

    def after(self, piece: Literal) -> tuple[str, Url]:
        _refuse(piece, _URL_FORBIDDEN)
        sent = _URL_UNSAFE.sub(lambda found: quote(found[0], errors="replace"), piece.text)
        start = "" if self.within else self.start + piece.text
        authority = _AUTHORITY.match(start)
        if not self.within and (not authority or authority.end() == len(start)):
            return sent, Url(start=start)
        query = self.within == "as_percent" or "?" in piece.text or "?" in start
        return sent, Url(within="as_percent" if query else "as_path")

    def escape(self, piece: Value) -> str:
        if not self.within:
            raise Misplaced(piece.at, "a value can't stand before the path of the URL")
        return self.within


@dataclass(frozen=True, slots=True)
class Form(Place):
    """application/x-www-form-urlencoded: every value is written in percent encoding of its UTF-8."""

    def after(self, piece: Literal) -> tuple[str, Form]:
        _refuse(piece, _FORM_FORBIDDEN)
        return piece.text, self

    def escape(self, piece: Value) -> str:
        return "as_percent"


# -- texts --------------------------------------------------------------------------------------------------------

_HEADER_FORBIDDEN = re.compile(r"[^\t\x20-\x7e]")
_LINE_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ARGUMENT_FORBIDDEN = re.compile("\0")


@dataclass(frozen=True, slots=True)
class Header(Place):
    """A header's value; RFC 9110 §5.5 leaves no escape in it, so values are percent-encoded there."""

    def after(self, piece: Literal) -> tuple[str, Header]:
        _refuse(piece, _HEADER_FORBIDDEN)
        return piece.text, self

    def escape(self, piece: Value) -> str:
        return "as_header"


@dataclass(frozen=True, slots=True)
class Line(Place):
    """One line of text, such as a subject: what would end it becomes a space."""

    def after(self, piece: Literal) -> tuple[str, Line]:
        _refuse(piece, _LINE_FORBIDDEN)
        return piece.text, self

    def escape(self, piece: Value) -> str:
        return "as_line"


@dataclass(frozen=True, slots=True)
class Argument(Place):
    """One argument of a program. At its very beginning a value's `-` gets a space before it, so that no message is
    taken for an option."""

    begun: bool = field(default=False, compare=False)

    def after(self, piece: Literal) -> tuple[str, Argument]:
        _refuse(piece, _ARGUMENT_FORBIDDEN)
        return piece.text, Argument(begun=self.begun or bool(piece.text))

    def escape(self, piece: Value) -> str:
        return "as_argument" if self.begun else "as_argument_start"


# -- JSON ---------------------------------------------------------------------------------------------------------

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


@dataclass(frozen=True, slots=True)
class Json(Place):
    """Inside quotes a value is a part of that string; outside it is a value of its own."""

    inside: bool = False

    def after(self, piece: Literal) -> tuple[str, Json]:
        inside = _in_string(piece.text, self.inside)
        if inside:
            _complete(piece, _JSON_HALF, "an escape that began before it")
        return piece.text, Json(inside=inside)

    def escape(self, piece: Value) -> str:
        if self.inside:
            return "as_json_string"
        return "as_json_number" if piece.number else "as_json_value"


# -- XML ----------------------------------------------------------------------------------------------------------

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
_XML_ESCAPES = {"text": "as_xml", '"': "as_xml", "'": "as_xml", "CDATA": "as_cdata"}
_XML_HALF = re.compile(r"&[#\w]*\Z")
_XML_HALF_MARKS = {
    "a tag": re.compile(r"<[![CDAT]*-?\Z"), "text": re.compile(r"\]\Z"), "CDATA": re.compile(r"\]\Z"),
    "a comment": re.compile(r"-\Z"), "a declaration": re.compile(r"\?\Z"),
}  # fmt: skip
_XML_DOCTYPE = re.compile(r"<!DOCTYPE")
_XML_MARKS = {place: re.compile("|".join(re.escape(mark) for mark, _ in marks)) for place, marks in _XML_PLACES.items()}


def _xml_place(text: str, place: str) -> str:
    """The place that the document is in after `text`."""
    at = 0
    while found := _XML_MARKS[place].search(text, at):
        place, at = dict(_XML_PLACES[place])[found[0]], found.end()
    return place


@dataclass(frozen=True, slots=True)
class Xml(Place):
    """Values may stand in text, in attributes and in CDATA sections."""

    within: str = "text"

    def after(self, piece: Literal) -> tuple[str, Xml]:
        _refuse(piece, _XML_DOCTYPE)
        _complete(piece, _XML_HALF, "an entity that began before it")
        within = _xml_place(piece.text, self.within)
        half = _XML_HALF_MARKS.get(within)
        return piece.text, Xml(half=bool(half and half.search(piece.text)), within=within)

    def escape(self, piece: Value) -> str:
        if self.within not in _XML_ESCAPES:
            raise Misplaced(piece.at, f"a value can't stand in {self.within} of an XML document")
        return _XML_ESCAPES[self.within]


plain: Final = Place()
line: Final = Line()
argument: Final = Argument()
header: Final = Header()
url: Final = Url()
form: Final = Form()
json_text: Final = Json()
xml: Final = Xml()

# -- pieces as Jinja2 ---------------------------------------------------------------------------------------------

# A last filter of the operator's own that writes as its place would, and with what the value then stands there.
_SAME: Final = {
    ("as_path", "urlencode"): "as_path", ("as_percent", "urlencode"): "as_percent",
    ("as_header", "urlencode"): "as_percent",
    ("as_json_string", "json"): "as_json_string", ("as_json_value", "json"): "as_json_value",
    ("as_xml", "xml"): "as_xml", ("as_cdata", "xml"): "as_cdata",
}  # fmt: skip
_TOKEN68: Final = frozenset({"hex", "ucs2hex", "b64"})  # whose = a header takes as it is, RFC 9110 §11.2
_OCTET_PLACES: Final = frozenset({"as_path", "as_percent"})


def _value(piece: Value, place: Place) -> str:
    escape = place.escape(piece)
    if piece.octets and escape not in _OCTET_PLACES:
        raise Misplaced(piece.at, "octets of another charset can stand in a URL or a form alone; add ;hex or ;b64")
    if same := _SAME.get((escape, piece.filter)):
        return f"{{{{ ({piece.bare})|{same} }}}}"
    if escape == "as_header" and piece.filter in _TOKEN68:
        escape = "as_plain"
    return f"{{{{ ({piece.expression})|{escape} }}}}"


def _enclosed(pieces: Iterable[Piece], place: Place, at: int) -> str:
    """What may be there or not, once or often: the place behind it must be the one before it."""
    source, end = jinja(pieces, place)
    if end != place:
        raise Misplaced(at, "this ends in another place than it began: inside of quotes, a tag, the query, or not")
    return source


def _branch(piece: Branch, place: Place) -> str:
    source = ""
    for condition, arm in piece.arms:
        head = f"{'elif' if source else 'if'} {condition}" if condition else "else"
        source += f"{{% {head} %}}{_enclosed(arm, place, piece.at)}"
    return source + "{% endif %}"


def jinja(pieces: Iterable[Piece], place: Place) -> tuple[str, Place]:
    """The Jinja2 source of a template that begins in `place`, and the place where it ends. Raises Misplaced."""
    source = ""
    for piece in pieces:
        if place.half and not isinstance(piece, Value):
            raise Misplaced(piece.at, "a mark of XML is cut in two here")
        if isinstance(piece, Literal):
            sent, place = place.after(piece)
            source += f"{{{{ {sent!a} }}}}"
        elif isinstance(piece, Value):
            source += _value(piece, place)
            place = place.after_value()
        elif isinstance(piece, Branch):
            source += _branch(piece, place)
        else:
            source += f"{{% for {piece.name} in targets %}}{_enclosed(piece.body, place, piece.at)}{{% endfor %}}"
    return source, place
