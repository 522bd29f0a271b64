"""Whose turn it is: a semaphore that serves users one after the other, however many wait of each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from voipsms.model import UserId

_Waiting = asyncio.Future[bool]


class Turns:
    """`most`: that may be inside at once, as it is now."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most: Final = most
        self._queues: dict[UserId, deque[_Waiting]] = {}  # in the order in which users are served
        self.inside = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    async def enter(self, user: UserId) -> bool:
        """Waits for a turn, which `leave` gives back. False: closed, there is none."""
        if self._closed:
            return False
        turn: _Waiting = asyncio.get_running_loop().create_future()
        self._queues.setdefault(user, deque()).append(turn)
        self._admit()
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():  # it had just come
                self.leave()
            self._forget(user, turn)
            raise

    def leave(self) -> None:
        self.inside -= 1
        self._admit()

    def close(self) -> None:
        """Nobody enters any more."""
        self._closed = True
        for queue in self._queues.values():
            for turn in queue:
                if not turn.done():
                    turn.set_result(False)
        self._queues.clear()

    def _admit(self) -> None:
        while self._queues and self.inside < self._most():
            user = next(iter(self._queues))
            queue = self._queues.pop(user)
            turn = queue.popleft()
            if queue:
                self._queues[user] = queue  # behind the others
            if not turn.done():
                self.inside += 1
                turn.set_result(True)

    def _forget(self, user: UserId, turn: _Waiting) -> None:
        queue = self._queues.get(user)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[user]
