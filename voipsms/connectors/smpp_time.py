"""Times as SMPP 3.4 §7.1.1 writes them: YYMMDDhhmmsstnnp, absolute (p is + or -) or relative (p is R)."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Final

_MOST_SECONDS: Final = 99 * 365 * 86400  # YY has two digits


def absolute(millis: int) -> str:
    """A time in UTC milliseconds, to the tenth of a second."""
    at = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{at:%y%m%d%H%M%S}{millis % 1000 // 100}00+"


def relative(start: int, end: int) -> str:
    """From one time in UTC milliseconds to a later one, in the calendar's own years and months; whole seconds, up."""
    begin = datetime.fromtimestamp(start // 1000, UTC)
    seconds = -((start - end) // 1000)
    until = begin + timedelta(seconds=min(max(1, seconds), _MOST_SECONDS))
    months = (until.year - begin.year) * 12 + until.month - begin.month
    if _after(begin, months) > until:
        months -= 1
    rest = until - _after(begin, months)
    minutes, seconds = divmod(rest.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{months // 12:02d}{months % 12:02d}{rest.days:02d}{hours:02d}{minutes:02d}{seconds:02d}000R"


def _after(begin: datetime, months: int) -> datetime:
    """As many months later, on the month's last day where it lacks that day."""
    years, month = divmod(begin.month - 1 + months, 12)
    year, month = begin.year + years, month + 1
    return begin.replace(year=year, month=month, day=min(begin.day, calendar.monthrange(year, month)[1]))
