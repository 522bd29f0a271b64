"""The SMSC simulator: as operators start it, `voipsms smsc`, and in a thread of the test, which can change its mind."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.peers.ports import free_port
from tests.peers.program import Program, tcp_open, wait_until
from voipsms.smpp.behaviour import Options
from voipsms.smpp.deliveries import mobile_originated
from voipsms.smpp.faults import Strike
from voipsms.smpp.pdu import ShortMessage, Tlvs
from voipsms.smpp.simulator import Simulator
from voipsms.smpp.submits import Submit

T = TypeVar("T")

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


class LiveSmsc:
    """A simulator on a loop and a thread of its own; everything here is called from the test's thread."""

    def __init__(self, options: Options | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._simulator = Simulator(options)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._simulator.start)
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._simulator.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        return self._simulator.port

    def count(self, name: str) -> int:
        return self._simulator.counts[name]

    def submits(self, target: str = "") -> list[Submit]:
        """The last of what came, in order; `target`: only those to it."""
        return [submit for submit in tuple(self._simulator.submits) if target in ("", submit.destination)]

    def deliver(self, message: ShortMessage, tlvs: Tlvs = ()) -> None:
        self._run(self._call(self._simulator.deliver, message, tlvs))

    def text(self, phone: str, number: str, text: str) -> None:
        """A phone writes."""
        self.deliver(*mobile_originated(phone, number, text))

    def answers(self, text: str) -> None:
        """What phones say from now on to each message that reaches them; empty: nothing."""
        self._simulator.options = replace(self._simulator.options, mo_reply=text)

    def strike(self, *strikes: Strike) -> None:
        self._run(self._call(self._simulator.strike, *strikes))

    def disconnect(self) -> None:
        self._run(self._call(self._simulator.disconnect))

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    @staticmethod
    def _call(work: Callable[..., object], *words: object) -> Callable[[], Awaitable[None]]:
        async def call() -> None:
            work(*words)

        return call
