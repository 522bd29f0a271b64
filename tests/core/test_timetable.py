from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.timetable import DAYS, LONGEST, BadTimetable, Timetable, parse

OFFICE = "Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Budapest"
BUDAPEST = ZoneInfo("Europe/Budapest")


def at(text: str) -> int:
    """ISO 8601, UTC where it has no zone."""
    value = datetime.fromisoformat(text)
    return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)


HOLDS: list[tuple[str, str, str, bool]] = [
    ("first minute", OFFICE, "2026-11-20T08:00+01:00", True),
    ("last millisecond", OFFICE, "2026-11-20T17:59:59.999+01:00", True),
    ("the end is not in it", OFFICE, "2026-11-20T18:00+01:00", False),
    ("a minute before", OFFICE, "2026-11-20T07:59:59.999+01:00", False),
    ("Saturday morning", OFFICE, "2026-11-21T09:30+01:00", True),
    ("Saturday afternoon", OFFICE, "2026-11-21T12:00+01:00", False),
    ("Sunday", OFFICE, "2026-11-22T10:00+01:00", False),
    ("summer: 06:00 UTC is 08:00", OFFICE, "2026-07-20T06:00", True),
    ("winter: 06:00 UTC is 07:00", OFFICE, "2026-11-20T06:00", False),
    ("another zone's evening", "Mon-Fri 08:00-18:00 Asia/Tokyo", "2026-11-20T09:00", False),
    ("UTC without a zone", "Fri 08:00-18:00", "2026-11-20T08:00", True),
    ("UTC by name", "Fri 08:00-18:00 utc", "2026-11-20T08:00", True),
    ("hours alone", "08:00-18:00", "2026-11-22T08:00", True),
    ("days alone", "sat-sun", "2026-11-22T23:59", True),
    ("days alone, another day", "sat-sun", "2026-11-23T00:00", False),
    ("days over the week's end", "Sat-Mon 10:00-11:00", "2026-11-23T10:30", True),
    ("days over the week's end, inside", "Sat-Mon 10:00-11:00", "2026-11-24T10:30", False),
    ("over midnight, evening", "Fri 22:00-06:00", "2026-11-20T22:00", True),
    ("over midnight, morning after", "Fri 22:00-06:00", "2026-11-21T05:59", True),
    ("over midnight, over", "Fri 22:00-06:00", "2026-11-21T06:00", False),
    ("over midnight, the day's own morning", "Fri 22:00-06:00", "2026-11-20T05:59", False),
    ("over the week's end", "Sun 22:00-06:00", "2026-11-23T05:59", True),
    ("until midnight", "Fri 20:00-24:00", "2026-11-20T23:59", True),
    ("until midnight, then not", "Fri 20:00-24:00", "2026-11-21T00:00", False),
    ("until 00:00 is until midnight", "Fri 20:00-00:00", "2026-11-20T23:59", True),
    ("two hours of a day", "Fri 08:00-12:00 13:00-18:00", "2026-11-20T13:00", True),
    ("the break between them", "Fri 08:00-12:00 13:00-18:00", "2026-11-20T12:30", False),
    ("semicolons", "Fri 08:00-12:00; Sat 08:00-12:00", "2026-11-21T08:00", True),
    ("entries that overlap", "Fri 08:00-12:00, Fri 10:00-14:00", "2026-11-20T13:59", True),
    # 2026-03-29: 02:00 becomes 03:00; 2026-10-25: 03:00 becomes 02:00
    ("the hour that is skipped", "Sun 02:00-03:00 Europe/Budapest", "2026-03-29T01:30", False),
    ("the hour before it", "Sun 01:00-02:00 Europe/Budapest", "2026-03-29T00:30", True),
    ("the hour after it", "Sun 03:00-04:00 Europe/Budapest", "2026-03-29T01:00", True),
    ("the hour that comes twice, first", "Sun 02:00-03:00 Europe/Budapest", "2026-10-25T00:30", True),
    ("the hour that comes twice, again", "Sun 02:00-03:00 Europe/Budapest", "2026-10-25T01:30", True),
    ("the hour after both", "Sun 02:00-03:00 Europe/Budapest", "2026-10-25T02:00", False),
    ("a night of 9 hours", "Sat 22:00-06:00 Europe/Budapest", "2026-10-25T04:59", True),
    ("half an hour from UTC", "Fri 05:30-06:00 Asia/Kolkata", "2026-11-20T00:00", True),
]


@pytest.mark.parametrize("text, when, holds", [row[1:] for row in HOLDS], ids=[row[0] for row in HOLDS])
def test_holds(text: str, when: str, holds: bool) -> None:
    assert parse(text).holds(at(when)) is holds


WRONG: list[tuple[str, str, str]] = [
    ("nothing", "", "column 1: here must be days, hours or both"),
    ("a comma", ",", "column 1: here must be"),
    ("a comma at the end", "Mon 08:00-18:00,", "column 17: here must be"),
    ("two commas", "Mon,,Tue", "column 5: here must be"),
    ("a zone alone", "Europe/Budapest", "column 1: 'Europe/Budapest' is no hours"),
    (
        "a zone in between",
        "Mon 08:00-18:00 Europe/Budapest, Tue 08:00-18:00",
        "column 17: 'Europe/Budapest' is no hours",
    ),
    ("no such zone", "Mon 08:00-18:00 Europe/Budapset", "column 17: 'Europe/Budapset' is no time zone"),
    ("a folder of zones", "Mon 08:00-18:00 Europe", "column 17: 'Europe' is no time zone"),
    ("a path", "Mon 08:00-18:00 a/../../../etc/passwd", "column 17: 'a/../../../etc/passwd' is no time zone"),
    ("no such day", "Mon 08:00-18:00, Sut 09:00-12:00", "column 18: 'Sut' is no day"),
    ("no such last day", "Mon-Fry 08:00-18:00", "column 1: 'Mon-Fry' is no day"),
    ("hours with a dot", "Mon 08.00-18.00", "column 5: '08.00-18.00' is no hours"),
    ("one digit", "Mon 8:00-18:00", "column 5: '8:00-18:00' is no hours"),
    ("one hour", "Mon 08:00", "column 5: '08:00' is no hours"),
    ("other digits", "Mon ०८:००-१८:००", "column 5: '०८:००-१८:००' is no hours"),
    ("25 o'clock", "Mon 08:00-25:00", "column 5: '08:00-25:00' is not within 00:00-24:00"),
    ("24:01", "Mon 08:00-24:01", "column 5: '08:00-24:01' is not within"),
    ("from 24:00", "Mon 24:00-08:00", "column 5: '24:00-08:00' is not within"),
    ("60 minutes", "Mon 08:60-10:00", "column 5: '08:60-10:00' is not within"),
    ("no time at all", "Mon 08:00-08:00", "column 5: '08:00-08:00' ends when it begins"),
    ("too long", "Mon 08:00-18:00, " * 20, f"column {LONGEST + 1}: a timetable has {LONGEST} characters"),
]


@pytest.mark.parametrize("text, right", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong(text: str, right: str) -> None:
    with pytest.raises(BadTimetable) as caught:
        parse(text)
    assert str(caught.value).startswith(right)


OVERLAPS: list[tuple[str, str, str, bool]] = [
    ("themselves", OFFICE, OFFICE, True),
    ("day and night", "08:00-18:00", "18:00-08:00", False),
    ("a minute in common", "08:00-18:01", "18:00-08:00", True),
    ("days apart", "Mon-Fri", "Sat-Sun", False),
    ("a night that runs into them", "Mon-Fri", "Sun 23:00-00:01", True),
    ("a night that does not", "Mon-Fri", "Sun 23:00-24:00", False),
    ("zones: their distance changes", "Mon 08:00-09:00", "Wed 08:00-09:00 Europe/Budapest", True),
    ("one zone", "Mon 08:00-09:00 Europe/Budapest", "Wed 08:00-09:00 Europe/Budapest", False),
]


@pytest.mark.parametrize("one, other, overlap", [row[1:] for row in OVERLAPS], ids=[row[0] for row in OVERLAPS])
def test_overlaps(one: str, other: str, overlap: bool) -> None:
    assert parse(one).overlaps(parse(other)) is overlap
    assert parse(other).overlaps(parse(one)) is overlap


Entry = tuple[int, int, int, int]  # first day, last day, begin, end

ENTRIES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440)).filter(
        lambda entry: entry[2] != entry[3]
    ),
    min_size=1, max_size=5,
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda value: value.replace(tzinfo=UTC))


def written(entries: list[Entry], zone: str) -> str:
    words = [
        f"{DAYS[first]}-{DAYS[last]} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
        for first, last, begin, end in entries
    ]
    return f"{', '.join(words)} {zone}"


def within(entry: Entry, weekday: int, minute: int) -> bool:
    """Said in another way than the code does."""
    first, last, begin, end = entry
    days = {(first + n) % 7 for n in range((last - first) % 7 + 1)}
    if end > begin:
        return weekday in days and begin <= minute < end
    return (weekday in days and minute >= begin) or ((weekday - 1) % 7 in days and minute < end)


@settings(max_examples=300)
@given(ENTRIES, st.sampled_from(["UTC", "Europe/Budapest", "America/St_Johns", "Pacific/Apia"]), MOMENTS)
def test_as_the_clock_on_the_wall_says(entries: list[Entry], zone: str, moment: datetime) -> None:
    table = parse(written(entries, zone))
    wall = moment.astimezone(ZoneInfo(zone))
    expected = any(within(entry, wall.weekday(), wall.hour * 60 + wall.minute) for entry in entries)
    assert table.holds(round(moment.timestamp() * 1000)) is expected


@settings(max_examples=200)
@given(ENTRIES, ENTRIES)
def test_overlap_means_a_minute_in_common(one: list[Entry], other: list[Entry]) -> None:
    a, b = parse(written(one, "UTC")), parse(written(other, "UTC"))
    assert a.overlaps(b) is bool(minutes(a) & minutes(b))


def minutes(table: Timetable) -> set[int]:
    return {minute for begin, end in table.spans for minute in range(begin, end)}


@settings(max_examples=300)
@given(st.one_of(st.text(), st.text("Mon-Fri 08:,;x/"), st.lists(st.sampled_from(OFFICE.split())).map(" ".join)))
def test_nothing_but_bad_timetable(text: str) -> None:
    try:
        table = parse(text)
    except BadTimetable:
        return
    assert table.spans == tuple(sorted(table.spans))
    assert all(0 <= begin < end <= 7 * 1440 for begin, end in table.spans)


def test_every_minute_of_a_year_with_both_changes() -> None:
    """The table holds for as many minutes as its hours have, but for the one that is skipped and the one doubled."""
    table, moment = parse("Sun 00:00-06:00 Europe/Budapest"), datetime(2026, 1, 1, tzinfo=UTC)
    held = sum(table.holds(round((moment + timedelta(minutes=n)).timestamp() * 1000)) for n in range(0, 365 * 1440, 30))
    assert held == 52 * 6 * 2
