"""What one answer says of each recipient of a batch. Pure.

The answer is seen as a tree of pieces: JSON values, XML elements, or lines. A recipient's entry is the biggest piece
that names its number and no other one of the batch; where no number is named at all, a list of as many entries as there
are recipients, each with an id or a refusal, is in their order. What no entry tells is judged by the rest of it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.parsers import expat

from voipsms.connectors.verdict import (
    NO_RULES,
    Facts,
    Outcome,
    Rules,
    Verdict,
    by_rules,
    by_status,
    comment,
    explicit,
    facts,
    find_id,
    guess,
    judge,
)

MOST_PIECES = 10_000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_LINE = re.compile(r"[^\r\n;]*[^\r\n;\s][^\r\n;]*")
_DIGITS = re.compile(r"[0-9]{3,20}")


@dataclass(slots=True)
class Piece:
    """Where a piece of the answer stands. Those of one list have one parent and one name."""

    start: int
    end: int
    parent: int  # index of the piece around it; -1: none
    name: str = ""
    member: bool = False  # of a JSON object: it begins with its key


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of answer: how it falls into pieces, what a piece says when it stands alone, what is left in its place."""

    pieces: Callable[[str], list[Piece]]
    alone: Callable[[Piece, str], str] = lambda piece, text: text
    gap: Callable[[Piece], str] = lambda piece: ""


# -- pieces -------------------------------------------------------------------------------------------------------


def _json_pieces(text: str) -> list[Piece]:
    """Objects with their keys, arrays and scalars. `text` is well-formed JSON."""
    found: list[Piece] = []
    around: list[tuple[int, bool]] = []  # what is open: its index, and whether it is an object
    last = word = ""
    for token in _TOKEN.finditer(text):
        last, word = word, token[0]
        if word == ":":
            found[-1].name, found[-1].member = json.loads(text[found[-1].start : found[-1].end]), True
        elif word in "}]":
            found[around.pop()[0]].end = token.end()
        elif word != ",":
            if last == ":":
                found[-1].end = token.end()  # the value of the key that has just been seen
            else:
                parent, in_object = around[-1] if around else (-1, False)
                name = "" if in_object or parent < 0 else found[parent].name
                found.append(Piece(token.start(), token.end(), parent, name))
            if word in "{[":
                around.append((len(found) - 1, word == "{"))
    return found


def _json_alone(piece: Piece, text: str) -> str:
    if piece.member:
        return f"{{{text}}}"
    if piece.name:
        return f"{{{json.dumps(piece.name)}:{text}}}"
    return str(json.loads(text)) if text.startswith('"') else text


def _xml_pieces(text: str) -> list[Piece]:
    """Elements. `text` is well-formed XML in ASCII."""
    found: list[Piece] = []
    around: list[int] = []
    parser = expat.ParserCreate("utf-8")

    def begin(name: str, _: dict[str, str]) -> None:
        found.append(Piece(parser.CurrentByteIndex, len(text), around[-1] if around else -1, name))
        around.append(len(found) - 1)

    def end(_: str) -> None:
        which, at = around.pop(), parser.CurrentByteIndex
        # Behind an empty element; before the end tag of any other.
        empty = which == len(found) - 1 and text.endswith("/>", 0, at)
        found[which].end = at if empty else text.find(">", at) + 1

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.Parse(text, True)
    return found


def _line_pieces(text: str) -> list[Piece]:
    return [Piece(*line.span(), parent=-1) for line in _LINE.finditer(text)]


_JSON = Shape(_json_pieces, _json_alone, lambda piece: '"":null' if piece.member else "null")
_XML = Shape(_xml_pieces)
_LINES = Shape(_line_pieces)


def _read(text: str) -> tuple[str, Shape]:
    """The answer, in ASCII where it is XML, and its shape."""
    text = text.lstrip("\ufeff").strip()
    try:
        if text[:1] in ("{", "["):
            json.loads(text)
            return text, _JSON
        if text[:1] == "<" and "<!" not in text.replace("<![CDATA[", "").replace("<!--", ""):
            text = text.encode("ascii", "xmlcharrefreplace").decode()
            expat.ParserCreate("utf-8").Parse(text, True)
            return text, _XML
    except (ValueError, RecursionError, expat.ExpatError):
        return text, _LINES
    return text, _LINES


# -- entries ------------------------------------------------------------------------------------------------------


def _named(text: str, targets: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where the answer names a target, which may be written with 00 or + before it."""
    known = set(targets)
    for run in _DIGITS.finditer(text):
        number = run[0] if run[0] in known else run[0].removeprefix("00")
        if number in known:
            yield run.start(), number


def _by_number(pieces: list[Piece], named: list[tuple[int, str]]) -> dict[str, Piece]:
    """For each target the biggest piece that names it alone."""
    places = [at for at, _ in named]
    alone_until = [len(named)] * len(named)  # the first place after this one that names another target
    for this, (one, other) in reversed(list(enumerate(pairwise(named)))):
        alone_until[this] = alone_until[this + 1] if one[1] == other[1] else this + 1
    found: dict[str, Piece] = {}
    for piece in pieces:
        first, after = bisect_left(places, piece.start), bisect_left(places, piece.end)
        if first == after or alone_until[first] < after:
            continue
        target = named[first][1]
        if target not in found or piece.end - piece.start > found[target].end - found[target].start:
            found[target] = piece
    return found


def _in_order(pieces: list[Piece], targets: Sequence[str], tells: Callable[[Piece], bool]) -> dict[str, Piece]:
    """The first list of as many entries as there are targets, all of which say something."""
    lists: dict[tuple[int, str], list[Piece]] = defaultdict(list)
    for piece in pieces:
        lists[piece.parent, piece.name].append(piece)
    for entries in lists.values():
        if len(entries) == len(targets) and all(map(tells, entries)):
            return dict(zip(targets, entries, strict=True))
    return {}


def _without(text: str, entries: Iterable[Piece], gap: Callable[[Piece], str]) -> str:
    rest, at = [], 0
    for piece in sorted(entries, key=lambda piece: piece.start):
        rest += [text[at : piece.start], gap(piece)]
        at = piece.end
    return "".join([*rest, text[at:]])


# -- judging ------------------------------------------------------------------------------------------------------


def _own(status: int, text: str, said: Rules, rest: str, common: Outcome | None) -> Verdict:
    """`rest`, `common`: the answer around the entries, and what it says by name."""
    found = facts(text)
    outcome = by_rules(text, said) or by_rules(rest, said)
    if outcome is None:
        outcome = Outcome.REFUSED if said.success else explicit(found) or common or guess(text, found)
    return Verdict(outcome, _id(text, found, said, outcome), comment(status, text))


def _id(text: str, found: Facts, said: Rules, outcome: Outcome) -> str:
    return find_id(text, found, said) if outcome is Outcome.TAKEN else ""


def judge_each(
    status: int, text: str, targets: Sequence[str], said: Rules = NO_RULES, location: str = ""
) -> list[Verdict]:
    """One verdict a target, which are different numbers. An id that several would share is left out: a receipt for it
    could not be told apart. Raises TooSlow."""
    whole = judge(status, text, said, location)
    if len(targets) == 1:
        return [whole]
    shared = Verdict(whole.outcome, "", whole.comment)
    if by_status(status) is not None:
        return [shared] * len(targets)
    text, shape = _read(text)
    pieces = shape.pieces(text)[:MOST_PIECES]

    def alone(piece: Piece) -> str:
        return shape.alone(piece, text[piece.start : piece.end])

    def tells(piece: Piece) -> bool:
        verdict = judge(status, alone(piece), said)
        return bool(verdict.provider_id) or verdict.outcome is not Outcome.TAKEN

    named = list(_named(text, targets))
    entries = _by_number(pieces, named) if named else _in_order(pieces, targets, tells)
    if not entries:
        return [shared] * len(targets)
    rest = _without(text, entries.values(), shape.gap)
    common = explicit(facts(rest))
    others = judge(status, rest, said)
    return [
        _own(status, alone(entries[target]), said, rest, common)
        if target in entries
        else Verdict(others.outcome, "", shared.comment)
        for target in targets
    ]
