"""Amounts in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.callback.saying import FIGURES, WORDS, amount_words, number_words

NUMBERS = {
    0: "0", 7: "7", 13: "13", 20: "20", 21: "20 1", 40: "40", 99: "90 9", 100: "1 hundred", 101: "1 hundred 1",
    342: "3 hundred 40 2", 1000: "1 thousand", 1019: "1 thousand 19", 20_300: "20 thousand 3 hundred",
    999_999: "9 hundred 90 9 thousand 9 hundred 90 9", 1_000_001: "1 million 1", 1_000_000_000: "1 0 0 0 0 0 0 0 0 0",
}  # fmt: skip


@pytest.mark.parametrize(("number", "said"), NUMBERS.items(), ids=map(str, NUMBERS))
def test_numbers(number: int, said: str) -> None:
    assert " ".join(number_words(number)) == said


AMOUNTS = (
    ("0", "0", "0"),
    ("12", "12", "1 2"),
    ("12.5", "12 point 5 0", "1 2 point 5 0"),
    ("12.349", "12 point 3 4", "1 2 point 3 4"),
    ("0.009", "0", "0"),
    ("-0.009", "0", "0"),
    ("-3.05", "minus 3 point 0 5", "minus 3 point 0 5"),
    ("145.00", "1 hundred 40 5", "1 4 5"),
)


@pytest.mark.parametrize(("amount", "words", "figures"), AMOUNTS, ids=[row[0] for row in AMOUNTS])
def test_amounts(amount: str, words: str, figures: str) -> None:
    assert " ".join(amount_words(Decimal(amount))) == words
    assert " ".join(amount_words(Decimal(amount), figures=True)) == figures


@given(st.decimals(-(10**13), 10**13, allow_nan=False, places=6))
def test_every_word_is_recorded(amount: Decimal) -> None:
    assert {*amount_words(amount)} <= {*FIGURES, *WORDS}
    assert {*amount_words(amount, figures=True)} <= {*FIGURES}
