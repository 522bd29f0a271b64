"""mo.log, in a folder and on a real FTP server."""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
import os
import re
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.deliveries import AT, delivery, user
from tests.connectors.http_rig import closed_port
from tests.peers.ftp_server import PASSWORD, USER, FtpServer
from voipsms.carriers import mo_log
from voipsms.carriers.mo_log import MoLogCarrier, append, line, read_ftp
from voipsms.carriers.port import NotCarried

LINE = b"2007-02-26 14:36:50 36301112233\t36201234567\tSzia\n"


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[MoLogCarrier]:
    made = MoLogCarrier(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[FtpServer]:
    (tmp_path / "home" / "in box").mkdir(parents=True)
    with FtpServer(tmp_path / "home") as started:
        yield started


async def refusal(carrier: MoLogCarrier, place: str) -> NotCarried:
    with pytest.raises(NotCarried) as caught:
        await carrier.carry(delivery("Szia"), user(log=place))
    return caught.value


# -- lines


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Szia", "Szia"),
        ("árvíztűrő 🎉", "árvíztűrő 🎉"),
        ("a\tb\nc\r\nd\re\x0bf", "a b c d e f"),
        ("\n2005-01-06 12:26:18 1\t2\tforged", " 2005-01-06 12:26:18 1 2 forged"),
        ("a\x1b[2Jb\x85c\u2028d", "a [2Jb c d"),
        ("half \ud83d", "half ?"),
        ("", ""),
    ],
    ids=["ASCII", "UTF-8", "tabs and ends of lines", "a forged line", "controls", "half a pair", "empty"],
)
def test_lines(text: str, written: str) -> None:
    assert line(delivery(text)).decode() == f"2007-02-26 14:36:50 36301112233\t36201234567\t{written}\n"


def test_a_binary_message() -> None:
    told = delivery("", fields=(("octets", "00ff"), ("sent", str(AT - 86_400_000))))
    assert line(told) == b"2007-02-25 14:36:50 36301112233\t36201234567\t00ff\n"


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))
def test_it_is_always_one_line_of_three_fields(text: str, source: str, target: str) -> None:
    written = line(delivery(text, source=source, target=target)).decode()
    assert written.splitlines() == [written[:-1]]
    assert written.count("\t") == 2
    assert re.match(r"2007-02-26 14:36:50 ", written)


# -- in a folder


async def test_lines_are_appended(carrier: MoLogCarrier, tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    file = tmp_path / "alice" / "mo.log"
    file.write_bytes(b"before\n")
    for _ in range(2):
        assert await carrier.carry(delivery("Szia"), user(log="alice")) == "written"
    assert file.read_bytes() == b"before\n" + 2 * LINE


async def test_a_new_file_is_not_everybodys(carrier: MoLogCarrier, tmp_path: Path) -> None:
    await carrier.carry(delivery("Szia"), user(log=str(tmp_path)))
    assert (tmp_path / "mo.log").stat().st_mode & 0o027 == 0


async def test_many_at_once_are_written_together(
    carrier: MoLogCarrier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr("os.fsync", syncs.append)
    texts = [f"text {n}" for n in range(200)]
    await asyncio.gather(*(carrier.carry(delivery(text), user(log=".")) for text in texts))
    assert (tmp_path / "mo.log").read_text().splitlines() == [line(delivery(text)).decode()[:-1] for text in texts]
    assert 1 <= len(syncs) <= 2


def write_many(path: Path, name: str) -> None:
    for n in range(100):
        append(path, f"{name} {n}\n".encode() * 3)


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "mo.log"
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=write_many, args=(path, name)) for name in "ab"]
    for other in others:
        other.start()
    for other in others:
        other.join()
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"{name} {n}" for name in "ab" for n in range(100) for _ in range(3))
    assert all(lines[at] == lines[at + 1] == lines[at + 2] for at in range(0, 600, 3))


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """RLIMIT_FSIZE refuses what goes beyond it, and takes what does not."""
    path = tmp_path / "mo.log"
    path.write_bytes(LINE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal_before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINE) + 10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            append(path, LINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, signal_before)
    assert path.read_bytes() == LINE


def test_who_keeps_the_lock_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mo_log, "_LOCKED_FOR", 20)
    path = tmp_path / "mo.log"
    with path.open("wb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="locked by somebody else"):
            append(path, LINE)
    append(path, LINE)
    assert path.read_bytes() == LINE


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "mo.log: No such file or directory"),
        (lambda path: [path.touch()], "mo.log: Not a directory"),
        (lambda path: [path.mkdir(), (path / "mo.log").symlink_to("/etc/hostname")],
         "mo.log: Too many levels of symbolic links"),
        (lambda path: [path.mkdir(), pipe(path / "mo.log")], "mo.log: No such device or address"),
        (lambda path: [path.mkdir(), (path / "mo.log").mkdir()], "mo.log: Is a directory"),
    ],
    ids=["no folder", "a file", "a link", "a pipe", "a folder"],
)  # fmt: skip
async def test_what_is_no_file(carrier: MoLogCarrier, tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    make(tmp_path / "place")
    error = await refusal(carrier, "place")
    assert (error.why, error.lasting) == (why, False)


async def test_after_a_failure_it_goes_on(carrier: MoLogCarrier, tmp_path: Path) -> None:
    await refusal(carrier, "place")
    (tmp_path / "place").mkdir()
    await carrier.carry(delivery("Szia"), user(log="place"))
    assert (tmp_path / "place" / "mo.log").read_bytes() == LINE


async def test_none_is_set(carrier: MoLogCarrier) -> None:
    error = await refusal(carrier, "")
    assert (error.why, error.lasting) == ("no mo.log is set", True)


def test_again(tmp_path: Path) -> None:
    carrier = MoLogCarrier(tmp_path)
    assert [carrier.pause(delivery(attempt=n), user()) for n in (1, 2, 6, 7, 900)] == [10.0, 20.0, 320.0, 600.0, 600.0]


# -- by FTP


def url(ftp: FtpServer, folder: str = "", password: str = PASSWORD) -> str:
    return f"ftp://{USER}:{quote(password, safe='')}@127.0.0.1:{ftp.port}{folder}"


@pytest.mark.parametrize(
    ("folder", "path"), [("", ""), ("/", ""), ("/in%20box", "in box")], ids=["home", "a slash", "a folder"]
)
async def test_lines_are_uploaded(
    carrier: MoLogCarrier, ftp: FtpServer, tmp_path: Path, folder: str, path: str
) -> None:
    for _ in range(2):
        await carrier.carry(delivery("Szia"), user(log=url(ftp, folder)))
    assert (tmp_path / "home" / path / "mo.log").read_bytes() == 2 * LINE
    assert ftp.did("APPE") == 2


async def test_many_at_once_are_one_upload(carrier: MoLogCarrier, ftp: FtpServer, tmp_path: Path) -> None:
    await asyncio.gather(*(carrier.carry(delivery("Szia"), user(log=url(ftp))) for _ in range(50)))
    assert (tmp_path / "home" / "mo.log").read_bytes() == 50 * LINE
    assert ftp.did("APPE") <= 2


@pytest.mark.parametrize(
    ("refuse", "folder", "password", "why"),
    [
        ({}, "", "wrong", "530 Authentication failed."),
        ({}, "/nowhere", PASSWORD, "550 No such file or directory."),
        ({"APPE": "552 Exceeded storage allocation"}, "", PASSWORD, "552 Exceeded storage allocation"),
        ({"USER": "421 Too many users"}, "", PASSWORD, "421 Too many users"),
    ],
    ids=["a wrong password", "no folder", "no room", "busy"],
)
async def test_refusals(
    carrier: MoLogCarrier, ftp: FtpServer, refuse: dict[str, str], folder: str, password: str, why: str
) -> None:
    ftp.refuse = refuse
    error = await refusal(carrier, url(ftp, folder, password))
    assert (error.why, error.lasting) == (f"mo.log: {why}", False)


async def test_nobody_there(carrier: MoLogCarrier) -> None:
    error = await refusal(carrier, f"ftp://user:hush@127.0.0.1:{closed_port()}/")
    assert (error.why, error.lasting) == ("mo.log: Connection refused", False)


@pytest.mark.parametrize(
    "place",
    [
        "ftp://", "ftp:///folder", "ftp://[::1", "ftp://host:hush/", "ftp://host:99999/", "ftp://u%0d%0aDELE x@host/",
        "ftp://host/%0aDELE%20mo.log", "ftp://host/?hush", "sftp://host/",
    ],
)  # fmt: skip
def test_what_is_no_address(place: str) -> None:
    with pytest.raises(ValueError, match=r"^must be ftp://user:password@host/folder$"):
        read_ftp(place)
