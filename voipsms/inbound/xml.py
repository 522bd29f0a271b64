"""XML and SOAP from outside: the texts of its innermost elements, by name. The only importer of defusedxml.

No DTD, no entities but XML's own five, and neither many nor deeply nested elements.
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from voipsms.inbound.call import Malformed

DEEPEST: Final = 20
MOST_ELEMENTS: Final = 200
LONGEST: Final = 200_000  # octets
_PIECE: Final = 4096  # octets that are read before the limits are looked at

# Clickatell's manual prints its envelope without the blank between two attributes (seeds/000 §11.3.5).
_NO_BLANK: Final = re.compile(rb'"(?=xmlns)')
_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*\sencoding\s*=", re.IGNORECASE)


class _Leaves:
    """expat's events → (name without namespace, in lower case; text) of elements that have no others in them."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bytes]] = []
        self._open: list[str] = []
        self._text: list[str] = []
        self._leaf = False
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._open.append(tag)
        if self._elements > MOST_ELEMENTS or len(self._open) > DEEPEST:
            raise Malformed("XML with too many elements, or too deeply nested")
        self._text, self._leaf = [], True

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        self._open.pop()
        if self._leaf:
            self.found.append((tag.rpartition("}")[2].lower(), "".join(self._text).encode()))
        self._leaf = False

    def close(self) -> None:
        pass


def leaves(octets: bytes) -> dict[str, tuple[bytes, ...]]:
    """Their texts in UTF-8. Raises Malformed: no XML, or hostile."""
    if len(octets) > LONGEST:
        raise Malformed(f"XML of more than {LONGEST} octets")
    octets = octets.strip()
    try:
        found = _parse(octets)
    except ParseError:
        found = _parse_again(_NO_BLANK.sub(b'" ', octets))
    gathered: dict[str, tuple[bytes, ...]] = {}
    for name, text in found:
        gathered[name] = (*gathered.get(name, ()), text)
    return gathered


def _parse_again(octets: bytes) -> list[tuple[str, bytes]]:
    try:
        return _parse(octets)
    except ParseError:
        raise Malformed("this is no XML") from None


def _parse(octets: bytes) -> list[tuple[str, bytes]]:
    """XML that names no encoding and isn't UTF-8 is taken for ISO-8859-1."""
    target = _Leaves()
    parser: Any = DefusedXMLParser(target=target, encoding=_encoding(octets), forbid_dtd=True)
    try:
        for at in range(0, len(octets), _PIECE):
            parser.feed(octets[at : at + _PIECE])
        parser.close()
    except DefusedXmlException:
        raise Malformed("XML with a DTD or entities is not taken") from None
    except (LookupError, ValueError):  # an encoding that expat or Python doesn't have
        raise Malformed("this is no XML of an encoding that is known here") from None
    return target.found


def _encoding(octets: bytes) -> str | None:
    if _ENCODING.match(octets):
        return None
    try:
        octets.decode()
    except UnicodeDecodeError:
        return None if octets[:2] in (b"\xfe\xff", b"\xff\xfe") else "iso-8859-1"
    return None
