"""The SMSC simulator as operators start it: `voipsms smsc`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.peers.ports import free_port
from tests.peers.program import Program, tcp_open, wait_until

ROOT = Path(__file__).parents[2]


class SmscCommand(Program):
    """`options`: further ones of the command. Its log of submits outlives a kill and a restart."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self.port = port or free_port()
        self._log = folder / f"submits-{self.port}.jsonl"
        command = [sys.executable, "-m", "voipsms", "smsc", "--port", str(self.port), "--log", str(self._log), *options]
        super().__init__(f"smsc-{self.port}", command, folder, cwd=ROOT)

    def ready(self) -> bool:
        return tcp_open(self.port)

    def submits(self, target: str = "") -> list[dict[str, Any]]:
        """Every submit_sm that came, in order; `target`: only those to it."""
        if not self._log.exists():
            return []
        whole, _, _ = self._log.read_text().rpartition("\n")  # a line may be on its way
        found = [json.loads(line) for line in whole.splitlines()]
        return [submit for submit in found if target in ("", submit["destination"])]

    def saw(self, count: int, target: str = "") -> None:
        """Waits until so many submits are logged. Raises TimeoutError."""
        wait_until(lambda: len(self.submits(target)) >= count, f"{count} submits", pause=0.05)
