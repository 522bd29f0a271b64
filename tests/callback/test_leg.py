"""One leg of a conversation: its seconds."""

from __future__ import annotations

import pytest

from voipsms.callback.leg import Leg
from voipsms.callback.plan import Way
from voipsms.model import Millis, Msisdn


@pytest.mark.parametrize(
    ("answered", "ended", "seconds"),
    [(None, 5.0, 0), (5.0, 5.0, 0), (5.0, 5.01, 1), (5.0, 6.0, 1), (5.0, 6.001, 2), (5.0, 6.0001, 1), (0.1, 3.1, 3),
     (1.1, 2.1, 1), (1000.7, 1003.7, 3), (1000.2, 1001.2, 1)],
)  # fmt: skip
def test_seconds(answered: float | None, ended: float, seconds: int) -> None:
    leg = Leg(1, Msisdn("36301234567"), Way(""), 0.0, there=True)
    if answered is not None:
        assert leg.answer(answered)
    leg.hung_up(ended, "")
    assert leg.end(lambda now: Millis(round(now)), 9.0).seconds == seconds


def test_what_has_not_ended_ends_now() -> None:
    leg = Leg(1, Msisdn("36301234567"), Way(""), 0.0, there=True)
    assert leg.answer(1.0)
    assert leg.end(lambda now: Millis(round(now)), 9.0).seconds == 8
