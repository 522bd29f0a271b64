"""64-bit ids that sort by time and need no database: 41 bits of milliseconds, 10 of node, 12 of sequence."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from voipsms.model import Millis

NODE_BITS = 10
SEQUENCE_BITS = 12
NODES = range(1, 1 << NODE_BITS)  # 0 is nobody
_STEP = 1 << (NODE_BITS + SEQUENCE_BITS)


def now_millis() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def moment(millis: int) -> str:
    """UTC, ISO 8601, with milliseconds."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def first_id(at: Millis) -> int:
    """The smallest id that can have been made at that time."""
    return at * _STEP


def id_time(made: int) -> Millis:
    """When an id was made."""
    return Millis(made // _STEP)


class IdSource:
    """Ids of one node, strictly growing whatever the clock does. Safe to call from any thread."""

    def __init__(self, node: int, newer_than: int = 0) -> None:
        self.node = node
        self._node = node << SEQUENCE_BITS
        self._lock = threading.Lock()
        self._millis = newer_than // _STEP + 1 if newer_than else 0
        self._sequence = 0

    def next(self) -> int:
        now = time.time_ns() // 1_000_000
        with self._lock:
            if now > self._millis:
                self._millis, self._sequence = now, 0
            elif self._sequence + 1 == 1 << SEQUENCE_BITS:
                self._millis, self._sequence = self._millis + 1, 0
            else:
                self._sequence += 1
            return self._millis * _STEP | self._node | self._sequence
