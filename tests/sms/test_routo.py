"""Every code of RoutoMessaging's manual (seeds/001): §4.3 says the states, table 6 the meanings."""

import pytest

from voipsms.model import State
from voipsms.sms.routo import MEANINGS, routo_meaning, routo_state

SECTION_4_3 = {
    State.DELIVERED: (0,),
    State.EXPIRED: (3, 253),
    State.DELETED: (4, 252),
    State.UNDELIVERABLE: (5, 9, 251),
    State.ACCEPTED: (6,),
    State.REJECTED: (1, 8, 10, 11, 49, 69, 72, 73, 80, 249),
}
STATES = {code: state for state, codes in SECTION_4_3.items() for code in codes}
TABLE_6 = [*range(33), 34, 49, 50, 51, 52, 67, 69, 72, 73, 80, 81, 88, 97, 100, *range(247, 256)]
ONLY_IN_TABLE_6 = {250: State.ACCEPTED, 247: State.ENROUTE, 248: State.ENROUTE}  # "Accepted", "Sent"


@pytest.mark.parametrize("code", range(256))
def test_state(code: int) -> None:
    expected = STATES.get(code) or ONLY_IN_TABLE_6.get(code, State.UNKNOWN)
    assert routo_state(str(code)) == expected
    assert routo_state(f"{code:03d}") == expected


def test_every_code_has_a_meaning() -> None:
    assert sorted(MEANINGS) == TABLE_6
    assert routo_meaning("051") == "Not enough money"
    assert routo_meaning("33") == routo_meaning("x") == routo_meaning("") == ""


@pytest.mark.parametrize("code", ["", "x", "-1", "²", "1.0"])
def test_no_code(code: str) -> None:
    assert routo_state(code) is None


def test_endless_code() -> None:
    assert routo_state("9" * 10_000) is State.UNKNOWN
