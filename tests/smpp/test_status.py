from __future__ import annotations

import pytest
from smpplib import consts

from voipsms import gateway_settings
from voipsms.smpp.status import STATUSES, Verdict, status, verdict_of

BY_VERDICT = {  # every status of SMPP 3.4 §5.1.3 and 5.0 §4.7.6
    Verdict.TAKEN: [0x00],
    Verdict.WAIT: [0x14, 0x58],
    Verdict.RETRY: [0x08, 0x45, 0x64, 0x67, 0xFE, 0xFF],
    Verdict.FAILOVER: [
        *(0x02, 0x06, 0x07, 0x0A, 0x15, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x48, 0x49, 0x50, 0x51, 0x54, 0x55, 0x61),
        *(0x62, 0x63, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106),
    ],
    Verdict.REFUSE: [0x01, 0x0B, 0x0C, 0x11, 0x13, 0x65, 0x66, *range(0x107, 0x113)],
    Verdict.UNKNOWN: [],
    Verdict.FAULT: [0x03, 0x04, 0x05, 0x0D, 0x0E, 0x0F, 0x53],
}
CASES = [(number, verdict) for verdict, numbers in BY_VERDICT.items() for number in numbers]


@pytest.mark.parametrize("number, verdict", CASES, ids=lambda value: value.name if isinstance(value, Verdict) else None)
def test_verdict(number: int, verdict: Verdict) -> None:
    assert status(number).verdict is verdict_of(number) is verdict


def test_the_table_is_whole() -> None:
    """What smpplib knows, which is 3.4, and what 5.0 added."""
    of_34 = {getattr(consts, name) for name in dir(consts) if name.startswith("SMPP_ESME_")}
    assert set(STATUSES) == of_34 | set(range(0x100, 0x113)) == {number for number, _ in CASES}
    assert all(number == known.number for number, known in STATUSES.items())
    assert len({known.name for known in STATUSES.values()}) == len(STATUSES)


@pytest.mark.parametrize("number", [0x09, 0x400, 0x417, 0xFFFFFFFF])
def test_what_nobody_knows_may_work_next_time(number: int) -> None:
    assert verdict_of(number) is Verdict.RETRY


OVERRIDES = ((0x417, "refuse"), (0x58, "failover"), (0x04, "unknown"))


@pytest.mark.parametrize(
    "number, verdict",
    [(0x417, Verdict.REFUSE), (0x58, Verdict.FAILOVER), (0x04, Verdict.UNKNOWN), (0x14, Verdict.WAIT)],
)
def test_overrides(number: int, verdict: Verdict) -> None:
    assert verdict_of(number, OVERRIDES) is verdict


def test_every_word_of_the_setting_is_a_verdict() -> None:
    assert {Verdict(word) for word in gateway_settings.VERDICTS} == set(Verdict) - {Verdict.TAKEN, Verdict.FAULT}


def test_only_one_status_takes_a_message() -> None:
    assert [known.name for known in STATUSES.values() if known.verdict is Verdict.TAKEN] == ["ESME_ROK"]


def test_text() -> None:
    assert str(status(0x58)) == "ESME_RTHROTTLED (0x00000058): more messages a second than allowed"
    assert str(status(0x417)) == "status (0x00000417): not in SMPP"
