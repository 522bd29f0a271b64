"""Pages of messages and CDRs, newest first. Ids are time-ordered, so a page is a range of the primary key; who has few
of many rows gets short pages, since each looks at a bounded number of rows."""

from __future__ import annotations

from collections.abc import Collection

from voipsms.model import Millis, UserId
from voipsms.store.database import Database, Row
from voipsms.store.ids import first_id
from voipsms.values import Value

WINDOW = 20_000  # rows that one statement looks at, as sql/queries.sql has it
LOOKS = 5  # windows that one page looks at
LAST = (1 << 63) - 1
_SLACK = 2_000  # milliseconds between an id and the time of its row
_SPAN = Millis(first_id(Millis(1)))  # ids of a millisecond


class Wanted(Value, frozen=True):
    """'' : any. `users` None: everybody's. `before`: the id that the page before ended at."""

    users: Collection[UserId] | None
    before: int = LAST
    room: int = 100
    since: Millis = Millis(0)
    until: Millis = Millis(LAST // _SPAN)
    sender: str = ""
    target: str = ""
    state: str = ""
    direction: str = ""


class Page(Value, frozen=True):
    """`after`: where the next one begins; None: this was the last."""

    rows: list[Row]
    after: int | None


def messages(db: Database, wanted: Wanted) -> Page:
    """Rows as `listed_messages` has them. Raises StoreError."""
    return _page(db, wanted, "message_window", "listed_messages", 1)


def cdrs(db: Database, wanted: Wanted) -> Page:
    """Rows as `listed_cdrs` has them. Raises StoreError."""
    return _page(db, wanted, "cdr_window", "listed_cdrs", 8)


def _page(db: Database, w: Wanted, window: str, listed: str, time: int) -> Page:
    first, before = _id_at(w.since - _SLACK), min(w.before, _id_at(w.until + _SLACK))
    rows: list[Row] = []
    for _ in range(LOOKS):
        ((low, looked),) = db.read(window, first=first, before=before)
        if low is None:
            return Page(rows, None)
        room = w.room - len(rows)
        found = db.read_batch(
            listed, [(user,) for user in w.users or ()], first=low, before=before, everyone=int(w.users is None),
            sender=w.sender, target=w.target, state=w.state, direction=w.direction, room=room,
        )  # fmt: skip
        rows += [row for row in found if w.since <= row[time] < w.until]
        before = found[-1][0] if len(found) == room else low
        if len(rows) == w.room:
            return Page(rows, before)
        if before == low and looked < WINDOW:
            return Page(rows, None)
    return Page(rows, before)


def _id_at(at: int) -> int:
    """Within what a database holds, whatever year somebody asks for."""
    return min(max(first_id(Millis(at)), 0), LAST)
