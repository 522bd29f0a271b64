"""Sums by key and currency."""

from __future__ import annotations

from decimal import Decimal

import pytest

from voipsms.model import State
from voipsms.reports.figures import COLUMNS, Figures, Tally, figures

STATES = {
    State.DELIVERED: (1, 0),
    State.ENROUTE: (0, 0),
    State.ACCEPTED: (0, 0),
    State.UNKNOWN: (0, 0),
    State.QUEUED: (0, 0),
    State.UNDELIVERABLE: (0, 1),
    State.REJECTED: (0, 1),
    State.EXPIRED: (0, 1),
    State.DELETED: (0, 1),
}


@pytest.mark.parametrize("state", State)
def test_states(state: State) -> None:
    found = figures(str(state), 7, 9, 420, 350_000, 210_000)
    assert (found.delivered, found.failed) == tuple(7 * n for n in STATES[state])
    assert (found.count, found.parts, found.seconds, found.margin) == (7, 9, 420, 140_000)


ROWS = {
    "nothing": (Figures(), ("EUR", 0, 0, 0, "0.0000", 0, "0.00", "0.00", "0.00", "0.00")),
    "a third": (
        Figures(3, 1, 1, 4, 100, 150_000, 200_001),
        ("EUR", 3, 1, 1, "0.3333", 4, "1.67", "0.15", "0.200001", "-0.050001"),
    ),
    "much": (
        Figures(10**12, 10**12, 0, 10**12, 60 * 10**12, 10**18, 1),
        ("EUR", 10**12, 10**12, 0, "1.0000", 10**12, f"{10**12}.00", f"{10**12}.00", "0.000001", "999999999999.999999"),
    ),
}


@pytest.mark.parametrize("found, wanted", ROWS.values(), ids=ROWS)
def test_a_row(found: Figures, wanted: tuple[object, ...]) -> None:
    row = found.row("EUR")
    assert len(row) == len(COLUMNS)
    assert tuple(f"{value:f}" if isinstance(value, Decimal) else value for value in row) == wanted


def test_currencies_never_meet() -> None:
    tally = Tally()
    for key, currency, revenue in (("b", "EUR", 1), ("a", "USD", 2), ("b", "USD", 4), ("b", "EUR", 8)):
        tally.add(key, currency, Figures(count=1, revenue=revenue))
    assert [(key, currency, one.revenue) for key, currency, one in tally.rows()] == [
        ("a", "USD", 2), ("b", "EUR", 9), ("b", "USD", 4),
    ]  # fmt: skip
    assert {currency: (one.count, one.revenue) for currency, one in tally.totals().items()} == {
        "EUR": (2, 9),
        "USD": (2, 6),
    }
    assert {key: one.count for key, one in tally.by_key(["b", "c"]).items()} == {"b": 3, "c": 0, "a": 1}
    assert {key: one.revenue for key, one in tally.of("USD", ["b"]).items()} == {"b": 4, "a": 2}
    assert {key: one.revenue for key, one in tally.of("EUR", ["z"]).items()} == {"z": 0, "b": 9}
