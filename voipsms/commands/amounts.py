"""Amounts of money on the command line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation

from voipsms.model import Micros
from voipsms.money import micros

LARGEST = Micros(10**18)  # what a 64-bit balance holds with room to spare


def amount(text: str) -> Micros:
    """`10.00`, `+5`, `-0.05`."""
    try:
        value = micros(Decimal(text))
    except (InvalidOperation, ValueError):
        raise ArgumentTypeError(f"{text!r} is no amount such as 10.00") from None
    if abs(value) > LARGEST:
        raise ArgumentTypeError(f"{text!r} is more than an account can hold")
    return value


def limit(text: str) -> Micros:
    value = amount(text)
    if value < 0:
        raise ArgumentTypeError("a limit is not negative")
    return value
