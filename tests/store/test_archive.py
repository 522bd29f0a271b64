"""Months of CDRs that move to files: all of them, once, wherever a run is cut off, and the money still adds up."""

from __future__ import annotations

import fcntl
import gzip
import os
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.store.bulk import Months, at
from tests.store.rig import House
from voipsms.errors import StoreError
from voipsms.model import State
from voipsms.store import archive
from voipsms.store.archive import ArchiveError, Month, read
from voipsms.store.database import Database, Engine

COUNT = 1300  # more than two pages
JANUARY = Month.of(date(2026, 1, 1))
FEBRUARY = date(2026, 2, 1)


class Cut(Exception):
    """The process ends here."""


class Doomed(Database):
    """Ends at the nth call."""

    def __init__(self, engine: Engine, calls: int) -> None:
        super().__init__(engine)
        self.left = calls

    def _run(self, work: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Cut
        return super()._run(work)


@pytest.fixture
def months(house: House) -> House:
    """The end of December, January and the beginning of February; and cash."""
    users, gateways = [house.users["alice"], house.users["admin"]], [house.gateway(), house.gateway("other")]
    house.db.write("credit_user", id=users[0], amount=10**10)
    house.db.write("insert_movement", id=1, user_id=users[0], kind="credit", amount=10**10, created=0, comment="cash")
    Months(users, gateways, at("2025-12-31T20:00"), at("2026-01-01"), 10).furnish(house.db)
    Months(users, gateways, at("2026-01-01"), at("2026-02-01"), COUNT).furnish(house.db)
    Months(users, gateways, at("2026-02-01"), at("2026-02-02"), 10).furnish(house.db)
    resell(house, [*ids(house, "tb_messages", JANUARY)[:80:4], ids(house, "tb_messages")[-2]])
    return house


def resell(house: House, messages: list[int]) -> None:
    """A reseller has paid for these, too, which were delivered."""
    bob = house.users["bob"]
    with house.db.transaction():
        house.db.write_batch("insert_charges", [(message, 1, bob, 20_000) for message in messages])
        house.db.write_batch(
            "insert_ledger", [(message + 1, bob, message, "reserve", -20_000, 0, "") for message in messages]
        )
        house.db.write("credit_user", id=bob, amount=-20_000 * len(messages))


def ids(house: House, table: str, month: Month | None = None) -> list[int]:
    key = {"tb_ledger": "msgid", "tb_parts": "message_id"}.get(table, "id")
    found = house.rows(f"SELECT {key} FROM {table} WHERE {key} IS NOT NULL ORDER BY {key}")  # noqa: S608 — names above
    return [row[0] for row in found if month is None or month.start <= row[0] >> 22 < month.stop]


def archived(folder: Path, table: str) -> Counter[int]:
    """How often each row is in the files, by id."""
    files = folder.glob(f"{table}-*.csv.gz")
    return Counter(int(row[0]) for file in files for row in read(file, table))


def test_a_month_moves(months: House, tmp_path: Path) -> None:
    ledger = months.rows("SELECT id FROM tb_ledger WHERE msgid IS NOT NULL")
    wanted, movements = ids(months, "tb_cdrs", JANUARY), ids(months, "tb_ledger", JANUARY)
    note = archive.archive(months.db, JANUARY, tmp_path / "new")
    assert note is not None
    assert note.counts == {"cdrs": COUNT, "messages": COUNT, "charges": 20, "ledger": len(movements)}
    assert months.rows("SELECT COUNT(*) FROM tb_charges") == [(1,)]
    assert sorted(archived(tmp_path / "new", "cdrs")) == wanted
    assert sorted(archived(tmp_path / "new", "messages")) == wanted
    assert set(archived(tmp_path / "new", "ledger")) < {row[0] for row in ledger}
    for table in ("tb_cdrs", "tb_messages", "tb_parts", "tb_ledger"):
        assert ids(months, table, JANUARY) == []
        assert len(ids(months, table)) >= 20
    assert archive.unfinished(months.db) is None
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [
        "cdrs-2026-01.csv.gz", "charges-2026-01.csv.gz", "ledger-2026-01.csv.gz", "messages-2026-01.csv.gz",
    ]  # fmt: skip
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in (tmp_path / "new").iterdir())


def test_what_was_charged_is_carried_forward_a_row_a_user(months: House, tmp_path: Path) -> None:
    before: dict[int, int] = dict(months.rows("SELECT user_id, SUM(amount) FROM tb_ledger GROUP BY user_id"))
    archive.archive(months.db, JANUARY, tmp_path)
    carried = months.rows("SELECT user_id, msgid, comment FROM tb_ledger WHERE kind = 'carried' ORDER BY user_id")
    comment = "messages of 2026-01, archived"
    assert carried == [
        (user, None, comment) for user in sorted(months.users[name] for name in ("alice", "bob", "admin"))
    ]
    assert dict(months.rows("SELECT user_id, SUM(amount) FROM tb_ledger GROUP BY user_id")) == before
    assert months.rows("SELECT amount FROM tb_ledger WHERE id = 1") == [(10**10,)]  # cash stays as it is


def test_a_file_has_the_rows_as_they_were(months: House, tmp_path: Path) -> None:
    odd = '=1,"x"\r\n\u2028 ✓'
    wanted = ids(months, "tb_messages", JANUARY)
    connection = months.engine.connect()
    cursor = connection.cursor()
    mark = "?" if months.engine.name == "sqlite" else "%s"
    cursor.execute(f"UPDATE tb_messages SET text = {mark} WHERE id = {mark}", (odd, wanted[3]))  # noqa: S608 — marks
    connection.commit()
    connection.close()
    cdrs = months.rows("SELECT * FROM tb_cdrs")
    archive.archive(months.db, JANUARY, tmp_path)
    texts = [row[8] for row in read(tmp_path / "messages-2026-01.csv.gz", "messages")]
    assert (texts[3], texts[4]) == (odd, "Hello")
    rows = list(read(tmp_path / "cdrs-2026-01.csv.gz", "cdrs"))
    assert rows == [[str(value) for value in row] for row in sorted(cdrs) if row[0] in set(wanted)]


def test_months_before(months: House) -> None:
    assert [month.name for month in archive.months(months.db, FEBRUARY)] == ["2025-12", "2026-01"]
    assert [month.name for month in archive.months(months.db, date(2026, 1, 1))] == ["2025-12"]
    assert list(archive.months(months.db, date(2025, 12, 1))) == []
    assert [month.name for month in archive.months(months.db, date(2999, 1, 1))] == ["2025-12", "2026-01", "2026-02"]
    assert archive.count(months.db, JANUARY) == (COUNT, 0)


def test_the_month_that_is_not_over_stays(house: House) -> None:
    house.taken("A", state=State.ACCEPTED)
    assert list(archive.months(house.db, date(2999, 1, 1))) == []


def test_a_message_that_waits_stays_until_it_is_final(months: House, tmp_path: Path) -> None:
    waiting = ids(months, "tb_cdrs", JANUARY)[8]
    months.db.write_batch("insert_queue", [(waiting, 0, 2, 1, 0)])
    months.db.write_batch("update_messages", [(waiting, "ENROUTE", "", "", 0)])
    months.db.write_batch("update_cdrs", [(waiting, "ENROUTE", "", "", 1)])
    assert archive.count(months.db, JANUARY) == (COUNT, 1)
    archive.archive(months.db, JANUARY, tmp_path)
    assert ids(months, "tb_cdrs", JANUARY) == ids(months, "tb_messages", JANUARY) == [waiting]
    assert archive.archive(months.db, JANUARY, tmp_path) is None  # nothing for it to do
    assert len(list(tmp_path.glob("*.gz*"))) == 4
    months.hear(f"p{waiting}")
    assert archive.archive(months.db, JANUARY, tmp_path) is not None
    assert ids(months, "tb_cdrs", JANUARY) == []
    assert (tmp_path / "cdrs-2026-01-2.csv.gz").exists()
    assert set(archived(tmp_path, "cdrs").values()) == {1}


def test_a_late_receipt_finds_nothing_any_more(months: House, tmp_path: Path) -> None:
    late = ids(months, "tb_cdrs", JANUARY)[0]
    months.db.write_batch("update_messages", [(late, "UNKNOWN", "no_receipt", "", 0)])
    months.db.write_batch("update_cdrs", [(late, "UNKNOWN", "no_receipt", "", 1)])
    archive.archive(months.db, JANUARY, tmp_path)
    assert months.hear(f"p{late}", State.UNDELIVERABLE) is False


@pytest.mark.parametrize("calls", [*range(1, 24), 26, 30, 34, 40, 50])
def test_cut_off_anywhere(months: House, tmp_path: Path, calls: int) -> None:
    cdrs = ids(months, "tb_cdrs", JANUARY)
    movements = [row[0] for row in months.rows("SELECT id FROM tb_ledger WHERE msgid IS NOT NULL ORDER BY id")]
    doomed = Doomed(months.engine, calls)
    with suppress(Cut, StoreError):
        archive.archive(doomed, JANUARY, tmp_path)
    doomed.close()
    months.check()
    kept = set(ids(months, "tb_cdrs", JANUARY))
    assert kept == set(cdrs) or archive.unfinished(months.db), "rows go when their files are whole"
    if note := archive.unfinished(months.db):
        archive.finish(months.db, note)
    archive.archive(months.db, JANUARY, tmp_path)
    assert ids(months, "tb_cdrs", JANUARY) == []
    assert archived(tmp_path, "cdrs") == Counter(cdrs)
    left = [row[0] for row in months.rows("SELECT id FROM tb_ledger WHERE msgid IS NOT NULL ORDER BY id")]
    assert archived(tmp_path, "ledger") == Counter(set(movements) - set(left))
    assert not list(tmp_path.glob("*.part"))


def written(months: House, folder: Path) -> archive.Note:
    """A run that was cut off when its files were whole."""
    for calls in range(1, 100):
        doomed = Doomed(months.engine, calls)
        with suppress(Cut, StoreError):
            archive.archive(doomed, JANUARY, folder)
        doomed.close()
        if note := archive.unfinished(months.db):
            return note
    raise AssertionError


def test_a_damaged_file_keeps_the_rows(months: House, tmp_path: Path) -> None:
    note = written(months, tmp_path)
    file = note.file("cdrs")
    whole = file.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    for damaged in (whole[:-20], b"no gzip", whole[:200] + b"XXXX" + whole[204:], gzip.compress(b"".join(lines[:-1]))):
        file.write_bytes(damaged)
        with pytest.raises(ArchiveError, match=r"2026-01|gzip|end-of-stream|decompress"):
            archive.finish(months.db, note)
        assert len(ids(months, "tb_cdrs", JANUARY)) == COUNT
    file.write_bytes(whole)
    archive.finish(months.db, note)
    assert ids(months, "tb_cdrs", JANUARY) == []


def test_a_folder_that_cannot_be_written(months: House, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="file"):
        archive.archive(months.db, JANUARY, tmp_path / "file")
    assert len(ids(months, "tb_cdrs", JANUARY)) == COUNT


def test_two_at_once_in_one_folder(months: House, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(ArchiveError, match="another process"):
        archive.archive(months.db, JANUARY, tmp_path)
    os.close(folder)
    assert not list(tmp_path.glob("*.gz*"))


def test_the_journal_goes_on(months: House, tmp_path: Path) -> None:
    """Messages are accepted while a month moves; none waits for more than a fraction of what the move takes."""
    over = threading.Event()
    mover = Database(months.engine)

    def move() -> None:
        archive.archive(mover, JANUARY, tmp_path)
        over.set()

    thread = threading.Thread(target=move)
    thread.start()
    longest, commits = 0.0, 0
    while not over.wait(0.005):  # as often as the journal commits
        began = time.monotonic()
        months.accepted("admin")
        longest, commits = max(longest, time.monotonic() - began), commits + 1
    thread.join()
    mover.close()
    assert commits > 3
    assert longest < 0.5
    assert ids(months, "tb_cdrs", JANUARY) == []
