"""What both load generators share: how they are started, what they report, and their percentiles.

A generator is a process of its own, a plain loop over non-blocking sockets: it costs a fraction of what any gateway
does for the same message, so that it is not what is measured.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

SENDER = "36201234567"


def target(number: int) -> str:
    """A Hungarian mobile number, different for each of ten million messages."""
    return f"3630{number % 10_000_000:07d}"


def text(number: int) -> str:
    return f"Your parcel {number} arrives today between 10 and 12."


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Nearest rank; 0.0 of nothing."""
    if not sorted_values:
        return 0.0
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


@dataclass(frozen=True, slots=True)
class Load:
    """What a generator did. Times are time.monotonic(), one clock for all processes of a machine."""

    accepted: int
    started: float
    ended: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    retransmitted: int = 0
    answers: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """Gathers what a generator sees."""

    started: float = field(default_factory=time.monotonic)
    seconds: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    retransmitted: int = 0

    def load(self) -> Load:
        ordered = sorted(self.seconds)
        return Load(
            accepted=len(ordered), started=self.started, ended=time.monotonic(), cpu_seconds=time.process_time(),
            p50_ms=percentile(ordered, 0.5) * 1e3, p99_ms=percentile(ordered, 0.99) * 1e3,
            max_ms=(ordered or [0.0])[-1] * 1e3, retransmitted=self.retransmitted, answers=dict(self.answers),
        )  # fmt: skip

    def print(self) -> None:
        print(json.dumps(asdict(self.load())))


def generate(module: str, *words: object) -> Load:
    """Runs `python -m bench.MODULE WORDS` to its end."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, words)]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return Load(**json.loads(ran.stdout))
