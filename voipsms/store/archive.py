"""Moves whole months of CDRs, with their messages, resellers' charges and movements of money, from tables to files.

The order is what makes it safe to be cut off anywhere: first nothing can change these rows any more (their parts go, so
that no receipt finds them), then they are written and synced under a working name, then tb_settings says that the files
are whole, then they get their names, then the rows go, each with its movements in one transaction, which books the
movements' sum as one row a user. Who starts after a cut finds that note and goes on from there; without it whatever
has a working name is waste.
"""

from __future__ import annotations

import csv
import fcntl
import gzip
import json
import os
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from voipsms.errors import VoipSmsError
from voipsms.model import Millis
from voipsms.store.cdrs import span
from voipsms.store.database import Busy, Conflict, Database, Row
from voipsms.store.ids import first_id, now_millis

COLUMNS = {
    "cdrs": (
        "id", "msgid", "type", "direction", "user_id", "gateway_id", "sender", "target", "start", "duration", "parts",
        "price", "cost", "currency", "state", "reason", "comment",
    ),
    "messages": (
        "id", "created", "direction", "door", "user_id", "gateway_id", "sender", "target", "text", "coding", "parts",
        "duration", "price", "cost", "currency", "client_ip", "message_class", "state", "reason", "comment", "changed",
    ),
    "charges": ("message_id", "level", "user_id", "price", "refunded"),
    "ledger": ("id", "user_id", "msgid", "kind", "amount", "created", "comment"),
}  # fmt: skip
T = TypeVar("T")

_NOTE = "archive"  # in tb_settings
_WORKING = ".part"
_PAGE = 500  # rows a transaction, some 20 ms
_GONE = (
    "delete_messages", "delete_options", "delete_parts", "delete_spellings", "delete_movements", "delete_charges",
    "delete_events",
)  # fmt: skip
_PATIENCE = 20  # times that somebody else's lock is waited for


class ArchiveError(VoipSmsError):
    """Files that can't be written, or aren't what they were when they were written."""


@dataclass(frozen=True, slots=True)
class Month:
    """`name`: 2026-01, UTC."""

    name: str
    start: Millis
    stop: Millis

    @classmethod
    def of(cls, first: date) -> Month:
        return cls(f"{first:%Y-%m}", _midnight(first), _midnight(_next(first)))


@dataclass(frozen=True, slots=True)
class Note:
    """Files that are whole, of which rows may still be in the tables. `counts`: rows, by table."""

    month: str
    folder: str
    number: int  # 1, or more where a month has been archived before
    counts: dict[str, int]

    def file(self, table: str) -> Path:
        again = f"-{self.number}" if self.number > 1 else ""
        return Path(self.folder) / f"{table}-{self.month}{again}.csv.gz"


def _midnight(day: date) -> Millis:
    return Millis(round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000))


def _next(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def months(db: Database, before: date) -> Iterator[Month]:
    """Whole ones that have CDRs or lie between such, oldest first; `before` is the first day of a month."""
    start, stop = span(db)
    if start == stop:
        return
    at = datetime.fromtimestamp(start / 1000, UTC).date().replace(day=1)
    end = min(before, datetime.fromtimestamp(now_millis() / 1000, UTC).date().replace(day=1))
    while at < end and _midnight(at) < stop:
        yield Month.of(at)
        at = _next(at)


def count(db: Database, month: Month) -> tuple[int, int]:
    """CDRs of a month, and how many of them are of messages that aren't final."""
    ((cdrs, waiting),) = db.read("count_cdrs", first=first_id(month.start), before=first_id(month.stop))
    return cdrs, waiting


def unfinished(db: Database) -> Note | None:
    """What a run that was cut off had written whole."""
    rows = db.read("setting", name=_NOTE)
    return Note(**json.loads(rows[0][0])) if rows else None


def archive(db: Database, month: Month, folder: Path) -> Note | None:
    """Writes a month and removes it; None: it has nothing to be archived.

    Raises ArchiveError, StoreError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            _settle(db, month)
            note = _write(db, month, folder)
            if note is not None:
                with db.transaction():
                    db.write("insert_setting", name=_NOTE, value=json.dumps(asdict(note)))
    except OSError as error:
        raise ArchiveError(f"{folder}: {error.strerror or error}") from error
    if note is not None:
        finish(db, note)
    return note


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises ArchiveError where another process is archiving into this folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ArchiveError(f"{folder}: another process is archiving into this folder") from None
    finally:
        os.close(opened)


def finish(db: Database, note: Note) -> None:
    """Raises ArchiveError where a file is not what was written: nothing of it is removed then."""
    try:
        with _alone(Path(note.folder)):
            _name_files(note)
            for table, rows in note.counts.items():
                if sum(1 for _ in read(note.file(table), table)) != rows:
                    raise ArchiveError(f"{note.file(table)}: has not the {rows} rows that were written")
            _remove(db, note)
            with db.transaction():
                db.write("delete_setting", name=_NOTE)
    except (OSError, EOFError, csv.Error, UnicodeDecodeError, zlib.error) as error:
        raise ArchiveError(f"{note.folder}: {error}") from error


# -- writing ----------------------------------------------------------------------------------------------------------


def _settle(db: Database, month: Month) -> None:
    """From here on no receipt changes a final message of this month."""

    def some() -> int:
        found = db.read("final_parts", first=first_id(month.start), before=first_id(month.stop))
        for name in ("delete_parts", "delete_spellings") if found else ():
            db.write_batch(name, found)
        return len(found)

    while _in_turn(db, some):
        pass


def _write(db: Database, month: Month, folder: Path) -> Note | None:
    """Complete and on the disk, under working names."""
    number = 1
    while any(Note(month.name, str(folder), number, {}).file(table).exists() for table in COLUMNS):
        number += 1
    note = Note(month.name, str(folder.resolve()), number, dict.fromkeys(COLUMNS, 0))
    with ExitStack() as stack:
        files = {table: stack.enter_context(_sheet(note.file(table), columns)) for table, columns in COLUMNS.items()}
        after, written = first_id(month.start) - 1, set[int]()
        while page := db.read("archivable", after=after, before=first_id(month.stop)):
            after = page[-1][0]
            wanted = _once(row[1] for row in page if row[1] not in written)
            written = {row[1] for row in page}  # a pair of calls has several CDRs, one after the other
            for table, rows in (
                ("cdrs", page),
                ("messages", db.read_batch("messages_of", wanted)),
                ("charges", db.read_batch("all_charges_of", wanted)),
                ("ledger", db.read_batch("movements_of", wanted)),
            ):
                files[table](rows)
                note.counts[table] += len(rows)
    if note.counts["cdrs"]:
        return note
    for table in COLUMNS:
        _working(note.file(table)).unlink()
    return None


def _once(ids: Iterable[int]) -> list[tuple[int]]:
    return [(one,) for one in dict.fromkeys(ids)]


@contextmanager
def _sheet(file: Path, columns: Sequence[str]) -> Iterator[Callable[[Sequence[Row]], None]]:
    """Writes rows to a gzipped CSV file under its working name, which is on the disk at the end. Only its owner may
    read it."""
    with open(_working(file), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as raw:
        with gzip.open(raw, "wt", 6, encoding="utf-8", newline="") as text:
            lines = csv.writer(text, lineterminator="\n")
            lines.writerow(columns)
            yield lines.writerows
        raw.flush()
        os.fsync(raw.fileno())


def _working(file: Path) -> Path:
    return file.with_name(file.name + _WORKING)


def _name_files(note: Note) -> None:
    for table in note.counts:
        file = note.file(table)
        if _working(file).exists():
            _working(file).rename(file)
    folder = os.open(note.folder, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(file: Path, table: str) -> Iterator[list[str]]:
    """The rows of an archive file, as texts. Raises OSError, EOFError, ArchiveError."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        if tuple(next(rows, ())) != COLUMNS[table]:
            raise ArchiveError(f"{file}: is no archive of {table}")
        yield from rows


# -- removing ---------------------------------------------------------------------------------------------------------


def _remove(db: Database, note: Note) -> None:
    rows = read(note.file("cdrs"), "cdrs")
    carried: dict[int, int] = {}  # the row that stands for a user's, in this run
    for page in _pages(rows):
        carried.update(_in_turn(db, partial(_remove_page, db, page, carried, note.month)))


def _pages(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """The CDRs of a pair of calls are in one of them, so that the ledger is right after each."""
    page: list[list[str]] = []
    for _, same in groupby(rows, key=itemgetter(1)):
        page.extend(same)
        if len(page) >= _PAGE:
            yield page
            page = []
    if page:
        yield page


def _remove_page(db: Database, page: list[list[str]], carried: dict[int, int], month: str) -> dict[int, int]:
    wanted = _once(int(row[1]) for row in page)
    movements = db.read_batch("movements_of", wanted)
    for name in _GONE:
        db.write_batch(name, wanted)
    db.write_batch("delete_cdrs", [(int(row[0]),) for row in page])
    return _carry(db, movements, carried, month)


def _carry(db: Database, movements: list[Row], carried: dict[int, int], month: str) -> dict[int, int]:
    """Books the sum of removed movements, so that a balance stays the sum of its rows. The row has the id of one that
    it stands for. Returns the new rows, by user, for the time when the transaction is committed."""
    sums: defaultdict[int, int] = defaultdict(int)
    first: dict[int, int] = {}
    for movement_id, user_id, _, _, amount, _, _ in movements:
        sums[user_id] += amount
        first.setdefault(user_id, movement_id)
    made = {}
    for user_id, amount in sums.items():
        if user_id in carried:
            db.write("add_to_movement", id=carried[user_id], amount=amount)
        else:
            made[user_id] = first[user_id]
            db.write(
                "insert_movement", id=first[user_id], user_id=user_id, kind="carried", amount=amount,
                created=now_millis(), comment=f"messages of {month}, archived",
            )  # fmt: skip
    return made


def _in_turn(db: Database, work: Callable[[], T]) -> T:
    """In a transaction of its own, again where another one is in the way, then as long a rest: who waits for the
    lock gets it."""
    for tries in range(_PATIENCE):
        began = time.monotonic()
        try:
            with db.transaction():
                return work()
        except (Busy, Conflict):
            if tries == _PATIENCE - 1:
                raise
        finally:
            time.sleep(time.monotonic() - began)
    raise AssertionError
