"""Amounts of money as words that are recorded one by one. Pure."""

from __future__ import annotations

import string
from decimal import ROUND_DOWN, Decimal
from typing import Final

FIGURES: Final = (*string.digits, "point", "minus", *string.ascii_lowercase)
WORDS: Final = (*map(str, range(10, 21)), *map(str, range(30, 100, 10)), "hundred", "thousand", "million")
_CENTS: Final = Decimal("0.01")
_MOST: Final = 10**9  # from there on figures are said one by one


def number_words(number: int) -> tuple[str, ...]:
    """In English: 342 is `3 hundred 40 2`."""
    if number >= _MOST:
        return tuple(str(number))
    for size, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return (*number_words(number // size), name, *(number_words(rest) if rest else ()))
    if number <= 20 or number % 10 == 0:
        return (str(number),)
    return str(number // 10 * 10), str(number % 10)


def amount_words(amount: Decimal, *, figures: bool = False) -> tuple[str, ...]:
    """To the cent, and never more than there is: 12.349 is `12 point 3 4`. `figures`: each by itself."""
    whole, _, cents = f"{abs(amount).quantize(_CENTS, ROUND_DOWN):f}".partition(".")
    said = tuple(whole) if figures else number_words(int(whole))
    if cents != "00":
        said += ("point", *cents)
    return ("minus", *said) if amount <= -_CENTS else said
