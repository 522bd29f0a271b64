"""CSV with a header, as an operator imports it: what is wrong with a line is said with its number."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, TypeVar

from voipsms.errors import VoipSmsError
from voipsms.ini import BadValue
from voipsms.values import Value

T = TypeVar("T")

Fault = Callable[[int, str], None]  # number of the line, and what is wrong with it
_HINT: Final = "; a decimal comma?"


class FileError(VoipSmsError):
    """Nothing of the file can be used; the text says why."""


class Columns(Value, frozen=True):
    """`example`: a header that would do; `most`: lines of a file."""

    names: Collection[str]
    needed: Collection[str]
    example: str
    most: int


def read_lines(
    lines: Iterable[str], columns: Columns, read: Callable[[int, dict[str, str]], T], fault: Fault
) -> Iterator[T]:
    """What `read` makes of the good lines: it gets a line's number and its texts by column, and may raise BadValue.
    Raises FileError where no line can be read."""
    lines = iter(lines)
    first = next(lines, "")
    delimiter = ";" if ";" in first and "," not in first else ","
    header = _header(first, delimiter, columns)
    return _good(csv.reader(lines, delimiter=delimiter, strict=True), header, columns.most, read, fault)


def _header(first: str, delimiter: str, columns: Columns) -> list[str]:
    try:
        header = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise FileError(f"line 1: {error}") from error
    for name in header:
        if name not in columns.names:
            raise FileError(f"line 1: there is no column {name[:60]!r}, but {', '.join(columns.names)}")
        if header.count(name) > 1:
            raise FileError(f"line 1: the column {name} stands twice")
    for name in columns.needed:
        if name not in header:
            raise FileError(f"line 1: must be a header with the column {name}, such as {columns.example}")
    return header


def _good(
    reader: Any, header: list[str], most: int, read: Callable[[int, dict[str, str]], T], fault: Fault
) -> Iterator[T]:
    """`reader`: what csv.reader gives."""
    while True:
        number = reader.line_num + 2  # the header is line 1; a cell may run over several lines
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if number > most:
                raise FileError(f"line {number}: a file has {most} lines at the most")
            if cells:
                yield read(number, _texts(cells, header))
        except (BadValue, csv.Error) as error:
            fault(number, str(error))


def _texts(cells: list[str], header: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise BadValue(f"has {len(cells)} values, the header {len(header)}{_HINT if len(cells) > len(header) else ''}")
    return dict(zip(header, map(str.strip, cells), strict=True))
