"""Rows for people and programs: a table, CSV, or a JSON array of objects, written as they come."""

from __future__ import annotations

import csv
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TextIO

from voipsms.store.ids import moment as moment

Row = Sequence[object]
FORMATS = ("table", "csv", "json")
_SAMPLE = 200  # rows by which a table's columns are made wide enough


def add_format(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: %(default)s")


def write_rows(kind: str, names: Sequence[str], rows: Iterable[Row], out: TextIO | None = None) -> None:
    """Constant memory but for a table's first rows."""
    {"table": _table, "csv": _csv, "json": _json}[kind](names, rows, out or sys.stdout)


def _text(value: object) -> str:
    """Without control characters, since a terminal would obey them."""
    text = "" if value is None else str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def _table(names: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    rows = iter(rows)
    head = [list(names), *([_text(v) for v in row] for row, _ in zip(rows, range(_SAMPLE), strict=False))]
    widths = [max(len(line[i]) for line in head) for i in range(len(names))]

    def line(cells: Iterable[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n"

    out.writelines(map(line, head))
    out.writelines(line(map(_text, row)) for row in rows)


def _csv(names: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def _json(names: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    keys = [json.dumps(name) for name in names]
    out.write("[")
    for n, row in enumerate(rows):
        pairs = (f"{key}: {_value(value)}" for key, value in zip(keys, row, strict=True))
        out.write(("," if n else "") + "\n  {" + ", ".join(pairs) + "}")
    out.write("\n]\n")


def _value(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
