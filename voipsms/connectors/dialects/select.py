"""`{SELECT …}`: one read-only statement of the operator's own database, whose first column is a value.

Keywords in it become bound parameters, also where the operator wrote quotes around them, so no value is ever a part
of the statement. What could be more than one reading statement is refused: it would be at the load, once, and not
at a message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from voipsms.connectors.pieces import Misplaced

Parameter = tuple[tuple[bool, str], ...]  # whether it is a name, and the name or the text
Keyword = Callable[[str, int], str]  # a word in brackets and its place → its name; raises Misplaced

LONGEST: Final = 4000  # characters of a statement


@dataclass(frozen=True, slots=True)
class Select:
    """`sql` marks each value by `?`; nowhere else has it one. `name`: under which its result is a value."""

    name: str
    sql: str
    parameters: tuple[Parameter, ...]

    @property
    def names(self) -> frozenset[str]:
        """What `bind` needs."""
        return frozenset(text for parameter in self.parameters for is_name, text in parameter if is_name)

    def bind(self, named: Mapping[str, object]) -> list[str]:
        """A value for each `?`; half surrogate pairs, which no database can keep, become `?`."""
        return [
            "".join(str(named[text]) if is_name else text for is_name, text in parameter)
            .encode("utf-8", "replace").decode()
            for parameter in self.parameters
        ]  # fmt: skip


BEGIN: Final = re.compile(r"\{SELECT\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"""(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?P<name>`[^`]*`)|\[(?P<word>[A-Za-z]+)\]"""
    r"""|(?P<end>\})|(?P<brace>\{)|(?P<bad>;|--|\#|/\*|\*/|\?|\\|\0|:=|['"`])"""
    r"""|(?P<verb>\b(?:INTO|PROCEDURE|FOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE|KEY\s+SHARE)|LOCK\s+IN)\b)""",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\[([A-Za-z]+)\]")
_WHY: Final = {
    ";": "would end the statement: there can be one alone", "?": "stands for a value; write the keyword itself",
    "\\": "means different things to different databases", ":=": "would set a variable", "\0": "is not SQL",
    "'": "begins a string that does not end", '"': "begins a string that does not end",
    "`": "begins a name that does not end",
}  # fmt: skip


def _string(text: str, at: int, keyword: Keyword) -> Parameter:
    """A quoted string as a parameter; its own quotes are written twice in it."""
    quote, inner = text[0], text[1:-1]
    found: list[tuple[bool, str]] = []
    start = 0
    for word in _BRACKETED.finditer(inner):
        found += [(False, inner[start : word.start()].replace(quote * 2, quote)),
                  (True, keyword(word[1], at + 1 + word.start()))]  # fmt: skip
        start = word.end()
    found.append((False, inner[start:].replace(quote * 2, quote)))
    return tuple((is_name, part) for is_name, part in found if part)


def _refused(found: re.Match[str], at: int) -> Misplaced:
    if found["verb"]:
        return Misplaced(at, f"{found[0]} would do more than read")
    if found["brace"]:
        return Misplaced(at, "a brace can stand in a string alone")
    return Misplaced(at, f"{found[0]!r} {_WHY.get(found[0], 'begins a comment, which could hide something')}")


def _tokens(text: str, start: int) -> Iterator[re.Match[str]]:
    """What matters in a statement, its closing brace last where there is one."""
    for found in _TOKEN.finditer(text, start, min(len(text), start + LONGEST)):
        yield found
        if found["end"]:
            return


def read_select(text: str, begin: int, at: int, keyword: Keyword) -> tuple[Select, int]:
    """The statement whose brace is `text[begin]`, and where the text goes on. `at`: the place of the text's beginning.

    Raises Misplaced.
    """
    sql = ""
    parameters: list[Parameter] = []
    last = begin + 1
    for found in _tokens(text, last):
        place = at + found.start()
        sql += text[last : found.start()]
        last = found.end()
        if found["bad"] or found["verb"] or found["brace"]:
            raise _refused(found, place)
        if found["word"]:
            parameters.append(((True, keyword(found["word"], place)),))
            sql += "?"
        elif found["string"] or found["name"]:
            whole = found[0]
            parameter = _string(whole, place, keyword)
            bound = any(is_name for is_name, _ in parameter) or "?" in whole
            _check_quoted(whole, bound, place)
            parameters += [parameter] if bound else []
            sql += "?" if bound else whole
    if text[last - 1] != "}":
        raise Misplaced(at + begin, f"a {{SELECT …}} without its closing brace within {LONGEST} characters")
    sql = sql.strip()
    seed = repr((sql, parameters)).encode()
    return Select(f"select_{hashlib.sha256(seed).hexdigest()[:16]}", sql, tuple(parameters)), last


def _check_quoted(whole: str, bound: bool, place: int) -> None:
    if whole[0] == "`" and bound:
        raise Misplaced(place, "a value can't be the name of a table or a column")
    if "\\" in whole or "\0" in whole:
        raise Misplaced(place, "a backslash or NUL in a string means different things to different databases")
