"""Where a mo.log is: in a folder, or on an FTP server. Everything here blocks."""

from __future__ import annotations

import contextlib
import ftplib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from voipsms.errors import ConfigError, VoipSmsError
from voipsms.inbound.mo_log import Files

PATIENCE: Final = 15.0  # seconds for each answer of the FTP server
LONGEST: Final = 60.0  # seconds for one transfer
MOST_NAMES: Final = 1000
_BLOCK: Final = 65_536
_FAILURES: Final[tuple[type[Exception], ...]] = (*ftplib.all_errors, UnicodeError)


class Unreachable(VoipSmsError):
    """The folder or server can't be read now; the text has no password in it."""


class Folder:
    """Of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def session(self) -> Iterator[Files]:
        try:
            yield self
        except OSError as error:
            raise Unreachable(f"{self._folder}: {error.strerror or error}") from error

    def names(self) -> Sequence[str]:
        return os.listdir(self._folder)[:MOST_NAMES]

    def size(self, name: str) -> int:
        try:
            return os.stat(self._folder / name).st_size
        except FileNotFoundError:
            os.stat(self._folder)  # which must be there
            return 0

    def read(self, name: str, offset: int, most: int) -> bytes:
        if self.size(name) <= offset:
            return b""
        with open(self._folder / name, "rb") as file:
            file.seek(offset)
            return file.read(most)


class FtpServer:
    """`ftp://user:password@host:port/folder`. Raises ConfigError for what is no such URL."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port or ftplib.FTP_PORT
            self._user, self._password = unquote(parts.username or "anonymous"), unquote(parts.password or "")
            self._folder = unquote(parts.path[1:])
        except ValueError:
            self._host = ""
        if not self._host or parts.scheme.lower() != "ftp" or not self._sound():
            raise ConfigError("inbound_log: must be a folder, or ftp://user:password@host/folder")

    def _sound(self) -> bool:
        """A line's end would begin another command."""
        return all(text.isprintable() for text in (self._user, self._password, self._folder))

    @contextmanager
    def session(self) -> Iterator[Files]:
        """A connection of its own, so that none hangs about between two looks."""
        try:
            with ftplib.FTP(timeout=PATIENCE) as ftp:
                ftp.connect(self._host, self._port)
                ftp.login(self._user, self._password)
                ftp.voidcmd("TYPE I")
                if self._folder:
                    ftp.cwd(self._folder)
                yield _Session(ftp)
        except _FAILURES as error:
            raise Unreachable(f"ftp://{self._host}:{self._port}: {error}") from error


class _Session:
    def __init__(self, ftp: ftplib.FTP) -> None:
        self._ftp = ftp

    def names(self) -> Sequence[str]:
        names = self._ftp.nlst()
        self._ftp.voidcmd("TYPE I")  # a listing is ASCII, in which sizes are none
        return [name.rpartition("/")[2] for name in names[:MOST_NAMES]]

    def size(self, name: str) -> int:
        try:
            return self._ftp.size(name) or 0
        except ftplib.error_perm as error:
            if str(error).startswith("550"):  # RFC 959 §4.2.1: file unavailable
                return 0
            raise

    def read(self, name: str, offset: int, most: int) -> bytes:
        if self.size(name) <= offset:
            return b""
        with self._ftp.transfercmd(f"RETR {name}", rest=offset or None) as connection:
            found, whole = _receive(connection.recv, most)
        if whole:
            self._ftp.voidresp()
        else:  # the server says that we have hung up, in words of its own
            with contextlib.suppress(ftplib.Error):
                self._ftp.voidresp()
        return found


def _receive(recv: Callable[[int], bytes], most: int) -> tuple[bytes, bool]:
    """Up to so many octets, and whether there were no more."""
    pieces: list[bytes] = []
    left, until = most, time.monotonic() + LONGEST
    while left > 0:
        if not (piece := recv(min(_BLOCK, left))):
            return b"".join(pieces), True
        pieces.append(piece)
        left -= len(piece)
        if time.monotonic() > until:
            raise TimeoutError("the transfer takes too long")
    return b"".join(pieces), False


def place(inbound_log: str, folder: Path) -> Folder | FtpServer:
    """Of [gateway] inbound_log; `folder`: where a relative path starts. Raises ConfigError."""
    return FtpServer(inbound_log) if "://" in inbound_log else Folder(folder / inbound_log)
