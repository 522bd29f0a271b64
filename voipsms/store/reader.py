"""Reads beside the journal: a connection and a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from voipsms.store.database import Database, Engine

T = TypeVar("T")


class Reader:
    def __init__(self, engine: Engine) -> None:
        self._db = Database(engine)
        self._thread = ThreadPoolExecutor(1, "reader")

    async def run(self, work: Callable[[Database], T]) -> T:
        """Runs `work` in the reader's thread. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[Database], T]) -> T:
        try:
            return work(self._db)
        except BaseException:
            self._db.close()  # it may be broken: the next one opens a new one
            raise

    def close(self) -> None:
        self._thread.submit(self._db.close)
        self._thread.shutdown()
