"""A template as a dialect read it: literal text, values, branches and loops, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_NO_NAMES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that goes out as it is; `at` is where it begins in the template."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Value:
    """An expression of the compiled form, such as `tonum|e164`, and the names that it needs.

    `number`: it may stand for a JSON number. `octets`: it gives octets, not text. `filter` and `bare`: the operator's
    own last filter, and the expression without it.
    """

    expression: str
    at: int
    names: frozenset[str] = _NO_NAMES
    number: bool = False
    octets: bool = False
    filter: str = ""
    bare: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """The first arm whose condition holds; the condition of an else is empty."""

    arms: tuple[tuple[str, tuple[Piece, ...]], ...]
    at: int
    names: frozenset[str] = _NO_NAMES  # of the conditions


@dataclass(frozen=True, slots=True)
class Loop:
    """The body once for each target, which is `name` in it."""

    name: str
    body: tuple[Piece, ...]
    at: int


Piece = Literal | Value | Branch | Loop


class Misplaced(ValueError):
    """The template can't be used: `at` says where in it."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


def flat(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Every piece, those inside of others too."""
    for piece in pieces:
        yield piece
        if isinstance(piece, Branch):
            for _, arm in piece.arms:
                yield from flat(arm)
        elif isinstance(piece, Loop):
            yield from flat(piece.body)


def names_of(pieces: Iterable[Piece]) -> frozenset[str]:
    """What has to be known before the template can be rendered."""
    found: set[str] = set()
    for piece in flat(pieces):
        if isinstance(piece, Value | Branch):
            found |= piece.names
        elif isinstance(piece, Loop):
            found.add("targets")
    return frozenset(found)


def spread(pieces: Iterable[Piece], separator: str, looping: bool = False) -> tuple[Piece, ...]:
    """The same template for several targets: wherever one number stood, all of them, `separator` between them.

    Raises Misplaced for a number inside of a loop over the targets, which would write each of them for each of them.
    """
    return tuple(_spread(piece, separator, looping) for piece in pieces)


def _spread(piece: Piece, separator: str, looping: bool) -> Piece:
    if isinstance(piece, Branch):
        arms = tuple((condition, spread(arm, separator, looping)) for condition, arm in piece.arms)
        return Branch(arms, piece.at, piece.names)
    if isinstance(piece, Loop):
        return Loop(piece.name, spread(piece.body, separator, True), piece.at)
    if isinstance(piece, Literal) or "tonum" not in piece.names:
        return piece
    if looping:
        raise Misplaced(piece.at, "tonum in a loop over targets; write the loop's own name")
    between = Branch((("not loop.first", (Literal(separator, piece.at),)),), piece.at)
    return Loop("tonum", (between, piece), piece.at)
