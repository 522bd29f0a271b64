"""Kannel with its spool and receipts: HTTP sendsms → the neutral SMSC. What everything else is a ratio of."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.load import generate
from bench.measure import Figures, measure
from tests.peers.kannel import Kannel
from tests.peers.smscsim import Smsc

CONNECTIONS = 20  # more only wait longer: measured with 20, 50 and 150


def kannel(messages: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="voipsms-bench-") as name:
        folder = Path(name)
        with Smsc(folder) as smsc, Kannel(folder, smsc.port) as gateway:
            measure("warm-up", smsc, gateway.cpu_seconds, lambda: generate("load_http", gateway.http_port, 500, 10))
            return measure(
                "kannel", smsc, gateway.cpu_seconds,
                lambda: generate("load_http", gateway.http_port, messages, CONNECTIONS),
            )  # fmt: skip
