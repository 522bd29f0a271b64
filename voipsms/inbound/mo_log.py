"""Clickatell's mo.log (seeds/000, §11.3.2): its lines, and the place up to which they have been taken.

A line's id is made of the file's first line, of where the line begins and of what it says. So it is the same for every
process and after every restart, and another one where a phone says the same thing again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final, Protocol

from voipsms.inbound.call import Malformed, bounded, number, sender, utf8
from voipsms.inbound.clickatell import read_time
from voipsms.model import GatewayId, Inbound
from voipsms.values import Value

NAME: Final = "mo.log"
LONGEST_HEAD: Final = 4096  # octets of the first line that tell one file from another
MOST: Final = 262_144  # octets that are read at once; a line that is longer is none
MOST_ROTATED: Final = 20  # older files that are looked at

_LINE: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([^\t]*)\t([^\t]*)\t(.*)", re.ASCII | re.DOTALL)


class Position(Value, frozen=True):
    """Up to where a file has been read; `file`: which one it is, by its first line; empty: none yet."""

    file: str = ""
    offset: int = 0


class Piece(Value, frozen=True):
    """Octets of a file, and where they begin."""

    at: Position
    octets: bytes

    @property
    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Whole ones, without their ends, each with where it begins."""
        offset = self.at.offset
        for line in self.octets[: self._end].split(b"\n")[:-1]:
            yield offset, line
            offset += len(line) + 1

    @property
    def after(self) -> Position:
        """The last line is not whole before its end has come; but what fills the piece is no line at all."""
        length = self._end or (len(self.octets) if len(self.octets) >= MOST else 0)
        return Position(self.at.file, self.at.offset + length)

    @property
    def _end(self) -> int:
        return self.octets.rfind(b"\n") + 1


class Files(Protocol):
    """Where mo.log is. Blocks; raises Unreachable."""

    def names(self) -> Sequence[str]: ...

    def size(self, name: str) -> int:
        """0 where there is none."""
        ...

    def read(self, name: str, offset: int, most: int) -> bytes: ...


def scan(files: Files, position: Position) -> Piece:
    """What comes next: in the file of that position, under whichever name it is now, and then in mo.log."""
    current = _identity(files, NAME)
    if position.file in ("", current):
        offset = min(position.offset, files.size(NAME))  # less: it was cut, and what is left was taken before
        return Piece(Position(current, offset), files.read(NAME, offset, MOST))
    rotated = sorted(name for name in files.names() if name.startswith(NAME) and name != NAME)
    older = next((name for name in rotated[:MOST_ROTATED] if _identity(files, name) == position.file), None)
    if older is not None:
        piece = Piece(position, files.read(older, position.offset, MOST))
        if piece.after != position:
            return piece
    return Piece(Position(current), files.read(NAME, 0, MOST)) if current else Piece(position, b"")


def _identity(files: Files, name: str) -> str:
    """Empty: it has no whole line yet."""
    first, end, _ = files.read(name, 0, LONGEST_HEAD).partition(b"\n")
    return blake2b(first, digest_size=16).hexdigest() if end or len(first) == LONGEST_HEAD else ""


def read_line(gateway_id: GatewayId, file: str, offset: int, line: bytes) -> Inbound:
    """`YYYY-MM-DD HH:MM:SS handset[tab]number[tab]text`, at GMT+0200. Raises Malformed."""
    found = _LINE.fullmatch(utf8(line.removesuffix(b"\r")))
    if found is None or not (sent := read_time(found[1])):
        raise Malformed("not a time, a blank, a number, a tab, our number, a tab and a text")
    mark = blake2b(f"{file} {offset} ".encode() + line, digest_size=16).hexdigest()
    return Inbound(
        gateway_id,
        sender(found[2].encode(), "handset"),
        number(found[3].encode(), "number"),
        bounded(found[4], "text"),
        provider_id=f"log-{mark}",
        sent=sent,
    )
