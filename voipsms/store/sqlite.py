"""SQLite: WAL, every commit synced to the disk before it returns."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from voipsms.errors import StoreError
from voipsms.store.database import Busy, Misstated, Row, Unwritable

# Checkpoints sync the whole database file. `tidy`, in a thread beside the journal's, does them before a commit has to:
# at 1,000 messages a second the 99th percentile of a commit was 25 ms without that, and is 4 ms with it.
_WAL = "wal_autocheckpoint = 4000"


# Of the rows, not of the database.
_UNWRITABLE = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "OverflowError", "Unicode")


_MISSTATED = ("SQLITE_ERROR", "SQLITE_READONLY", "SQLITE_AUTH", "SQLITE_MISMATCH")
_STEPS = 10_000  # of SQLite's virtual machine, between two looks at the clock


class SqliteEngine:
    """A database in one file. Several processes of one machine may have it open."""

    name = "sqlite"
    driver = "sqlite3"
    begin = "BEGIN IMMEDIATE"
    gathers = True
    errors: tuple[type[Exception], ...] = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError)

    def __init__(self, path: Path, busy: float) -> None:
        self.path = path
        self._busy = busy

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self._busy, isolation_level=None, check_same_thread=False)
        try:
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                "cache_size = -16000",
                "temp_store = MEMORY",
                _WAL,
            ):
                connection.execute(f"PRAGMA {pragma}").close()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def translate(self, error: Exception) -> StoreError:
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        if name == "SQLITE_INTERRUPT":
            return Busy(f"{self.path}: a statement took too long")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Busy(f"{self.path}: locked by another process")
        if name.startswith(_UNWRITABLE):
            return Unwritable(f"{self.path}: {error}")
        return StoreError(f"{self.path}: {error} ({name})")

    def script(self, connection: Any, statements: str) -> None:
        """All of it or nothing."""
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{statements}\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK").close()
            raise

    def tidy(self, connection: Any) -> None:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()

    def select(self, connection: Any, sql: str, values: Sequence[str], seconds: float) -> Row | None:
        return self._ask(connection, sql, tuple(values), seconds)

    def call(self, connection: Any, procedure: str, values: Mapping[str, object], seconds: float) -> Row | None:
        """There are no procedures: it is a query."""
        return self._ask(connection, procedure, values, seconds)

    def _ask(self, connection: Any, sql: str, values: Any, seconds: float) -> Row | None:
        until = time.monotonic() + seconds
        connection.execute("PRAGMA query_only = ON").close()
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            with closing(connection.execute(sql, values)) as cursor:
                row: Row | None = cursor.fetchone()
                return row
        except (sqlite3.Error, sqlite3.Warning) as error:
            if getattr(error, "sqlite_errorname", "SQLITE_ERROR") in _MISSTATED:
                raise Misstated(str(error)) from error
            raise
        finally:
            connection.set_progress_handler(None, 0)

    def ready_to_post(self, connection: Any, statements: Mapping[str, str]) -> None:
        """Makes all statements the body of one trigger, so that a commit's batches are one insert into its view, which
        runs from end to end without the interpreter lock."""
        body = "\n".join(f"{sql.replace(':rows', f'NEW.{name}').rstrip(';')};" for name, sql in statements.items())
        columns = ", ".join(f"NULL AS {name}" for name in statements)
        connection.execute(f"CREATE TEMP VIEW IF NOT EXISTS posted AS SELECT {columns}").close()
        connection.execute(
            f"CREATE TEMP TRIGGER IF NOT EXISTS post INSTEAD OF INSERT ON posted BEGIN\n{body}\nEND"
        ).close()

    def post(self, connection: Any, statements: Mapping[str, str], batches: Mapping[str, str]) -> None:
        places = ", ".join("?" * len(statements))
        rows = [batches.get(name) for name in statements]
        connection.execute(f"INSERT OR FAIL INTO posted VALUES ({places})", rows).close()  # noqa: S608 — question marks
