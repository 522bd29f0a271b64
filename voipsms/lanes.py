"""Deliveries of one channel in memory: who is next, so that each line keeps its order and no user takes all places."""

from __future__ import annotations

from collections import Counter, deque

from voipsms.model import Delivery, UserId
from voipsms.store.outbox import Line


def line_of(delivery: Delivery) -> Line:
    return delivery.user_id, delivery.channel, delivery.source


class Lanes:
    """`at_once`: lines that are served at a time, `each`: of one user. A line that is served has one delivery out."""

    def __init__(self, at_once: int, each: int) -> None:
        self._at_once = at_once
        self._each = each
        self._lines: dict[Line, deque[Delivery]] = {}
        self._waiting: dict[UserId, deque[Line]] = {}
        self._turns: deque[UserId] = deque()  # users with waiting lines and a free place, in turn
        self._served: Counter[UserId] = Counter()
        self._busy = 0

    def add(self, delivery: Delivery) -> None:
        line = line_of(delivery)
        if (waiting := self._lines.get(line)) is not None:
            waiting.append(delivery)
            return
        self._lines[line] = deque((delivery,))
        self._wait(line)

    def next(self) -> Delivery | None:
        """The delivery whose turn it is; `done` with its line afterwards."""
        if not self._turns or self._busy >= self._at_once:
            return None
        user_id = self._turns.popleft()
        waiting = self._waiting[user_id]
        line = waiting.popleft()
        self._busy += 1
        self._served[user_id] += 1
        if not waiting:
            del self._waiting[user_id]
        elif self._served[user_id] < self._each:
            self._turns.append(user_id)
        return self._lines[line].popleft()

    def done(self, line: Line) -> None:
        """The delivery that was out is settled, or another has its place: the next one of its line may go."""
        user_id = line[0]
        full = self._served[user_id] == self._each
        self._busy -= 1
        self._served[user_id] -= 1
        if not self._served[user_id]:
            del self._served[user_id]
        if full and user_id in self._waiting:
            self._turns.append(user_id)
        if self._lines[line]:
            self._wait(line)
        else:
            del self._lines[line]

    def clear(self, line: Line) -> list[Delivery]:
        """Takes out what waits behind the one that is out."""
        behind = list(self._lines[line])
        self._lines[line].clear()
        return behind

    def drop(self) -> list[Delivery]:
        """Takes out all that waits."""
        waiting = [delivery for behind in self._lines.values() for delivery in behind]
        idle = [line for lines in self._waiting.values() for line in lines]
        for line in idle:
            del self._lines[line]
        for behind in self._lines.values():
            behind.clear()
        self._waiting.clear()
        self._turns.clear()
        return waiting

    def _wait(self, line: Line) -> None:
        user_id = line[0]
        if (waiting := self._waiting.get(user_id)) is not None:
            waiting.append(line)
            return
        self._waiting[user_id] = deque((line,))
        if self._served[user_id] < self._each:
            self._turns.append(user_id)
