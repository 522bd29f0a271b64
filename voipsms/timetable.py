"""When something holds: hours of the week by a zone's own clocks, such as

    Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Budapest

Entries by comma or semicolon: days, hours, or both; hours alone are every day's, days alone the whole of them. Hours
that end before they begin run into the next day. The zone comes last; without one it is UTC. Hours are what the clocks
show: one that is skipped in spring holds on no clock, one that comes twice in autumn holds twice.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from voipsms.errors import VoipSmsError

LONGEST: Final = 255  # characters
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = 24 * 60  # minutes
_WEEK: Final = 7 * _DAY
_WORD: Final = re.compile(r"[,;]|[^\s,;]+")
_DAY_WORD: Final = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?", re.IGNORECASE)
_TIME_WORD: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)

Span = tuple[int, int]  # minutes of the week, the end not included


class BadTimetable(VoipSmsError):
    """The text is no timetable; the message says from which column on."""

    def __init__(self, column: int, right: str) -> None:
        super().__init__(f"column {column}: {right}")


@dataclass(frozen=True, slots=True)
class Timetable:
    """`spans` are sorted and apart from each other."""

    text: str
    zone: tzinfo
    spans: tuple[Span, ...]

    def holds(self, at: int) -> bool:
        """`at`: UTC milliseconds."""
        local = datetime.fromtimestamp(at / 1000, self.zone)
        minute = local.weekday() * _DAY + local.hour * 60 + local.minute
        place = bisect_right(self.spans, (minute, _WEEK))
        return place > 0 and minute < self.spans[place - 1][1]

    def overlaps(self, other: Timetable) -> bool:
        """Whether both may hold at once. Of clocks of two zones that is always so: their distance changes."""
        if self.zone != other.zone:
            return True
        return any(a < d and c < b for a, b in self.spans for c, d in other.spans)


@lru_cache(maxsize=1000)
def parse(text: str) -> Timetable:
    """Raises BadTimetable."""
    if len(text) > LONGEST:
        raise BadTimetable(LONGEST + 1, f"a timetable has {LONGEST} characters at the most")
    words = [(found.start() + 1, found[0]) for found in _WORD.finditer(text)]
    zone = _zone(words)
    spans = _merged(span for entry in _entries(words, len(text) + 1) for span in _spans(entry))
    return Timetable(text.strip(), zone, tuple(spans))


def _zone(words: list[tuple[int, str]]) -> tzinfo:
    """The zone that the last word names, which it takes away, else UTC."""
    if len(words) < 2 or words[-2][1] in ",;" or not words[-1][1][0].isalpha() or _is_days(words[-1][1]):
        return UTC
    column, name = words.pop()
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: it is a folder of them
        raise BadTimetable(column, f"{name!r} is no time zone such as Europe/Budapest") from None


def _is_days(word: str) -> bool:
    found = _DAY_WORD.fullmatch(word)
    return bool(found) and all(day.lower() in DAYS for day in found.groups() if day)  # type: ignore[union-attr]


def _entries(words: Sequence[tuple[int, str]], end: int) -> Iterator[list[tuple[int, str]]]:
    entry: list[tuple[int, str]] = []
    for column, word in [*words, (end, ",")]:
        if word not in ",;":
            entry.append((column, word))
        elif not entry:
            raise BadTimetable(column, "here must be days, hours or both")
        else:
            yield entry
            entry = []


def _spans(entry: Sequence[tuple[int, str]]) -> Iterator[Span]:
    """Of one entry; a span that runs over the end of the week goes on at its beginning."""
    days: Iterable[int] = range(7)
    if _DAY_WORD.fullmatch(entry[0][1]):
        days, entry = _days(*entry[0]), entry[1:]
    hours = [_hours(column, word) for column, word in entry] or [(0, _DAY)]
    for day in days:
        for begin, end in hours:
            begins, ends = day * _DAY + begin, day * _DAY + end
            yield begins, min(ends, _WEEK)
            if ends > _WEEK:
                yield 0, ends - _WEEK


def _days(column: int, word: str) -> list[int]:
    if not _is_days(word):
        raise BadTimetable(column, f"{word!r} is no day or days such as Mon or Mon-Fri")
    first, _, last = word.lower().partition("-")
    begin = DAYS.index(first)
    count = (DAYS.index(last or first) - begin) % 7 + 1
    return [(begin + n) % 7 for n in range(count)]


def _hours(column: int, word: str) -> Span:
    """Minutes of the day; the end is beyond it where the hours run into the next one."""
    found = _TIME_WORD.fullmatch(word)
    if not found:
        raise BadTimetable(column, f"{word!r} is no hours such as 08:00-18:00")
    hours = [int(digits) for digits in found.groups()]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if begin >= _DAY or end > _DAY or hours[1] > 59 or hours[3] > 59:
        raise BadTimetable(column, f"{word!r} is not within 00:00-24:00")
    if begin == end:
        raise BadTimetable(column, f"{word!r} ends when it begins; a whole day is 00:00-24:00")
    return begin, end if end > begin else end + _DAY


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged
