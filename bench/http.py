"""The HTTP connector alone: requests rendered, sent and judged a second by one process, against a loopback server."""

from __future__ import annotations

import subprocess
import sys

from bench.load import generate
from bench.measure import Figures

CONNECTIONS = 50


def connector(messages: int) -> Figures:
    command = [sys.executable, "-m", "bench.http_provider"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as provider:
        try:
            assert provider.stdout is not None
            port = int(provider.stdout.readline())
            generate("load_connector", port, 500, CONNECTIONS)  # warm-up
            load = generate("load_connector", port, messages, CONNECTIONS)
        finally:
            provider.terminate()
    return Figures(
        name="http", messages=load.accepted, rate=load.accepted / (load.ended - load.started),
        cpu_us=load.cpu_seconds / load.accepted * 1e6, load_us=0.0, p50_ms=load.p50_ms, p99_ms=load.p99_ms,
        answers=load.answers,
    )  # fmt: skip
