"""Days and hours of zones, also where the clocks are changed."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from voipsms.model import Millis
from voipsms.reports.periods import Period, days, hours

HOUR = 3_600_000


def at(text: str, zone: str) -> Millis:
    return Millis(round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000))


DAYS = {
    "whole ones": (
        "UTC",
        "2026-01-30T00:00",
        "2026-02-02T00:00",
        [("2026-01-30", 24), ("2026-01-31", 24), ("2026-02-01", 24)],
    ),
    "pieces": ("UTC", "2026-01-30T22:00", "2026-01-31T01:00", [("2026-01-30", 2), ("2026-01-31", 1)]),
    "within one": ("UTC", "2026-01-30T10:00", "2026-01-30T11:00", [("2026-01-30", 1)]),
    "none": ("UTC", "2026-01-30T10:00", "2026-01-30T10:00", []),
    "spring": ("Europe/Budapest", "2026-03-28T00:00", "2026-03-30T00:00", [("2026-03-28", 24), ("2026-03-29", 23)]),
    "autumn": ("Europe/Budapest", "2026-10-25T00:00", "2026-10-27T00:00", [("2026-10-25", 25), ("2026-10-26", 24)]),
    "no midnight": (
        "America/Santiago",
        "2026-09-05T00:00",
        "2026-09-07T00:00",
        [("2026-09-05", 24), ("2026-09-06", 23)],
    ),
}


@pytest.mark.parametrize("zone, start, stop, wanted", DAYS.values(), ids=DAYS)
def test_days(zone: str, start: str, stop: str, wanted: list[tuple[str, int]]) -> None:
    found = list(days(at(start, zone), at(stop, zone), ZoneInfo(zone)))
    assert [(day.label, (day.stop - day.start) / HOUR) for day in found] == wanted
    assert gapless(found)


HOURS = {
    "UTC": (
        "UTC",
        "2026-01-30T22:30",
        "2026-01-31T00:30",
        ["2026-01-30T22:00Z", "2026-01-30T23:00Z", "2026-01-31T00:00Z"],
    ),
    "half hours from UTC": (
        "Asia/Kolkata",
        "2026-01-30T00:00",
        "2026-01-30T02:00",
        ["2026-01-30T00:00+05:30", "2026-01-30T01:00+05:30"],
    ),
    "an hour twice": (
        "Europe/Budapest",
        "2026-10-25T02:00",
        "2026-10-25T04:00",
        ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
    ),
    "an hour never": (
        "Europe/Budapest",
        "2026-03-29T01:00",
        "2026-03-29T04:00",
        ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"],
    ),
}


@pytest.mark.parametrize("zone, start, stop, wanted", HOURS.values(), ids=HOURS)
def test_hours(zone: str, start: str, stop: str, wanted: list[str]) -> None:
    found = list(hours(at(start, zone), at(stop, zone), ZoneInfo(zone)))
    assert [hour.label for hour in found] == wanted
    assert gapless(found)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Budapest", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"])
def test_a_year_has_no_gaps(zone: str) -> None:
    start, stop = at("2026-01-01T00:00", zone), at("2027-01-01T00:00", zone)
    for cut, count in ((days, 365), (hours, 365 * 24)):
        found = list(cut(start, stop, ZoneInfo(zone)))
        assert abs(len(found) - count) <= 2
        assert (found[0].start, found[-1].stop) == (start, stop)
        assert gapless(found)
        assert len({period.label for period in found}) == len(found)


def gapless(found: list[Period]) -> bool:
    return all(one.stop == next_.start for one, next_ in pairwise(found))
