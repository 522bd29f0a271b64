"""The Mizu dialect (seeds/002, "Outbound SMS"): `[tonum]` and its like, and `{SELECT …}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from voipsms.connectors.dialects.names import KEYWORDS, NUMBERS, nearest
from voipsms.connectors.dialects.select import BEGIN, Select, read_select
from voipsms.connectors.pieces import Literal, Misplaced, Piece, Value

_MARK = re.compile(rf"\[(?P<word>[A-Za-z]+)\]|{BEGIN.pattern}", re.IGNORECASE)
_JSON_WORDS: Final = frozenset({"true", "false", "null"})
MARKS = re.compile(rf"\[(?:{'|'.join((*KEYWORDS, 'messageid'))})\]|{BEGIN.pattern}", re.IGNORECASE)


def read(text: str, at: int, extra: Sequence[str]) -> tuple[list[Piece], list[Select]]:
    """Everything but keywords and statements is literal. Raises Misplaced, also for an unknown keyword."""
    known = (*KEYWORDS, *extra)

    def keyword(word: str, place: int) -> str:
        if word.lower() not in known:
            raise Misplaced(place, f"unknown keyword [{word}]; did you mean [{nearest(word, known) or 'message'}]?")
        return word.lower()

    pieces: list[Piece] = []
    selects: list[Select] = []
    start = end = 0  # of what is literal until the next keyword; of the last mark
    while found := _MARK.search(text, end):
        end, place = found.end(), at + found.start()
        if found["word"] and found["word"].lower() in _JSON_WORDS:
            continue
        if found["word"]:
            name = keyword(found["word"], place)
        else:
            select, end = read_select(text, found.start(), at, keyword)
            selects.append(select)
            name = select.name
        pieces.append(Literal(text[start : found.start()], at + start))
        pieces.append(Value(name, place, frozenset({name}), number=name in NUMBERS or not found["word"]))
        start = end
    pieces.append(Literal(text[start:], at + start))
    return [piece for piece in pieces if not isinstance(piece, Literal) or piece.text], selects
