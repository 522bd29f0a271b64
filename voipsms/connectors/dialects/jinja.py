"""Plain Jinja2: `{{ tonum|e164 }}`, `{% if … %}`, `{% for n in targets %}`.

The marks are found here, so that every piece has its place; what stands between them goes through sandbox.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from voipsms.connectors.dialects.names import NAMES, NUMBERS
from voipsms.connectors.dialects.select import Select
from voipsms.connectors.pieces import Branch, Literal, Loop, Misplaced, Piece, Value
from voipsms.connectors.sandbox import BadExpression, Expression, read_condition, read_expression

DEEPEST: Final = 10  # blocks in blocks
MARKS = re.compile(r"\{\{|\{%-?\s*(?:if|for)\b|\{#")
_OPEN = re.compile(r"\{\{-?|\{%-?|\{#-?")
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^"'])*?"""
_CLOSE: Final = {
    "{{": re.compile(rf"({_QUOTED})(-?)\}}\}}", re.DOTALL),
    "{%": re.compile(rf"({_QUOTED})(-?)%\}}", re.DOTALL),
    "{#": re.compile(r"(.*?)(-?)#\}", re.DOTALL),
}
_FOR = re.compile(r"([a-z][a-z0-9_]*)\s+in\s+targets", re.ASCII | re.IGNORECASE)
_RESERVED: Final = frozenset({
    "loop", "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "targets",
})  # fmt: skip


@dataclass(slots=True)
class _Block:
    """What is open: a template, an if or a for, with what was read of it."""

    kind: str
    at: int
    pieces: list[Piece] = field(default_factory=list)
    condition: str = ""
    arms: list[tuple[str, tuple[Piece, ...]]] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    variable: str = ""

    def end_arm(self, following: str) -> None:
        self.arms.append((self.condition, tuple(self.pieces)))
        self.pieces, self.condition = [], following


class _Reader:
    def __init__(self, extra: Sequence[str]) -> None:
        self._known = (*NAMES, *extra)
        self.stack = [_Block("template", 0)]

    def literal(self, text: str, at: int) -> None:
        if text:
            self.stack[-1].pieces.append(Literal(text, at))

    def value(self, text: str, at: int) -> None:
        found = self._expression(read_expression, text, at)
        number = found.is_name and not found.names.isdisjoint({*NUMBERS, self._variable})
        self.stack[-1].pieces.append(
            Value(found.source, at, found.names - {self._variable}, number, filter=found.filter, bare=found.bare)
        )

    def statement(self, text: str, at: int) -> None:
        word, _, rest = text.strip().partition(" ")
        read = _STATEMENTS.get(word)
        if read is None:
            raise Misplaced(at, f"{{% {word} %}} is not allowed; if, elif, else and for over targets are")
        read(self, rest.strip(), at)

    @property
    def _variable(self) -> str:
        return next((block.variable for block in self.stack if block.variable), "")

    def _expression(self, read: Callable[[str, Sequence[str], bool], Expression], text: str, at: int) -> Expression:
        known = (*self._known, self._variable) if self._variable else self._known
        try:
            return read(text, known, bool(self._variable))
        except BadExpression as error:
            raise Misplaced(at, str(error)) from error

    def _open(self, block: _Block) -> None:
        if len(self.stack) > DEEPEST:
            raise Misplaced(block.at, f"more than {DEEPEST} blocks in each other")
        self.stack.append(block)

    def begin_if(self, text: str, at: int) -> None:
        found = self._expression(read_condition, text, at)
        self._open(_Block("if", at, condition=found.source, names=found.names - {self._variable}))

    def next_arm(self, text: str, at: int) -> None:
        block = self.stack[-1]
        if block.kind != "if" or (block.arms and not block.condition):
            raise Misplaced(at, "there is no if that this could belong to")
        found = self._expression(read_condition, text, at) if text else Expression("", frozenset())
        block.end_arm(found.source)
        block.names |= found.names - {self._variable}

    def begin_else(self, text: str, at: int) -> None:
        self._bare(text, at)
        self.next_arm("", at)

    def begin_elif(self, text: str, at: int) -> None:
        self.next_arm(text or " ", at)

    def end_if(self, text: str, at: int) -> None:
        block = self._close("if", text, at)
        block.end_arm("")
        self.stack[-1].pieces.append(Branch(tuple(block.arms), block.at, block.names))

    def begin_for(self, text: str, at: int) -> None:
        found = _FOR.fullmatch(text)
        if not found or self._variable or found[1].lower() in {*self._known, *_RESERVED}:
            raise Misplaced(at, "a for must be {% for n in targets %}, with a name of its own, in no other for")
        self._open(_Block("for", at, variable=found[1]))

    def end_for(self, text: str, at: int) -> None:
        block = self._close("for", text, at)
        self.stack[-1].pieces.append(Loop(block.variable, tuple(block.pieces), block.at))

    def _close(self, kind: str, text: str, at: int) -> _Block:
        self._bare(text, at)
        if self.stack[-1].kind != kind:
            raise Misplaced(at, f"there is no {kind} that this could end")
        return self.stack.pop()

    def _bare(self, text: str, at: int) -> None:
        if text:
            raise Misplaced(at, f"{text!r} is too much here")


_STATEMENTS: Final[dict[str, Callable[[_Reader, str, int], None]]] = {
    "if": _Reader.begin_if, "elif": _Reader.begin_elif, "else": _Reader.begin_else, "endif": _Reader.end_if,
    "for": _Reader.begin_for, "endfor": _Reader.end_for,
}  # fmt: skip


def read(text: str, at: int, extra: Sequence[str]) -> tuple[list[Piece], list[Select]]:
    """`-` inside of a mark strips the white space beside it, as in Jinja2. Raises Misplaced."""
    reader = _Reader(extra)
    start, strip = 0, False
    while opened := _OPEN.search(text, start):
        kind = opened[0][:2]
        closed = _CLOSE[kind].match(text, opened.end())
        if not closed:
            raise Misplaced(at + opened.start(), f"{kind} is not closed")
        _literal(reader, text[start : opened.start()], at + start, strip, opened[0].endswith("-"))
        if kind == "{{":
            reader.value(closed[1], at + opened.start())
        elif kind == "{%":
            reader.statement(closed[1], at + opened.start())
        start, strip = closed.end(), bool(closed[2])
    _literal(reader, text[start:], at + start, strip, False)
    if len(reader.stack) > 1:
        raise Misplaced(at + reader.stack[-1].at, f"this {reader.stack[-1].kind} is not ended")
    return reader.stack[0].pieces, []


def _literal(reader: _Reader, text: str, at: int, left: bool, right: bool) -> None:
    kept = text.lstrip() if left else text
    reader.literal(kept.rstrip() if right else kept, at + len(text) - len(kept))
