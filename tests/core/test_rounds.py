"""Each in its own time, and a store that is away ends none."""

from __future__ import annotations

import pytest

from voipsms.errors import StoreError
from voipsms.rounds import Rounds


class Diary:
    def __init__(self) -> None:
        self.done: list[str] = []
        self.put_off: list[str] = []

    async def quick(self) -> None:
        self.done.append("quick")

    async def slow(self) -> None:
        self.done.append("slow")

    async def away(self) -> None:
        raise StoreError("away")

    def hear(self, error: StoreError) -> None:
        self.put_off.append(str(error))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("voipsms.rounds.time.monotonic", lambda: now[0])
    return now


async def test_each_in_its_own_time(clock: list[float]) -> None:
    diary = Diary()
    rounds = Rounds(diary.hear, (diary.quick, 1.0), (diary.away, 2.0), (diary.slow, 3.0))
    for _ in range(7):
        await rounds.turn()
        clock[0] += 0.5
    assert diary.done == ["quick", "slow", "quick", "quick", "quick", "slow"]
    assert diary.put_off == ["away", "away"]


async def test_what_hurries_is_done_at_once(clock: list[float]) -> None:
    diary = Diary()
    rounds = Rounds(diary.hear, (diary.quick, 1.0), (diary.slow, 3.0))
    await rounds.turn()
    rounds.hurry(diary.slow)
    await rounds.turn()
    assert diary.done == ["quick", "slow", "slow"]
