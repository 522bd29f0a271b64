"""The rows of tb_quality, which all processes of a database add to; see voipsms/quality.py for what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voipsms.store.database import Database, Row

PAGE = 2000  # rows a statement


def add(db: Database, rows: Sequence[Sequence[Any]]) -> int:
    """Inside a transaction."""
    for begin in range(0, len(rows), PAGE):
        db.write_batch("add_quality", rows[begin : begin + PAGE])
    return len(rows)


def read(db: Database, first: int, last: int) -> list[Row]:
    """Of these spans."""
    return db.read("quality", first=first, last=last)


def forget(db: Database, first: int, last: int) -> int:
    """All but these spans; inside a transaction."""
    return db.write("forget_quality", first=first, last=last)
