"""Clickatell's mo.log (seeds/000 §11.3.2), one line for each text: in a folder, or on an FTP server.

`YYYY-MM-DD HH:MM:SS handset[TAB]our number[TAB]text`, at GMT+0200. What waits for one file is written together.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import ftplib
import os
import re
import stat
import time
from io import BytesIO
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from voipsms.carriers.clickatell import field, timestamp
from voipsms.carriers.port import NotCarried, Recipient
from voipsms.model import Delivery

NAME: Final = "mo.log"
SECONDS: Final = 30.0  # for each answer of an FTP server
FIRST, LONGEST = 10.0, 600.0  # seconds between attempts: doubled up to the second
_PORT: Final = 21
_MODE: Final = 0o640
_LOCKED_FOR, _LOOK_EACH = 2000, 10  # milliseconds
_BREAKS: Final = re.compile(r"\r\n|[\x00-\x1f\x7f\x85\u2028\u2029]")

Waiting = list[tuple[bytes, asyncio.Future[None]]]


def line(delivery: Delivery) -> bytes:
    """The format has no escapes: tabs, ends of lines and other controls become blanks. Octets are in hexadecimal."""
    words = (delivery.source, delivery.target, field(delivery, "octets") or delivery.text)
    told = "\t".join(_BREAKS.sub(" ", word) for word in words)
    return f"{timestamp(delivery)} {told}\n".encode("utf-8", "replace")


class MoLogCarrier:
    """`folder`: where relative paths start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, Waiting] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        place = to.reach.log
        if not place:
            raise NotCarried("no mo.log is set", lasting=True)
        written = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place, []).append((line(delivery), written))
        if place not in self._writers:
            self._writers[place] = asyncio.create_task(self._write(place))
        await written
        return "written"

    async def _write(self, place: str) -> None:
        """All that waits, and what comes meanwhile."""
        try:
            while waiting := self._waiting.pop(place, None):
                fault = await self._append(place, b"".join(octets for octets, _ in waiting))
                for _, written in waiting:
                    if written.done():  # who waited was cancelled
                        continue
                    if fault is None:
                        written.set_result(None)
                    else:
                        written.set_exception(NotCarried(fault))
        finally:
            del self._writers[place]

    async def _append(self, place: str, lines: bytes) -> str | None:
        """What went wrong."""
        try:
            if is_ftp(place):
                await asyncio.to_thread(upload, place, lines)
            else:
                await asyncio.to_thread(append, self._folder / place / NAME, lines)
        except (OSError, ftplib.Error, EOFError, ValueError) as error:
            return _words(error)
        return None

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        return min(FIRST * 2.0 ** min(delivery.attempt - 1, 10), LONGEST)

    async def close(self) -> None:
        await asyncio.gather(*self._writers.values())


def append(path: Path, lines: bytes) -> None:
    """All of it or nothing, whoever else writes. Raises OSError. Blocks."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, _MODE)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        _lock(file)
        before = os.fstat(file).st_size
        try:
            _write_all(file, lines)
        except OSError:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def _lock(file: int) -> None:
    """Raises OSError where somebody else keeps it."""
    for _ in range(_LOCKED_FOR // _LOOK_EACH):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_EACH / 1000)
    raise OSError(errno.EAGAIN, "locked by somebody else")


def _write_all(file: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)


def upload(url: str, lines: bytes) -> None:
    """Raises OSError, ftplib.Error, EOFError, and ValueError for a URL that is none. Blocks."""
    place = read_ftp(url)
    with ftplib.FTP(timeout=SECONDS) as ftp:
        ftp.encoding = "utf-8"
        ftp.connect(place.hostname or "", place.port or _PORT)
        ftp.login(unquote(place.username or ""), unquote(place.password or ""))
        for folder in filter(None, place.path.split("/")):  # RFC 1738 §3.2.2
            ftp.cwd(unquote(folder))
        ftp.storbinary(f"APPE {NAME}", BytesIO(lines))


def is_ftp(place: str) -> bool:
    return place[:6].lower() == "ftp://"


def read_ftp(url: str) -> SplitResult:
    """Raises ValueError, which doesn't show it."""
    try:
        place = urlsplit(url)
        whole = place.hostname and place.port != 0 and not place.query and not place.fragment
        words = (place.username or "", place.password or "", place.path)
    except ValueError:  # brackets or a port that are none
        whole, words = "", ("", "", "")
    if not whole or not is_ftp(url) or not all(unquote(word).isprintable() for word in words):
        raise ValueError("must be ftp://user:password@host/folder")
    return place


def _words(error: Exception) -> str:
    """Without file names and without what was asked."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{NAME}: {' '.join(said.split())}"
