"""How far a long command is, on a terminal, elsewhere nothing; and what is wrong with a file that it reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Final, TextIO

_WIDTH: Final = 40  # characters of the bar


def clear(out: TextIO) -> None:
    """Takes the line away, so that another may be written."""
    if out.isatty():
        out.write("\r\x1b[K")
        out.flush()


class Progress:
    """Told what is done of `total`, it draws a line on standard error anew whenever a further percent is."""

    def __init__(self, what: str, total: int, out: TextIO | None = None) -> None:
        self._what = what
        self._total = max(total, 1)
        self._out = out or sys.stderr
        self._shown = -1 if self._out.isatty() else 100

    def __call__(self, done: int) -> None:
        percent = min(done * 100 // self._total, 100)
        if percent > self._shown:
            self._shown = percent
            bar = "#" * (percent * _WIDTH // 100)
            self._out.write(f"\r{self._what} [{bar:<{_WIDTH}}] {percent:3d}%")
            self._out.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        clear(self._out)


class Faults:
    """Says each as it comes, with the number of its line, and counts them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.count = 0

    def __call__(self, line: int, why: str) -> None:
        self.count += 1
        clear(sys.stderr)
        print(f"{self._file}: line {line}: {why}", file=sys.stderr)


def lines_of(name: str) -> Iterator[str]:
    """Of a text file, under a bar. Other octets than UTF-8 do no harm in a column that is read over. Raises OSError."""
    done = 0
    with (
        open(name, encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
        Progress("reading", os.fstat(file.fileno()).st_size) as progress,
    ):
        for line in file:
            done += len(line)
            progress(done)
            yield line
