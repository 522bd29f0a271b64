"""A caller process's two ends: orders from standard input, events to standard output."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque

from voipsms.callback import wire
from voipsms.values import Value


class Pipe:
    """`orders`: lines that have come; `over`: none will come any more. What a library prints goes to standard error."""

    def __init__(self) -> None:
        self._events = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._source = os.fdopen(os.dup(0), "rb")  # Python can't end while a thread waits for sys.stdin
        self._writing = threading.Lock()
        self.orders: deque[bytes] = deque()
        self.over = threading.Event()

    def tell(self, event: Value) -> None:
        """By any thread."""
        with self._writing, contextlib.suppress(BrokenPipeError):
            self._events.write(wire.line(event))

    def first(self) -> bytes:
        """The line before all orders."""
        return self._source.readline()

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._source:
            self.orders.append(line)
        self.over.set()
