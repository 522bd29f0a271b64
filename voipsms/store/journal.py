"""The only writer. One thread gathers what arrived while the last commit ran, and writes it in one transaction.

Whoever appends an entry gets a future that is done after the commit: nothing is acknowledged before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from voipsms.errors import NodeLost, StoreError, Unavailable
from voipsms.model import Micros, UserId
from voipsms.store.commit import Commit
from voipsms.store.database import Conflict, Database, Engine
from voipsms.store.entries import Accept, Amend, Entry, Hear, Remember, Stage, Written
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.node import Node
from voipsms.store.orphans import Orphans

MOST = 2000  # entries a commit
CONFLICTS = 5  # the same batch is tried so often before its entries are written one by one
PATIENCE = 5.0  # seconds that a door is left waiting for a commit whose outcome is not known
_FROM_DOORS = (Accept, Remember, Amend)
_REFUSABLE = (*_FROM_DOORS, Hear)  # whose sender can be told to come again

T = TypeVar("T")


class Watcher(Protocol):
    """Who wants to know what the journal does; called on the event loop, but for `committed`."""

    def balances(self, balances: dict[UserId, Micros]) -> None: ...

    def lapsed(self, still_ours: set[int]) -> None:
        """The lease had run out: only these messages are still ours to work on."""

    def up(self, problem: str) -> None:
        """'' when the store is usable again, else what is wrong."""

    def lost(self, error: NodeLost) -> None: ...

    def dropped(self, entry: Entry, error: StoreError) -> None:
        """The database refuses this entry for good, on its own as well."""

    def committed(self, entries: int, seconds: float) -> None: ...


@dataclass(slots=True)
class _Item:
    entry: Entry
    future: asyncio.Future[Any]


@dataclass(slots=True)
class _Job:
    """A piece of work in a transaction of its own."""

    work: Callable[[Database], Any]
    future: ThreadFuture[Any]


class Journal:
    """Starts with `start()` on the event loop; `close()` writes what is left and ends the thread."""

    def __init__(
        self, engine: Engine, node: Node, ids: IdSource, watcher: Watcher, *, lease: float, refund: bool
    ) -> None:
        self._db = Database(engine)
        self._node = node
        self._ids = ids
        self._watcher = watcher
        self._lease = lease
        self.refund = refund
        self._orphans = Orphans()
        self._waiting: queue.SimpleQueue[_Item | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="journal", daemon=True)
        self._stop = threading.Event()
        self._valid_until = 0.0  # by the monotonic clock, on the loop
        self._lease_until = now_millis() + round(lease * 1000)  # by the wall clock, in the thread
        self.problem = ""  # why the store can't be used now
        self.backlog = 0  # entries that wait for their commit

    # -- on the event loop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._valid_until = time.monotonic() + self._lease
        self._thread.start()

    def may_work(self) -> bool:
        """Whether what is in memory is surely ours: the store answers and the lease holds."""
        return not self.problem and time.monotonic() < self._valid_until

    def append(self, entry: Entry) -> asyncio.Future[Any]:
        """Done after the commit, with the entry's result. Raises, through the future, Unavailable or StoreError."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.problem and isinstance(entry, _REFUSABLE):
            future.set_exception(_refusal(entry, self.problem))
            return future
        self.backlog += 1
        self._waiting.put(_Item(entry, future))
        return future

    async def run(self, work: Callable[[Database], T]) -> T:
        """Runs `work` in the writer's thread, in a transaction of its own. Raises StoreError."""
        if self.problem:
            raise StoreError(self.problem)
        job = _Job(work, ThreadFuture())
        self._waiting.put(job)
        return await asyncio.wrap_future(job.future)

    async def close(self) -> None:
        """Writes what is left, as far as the database lets it, and gives the lease back."""
        self._waiting.put(None)
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    # -- in the thread

    def _main(self) -> None:
        beat = self._lease / 4
        try:
            while True:
                items, jobs, last = self._gather(beat)
                if items or not jobs:
                    self._write(items)
                for job in jobs:
                    self._work(job)
                if last:
                    break
            self._give_back()
        except NodeLost as error:
            self._on_loop(self._watcher.lost, error)
        finally:
            self._db.close()

    def _gather(self, beat: float) -> tuple[list[_Item], list[_Job], bool]:
        """Everything that has arrived; waits for the first of it, but not past the next heartbeat."""
        items: list[_Item] = []
        jobs: list[_Job] = []
        try:
            found = self._waiting.get(timeout=beat)
            while found is not None:
                items.append(found) if isinstance(found, _Item) else jobs.append(found)
                if len(items) >= MOST:
                    return items, jobs, False
                found = self._waiting.get_nowait()
            return items, jobs, True
        except queue.Empty:
            return items, jobs, False

    def _write(self, items: list[_Item]) -> None:
        """Commits the items, however long that takes; meanwhile refuses what can be refused."""
        delay, conflicts, abandon = 0.02, 0, False
        while True:
            began, mark = time.monotonic(), self._ids.next()
            written, lapsed = None, None
            try:
                with self._db.transaction():
                    lapsed = self._renew(mark)
                    written = self._commit(items)
            except Conflict as error:
                conflicts += 1
                if conflicts > CONFLICTS:
                    return self._write_apart(items, error)
                continue
            except StoreError as error:
                self._down(error)
                if written is None or not self._was_committed(mark, items):
                    if abandon:
                        return self._fail(items, error)
                    items = self._refuse([*items, *self._arrived()], error)
                    abandon = self._stop.wait(delay)
                    delay = min(delay * 2, 1.0)
                    continue
            self._lease_until = now_millis() + round(self._lease * 1000)
            return self._on_loop(self._resolve, items, written, lapsed, began)

    def _renew(self, mark: int) -> set[int] | None:
        """Renews the lease in this transaction; where it had run out, which messages nobody took meanwhile."""
        now = now_millis()
        lease = now + round(self._lease * 1000)
        if not self._db.write("renew_lease", node=self._node.number, holder=self._node.holder, lease=lease, mark=mark):
            raise NodeLost(f"node {self._node.number} belongs to another process now")
        if now <= self._lease_until:
            return None
        return {row[0] for row in self._db.read("owned", node=self._node.number)}

    def _commit(self, items: list[_Item]) -> Written:
        commit = Commit(self._db, self._ids, now_millis(), self._node.number, self.refund, self._orphans)
        return commit.write([item.entry for item in items])

    def _write_apart(self, items: list[_Item], error: StoreError) -> None:
        """One entry that the database will never take must not stop the others."""
        if len(items) == 1:
            self._on_loop(self._watcher.dropped, items[0].entry, error)
            return self._fail(items, error)
        for item in items:
            self._write([item])
        return None

    def _was_committed(self, mark: int, items: list[_Item]) -> bool:
        """The connection broke during COMMIT: asks the database what came of it, until it says."""
        deadline, delay, refused = time.monotonic() + PATIENCE, 0.02, False
        while not self._stop.wait(delay):
            self._db.close()
            try:
                rows = self._db.read("node_mark", node=self._node.number, holder=self._node.holder)
                committed = bool(rows) and rows[0][0] == mark
                if committed and refused:
                    self._hand_over(items)
                return committed
            except StoreError as error:
                delay = min(delay * 2, 1.0)
                if time.monotonic() > deadline and not refused:
                    self._refuse(items, error)
                    refused = True
        return False

    def _hand_over(self, items: list[_Item]) -> None:
        """Messages that were written after all, though their senders have been told to come again: whoever looks
        for work next sends them, and a repeat of the request gets their answer."""
        accepted = [item.entry.message.id for item in items if isinstance(item.entry, Accept)]
        with self._db.transaction():
            self._db.write_batch("move_queue", [(message, 0, int(Stage.WAITING), 0, 0) for message in accepted])

    def _arrived(self) -> list[_Item]:
        """What has come while the store was away; jobs are told so."""
        items, jobs, last = self._gather(0.0)
        for job in jobs:
            job.future.set_exception(StoreError(self.problem))
        if last:
            self._waiting.put(None)
        return items

    def _refuse(self, items: list[_Item], error: StoreError) -> list[_Item]:
        """Tells those who can come again to do so; the rest is kept until it can be written."""
        self._fail([item for item in items if isinstance(item.entry, _REFUSABLE)], error)
        return [item for item in items if not isinstance(item.entry, _REFUSABLE)]

    def _fail(self, items: list[_Item], error: StoreError) -> None:
        self._on_loop(self._reject, items, str(error))

    def _work(self, job: _Job) -> None:
        try:
            with self._db.transaction():
                result = job.work(self._db)
        except StoreError as error:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    def _give_back(self) -> None:
        try:
            with self._db.transaction():
                self._db.write("release_node", node=self._node.number, holder=self._node.holder)
        except StoreError:
            return  # the lease runs out by itself

    def _down(self, error: StoreError) -> None:
        self._db.close()
        if not self.problem:
            self.problem = str(error)
            self._on_loop(self._watcher.up, self.problem)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(call, *arguments)

    # -- back on the event loop

    def _resolve(self, items: list[_Item], written: Written, lapsed: set[int] | None, began: float) -> None:
        if self.problem:
            self.problem = ""
            self._watcher.up("")
        if lapsed is not None:
            self._watcher.lapsed(lapsed)
        self._valid_until = began + self._lease
        self._watcher.balances(written.balances)
        self._watcher.committed(len(items), time.monotonic() - began)
        self.backlog -= len(items)
        for item, result in zip(items, written.results, strict=True):
            if item.future.done():
                continue
            if isinstance(result, Exception):
                item.future.set_exception(result)
            else:
                item.future.set_result(result)

    def _reject(self, items: list[_Item], problem: str) -> None:
        self.backlog -= len(items)
        for item in items:
            if not item.future.done():
                item.future.set_exception(_refusal(item.entry, problem))


def _refusal(entry: Entry, problem: str) -> Exception:
    return Unavailable("The store is out of reach") if isinstance(entry, _FROM_DOORS) else StoreError(problem)
