"""What kind of body a template makes: a form, JSON, XML or plain text, and what that means for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from voipsms.connectors import places
from voipsms.connectors.pieces import Misplaced
from voipsms.connectors.places import Scanner


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
    """By the Content-Type where there is one, else by the body's shape. `body`: its literals, `x` for each value.

    Raises Misplaced for a Content-Type that a template can't have.
    """
    if content_type is None:
        return next((kind for pattern, kind in _BY_SHAPE if pattern.match(body)), TEXT)
    media = content_type.partition(";")[0].strip().lower()
    kind = next((kind for pattern, kind in _BY_TYPE if pattern.fullmatch(media)), TEXT)
    if media.startswith("multipart/"):
        raise Misplaced(0, "a multipart body can't be written as a template")
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", content_type, re.IGNORECASE)
    if charset and not kind.any_charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise Misplaced(0, f"is sent in UTF-8, not in the {charset[1]} that the Content-Type header says")
    return kind


def check_shape(kind: Kind, body: str) -> None:
    """Raises Misplaced where the body is none of its kind."""
    try:
        kind.check(body)
    except (ValueError, RecursionError, ElementTree.ParseError) as error:
        raise Misplaced(0, f"is not a well-formed body of {kind.content_type}: {error}") from error
