from __future__ import annotations

import pytest

from voipsms.smpp.status import STATUSES, Verdict, status

VERDICTS = {
    0x00: Verdict.TAKEN, 0x01: Verdict.REFUSE, 0x04: Verdict.FAULT, 0x08: Verdict.RETRY, 0x0B: Verdict.REFUSE,
    0x0E: Verdict.FAULT, 0x14: Verdict.WAIT, 0x45: Verdict.RETRY, 0x58: Verdict.WAIT, 0xFF: Verdict.RETRY,
    0x417: Verdict.RETRY, 0xFFFFFFFF: Verdict.RETRY,
}  # fmt: skip


@pytest.mark.parametrize("number, verdict", VERDICTS.items())
def test_verdict(number: int, verdict: Verdict) -> None:
    assert status(number).verdict is verdict


def test_only_one_status_takes_a_message() -> None:
    assert [known.name for known in STATUSES.values() if known.verdict is Verdict.TAKEN] == ["ESME_ROK"]


def test_text() -> None:
    assert str(status(0x58)) == "ESME_RTHROTTLED (0x00000058): more messages a second than allowed"
    assert str(status(0x417)) == "status (0x00000417): not in SMPP 3.4"
