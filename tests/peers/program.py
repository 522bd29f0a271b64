"""A real server or tool, started privately: its folder, its log, its life, and what the kernel says of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def binary(name: str) -> str:
    """The program's path. Raises FileNotFoundError: a test never does without its peer."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: run scripts/install-debian.sh as root")
    return path


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 20.0, pause: float = 0.01) -> None:
    """Asks `ready` until it says yes. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def tcp_open(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads until now (proc(5): stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def pss_bytes(pid: int) -> int:
    """Its memory, with its share of what it has in common with others (proc(5): smaps_rollup, Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class Program:
    """One process in a session of its own. Subclasses say in `ready()` when it can be used."""

    def __init__(self, name: str, command: Sequence[str | Path], folder: Path, cwd: Path | None = None) -> None:
        self.name = name
        self.argv = [binary(str(command[0])), *map(str, command[1:])]
        self.folder = folder
        self.cwd = cwd or folder
        self.log = folder / f"{name}.log"
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def ready(self) -> bool:
        return True

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment}, start_new_session=True,
            )  # fmt: skip
        try:
            wait_until(self._usable, f"{self.name} ready")
        except BaseException:
            self.kill()
            raise
        return self

    def _usable(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.said()}")
        return self.ready()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM; returns the exit status. Raises TimeoutExpired after having killed what would not end."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL to the process and its children."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def _signal(self, number: signal.Signals) -> None:
        if self.running():
            os.killpg(self.pid, number)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    def bytes_read(self) -> int:
        """What it has read from files and sockets until now (proc(5): io, rchar)."""
        return int(Path(f"/proc/{self.pid}/io").read_text().split()[1])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.running():
            self.stop()
