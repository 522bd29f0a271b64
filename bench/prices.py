"""`python -m bench.prices`: half a million prices imported, loaded beside a running loop, looked up; and what they cost
a message. The goals are the issue's: an import in 30 s on either engine, a look-up in 5 µs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import resource
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.core.world import CARRIER, MOBILE, SETTINGS, directory, submission
from tests.peers.gateway import Gateway
from tests.peers.mariadb import MariaDb
from voipsms.accept import accept
from voipsms.config import load
from voipsms.directory import Directory
from voipsms.gateway import GARBAGE, SWITCH_INTERVAL
from voipsms.model import MessageId, Millis
from voipsms.rating import Cost, Packet
from voipsms.store import prices
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.open import engine_for
from voipsms.store.reader import Reader
from voipsms.tariffs import Prices
from voipsms.ways import Idle, Ways

PRICES = 500_000
ROUNDS = 20_000  # of a timing
SECONDS, MICROSECONDS = 30.0, 5.0  # the goals


def _csv(file: Path) -> None:
    """Prefixes of seven digits, as numbering plans have them, and some shorter ones; a thousand different prices."""
    dice = random.Random(4)
    wanted = {"", "36", "3620", MOBILE[:5]} | {str(n) for n in dice.sample(range(1_000_000, 10_000_000), PRICES)}
    with file.open("w") as out:
        out.write("prefix,price\n")
        out.writelines(f"{prefix},0.{dice.randrange(1000):04d}\n" for prefix in sorted(wanted)[:PRICES])


def _tell(what: str, value: float, unit: str, goal: float = 0.0) -> None:
    verdict = f"  at most {goal:g}: {'ok' if value <= goal else 'MISSED'}" if goal else ""
    print(f"{what:<58}{value:10.2f} {unit}{verdict}", flush=True)


def _import(gateway: Gateway, file: Path, name: str) -> None:
    for what in ("into an empty packet", "over as many"):
        began = time.perf_counter()
        gateway.command("price", "import", str(file))
        _tell(f"{name}: {PRICES} prices imported {what}", time.perf_counter() - began, "s", SECONDS)


def _resident() -> float:
    """MB now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


class _Watch:
    """How much later than it should a loop runs that wants to every millisecond."""

    def __init__(self) -> None:
        self._gaps: list[float] = []

    async def _tick(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self._gaps.append(time.perf_counter() - before - 0.001)

    async def __aenter__(self) -> _Watch:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def longest(self) -> float:
        """Milliseconds."""
        return max(self._gaps) * 1000


async def _load(gateway: Gateway, name: str) -> Directory:
    known = directory()
    reader = Reader(engine_for(load(gateway.file)))
    keeper = Prices(reader, known)
    before, began = _resident(), time.perf_counter()
    async with _Watch() as first:
        await keeper.refresh()
    _tell(f"{name}: loaded", time.perf_counter() - began, "s")
    _tell(f"{name}: memory", _resident() - before, "MB")
    _tell(f"{name}: longest wait of the event loop meanwhile", first.longest, "ms")
    await reader.run(_touch)
    async with _Watch() as again:
        await keeper.refresh()
    _tell(f"{name}: the same when they are replaced", again.longest, "ms")
    reader.close()
    return known


def _touch(db: Database) -> None:
    with prices.changing(db, ("default", "SMS")):
        pass


def _look_up(known: Directory) -> None:
    packet: Packet = known.tariffs.packets["default", "SMS"]
    dice, now = random.Random(5), now_millis()
    numbers = [str(dice.randrange(10**10, 10**11)) for _ in range(1000)]

    def run() -> None:
        for number in numbers:
            packet.find(number, now)

    _tell("a look-up, any number", min(timeit.repeat(run, number=20, repeat=5)) / 20_000 * 1e6, "µs", MICROSECONDS)
    for what, number in (("a long number of no longer prefix", "999999999999999"), ("a short prefix", "36")):
        _tell(f"a look-up, {what}", _time(partial(packet.find, number, now)), "µs", MICROSECONDS)


def _time(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=ROUNDS, repeat=7)) / ROUNDS * 1e6


def _accept(known: Directory) -> None:
    """A whole acceptance: without prices, with a price, with a price and a cost."""
    asked, bare = submission(), directory()
    for what, one in (("without prices", bare), ("with 500,000", known), ("and a cost", known)):
        if what == "and a cost":
            one.costs = {CARRIER: Cost("default")}
        ways = Ways(one, {CARRIER: Idle()}, SETTINGS)
        work = partial(accept, asked, one, SETTINGS, ways, "", MessageId(7), Millis(9))
        _tell(f"accept {what}", _time(work), "µs")


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GARBAGE)
    with tempfile.TemporaryDirectory(prefix="voipsms-") as folder:
        file = Path(folder) / "prices.csv"
        _csv(file)
        server = MariaDb(Path(folder))
        server.install()
        with server:
            for name, url in (("SQLite", "sqlite:///voipsms.db"), ("MariaDB", server.new_database())):
                gateway = Gateway(Path(folder), url=url)
                _import(gateway, file, name)
                known = asyncio.run(_load(gateway, name))
    _look_up(known)
    _accept(known)


if __name__ == "__main__":
    main()
