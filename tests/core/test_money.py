from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.money import decimal, micros

SHOWN = [
    (0, "0.00"), (50_000, "0.05"), (10_000_000, "10.00"), (1, "0.000001"), (-1_234_567, "-1.234567"),
    (9_950_000, "9.95"), (1_500_000, "1.50"), (10**18, "1000000000000.00"), (-50_000, "-0.05"), (10_001_000, "10.001"),
]  # fmt: skip


@pytest.mark.parametrize("amount, text", SHOWN)
def test_is_shown_without_exponent(amount: int, text: str) -> None:
    assert str(decimal(amount)) == text
    assert micros(Decimal(text)) == amount


@given(st.integers(-(10**18), 10**18))
def test_nothing_is_lost(amount: int) -> None:
    assert micros(decimal(amount)) == amount


@pytest.mark.parametrize("text", ["0.0000001", "NaN", "Infinity", "1e-7"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimal places"):
        micros(Decimal(text))
