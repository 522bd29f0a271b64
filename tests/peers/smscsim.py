"""The SMSC that gateways are measured against: the neutral binary that $SMSCSIM names, else our own simulator."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.peers.ports import free_port
from tests.peers.program import Program, tcp_open


def _command(port: int) -> list[str]:
    if neutral := os.environ.get("SMSCSIM"):
        return [neutral, "-p", str(port), "-d", "0"]  # receipts at once
    return [sys.executable, "-m", "tests.peers.simulator", str(port)]


class Smsc(Program):
    """Prints a JSON line a second while traffic flows: submit, dlr, dlr_ack and more, all since its start."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__("smsc", _command(self.port), folder, cwd=Path(__file__).parents[2])

    def ready(self) -> bool:
        return tcp_open(self.port)

    def counts(self) -> dict[str, Any]:
        lines = self.log.read_text(errors="replace").splitlines()
        told = [line for line in lines if line.startswith("{") and line.endswith("}")]
        return dict(json.loads(told[-1])) if told else {}

    def settled(self, receipts: int, seconds: float) -> float:
        """Waits until so many receipts are acknowledged; returns when (time.monotonic()) the last of them came.

        The counts come once a second; the moment itself is when the kernel saw it read its last octet, within 20 ms.
        Raises TimeoutError.
        """
        deadline = time.monotonic() + seconds
        seen, moment = self.bytes_read(), time.monotonic()
        while self.counts().get("dlr_ack", 0) < receipts:
            for _ in range(10):
                now, read = time.monotonic(), self.bytes_read()
                if read != seen:
                    seen, moment = read, now
                time.sleep(0.02)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{receipts} receipts in {seconds:g} s: only {self.counts()}")
        return moment
