"""IceWarp's dialect (seeds/003, "HTTP SMS Service Setup"): `%number%`, `%udh;len;hex%`, `%condition;isascii;value=…%`.

Where that document is silent, docs/templates.md says what we do. Modifiers work in one order wherever they stand, since
it writes both `;len;hex` and `;hex;len` for the same: prefix, character set, length, encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from voipsms.connectors.dialects.names import nearest
from voipsms.connectors.dialects.select import Select
from voipsms.connectors.pieces import Branch, Literal, Misplaced, Piece, Value


@dataclass(frozen=True, slots=True)
class _Variable:
    """An expression, what it needs, whether it may give octets, and whether its encoding is that of the message."""

    expression: str
    names: tuple[str, ...] = ()
    octets: bool = False
    of_message: bool = False
    number: bool = False


_DATA: Final = _Variable("message|payload(octets)", ("message", "octets"), octets=True, of_message=True)
VARIABLES: Final = {
    "number": _Variable("tonum|e164", ("tonum",)),
    "data": _DATA,
    "body": _DATA,
    "udh": _Variable("udh|header_octets", ("udh",), octets=True),
    "binary": _Variable("'1' if binary else '0'", ("binary",), number=True),
    "pid": _Variable("'0'", number=True),
    "dcs": _Variable("dcs", ("dcs",), number=True),
    "sender": _Variable("fromnum", ("fromnum",)),
    "sender_phonealias": _Variable("fromnum|e164", ("fromnum",)),
    "parts": _Variable("parts", ("parts",), number=True),
    "msgid": _Variable("smsid", ("smsid",), number=True),
    "condition": _Variable("''", of_message=True),
}
_BY_MESSAGE: Final = {"isunicode": "unicode", "isascii": "not unicode", "isbinary": "binary"}
_BY_VALUE: Final = {
    "isunicode": "not (({})|in_ascii)", "isascii": "({})|in_ascii", "isbinary": "({})|is_octets",
}  # fmt: skip
_ENCODERS: Final = {"hex": "hex", "b64": "b64"}
_WITH_VALUE: Final = frozenset({"value", "charset", "interprefix"})
MODIFIERS: Final = (*_BY_MESSAGE, *_ENCODERS, "unicode", "len", "value=", "charset=", "interprefix=")
MOST_ENCODERS: Final = 4  # each makes the text longer

_MARK = re.compile(r"%([A-Za-z_]+)\s*(;[^%]*)?%")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")
MARKS = re.compile(rf"%(?:{'|'.join((*VARIABLES, 'messageid'))})\s*[;%]", re.IGNORECASE)


@dataclass(slots=True)
class _Chain:
    """The modifiers of one variable."""

    conditions: list[str] = field(default_factory=list)
    encoders: list[str] = field(default_factory=list)
    added: list[Literal] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # unicode, len, charset, interprefix

    def read(self, word: str, at: int) -> None:
        name, equals, text = word.partition("=")
        name = re.sub(r"\s", "", name).lower()
        if name + equals not in MODIFIERS:
            raise Misplaced(at, f"unknown modifier ;{name}; did you mean ;{nearest(name + equals, MODIFIERS)}?")
        if name in _BY_MESSAGE:
            self.conditions.append(name)
        elif name in _ENCODERS:
            self.encoders.append(name)
        elif name == "value":
            self.added.append(Literal(text, at + len(word) - len(text)))
        else:
            self.texts[name] = text
        if len(self.encoders) > MOST_ENCODERS:
            raise Misplaced(at, f"more than {MOST_ENCODERS} encodings of one value")

    def expression(self, variable: _Variable, at: int) -> tuple[str, bool]:
        """The whole chain, and whether it gives octets."""
        source = f"({variable.expression})"
        if "interprefix" in self.texts:
            source += f"|interprefix({self.texts['interprefix']!a})"
        encoders = self.encoders or (["hex"] if "unicode" in self.texts else [])
        encode_first = "charset" in self.texts or "len" not in self.texts
        default = "|default_b64" * (variable.octets and not encoders)
        source += default * encode_first + self._coded(at) + "|octets" * bool(encoders)
        if "len" in self.texts:
            source += "|length_octet" + default * (not encode_first)
        source += "".join(f"|{encoder}" for encoder in encoders)
        return source, "charset" in self.texts and not encoders

    def _coded(self, at: int) -> str:
        if "charset" in self.texts:
            return f"|charset({self._charset(at)!a})"
        return "|utf16" if "unicode" in self.texts else ""

    def _charset(self, at: int) -> str:
        name = self.texts["charset"].strip()
        if "unicode" in self.texts:
            raise Misplaced(at, ";unicode and ;charset= are two character sets for one value")
        try:
            "é".encode(name, "replace")
        except (LookupError, UnicodeError, ValueError) as error:
            raise Misplaced(at, f"unknown charset {name!r}") from error
        return name


def _pieces(name: str, modifiers: str, at: int, modifiers_at: int) -> list[Piece]:
    variable, chain = VARIABLES[name], _Chain()
    place = modifiers_at
    for word in modifiers.split(";"):
        if word.strip():
            chain.read(word, place)
        place += len(word) + 1
    source, octets = chain.expression(variable, at)
    number = variable.number and not chain.texts and not chain.encoders
    found: list[Piece] = [*chain.added]
    if name != "condition":
        found.insert(0, Value(source, at, frozenset(variable.names), number, octets))
    if not chain.conditions:
        return found
    table = _BY_MESSAGE if variable.of_message else _BY_VALUE
    condition = " and ".join(f"({table[word].format(variable.expression)})" for word in chain.conditions)
    names = {"unicode", "binary"} if variable.of_message else set(variable.names)
    return [Branch(((condition, tuple(found)),), at, frozenset(names))]


def read(text: str, at: int, extra: Sequence[str]) -> tuple[list[Piece], list[Select]]:
    """Everything but variables is literal, percent-encoded octets too. Raises Misplaced."""
    pieces: list[Piece] = []
    start = end = 0
    while found := _MARK.search(text, end):
        name, place = found[1].lower(), at + found.start()
        if name not in VARIABLES and name not in extra:
            if not _HEX.match(name):
                raise Misplaced(place, f"unknown variable {found[0]}; did you mean %{nearest(name, VARIABLES)}%?")
            end = found.start() + 3
            continue
        pieces.append(Literal(text[start : found.start()], at + start))
        if name in VARIABLES:
            pieces += _pieces(name, found[2] or "", place, at + found.start(2))
        else:
            pieces.append(Value(name, place, frozenset({name}), number=True))
        start = end = found.end()
    pieces.append(Literal(text[start:], at + start))
    return [piece for piece in pieces if not isinstance(piece, Literal) or piece.text], []
