"""The SMPP client alone: submits a second from one process, against the neutral SMSC."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.load import generate
from bench.measure import Figures
from tests.peers.smscsim import Smsc

WINDOW = 100  # as a gateway has unless told otherwise


def client(messages: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="voipsms-bench-") as name, Smsc(Path(name)) as smsc:
        generate("load_smpp", smsc.port, 500, WINDOW)  # warm-up
        load = generate("load_smpp", smsc.port, messages, WINDOW)
    return Figures(
        name="smpp", messages=load.accepted, rate=load.accepted / (load.ended - load.started),
        cpu_us=load.cpu_seconds / load.accepted * 1e6, load_us=0.0, p50_ms=load.p50_ms, p99_ms=load.p99_ms,
        answers=load.answers,
    )  # fmt: skip
