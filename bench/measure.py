"""One measurement: what a gateway did with a load, as the SMSC and the kernel saw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Load
from tests.peers.smscsim import Smsc


@dataclass(frozen=True, slots=True)
class Figures:
    """`rate`: messages a second, from the first request to the last acknowledged receipt. `cpu_us`: user and system
    time of the gateway's own processes, a message. `load_us`: the same of the load generator, for the doubtful."""

    name: str
    messages: int
    rate: float
    cpu_us: float
    load_us: float
    p50_ms: float
    p99_ms: float
    answers: dict[str, int]
    retransmitted: int = 0
    rss_growth: float = 0.0  # last quarter over first, 0: not watched
    rss_mb: float = 0.0  # at the end


def measure(
    name: str, smsc: Smsc, cpu_seconds: Callable[[], float], load: Callable[[], Load], settle: float = 120.0
) -> Figures:
    """Runs `load` and waits until every receipt of it is acknowledged. Raises TimeoutError."""
    before, receipts = cpu_seconds(), int(smsc.counts().get("dlr_ack", 0))
    done = load()
    last = smsc.settled(receipts + done.accepted, settle)
    spent = cpu_seconds() - before
    return Figures(
        name=name, messages=done.accepted, rate=done.accepted / (max(last, done.ended) - done.started),
        cpu_us=spent / done.accepted * 1e6, load_us=done.cpu_seconds / done.accepted * 1e6,
        p50_ms=done.p50_ms, p99_ms=done.p99_ms, answers=done.answers, retransmitted=done.retransmitted,
    )  # fmt: skip
