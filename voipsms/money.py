"""Exact money: Decimal at the edges, integer millionths inside."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from voipsms.model import Micros

_MICROS = Decimal(1_000_000)


@lru_cache(maxsize=1000)
def micros(amount: Decimal) -> Micros:
    """Raises ValueError where the amount has more than six decimal places or isn't finite."""
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount of money")
    value = amount * _MICROS
    if value != value.to_integral_value():
        raise ValueError(f"{amount} has more than six decimal places")
    return Micros(int(value))


@lru_cache(maxsize=1000)
def decimal(amount: int) -> Decimal:
    """Without an exponent and without trailing zeros beyond the cents: 0.05, 10.00, -1.234567."""
    value = Decimal(amount) / _MICROS
    cents = value.quantize(Decimal("0.01"))
    return cents if cents == value else value.normalize()
