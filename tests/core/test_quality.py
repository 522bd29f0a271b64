"""What is measured of gateways: windows, floors, and rows that outlive a restart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.house import house
from tests.core.stage import Carrier
from voipsms import log, quality
from voipsms.errors import StoreError
from voipsms.measures import Measures
from voipsms.model import GatewayId, Millis, State, Submitted
from voipsms.quality import MOST, SLOWEST, SPAN, SPANS, Floors, Tally, Windows
from voipsms.settings import GlobalSettings, LogSettings
from voipsms.store.entries import Outcome
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine

A, B = GatewayId(1), GatewayId(2)
HU, DE = "36201112233", "4915111122233"
NOW = Millis(1_800_000_000_000)


def outcomes(delivered: int, failed: int, seconds: float | None = None, gateway: GatewayId = A) -> list[Outcome]:
    millis = None if seconds is None else round(seconds * 1000)
    return [Outcome(gateway, HU, True, millis)] * delivered + [Outcome(gateway, HU, False)] * failed


FLOORS = Floors(share=50, seconds=60, least=4)
HELD: dict[str, tuple[list[Outcome], Floors, str]] = {
    "nothing measured": ([], FLOORS, ""),
    "too few to say": (outcomes(0, 3), FLOORS, ""),
    "enough": (outcomes(0, 4), FLOORS, "share"),
    "at the floor": (outcomes(2, 2), FLOORS, ""),
    "just below it": (outcomes(49, 51), FLOORS, "share"),
    "no floor": (outcomes(0, 9), Floors(share=0, least=1), ""),
    "fast enough": (outcomes(4, 0, 60.0), FLOORS, ""),
    "too slow": (outcomes(4, 0, 60.001), FLOORS, "speed"),
    "no floor on speed": (outcomes(4, 0, 500.0), Floors(share=50, least=4), ""),
    "time unknown": (outcomes(9, 0), FLOORS, ""),
    "one phone was off for a week": ([*outcomes(20, 0, 2.0), *outcomes(1, 0, 604_800.0)], FLOORS, ""),
}


@pytest.mark.parametrize("heard, floors, short", HELD.values(), ids=HELD)
def test_floors(heard: list[Outcome], floors: Floors, short: str) -> None:
    windows = Windows(floors)
    windows.note(heard, NOW)
    assert windows.measured(A, HU).shortfall(floors) == short
    assert windows.held == ({(A, HU[:4])} if short else set())


def test_measured() -> None:
    windows = Windows()
    windows.note([*outcomes(2, 1, 4.0), Outcome(A, HU, True), Outcome(A, HU, True, SLOWEST * 9)], NOW)
    tally = windows.measured(A, HU)
    assert tally == Tally(delivered=4, failed=1, timed=3, millis=8000 + SLOWEST)
    assert (tally.count, tally.share, tally.seconds) == (5, 80.0, (8 + 600) / 3)
    assert (Tally().share, Tally().seconds) == (None, None)


def test_gateways_and_prefixes_are_apart() -> None:
    windows = Windows(Floors(share=50))
    windows.note([Outcome(A, HU, False), Outcome(A, DE, True), Outcome(B, HU, True)], NOW)
    assert windows.held == {(A, "3620")}
    assert [windows.measured(A, n).share for n in (HU, "36209998877", DE, "36301112233")] == [0.0, 0.0, 100.0, None]


def test_new_floors_hold_at_once() -> None:
    windows = Windows(Floors(share=50))
    windows.note(outcomes(3, 1), NOW)
    windows.configure(Floors(share=90))
    assert windows.held == {(A, "3620")}
    windows.configure(Floors(share=10))
    assert windows.held == set()


ROLLED = {
    "the same span": (0, 4),
    "within the hour": (SPANS - 1, 4),
    "after the hour": (SPANS, 0),
    "after a year": (105_120, 0),
    "the clock was a little ahead": (-1, 4),
    "the clock jumps back": (-2, 0),
}


@pytest.mark.parametrize("spans, left", ROLLED.values(), ids=ROLLED)
def test_an_hour_is_remembered(spans: int, left: int) -> None:
    windows = Windows(Floors(share=50))
    windows.note(outcomes(0, 4), NOW)
    windows.roll(Millis(NOW + spans * SPAN))
    assert windows.measured(A, HU).count == left
    assert bool(windows.held) is bool(windows.unsaved()) is bool(len(windows)) is bool(left)


def test_old_spans_go_one_by_one() -> None:
    windows = Windows()
    for n in range(SPANS + 3):
        windows.note(outcomes(1, n), Millis(NOW + n * SPAN))
    windows.roll(Millis(NOW + (SPANS + 2) * SPAN))
    assert windows.measured(A, HU) == Tally(SPANS, sum(range(3, SPANS + 3)))


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window that nothing was heard of for longest goes."""
    assert MOST <= 10_000
    monkeypatch.setattr(quality, "MOST", 3)
    windows = Windows(Floors(share=50))
    for number in ("1111", "2222", "3333", "1111", "4444"):
        windows.note([Outcome(A, number, False)], NOW)
    assert windows.held == {(A, "1111"), (A, "3333"), (A, "4444")}
    assert len(windows) == 3


# -- rows


def test_rows() -> None:
    windows = Windows()
    windows.note([*outcomes(2, 1, 3.0), Outcome(B, DE, False)], NOW)
    span = NOW // SPAN
    assert windows.unsaved() == [(span, A, "3620", 2, 1, 2, 6000), (span, B, "4915", 0, 1, 0, 0)]
    assert windows.unsaved() == []


def test_what_could_not_be_saved_comes_again() -> None:
    windows = Windows()
    windows.note(outcomes(1, 0), NOW)
    rows = windows.unsaved()
    windows.note(outcomes(1, 1), NOW)
    windows.not_saved(rows)
    assert windows.unsaved() == [(NOW // SPAN, A, "3620", 2, 1, 0, 0)]
    assert windows.measured(A, HU) == Tally(2, 1)


Step = tuple[str, int, int]  # what happens, to which of two processes, in which span


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(["delivered", "failed", "exchange"]), st.integers(0, 1), st.integers(0, 3))))
def test_processes_add_up(steps: Sequence[Step]) -> None:
    """However they exchange, both know the same in the end, and that is everything."""
    table: dict[tuple[int, int, str], Tally] = {}
    processes = [Windows(), Windows()]
    wanted = Tally()

    def exchange(windows: Windows) -> None:
        for span, gateway, prefix, *counts in windows.unsaved():
            table.setdefault((span, gateway, prefix), Tally()).add(Tally(*counts))
        windows.take((*place, t.delivered, t.failed, t.timed, t.millis) for place, t in table.items())

    for what, which, span in steps:
        if what == "exchange":
            exchange(processes[which])
            continue
        wanted.add(Tally(delivered=1) if what == "delivered" else Tally(failed=1))
        processes[which].note([Outcome(A, HU, what == "delivered")], Millis(NOW + span * SPAN))
    for which in (0, 1, 0):
        exchange(processes[which])
    assert [windows.measured(A, HU) for windows in processes] == [wanted, wanted]


# -- in the tables

LCR = GlobalSettings(lcr=True, lcrshare=50, lcrleast=1)


async def test_kept_across_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("x", State.ENROUTE))) as at:
        reader = Reader(SqliteEngine(tmp_path / "house.db", 0.2))
        first, second = (Measures(reader, at.journal, lambda: NOW) for _ in range(2))
        first.configure(LCR)
        second.configure(LCR)
        first.windows.note(outcomes(1, 3), NOW)
        await first.exchange()
        second.windows.note(outcomes(0, 1), NOW)
        await second.exchange()
        await first.exchange()
        again = Measures(reader, at.journal, lambda: NOW)
        again.configure(LCR)
        await again.exchange()
        for measures in (first, second, again):
            assert measures.windows.measured(A, HU) == Tally(1, 4)
            assert measures.windows.held == {(A, "3620")}
        assert at.rows("tb_quality") == [(NOW // SPAN, A, "3620", 1, 4, 0, 0)]
        reader.close()


async def test_the_last_is_saved_at_the_end(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("x", State.ENROUTE))) as at:
        reader = Reader(SqliteEngine(tmp_path / "house.db", 0.2))
        measures = Measures(reader, at.journal, lambda: NOW)
        measures.configure(LCR)
        measures.windows.note(outcomes(2, 0, 1.0), NOW)
        await measures.close()
        assert at.rows("tb_quality") == [(NOW // SPAN, A, "3620", 2, 0, 2, 2000)]
        reader.close()


async def test_old_rows_go(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("x", State.ENROUTE))) as at:
        reader, now = Reader(SqliteEngine(tmp_path / "house.db", 0.2)), [NOW]
        measures = Measures(reader, at.journal, lambda: now[0])
        measures.configure(LCR)
        measures.windows.note(outcomes(1, 0), NOW)
        await measures.exchange()
        now[0] = Millis(NOW + SPANS * SPAN)
        measures.windows.note(outcomes(0, 1), now[0])
        await measures.exchange()
        assert at.rows("tb_quality", "span, delivered, failed") == [(NOW // SPAN + SPANS, 0, 1)]
        assert measures.windows.measured(A, HU) == Tally(0, 1)
        reader.close()


async def test_a_store_out_of_reach_loses_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("x", State.ENROUTE))) as at:
        reader = Reader(SqliteEngine(tmp_path / "house.db", 0.2))
        measures = Measures(reader, at.journal, lambda: NOW)
        measures.configure(LCR)
        measures.windows.note(outcomes(1, 0), NOW)
        at.journal.problem = "away"
        await measures.exchange()
        with pytest.raises(StoreError, match="away"):
            await measures.save()
        assert at.rows("tb_quality") == []
        at.journal.problem = ""
        await measures.exchange()
        assert at.rows("tb_quality", "delivered, failed") == [(1, 0)]
        reader.close()


async def test_without_lcr_nothing_is_measured(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("x", State.ENROUTE))) as at:
        reader = Reader(SqliteEngine(tmp_path / "house.db", 0.2))
        measures = Measures(reader, at.journal, lambda: NOW)
        measures.configure(LCR)
        assert at.journal.learned is not None
        at.journal.learned(outcomes(0, 1))
        assert measures.windows.held
        measures.configure(GlobalSettings())
        assert at.journal.learned is None
        await measures.exchange()
        assert at.rows("tb_quality") == []
        reader.close()


async def test_what_is_held_back_is_told_once(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("x", State.ENROUTE))) as at:
        log.configure(LogSettings(file="v.log"), tmp_path)
        reader, now = Reader(SqliteEngine(tmp_path / "house.db", 0.2)), [NOW]
        measures = Measures(reader, at.journal, lambda: now[0], {A: "cheap"}.__getitem__)
        measures.configure(LCR)
        measures.windows.note([Outcome(A, f"{n:04d}", False) for n in range(12)], NOW)
        await measures.exchange()
        await measures.exchange()
        now[0] = Millis(NOW + SPANS * SPAN)
        await measures.exchange()
        reader.close()
    log.configure(LogSettings(), tmp_path)
    held, free = (tmp_path / "v.log").read_text().splitlines()
    assert all(word in held for word in (" held back", "cheap", '"0000, 0001,', "0009 …", "count=12"))
    assert "no longer held back" in free
