"""The Mizu API: HTTP asendsms → the same SMSC, with receipts, price, ledger and CDR, durable at every OK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import Load, generate
from bench.measure import Figures, measure
from bench.ours import PACE, PACED_SECONDS, folder_of_its_own
from tests.peers.gateway import PASSWORD, Gateway
from tests.peers.smscsim import Smsc

AUTHKEY, USER = "bench-key", "bench"
CONNECTIONS = 200  # fewer wait for commits more than for the processor: measured with 100, 200 and 300


@dataclass(frozen=True, slots=True)
class Started:
    """A gateway, and the API secret of its admin USER."""

    gateway: Gateway
    secret: str

    def load(self, messages: int, connections: int, proof: str, *rate: int) -> Load:
        """`proof`: password, or secret: then each request has a salt of its own, which is written down."""
        word = {"password": PASSWORD, "secret": self.secret}[proof]
        return generate(
            "load_api", self.gateway.http_port, messages, connections, "asendsms", AUTHKEY, USER, f"{proof}:{word}",
            *rate,
        )  # fmt: skip


@contextmanager
def started(folder: Path, smsc: Smsc) -> Iterator[Started]:
    gateway = Gateway(folder, smsc.port, changes={"http": {"authkey": AUTHKEY}})
    gateway.add_user(USER, "0", "", "--type", "admin")
    secret = gateway.command("user", "secret", USER).split()[-1]
    with gateway:
        yield Started(gateway, secret)


def _run(name: str, messages: int, proof: str, *rate: int) -> Figures:
    with folder_of_its_own() as folder, Smsc(folder) as smsc, started(folder, smsc) as running:
        cpu_seconds = running.gateway.cpu_seconds
        measure("warm-up", smsc, cpu_seconds, lambda: running.load(500, 20, proof))
        return measure(name, smsc, cpu_seconds, lambda: running.load(messages, CONNECTIONS, proof, *rate))


def password(messages: int) -> Figures:
    return _run("api", messages, "password")


def salted(messages: int) -> Figures:
    """By authmd5, as in the document's example."""
    return _run("api_md5", messages, "secret")


def paced(_: int) -> Figures:
    """1,000 requests a second by authmd5, whatever the gateway does."""
    return _run("api_paced", PACE * PACED_SECONDS, "secret", PACE)


MEASUREMENTS = {"api": password, "api_md5": salted, "api_paced": paced}
