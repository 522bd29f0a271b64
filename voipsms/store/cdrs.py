"""Reads CDRs, rows and sums. Ids are time-ordered, so a span of time is a range of the primary key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from voipsms.model import Millis
from voipsms.reports.figures import Figures, figures
from voipsms.reports.periods import days
from voipsms.store.database import Database, Row
from voipsms.store.ids import first_id, id_time
from voipsms.values import Value

_SLACK = 86_400_000  # ids run ahead of a clock that was set back


class Which(Value, frozen=True):
    """CDRs from `start` on and before `stop`; 0 and '' : whatever user, gateway, type."""

    start: Millis
    stop: Millis
    user_id: int = 0
    gateway_id: int = 0
    type: str = ""


def span(db: Database) -> tuple[Millis, Millis]:
    """From when to when there are CDRs; the same time twice: there are none."""
    ((first, last),) = db.read("cdr_span")
    return (Millis(0), Millis(0)) if first is None else (id_time(first), Millis(id_time(last) + 1))


def whole(db: Database, start: Millis, stop: Millis) -> tuple[Millis, Millis]:
    """[start, stop) as far as there are CDRs."""
    first, end = span(db)
    return max(start, first), min(stop, end)


def read_cdrs(db: Database, which: Which) -> Iterator[Row]:
    """As the statement has them, oldest first, a page in memory; a statement looks at no more than a day."""
    start, stop = whole(db, Millis(which.start - _SLACK), Millis(which.stop + _SLACK))
    after = first_id(start) - 1
    for day in days(start, stop, UTC):
        while rows := db.read(
            "cdrs", after=after, before=first_id(day.stop), start=which.start, stop=which.stop, user_id=which.user_id,
            gateway_id=which.gateway_id, type=which.type,
        ):  # fmt: skip
            yield from rows
            after = rows[-1][0]
        after = first_id(day.stop) - 1


def sums(
    db: Database, name: str, which: Which, start: Millis, stop: Millis, digits: int = 0
) -> Iterator[tuple[str, str, int, str, Figures]]:
    """(key, the smallest number, gateway's id, currency, figures) of one of the `figures…` statements."""
    for key, sample, gateway_id, currency, state, *numbers in db.read(
        name, first=first_id(start), before=first_id(stop), user_id=which.user_id, gateway_id=which.gateway_id,
        type=which.type, digits=digits,
    ):  # fmt: skip
        yield str(key), sample, gateway_id, currency, figures(state, *map(int, numbers))
