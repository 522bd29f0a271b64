"""Chains of resellers: found, or refused with the one thing that is wrong."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.model import UserId, UserType
from voipsms.resellers import DEEPEST, BrokenChain, chain, faults


class Party(NamedTuple):
    id: UserId
    name: str
    type: UserType
    currency: str
    reseller: UserId | None


def parties(*rows: tuple[int, int | None, str, str]) -> dict[UserId, Party]:
    """Rows: id, reseller, type, currency."""
    return {
        UserId(row[0]): Party(UserId(row[0]), f"u{row[0]}", UserType(row[2]), row[3], row[1] and UserId(row[1]))  # type: ignore[arg-type]
        for row in rows
    }


def ladder(height: int) -> dict[UserId, Party]:
    """User 1 under so many resellers."""
    resellers = [(n, n + 1 if n <= height else None, "reseller", "EUR") for n in range(2, height + 2)]
    return parties((1, 2 if height else None, "enduser", "EUR"), *resellers)


@pytest.mark.parametrize("height", [0, 1, 2, DEEPEST], ids=str)
def test_nearest_first(height: int) -> None:
    known = ladder(height)
    assert [party.id for party in chain(known[UserId(1)], known)] == list(range(2, height + 2))
    assert faults(known) == {}


BROKEN = {
    "nobody": ([(1, 9, "enduser", "EUR")], "the reseller of u1 is no account"),
    "no reseller": ([(1, 2, "enduser", "EUR"), (2, None, "enduser", "EUR")], "u2 is no reseller, but enduser"),
    "an admin": ([(1, 2, "enduser", "EUR"), (2, None, "admin", "EUR")], "u2 is no reseller, but admin"),
    "another currency": (
        [(1, 2, "enduser", "EUR"), (2, None, "reseller", "USD")], "u1 pays in EUR, its reseller u2 in USD",
    ),
    "another currency further up": (
        [(1, 2, "enduser", "EUR"), (2, 3, "reseller", "EUR"), (3, None, "reseller", "HUF")],
        "u1 pays in EUR, its reseller u3 in HUF",
    ),
    "itself": ([(1, 1, "reseller", "EUR")], "u1 would be its own reseller"),
    "a ring": (
        [(1, 2, "reseller", "EUR"), (2, 3, "reseller", "EUR"), (3, 1, "reseller", "EUR")],
        "u1 would be its own reseller",
    ),
    "a ring above": (
        [(1, 2, "enduser", "EUR"), (2, 3, "reseller", "EUR"), (3, 2, "reseller", "EUR")],
        "u2 would be its own reseller",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows, why", BROKEN.values(), ids=BROKEN)
def test_broken(rows: list[tuple[int, int | None, str, str]], why: str) -> None:
    known = parties(*rows)
    with pytest.raises(BrokenChain) as caught:
        chain(known[UserId(1)], known)
    assert str(caught.value) == why
    assert faults(known)[UserId(1)] == why


def test_too_deep() -> None:
    known = ladder(DEEPEST + 1)
    with pytest.raises(BrokenChain, match=f"u1 has more than {DEEPEST} resellers above it"):
        chain(known[UserId(1)], known)
    assert list(faults(known)) == [1]


@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.none() | st.integers(1, 12), st.sampled_from(["reseller", "enduser"]),
                  st.sampled_from(["EUR", "EUR", "EUR", "USD"])),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_whatever_the_table_says(rows: list[tuple[int, int | None, str, str]]) -> None:
    known = parties(*rows)
    for party in known.values():
        try:
            above = chain(party, known)
        except BrokenChain:
            continue
        assert len({party.id, *(one.id for one in above)}) == len(above) + 1 <= DEEPEST + 1
        assert all((one.type, one.currency) == (UserType.RESELLER, party.currency) for one in above)
        assert [one.reseller for one in (party, *above)] == [*(one.id for one in above), None]
