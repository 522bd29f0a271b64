"""Axes: round numbers that cover what is shown, and how short they can be written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k"))


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high`, with a line at each of `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """0 at the top, 100 at the bottom."""
        return round(100 * (self.high - value) / (self.high - self.low), 2)


def scale(values: Sequence[float], most: int = 4) -> Scale:
    """Has 0 in it, and all values."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    if low == high:
        high = 1.0
    step = _step((high - low) / most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, tuple(round(n * step, 9) for n in range(first, last + 1)))


def _step(least: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def short(value: float) -> str:
    """1.5k, 20, 0.05, −3M."""
    sign, size = ("−" if value < 0 else ""), abs(value)
    for unit, letter in _UNITS:
        if size >= unit:
            return f"{sign}{size / unit:.4g}{letter}"
    return f"{sign}{size:.4g}"
