"""Messages that one request can carry: gathered for a moment, sent together, each with an answer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from voipsms.errors import SubmitError
from voipsms.model import Submitted

T = TypeVar("T")
Results = Sequence[Submitted | SubmitError]


class _Batch(Generic[T]):
    """One request in the making. `results`, in the order of `items`, come once it has been answered."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self.targets: set[str] = set()
        self.full = asyncio.Event()
        self.results: asyncio.Task[Results]


class Batches(Generic[T]):
    """`most`: recipients in one request; `wait`: seconds that the first of them waits for others."""

    def __init__(self, most: int, wait: float, send: Callable[[Sequence[T]], Awaitable[Results]]) -> None:
        self._most, self._wait, self._send = most, wait, send
        self._open: dict[Hashable, _Batch[T]] = {}
        self._under_way: set[asyncio.Task[Results]] = set()

    async def submit(self, key: Hashable, target: str, item: T) -> Submitted:
        """With others of the same `key`, which say the same to other targets. Raises what became of this one."""
        batch = self._open.get(key)
        if batch is not None and target in batch.targets:
            # The same text to the same number again: in one request no answer could tell them apart.
            self._close(key, batch)
            batch = None
        if batch is None:
            batch = self._begin(key)
        place = len(batch.items)
        batch.items.append(item)
        batch.targets.add(target)
        if len(batch.items) >= self._most:
            self._close(key, batch)
        # The others' request goes on where this one is given up.
        result = (await asyncio.shield(batch.results))[place]
        if isinstance(result, SubmitError):
            raise result
        return result

    def _begin(self, key: Hashable) -> _Batch[T]:
        batch = self._open[key] = _Batch()
        batch.results = asyncio.create_task(self._gather(key, batch))
        self._under_way.add(batch.results)
        batch.results.add_done_callback(self._under_way.discard)
        return batch

    def _close(self, key: Hashable, batch: _Batch[T]) -> None:
        """Nothing more goes in."""
        batch.full.set()
        if self._open.get(key) is batch:
            del self._open[key]

    async def _gather(self, key: Hashable, batch: _Batch[T]) -> Results:
        try:
            async with asyncio.timeout(self._wait):
                await batch.full.wait()
        except TimeoutError:
            self._close(key, batch)
        return await self._send(batch.items)

    async def close(self) -> None:
        """Gives up what nobody waits for any more."""
        left = tuple(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
