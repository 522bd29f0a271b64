"""The file of Clickatell's two-way guide (seeds/000, §11.3.2), with its marks made what they stand for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import GATEWAY
from voipsms.inbound.call import Malformed
from voipsms.inbound.mo_log import MOST, Piece, Position, read_line, scan

MANUAL = """\
2005-01-06[space]12:26:18[space]handset_number_here[tab]mo_number_here[tab]text_here
2005-01-06[space]12:27:18[space]handset_number_here[tab]mo_number_here[tab]text_here2
2005-01-06[space]12:28:18[space]handset_number_here[tab]mo_number_here[tab]text_here3
"""
LINES = (
    MANUAL.replace("[space]", " ").replace("[tab]", "\t").replace("handset_number_here", "279991235642")
    .replace("mo_number_here", "27123456789").encode()
)  # fmt: skip


class Memory:
    """Files as they are at one moment."""

    def __init__(self, **files: bytes) -> None:
        self.files = {name.replace("_", "."): octets for name, octets in files.items()}

    def names(self) -> list[str]:
        return list(self.files)

    def size(self, name: str) -> int:
        return len(self.files.get(name, b""))

    def read(self, name: str, offset: int, most: int) -> bytes:
        return self.files.get(name, b"")[offset : offset + most]


def taken(files: Memory, at: Position) -> tuple[list[bytes], Position]:
    """All lines that are new, and where the next look begins."""
    found: list[bytes] = []
    while (piece := scan(files, at)).after != at:
        found += [line for _, line in piece.lines]
        at = piece.after
    return found, at


def test_the_manuals_lines() -> None:
    piece = Piece(Position("f"), LINES)
    texts = [read_line(GATEWAY, "f", offset, line) for offset, line in piece.lines]
    assert [(one.source, one.target, one.text) for one in texts] == [
        ("279991235642", "27123456789", f"text_here{n}") for n in ("", "2", "3")
    ]
    assert [datetime.fromtimestamp(one.sent / 1000, UTC).isoformat() for one in texts] == [
        f"2005-01-06T10:{minute}:18+00:00" for minute in (26, 27, 28)
    ]
    assert len({one.provider_id for one in texts}) == 3


@pytest.mark.parametrize(
    "line, text",
    [
        (b"2005-01-06 12:26:18 1\t2\tx\r", "x"), (b"2005-01-06 12:26:18 1\t2\t", ""),
        (b"2005-01-06 12:26:18 1\t2\ta\tb ", "a\tb "), (b"2005-01-06 12:26:18 1\t2\tcaf\xe9", "café"),
        ("2005-01-06 12:26:18 Bank\t2\tJó 😀".encode(), "Jó 😀"),
    ],
    ids=["CR", "no text", "tabs", "latin-1", "UTF-8"],
)  # fmt: skip
def test_lines(line: bytes, text: str) -> None:
    assert read_line(GATEWAY, "f", 0, line).text == text


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"2005-01-06 12:26:18 1\t2", b"2005-01-06 12:26:18\t1\t2\tx", b"2005-13-06 12:26:18 1\t2\tx",
     b"2005-01-06 12:26:18 \t2\tx", b"2005-01-06 12:26:18 1\tx\tx", b"2005-01-06 12:26:18 1\t" + b"2" * 21 + b"\tx",
     b"2005-01-06 12:26:18 1\t2\t" + b"x" * 16_001, b" 2005-01-06 12:26:18 1\t2\tx"],
)  # fmt: skip
def test_bad_lines(line: bytes) -> None:
    with pytest.raises(Malformed):
        read_line(GATEWAY, "f", 0, line)


def test_the_same_line_again_is_another_text() -> None:
    line = b"2005-01-06 12:26:18 1\t2\tx"
    ids = {read_line(GATEWAY, file, offset, line).provider_id for file, offset in (("f", 0), ("f", 28), ("g", 0))}
    assert len(ids) == 3
    assert read_line(GATEWAY, "f", 0, line) == read_line(GATEWAY, "f", 0, line)


# -- the place in the file

A, B, C, D = b"first", b"second", b"third", b"fourth"


def file(*lines: bytes, rest: bytes = b"") -> bytes:
    return b"".join(line + b"\n" for line in lines) + rest


@pytest.mark.parametrize(
    "before, after, new",
    [
        (Memory(), Memory(), []),
        (Memory(), Memory(mo_log=file(A)), [A]),
        (Memory(mo_log=b"fir"), Memory(mo_log=file(A)), [A]),
        (Memory(mo_log=file(A)), Memory(mo_log=file(A)), []),
        (Memory(mo_log=file(A)), Memory(mo_log=file(A, B, rest=b"thi")), [B]),
        (Memory(mo_log=file(A, rest=b"sec")), Memory(mo_log=file(A, B, C)), [B, C]),
        (Memory(mo_log=file(A, B)), Memory(mo_log=file(C)), [C]),
        (Memory(mo_log=file(A, B)), Memory(), []),
        (Memory(mo_log=file(A)), Memory(mo_log=file(C, D), mo_log_1=file(A, B)), [B, C, D]),
        (Memory(mo_log=file(A)), Memory(mo_log=b"", mo_log_1=file(A, B)), [B]),
        (Memory(mo_log=file(A, B)), Memory(mo_log=file(C), mo_log_1=file(A, B, rest=b"half")), [C]),
        (Memory(mo_log=file(A, B, C)), Memory(mo_log=file(A, B)), []),
        (Memory(mo_log=file(A)), Memory(mo_log=file(A, b"x" * (MOST + 3), C)), [b"xxx", C]),
    ],
    ids=["no file", "it comes", "its first line wasn't whole", "nothing new", "a line and a half", "the half is whole",
         "another file", "it is gone", "rotated", "rotated, nothing new yet", "rotated with half a line",
         "cut", "an endless line"],
)  # fmt: skip
def test_what_is_new(before: Memory, after: Memory, new: list[bytes]) -> None:
    _, at = taken(before, Position())
    found, at = taken(after, at)
    assert found == new
    assert taken(after, at) == ([], at)


def test_after_a_cut_it_goes_on_at_the_new_end() -> None:
    _, at = taken(Memory(mo_log=file(A, B, C)), Position())
    _, at = taken(Memory(mo_log=file(A)), at)
    assert taken(Memory(mo_log=file(A, D)), at)[0] == [D]


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=12), st.data())
def test_each_line_is_taken_once_however_the_file_grows(lines: list[bytes], data: st.DataObject) -> None:
    octets, found, at, length = file(*lines), [], Position(), 0
    while length < len(octets):
        length += data.draw(st.integers(1, 20))
        new, at = taken(Memory(mo_log=octets[:length]), at)
        found += new
    assert found == lines


@given(st.binary(max_size=100))
def test_any_line_is_a_text_or_malformed(line: bytes) -> None:
    for told in (line, b"2005-01-06 12:26:18 1\t2\t" + line):
        try:
            assert read_line(GATEWAY, "f", 0, told).provider_id.startswith("log-")
        except Malformed:
            continue
