"""Which numbers calls may go to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.callback.limits import check
from voipsms.errors import ImpossibleNumber, NotCalled, Refused
from voipsms.numbers_book import NumberBook
from voipsms.settings import CallbackSettings
from voipsms.sms.numbers import is_emergency, is_premium

OURS, FRIEND, SHARED, RANGE = "36209990000", "36201234567", "36205560000", "4477712345"
BOOK = NumberBook([(OURS, 0, "", 1, 1), (FRIEND, 0, "", 2, 0), (SHARED, 0, "fun", 2, 0), (RANGE, 2, "", 2, 0)])
MOBILE, FIXED, AUSTRIAN = "36301112233", "3612345678", "436641234567"

CASES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("a mobile", MOBILE, {}, True),
    ("a fixed phone", FIXED, {}, True),
    ("a user's own phone", FRIEND, {}, True),
    ("our callback number", OURS, {}, False),
    ("a shared number", SHARED, {}, False),
    ("a number of a range", RANGE + "07", {}, False),
    ("112", "112", {}, False),
    ("911", "911", {}, False),
    ("999", "999", {}, False),
    ("an ambulance of this country", "104", {}, False),
    ("112, allowed", "112", {"emergency": True}, True),
    ("the ambulance, allowed", "104", {"emergency": True}, True),
    ("another short code", "1234", {"emergency": True}, False),
    ("premium", "3690123456", {}, False),
    ("premium, allowed", "3690123456", {"premium": True}, True),
    ("premium, digits behind", "19005551234", {}, False),
    ("premium of all the world", "979123456789", {}, False),
    ("freephone", "3680123456", {}, True),
    ("in an allowed prefix", MOBILE, {"allow": ("36", "43")}, True),
    ("in no allowed prefix", "447911123456", {"allow": ("36", "43")}, False),
    ("in a blocked prefix", AUSTRIAN, {"block": ("43",)}, False),
    ("allowed within a blocked one", AUSTRIAN, {"block": ("43",), "allow": ("43664",)}, True),
    ("blocked within an allowed one", AUSTRIAN, {"block": ("43664",), "allow": ("43",)}, False),
    ("both at once", AUSTRIAN, {"block": ("43",), "allow": ("43",)}, False),
    ("a premium number in an allowed prefix", "3690123456", {"allow": ("3690",)}, False),
    ("no number", "", {}, False),
    ("a name", "BANK", {}, False),
    ("too short for a phone", "3611234", {}, False),
    ("too long", "36" * 10, {}, False),
]


@pytest.mark.parametrize("number, settings, allowed", [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_numbers(number: str, settings: dict[str, Any], allowed: bool) -> None:
    wanted = CallbackSettings(**settings)
    if allowed:
        return check(number, wanted, BOOK, "HU")
    with pytest.raises((NotCalled, ImpossibleNumber), match=r".+"):
        check(number, wanted, BOOK, "HU")


@pytest.mark.parametrize(
    "number, country, emergency",
    [("+112", "", True), ("144", "AT", True), ("144", "US", False), ("911", "HU", True), ("36301112233", "HU", False),
     ("", "HU", False), ("104", "", False)],
)  # fmt: skip
def test_emergencies(number: str, country: str, emergency: bool) -> None:
    assert is_emergency(number, country) is emergency


@pytest.mark.parametrize(
    "number, premium",
    [
        ("3690123456", True),
        ("36901234567", True),
        ("369012345678999", True),
        (MOBILE, False),
        ("", False),
        ("+", False),
    ],
)
def test_premium_numbers(number: str, premium: bool) -> None:
    assert is_premium(number) is premium


@given(st.text(max_size=40) | st.text("0123456789", max_size=20))
def test_anything_is_called_or_refused(number: str) -> None:
    try:
        check(number, CallbackSettings(), BOOK, "HU")
    except Refused:
        return
    assert number.isascii()
    assert number.isdecimal()
