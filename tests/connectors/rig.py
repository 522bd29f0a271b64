"""What the tests of several connectors share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.connectors.messages import message
from voipsms.connectors.port import Connector
from voipsms.model import Submitted


class Wakes:
    """Counts the calls of `wake`."""

    def __init__(self) -> None:
        self.count = 0
        self.called = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.called.set()


class Traces:
    """What went to the debug log."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def __call__(self, event: str, /, **fields: object) -> None:
        self.lines.append({"event": event, **fields})


def submit(connector: Connector, text: str = "hello", **fields: str) -> Awaitable[Submitted]:
    (part,) = connector.split(message(text, **fields))  # type: ignore[arg-type]
    return connector.submit(part)


async def until(holds: Callable[[], bool]) -> None:
    """For what the system tells nobody, such as the end of another process's child."""
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came about")
