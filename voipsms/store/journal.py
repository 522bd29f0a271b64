"""The only writer. One thread gathers what arrived while the last commit ran, and writes it in one transaction.

Whoever appends an entry gets a future that is done after the commit: nothing is acknowledged before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from voipsms.errors import NodeLost, StoreError, Unavailable
from voipsms.log import get_logger
from voipsms.model import Delivery, Micros, UserId
from voipsms.store.commit import Commit
from voipsms.store.database import Conflict, Database, Engine, Unwritable
from voipsms.store.entries import Accept, Amend, Entry, Hear, Moved, Outcome, Receive, Remember, Written
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.node import Node
from voipsms.store.orphans import Orphans
from voipsms.store.told import Asked, Finals

MOST = 2000  # entries a commit
# Seconds between the starts of two commits at the least: what comes meanwhile shares the next one. Under load a longer
# pace costs nobody time, since a commit waits for the one before anyhow, and saves a sixth of the CPU a message.
PACE, PACE_LOADED, LOADED = 0.004, 0.010, 60  # after a commit of so many entries the second one holds
CONFLICTS = 5  # the same batch is tried again so often at once
PATIENCE = 5.0  # seconds that a door is left waiting for a commit whose outcome is not known
_FROM_DOORS = (Accept, Remember, Amend)
_REFUSABLE = (*_FROM_DOORS, Hear, Receive)  # whose sender can be told to come again

T = TypeVar("T")

log = get_logger("journal")


class Watcher(Protocol):
    """Who wants to know what the journal does; called on the event loop, but for `committed`."""

    def balances(self, balances: dict[UserId, Micros]) -> None: ...

    def lapsed(self, still_ours: set[int]) -> None:
        """The lease had run out, or nearly: of what no provider has taken, only these messages are still ours."""

    def up(self, problem: str) -> None:
        """'' when the store is usable again, else what is wrong."""

    def lost(self, error: NodeLost) -> None: ...

    def dropped(self, entry: Entry, error: StoreError) -> None:
        """The database refuses this entry for good, on its own as well."""

    def committed(self, entries: int, seconds: float) -> None: ...


@dataclass(slots=True, eq=False)
class _Item:
    entry: Entry
    future: asyncio.Future[Any]


@dataclass(slots=True, eq=False)
class _Job:
    """A piece of work in a transaction of its own."""

    work: Callable[[Database], Any]
    future: ThreadFuture[Any]

    def refuse(self, error: StoreError) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


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
        self.learned: Callable[[Sequence[Outcome]], None] | None = None  # called on the event loop
        self.asked: Asked | None = None  # who is told of final states
        self.told: Callable[[Sequence[Delivery]], None] | None = None  # gets the receipts for them, on the event loop
        self._orphans = Orphans()
        self._waiting: queue.SimpleQueue[_Item | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="journal", daemon=True)
        self._stop = threading.Event()
        self._open: set[_Item] = set()  # entries whose future is not done yet
        self._jobs: set[_Job] = set()
        self._over = False  # the thread has ended
        self._valid_until = 0.0  # by the monotonic clock, on the loop
        self._lease_until = now_millis() + round(lease * 1000)  # by the wall clock, in the thread
        self._beat_at = 0.0  # when the lease is to be renewed, by the monotonic clock, in the thread
        self._not_before = 0.0  # the next commit, by PACE
        self.problem = ""  # why the store can't be used now

    # -- on the event loop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._valid_until = time.monotonic() + self._lease
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Entries that wait for their commit."""
        return len(self._open)

    def may_work(self) -> bool:
        """Whether what is in memory is surely ours: the store answers and the lease holds."""
        return not self.problem and time.monotonic() < self._valid_until

    def append(self, entry: Entry) -> asyncio.Future[Any]:
        """Done after the commit, with the entry's result. Raises, through the future, Unavailable or StoreError."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._over or (self.problem and isinstance(entry, _REFUSABLE)):
            future.set_exception(_refusal(entry, self.problem))
            return future
        item = _Item(entry, future)
        self._open.add(item)
        self._waiting.put(item)
        return future

    async def run(self, work: Callable[[Database], T]) -> T:
        """Runs `work` in the writer's thread, in a transaction of its own. Raises StoreError.

        `work` may be run without its result being known, and returns something false where it has written nothing.
        """
        if self.problem:
            raise StoreError(self.problem)
        job = _Job(work, ThreadFuture())
        self._jobs.add(job)
        self._waiting.put(job)
        try:
            return await asyncio.wrap_future(job.future)
        finally:
            self._jobs.discard(job)

    async def close(self) -> None:
        """Writes what is left, as far as the database lets it, and gives the lease back."""
        self._waiting.put(None)
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    # -- in the thread

    def _main(self) -> None:
        error: Exception = StoreError("the journal is closed")
        try:
            self._serve()
        except NodeLost as lost:
            error = lost
        except Exception as fault:  # a thread's root
            log.exception("the journal has failed")
            error = NodeLost(f"the journal has failed: {fault!r}")
        finally:
            self._db.close()
        self._on_loop(self._end, error)

    def _serve(self) -> None:
        last = False
        while not last:
            items, jobs, last = self._gather(max(0.0, self._beat_at - time.monotonic()))
            if items or time.monotonic() >= self._beat_at:
                self._write(items)
            for job in jobs:
                self._work(job)
        self._give_back()

    def _gather(self, patience: float) -> tuple[list[_Item], list[_Job], bool]:
        """Everything that has arrived, and whether it is the last; waits for the first of it."""
        items: list[_Item] = []
        jobs: list[_Job] = []
        try:
            found = self._waiting.get(timeout=patience)
            time.sleep(max(0.0, self._not_before - time.monotonic()))
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
            began, mark, until = time.monotonic(), self._ids.next(), now_millis() + round(self._lease * 1000)
            written, owned = None, None
            self._not_before = began + (PACE_LOADED if len(items) >= LOADED else PACE)
            try:
                with self._db.transaction():
                    in_time = self._renew(mark, until)
                    written = self._commit(items)
                    owned = None if in_time else self._owned()
            except StoreError as error:
                if isinstance(error, Conflict) and conflicts < CONFLICTS:
                    conflicts += 1
                    time.sleep(conflicts * 0.002)
                    continue
                if isinstance(error, Unwritable):
                    return self._write_apart(items, error)
                self._down(error)
                if written is None or not self._was_committed(mark, items):
                    if abandon:
                        return self._fail(items, error)
                    items = self._refuse([*items, *self._arrived()], error)
                    abandon = self._stop.wait(delay)
                    delay = min(delay * 2, 1.0)
                    continue
            self._lease_until, self._beat_at = until, began + self._lease / 4
            self._on_loop(self._resolve, items, written, owned, began)
            return self._up()

    def _renew(self, mark: int, until: int) -> bool:
        """Renews the lease in this transaction; False where it had run out, so that others may have taken messages
        over: by their clock, which may be a little ahead. Raises NodeLost."""
        if not self._db.write("renew_lease", node=self._node.number, holder=self._node.holder, lease=until, mark=mark):
            raise NodeLost(f"node {self._node.number} belongs to another process now")
        return now_millis() <= self._lease_until - round(self._lease * 250)

    def _owned(self) -> set[int]:
        return {row[0] for row in self._db.read("owned", node=self._node.number)}

    def _commit(self, items: list[_Item]) -> Written:
        commit = Commit(
            self._db, self._ids, now_millis(), self._node.number, self.refund, self._orphans, self.finals()
        )  # fmt: skip
        return commit.write([item.entry for item in items])

    def finals(self) -> Finals | None:
        """For the final states of a transaction; None: nobody wants to hear of them."""
        return Finals(self.asked, self._ids) if self.asked is not None else None

    def _write_apart(self, items: list[_Item], error: StoreError) -> None:
        """One entry that the database will never take must not stop the others."""
        if len(items) <= 1:
            for item in items:
                self._on_loop(self._watcher.dropped, item.entry, error)
            return self._fail(items, error)
        middle = len(items) // 2
        self._write(items[:middle])
        return self._write(items[middle:])

    def _was_committed(self, mark: int, items: list[_Item]) -> bool:
        """The connection broke during COMMIT: asks the database what came of it, until it says."""
        deadline, delay, refused, stopping = time.monotonic() + PATIENCE, 0.02, False, False
        while True:
            self._db.close()
            try:
                rows = self._db.read("node_mark", node=self._node.number, holder=self._node.holder)
                committed = bool(rows) and rows[0][0] == mark
                if committed and refused:
                    self._hand_over(items)
                return committed
            except StoreError as error:
                if stopping:
                    return False
                if time.monotonic() > deadline and not refused:
                    self._refuse(items, error)
                    refused = True
            stopping = self._stop.wait(delay)
            delay = min(delay * 2, 1.0)

    def _hand_over(self, items: list[_Item]) -> None:
        """Messages that were written after all, though their senders have been told to come again: whoever looks
        for work next sends them, and a repeat of the request gets their answer."""
        accepted = [(item.entry.message.id,) for item in items if isinstance(item.entry, Accept)]
        with self._db.transaction():
            self._db.write_batch("hand_over", accepted)

    def _arrived(self) -> list[_Item]:
        """What has come while the store was away; jobs are told so."""
        items, jobs, last = self._gather(0.0)
        for job in jobs:
            job.refuse(StoreError(self.problem))
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
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            found = self._fenced(job.work)
            if isinstance(found, Moved):
                self._on_loop(self._watcher.balances, found.balances)
            job.future.set_result(found)
        except NodeLost as error:
            job.future.set_exception(StoreError(str(error)))
            raise
        except Exception as error:  # noqa: BLE001 — whoever asked for the work hears of it
            job.future.set_exception(error)

    def _fenced(self, work: Callable[[Database], T]) -> T:
        """What it writes stands only where this node is still ours, and is known even if the COMMIT got no answer."""
        mark, until = self._ids.next(), now_millis() + round(self._lease * 1000)
        result: T | None = None
        try:
            with self._db.transaction():
                found = work(self._db)
                if found:
                    self._renew(mark, until)
                result = found
        except StoreError as error:
            if not result or isinstance(error, Conflict):
                raise
            self._down(error)
            self._beat_at = 0.0  # to see at once whether it is up again
            if not self._was_committed(mark, []):
                raise
        return found

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

    def _up(self) -> None:
        if self.problem:
            self.problem = ""
            self._on_loop(self._watcher.up, "")

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(call, *arguments)

    # -- back on the event loop

    def _resolve(self, items: list[_Item], written: Written, owned: set[int] | None, began: float) -> None:
        self._open.difference_update(items)
        self._watcher.balances(written.balances)
        self._watcher.committed(len(items), time.monotonic() - began)
        if self.learned is not None and written.outcomes:
            self.learned(written.outcomes)
        if self.told is not None and written.told:
            self.told(written.told)
        for item, result in zip(items, written.results, strict=True):
            if item.future.done():
                continue
            if isinstance(result, Exception):
                item.future.set_exception(result)
            else:
                item.future.set_result(result)
        if owned is None:
            self._valid_until = began + self._lease
        else:
            self._valid_until = 0.0
            self._loop.call_soon(self._lapse, owned, began)  # after those who waited for these items

    def _lapse(self, owned: set[int], began: float) -> None:
        self._watcher.lapsed(owned)
        self._valid_until = began + self._lease

    def _reject(self, items: list[_Item], problem: str) -> None:
        self._open.difference_update(items)
        for item in items:
            if not item.future.done():
                item.future.set_exception(_refusal(item.entry, problem))

    def _end(self, error: Exception) -> None:
        """Nothing is written any more: nobody waits in vain."""
        self._over, self.problem = True, str(error)
        self._reject(list(self._open), self.problem)
        for job in self._jobs:
            if not job.future.done():
                job.refuse(StoreError(self.problem))
        if isinstance(error, NodeLost):
            self._watcher.lost(error)


def _refusal(entry: Entry, problem: str) -> Exception:
    return Unavailable("The store is out of reach") if isinstance(entry, _FROM_DOORS) else StoreError(problem)
