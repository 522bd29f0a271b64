"""`archive`: whole months of CDRs move from the database to compressed CSV files."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

from voipsms.commands.context import database, read_config
from voipsms.commands.output import Row, add_format, write_rows
from voipsms.store import archive
from voipsms.store.database import Database

_ARCHIVED = ("month", *archive.COLUMNS, "left", "file")
_PLANNED = ("month", "cdrs", "left")


def month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no month such as 2026-01") from None


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    parser = parsers.add_parser("archive", help="moves months of CDRs to files; balances stay as they are")
    parser.add_argument("--before", type=month, required=True, metavar="YYYY-MM", help="months before this one, UTC")
    parser.add_argument(
        "--to", metavar="FOLDER", default="archive", help="default: %(default)s, beside the config file"
    )
    parser.add_argument("--dry-run", action="store_true", help="only says what would be archived")
    add_format(parser)
    parser.set_defaults(run=_archive)


def _archive(arguments: Namespace) -> int:
    config = read_config(arguments)
    with database(config) as db:
        if arguments.dry_run:
            write_rows(arguments.format, _PLANNED, _plan(db, arguments.before))
        else:
            write_rows(arguments.format, _ARCHIVED, _run(db, arguments.before, config.path(arguments.to)))
    return 0


def _plan(db: Database, before: date) -> Iterator[Row]:
    for found in archive.months(db, before):
        cdrs, left = archive.count(db, found)
        if cdrs:
            yield found.name, cdrs - left, left


def _run(db: Database, before: date, folder: Path) -> Iterator[Row]:
    """A month at a time, what was cut off before first."""
    if note := archive.unfinished(db):
        archive.finish(db, note)
        yield _told(note, 0)
    for found in archive.months(db, before):
        if note := archive.archive(db, found, folder):
            yield _told(note, archive.count(db, found)[0])


def _told(note: archive.Note, left: int) -> Row:
    return note.month, *note.counts.values(), left, str(note.file("cdrs"))
