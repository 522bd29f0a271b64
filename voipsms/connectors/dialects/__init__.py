"""The languages in which an operator may write a template: text in, pieces out, one table row each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from voipsms.connectors.dialects import icewarp, jinja, mizu
from voipsms.connectors.dialects.select import Select
from voipsms.connectors.pieces import Piece

# The text, the place of its beginning and further keywords → its pieces and statements; raises Misplaced.
Dialect = Callable[[str, int, Sequence[str]], tuple[list[Piece], list[Select]]]

DIALECTS: Final[dict[str, Dialect]] = {"mizu": mizu.read, "icewarp": icewarp.read, "jinja": jinja.read}
_MARKS: Final[dict[str, re.Pattern[str]]] = {
    "jinja": jinja.MARKS, "icewarp": icewarp.MARKS, "mizu": mizu.MARKS,
}  # fmt: skip


class Mixed(ValueError):
    """Texts of one template are of several dialects, so that each would take the others' marks for plain text."""


def dialect_of(texts: Iterable[str], chosen: str = "auto") -> Dialect:
    """The dialect of a template, `texts` being all that it consists of. Raises Mixed."""
    if chosen != "auto":
        return DIALECTS[chosen]
    whole = "\n".join(texts)
    marks = {name: found[0] for name, pattern in _MARKS.items() if (found := pattern.search(whole))}
    if len(marks) > 1:
        one, other = list(marks.items())[:2]
        raise Mixed(f"{one[1]} is {one[0]} and {other[1]} is {other[0]}: smsdialect must say which is meant")
    return DIALECTS[next(iter(marks), "mizu")]
