"""A softphone on pjsua2, in a process of its own, since a fault of a C library would end the tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers.program import wait_until

ROOT = Path(__file__).parents[2]


class Pjsua:
    """Registers at the proxy; `with` waits for that."""

    def __init__(self, proxy: int, name: str, password: str) -> None:
        self.name = name
        self.events: list[dict[str, Any]] = []
        self._command = [sys.executable, "-m", "tests.peers.pjsua_phone", str(proxy), name, password]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: any(e["event"] == "registered" and e["code"] == 200 for e in self.events), self.name)
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"{"):  # pjlib writes its own lines before its log is set up
                self.events.append(json.loads(line))

    def write(self, to: str, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"to": to, "text": text}).encode() + b"\n")
        self._process.stdin.flush()

    def received(self) -> list[tuple[str, str]]:
        """Who has written, and what."""
        return [(event["sender"], event["text"]) for event in self.events if event["event"] == "text"]

    def answers(self) -> list[int]:
        """The status codes that its own texts have got."""
        return [event["code"] for event in self.events if event["event"] == "sent"]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
