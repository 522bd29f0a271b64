"""The parts of a gateway that run side by side, each by its name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping

from voipsms.log import get_logger

Work = Callable[[], Awaitable[None]]

log = get_logger("gateway")


class Tasks:
    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def run(self, name: str, work: Work) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(_for_ever(name, work), name=name)

    def run_all(self, works: Mapping[str, Work]) -> None:
        for name, work in works.items():
            self.run(name, work)

    async def end(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def end_all(self, names: Iterable[str]) -> None:
        for name in tuple(names):
            await self.end(name)


async def _for_ever(name: str, work: Work) -> None:
    """A part that fails by a fault of ours is started anew; the others go on meanwhile."""
    while True:
        try:
            return await work()
        except Exception:  # a task's root
            log.exception("a part of the gateway has failed and starts anew", part=name)
            await asyncio.sleep(1)
