"""The numbers of ours that texts from phones come to, and whose each is: plain ones, tagged ranges, shared codes. Pure.

A tagged range `44777123456[0-99]` is a number with up to two further digits: one number, whoever writes to which of
its hundred tags. On a shared number the first or the last word of the text says whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from voipsms.model import Belongs, Msisdn, UserId
from voipsms.sms.numbers import Kind, read_number
from voipsms.values import Value

MOST_DIGITS: Final = 4  # that a tag has
LONGEST_BASE: Final = 15  # E.164
LONGEST_KEYWORD: Final = 32
_TAGGED = re.compile(r"(.+)\[0-(9{1,4})\]")
_NUMBER = re.compile(r"\+?([0-9]{3,19})", re.ASCII)  # with its tag
_AROUND: Final = ".,;:!?\"'()-"  # marks that people put beside a keyword


class Tagged(Value, frozen=True):
    """A number as an operator names it. `digits`: of its tags at the most; 0: it has none."""

    number: Msisdn
    digits: int = 0

    def __str__(self) -> str:
        return f"{self.number}[0-{'9' * self.digits}]" if self.digits else self.number


def read_tagged(raw: str, country: str) -> Tagged | None:
    """`+36201234567`, `1234` or `447771234567[0-999]`; None: neither."""
    found = _TAGGED.fullmatch(raw)
    number = read_number(found[1] if found else raw, country)
    if number.kind in (Kind.NAME, Kind.IMPOSSIBLE) or (found and number.kind is Kind.SHORT):
        return None
    return Tagged(number.digits, len(found[2]) if found else 0)


def fold(word: str) -> str:
    """As keywords are compared: `Fun!`, `fun` and `FUN` are one."""
    return word.strip(_AROUND).casefold()


class Numbers:
    """Those of one account, beside its plain ones: `ranges` by base, and `shared` ones, which have keywords."""

    __slots__ = ("ranges", "shared")

    def __init__(self) -> None:
        self.ranges: dict[str, int] = {}
        self.shared: set[str] = set()

    def own(self, raw: str) -> str:
        """The digits of a number that is one of these; '' : it is none of them."""
        found = _NUMBER.fullmatch(raw.strip())
        if found is None:
            return ""
        number = found[1]
        return number if number in self.shared or _base(self.ranges, number) else ""


NO_NUMBERS: Final = Numbers()


def _base(ranges: dict[str, int], number: str) -> str:
    """The longest base of a range that has this number; '' : none."""
    for tag in range(MOST_DIGITS + 1):
        base = number[: len(number) - tag]
        if ranges.get(base, -1) >= tag:
            return base
    return ""


class NumberBook:
    """Made anew of the rows of the statement `virtual_numbers` whenever they change."""

    def __init__(self, rows: Iterable[tuple[Any, ...]] = ()) -> None:
        self._plain: dict[str, Belongs] = {}
        self._keywords: dict[str, dict[str, Belongs]] = {}
        self._digits: dict[str, int] = {}
        self._ranges: dict[str, Belongs] = {}
        self.of: dict[UserId, Numbers] = {}
        for row in rows:
            self._add(*row)

    def _add(self, number: str, digits: int, keyword: str, user: Any, callback: int) -> None:
        user_id, called = UserId(user), bool(callback)
        if keyword:
            words = self._keywords.setdefault(number, {})
            words[keyword] = Belongs(user_id, number, keyword, called)
            self.of.setdefault(user_id, Numbers()).shared.add(number)
        elif digits:
            self._digits[number] = digits
            self._ranges[number] = Belongs(user_id, str(Tagged(Msisdn(number), digits)), "", called)
            self.of.setdefault(user_id, Numbers()).ranges[number] = digits
        else:
            self._plain[number] = Belongs(user_id, number, "", called)

    def find(self, target: str, text: str) -> Belongs | None:
        """Whose a text to this number is; None: the number is nobody's, or shared and the text has no keyword."""
        target = target.removeprefix("+")  # too long for a phone number, with its tag
        if (words := self._keywords.get(target)) and (found := _by_keyword(words, text)):
            return found
        if found := self._plain.get(target):
            return found
        return self._ranges[base] if self._ranges and (base := _base(self._digits, target)) else None

    def __contains__(self, number: str) -> bool:
        """Whether it is anybody's."""
        return number in self._plain or number in self._keywords or self.owner(number) is not None

    def is_service(self, number: str) -> bool:
        """Whether nobody's phone has it: one of SMS callback, a shared one, or one of a range."""
        plain = self._plain.get(number)
        return number in self._keywords or (plain is not None and plain.callback) or self.owner(number) is not None

    def owner(self, number: str) -> UserId | None:
        """Whose range a number is in."""
        base = _base(self._digits, number) if self._ranges else ""
        return self._ranges[base].user_id if base else None


def _by_keyword(words: dict[str, Belongs], text: str) -> Belongs | None:
    """By the first word, else the last."""
    said = text.split(None, 1)
    if not said:
        return None
    return words.get(fold(said[0])) or words.get(fold(text.rsplit(None, 1)[-1]))
