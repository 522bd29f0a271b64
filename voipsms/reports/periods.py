"""Days and hours of a zone, as wall clocks count them: a day may have 23 or 25 hours, and an hour may come twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta, tzinfo

from voipsms.model import Millis
from voipsms.values import Value


class Period(Value, frozen=True):
    """`label`: ISO 8601, an hour's with its offset from UTC. Of `stop` itself nothing is in it."""

    label: str
    start: Millis
    stop: Millis


def moment(at: Millis, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, zone)


def _millis(at: datetime) -> Millis:
    return Millis(round(at.timestamp() * 1000))


def _midnight(at: datetime, later: int) -> Millis:
    return _millis(datetime.combine(at.date() + timedelta(days=later), time(), at.tzinfo))


def days(start: Millis, stop: Millis, zone: tzinfo) -> Iterator[Period]:
    """All that have a part of [start, stop), the first and the last one cut to it."""
    while start < stop:
        at = moment(start, zone)
        end = min(stop, _midnight(at, 1))
        yield Period(at.date().isoformat(), start, end)
        start = end


def hours(start: Millis, stop: Millis, zone: tzinfo) -> Iterator[Period]:
    """As `days`."""
    while start < stop:
        at = moment(start, zone)
        since = (at.minute * 60 + at.second) * 1000 + at.microsecond // 1000
        end = min(stop, Millis(start - since + 3_600_000))
        text = at.isoformat(timespec="minutes").replace("+00:00", "Z")
        yield Period(f"{text[:14]}00{text[16:]}", start, end)
        start = end
