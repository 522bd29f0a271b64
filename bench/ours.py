"""voipsms: SIP MESSAGE by UDP → the same SMSC, with receipts, price, ledger and CDR, durable at every 202."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from bench.load import Load, generate
from bench.measure import Figures, measure
from tests.peers.gateway import Gateway
from tests.peers.mariadb import MariaDb
from tests.peers.smscsim import Smsc

OUTSTANDING = 200  # requests without an answer, closed loop
PACE = 1000  # messages a second, open loop
PACED_SECONDS = 10
MEMORY_PACE = 1500
FULL_SECONDS = 60  # of load, until every cache of the gateway is as full as it gets


@dataclass(frozen=True, slots=True)
class _Started:
    smsc: Smsc
    gateway: Gateway

    def run(self, name: str, messages: int, outstanding: int, *rate: int) -> Figures:
        def load() -> Load:
            return generate("load_sip", self.gateway.sip_port, messages, outstanding, *rate)

        return measure(name, self.smsc, self.gateway.cpu_seconds, load)


@contextmanager
def started(
    folder: Path, url: str = "sqlite:///voipsms.db", furnish: Callable[[Gateway], None] = lambda gateway: None
) -> Iterator[_Started]:
    """A warm gateway; `furnish` is called before it starts."""
    with Smsc(folder) as smsc:
        gateway = Gateway(folder, smsc.port, url)
        gateway.add_user()
        furnish(gateway)
        with gateway:
            running = _Started(smsc, gateway)
            running.run("warm-up", 500, 50)
            yield running


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="voipsms-bench-") as name:
        yield Path(name)


def sqlite(messages: int) -> Figures:
    with folder_of_its_own() as folder, started(folder) as running:
        return running.run("sqlite", messages, OUTSTANDING)


def mariadb(messages: int) -> Figures:
    with folder_of_its_own() as folder:
        server = MariaDb(folder)
        server.install()
        with server, started(folder, server.new_database()) as running:
            return running.run("mariadb", messages, OUTSTANDING)


def paced(_: int) -> Figures:
    """1,000 messages a second, whatever the gateway does."""
    with folder_of_its_own() as folder, started(folder) as running:
        return running.run("paced", PACE * PACED_SECONDS, 10 * PACE, PACE)


@dataclass(slots=True)
class _Watch:
    """Samples the gateway's resident memory ten times a second."""

    gateway: Gateway
    samples: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.samples.append(self.gateway.rss_bytes())

    def growth(self) -> float:
        """The last quarter's mean over the first's."""
        quarter = max(1, len(self.samples) // 4)
        return mean(self.samples[-quarter:]) / mean(self.samples[:quarter])


def memory(messages: int) -> Figures:
    """At one pace, after a warm-up: answers are kept for Timer J, 32 s (RFC 3261 §17.2.2), so a gateway holds as many
    as came in that time, and only at an even pace does growth mean a leak."""
    with folder_of_its_own() as folder, started(folder) as running:
        running.run("warm-up", MEMORY_PACE * FULL_SECONDS, 10 * PACE, MEMORY_PACE)
        watch = _Watch(running.gateway)
        thread = threading.Thread(target=watch.run)
        thread.start()
        try:
            figures = running.run("memory", messages, 10 * PACE, MEMORY_PACE)
        finally:
            watch.over.set()
            thread.join()
        return replace(figures, rss_growth=watch.growth(), rss_mb=watch.samples[-1] / 1e6)
