"""Bridged calls: what the caller processes spend on them, and whether RTP is lost on its way through.

Telephones on sipp answer all calls and give every RTP packet back that they get: each leg carries 50 packets a second
both ways, and nothing is decoded or made by the generators. A telephone has one socket for the audio of all its calls,
whose buffer would be full after a tenth of a second on a busy machine: each is one of a few.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from bench.measure import Figures
from tests.peers.program import cpu_seconds, pss_bytes
from tests.peers.telephone import Scripted
from voipsms.callback import wire
from voipsms.callback.callers import Callers, Line
from voipsms.settings import CallbackSettings

PAIRS = 50
PAIRS_EACH = 5  # of two telephones
SECONDS = 20.0  # while CPU time is looked at
PATIENCE = 60.0  # seconds
SETTINGS = CallbackSettings(rtp="32000-32767", codecs=("PCMA",))


@dataclass
class _Legs:
    """What has become of all the calls."""

    answered: int = 0
    ended: list[wire.Ended] = field(default_factory=list)
    lost: int = 0  # lines, with their process

    def hear(self, event: wire.Event) -> None:
        if isinstance(event, wire.Answered):
            self.answered += 1
        elif isinstance(event, wire.Ended):
            self.ended.append(event)

    def lose(self) -> None:
        self.lost += 1

    def total(self, kind: str) -> int:
        return sum(getattr(ended, kind) for ended in self.ended)

    async def reach(self, answered: int, ended: int) -> None:
        """Raises TimeoutError, and RuntimeError where that can't be reached any more."""
        async with asyncio.timeout(PATIENCE):
            while self.answered < answered or len(self.ended) < ended:
                if self.lost or len(self.ended) > ended:
                    raise RuntimeError(f"calls have ended: {self.ended[:2]}, {self.lost} lines lost")
                await asyncio.sleep(0.05)


async def _connected(callers: Callers, legs: _Legs, phones: Sequence[Scripted], pairs: int) -> list[Line]:
    lines = []
    for number in range(pairs):
        line = await callers.line(legs.hear, legs.lose)
        if line is None:
            raise RuntimeError(f"no line for pair {number + 1}: {callers.trouble()}")
        lines.append(line)
        for leg in range(2):
            line.send(wire.Dial(2 * number + leg, phones[(2 * number + leg) % len(phones)].uri()))
    await legs.reach(2 * pairs, 0)
    for number, line in enumerate(lines):
        line.send(wire.Bridge(2 * number, 2 * number + 1))
    return lines


def _spent(pids: Iterable[int]) -> float:
    return sum(map(cpu_seconds, pids))


async def _measured(pairs: int, seconds: float, phones: Sequence[Scripted]) -> Figures:
    callers, legs = Callers(SETTINGS, {}, bound="127.0.0.1"), _Legs()
    watching = asyncio.create_task(callers.run())
    try:
        lines = await _connected(callers, legs, phones, pairs)
        generators = [phone.pid for phone in phones]
        began, spent, load = perf_counter(), _spent(callers.pids), _spent(generators)
        await asyncio.sleep(seconds)
        took = perf_counter() - began
        spent, load = _spent(callers.pids) - spent, _spent(generators) - load
        memory = sum(map(pss_bytes, callers.pids)) / 1e6
        for line in lines:
            line.release()
        await legs.reach(2 * pairs, 2 * pairs)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await callers.close()
    packets = 2 * 2 * pairs * 50  # a second: in and out, of two legs
    return Figures(
        name="calls", messages=pairs, rate=packets, cpu_us=spent / took / packets * 1e6,
        load_us=load / took / packets * 1e6, p50_ms=0.0, p99_ms=0.0, rss_mb=memory,
        answers={kind: legs.total(kind) for kind in ("sent", "received", "lost")},
    )  # fmt: skip


def bridged(pairs: int = PAIRS, seconds: float = SECONDS) -> Figures:
    """`rate`: RTP packets a second; `cpu_us`: of all caller processes, a packet; `rss_mb`: PSS of all of them."""
    with tempfile.TemporaryDirectory(prefix="voipsms-") as name, ExitStack() as stack:
        count = 2 * -(-pairs // PAIRS_EACH)
        phones = [
            stack.enter_context(Scripted(Path(name), "telephone-answers", trace=False)) for _ in range(count)
        ]  # fmt: skip
        return asyncio.run(_measured(pairs, seconds, phones))
