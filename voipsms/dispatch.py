"""What was accepted, on its way to the providers: a queue for each gateway, its rate, its pauses, its retries.

A message is QUEUED here until its submits may be under way; that is written before the first of them leaves
(`Start`), unless a free place was reserved when the message was accepted, since then the acceptance said so already.
Whatever a provider answers goes into the journal as one entry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from voipsms.allowance import Allowance
from voipsms.connectors.port import Connector, Scheduler, Verifier
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.fitness import Fitness
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger
from voipsms.model import GatewayId, Message, MessageId, Millis, Part, State, Submitted
from voipsms.outgoing import ELSEWHERE, FAULTS, RECEIPT, Log, Writer, air_parts, ignore, lifetime
from voipsms.outgoing import Outgoing as Outgoing
from voipsms.store.entries import Confirm, Doubt, Entry, Fail, Postpone, Reroute, Start, Take
from voipsms.store.ids import now_millis
from voipsms.values import replace

MAX_DELAY = 600.0  # seconds between attempts at the most
START_BATCH = 200  # messages that are written as started at once
CLEAR_OUT = 1.0  # seconds between two looks for other ways while a gateway is down
TRIAL = 0.2  # seconds between two looks whether the message that tries a gateway is through
DOWN_DELAYS = (0.5, 30.0)  # seconds before a gateway that was down is tried again: at first, at the most

# The queue that an outgoing message goes to instead, with the message as it is there; None: there is no other way.
Reroutes = Callable[["Outgoing"], "tuple[GatewayQueue, Message] | None"]

log = get_logger("dispatch")


class GatewayQueue:
    """The messages of one gateway, oldest first."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        connector: Connector,
        journal: Writer,
        log: Log,
        expire: Callable[[], int],
        reroute: Reroutes = lambda outgoing: None,
        fitness: Fitness | None = None,
    ) -> None:
        self.gateway_id = gateway_id
        self.settings = settings
        self.connector = connector
        self.fitness = fitness or Fitness(settings.cap, settings.faults)
        self._journal = journal
        self._log = log
        self._expire = expire  # milliseconds
        self._cleared = 0.0
        self._reroute = reroute
        self._waiting: list[tuple[MessageId, Outgoing]] = []  # heap: the order of acceptance
        self._ready: list[tuple[MessageId, Outgoing]] = []  # heap: written as started
        self._due: dict[int, tuple[asyncio.TimerHandle, Outgoing]] = {}  # postponed
        self._unverified: dict[int, Outgoing] = {}
        self._reserved = 0  # places held for parts that are not submitted yet
        self._launching = 0  # submits that the connector does not know of yet
        self._starting = 0  # messages whose Start is being written
        self._starts: set[asyncio.Future[None]] = set()
        self._paused_until = 0.0
        self._down_delay = DOWN_DELAYS[0]
        self._allowance = Allowance(settings.tps)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._verifying: set[asyncio.Task[None]] = set()
        self._draining = False
        self._forward: Callable[[Outgoing], None] | None = None  # where messages go that come after the end

    @property
    def usable(self) -> bool:
        """Whether it is worth sending a message this way now."""
        return self.connector.ready and not self._draining and not (self.fitness.hindered and self._hindered())

    def _hindered(self) -> bool:
        """On trial it takes a message where none is on its way."""
        return bool(self.fitness.barred or self._waiting or self._trying())

    def _trying(self) -> bool:
        return bool(self._ready or self._reserved or self._starting or self._tasks)

    def __len__(self) -> int:
        held = (self._waiting, self._ready, self._due, self._tasks, self._unverified)
        return sum(map(len, held)) + self._starting

    # -- in

    def keeps(self, message: Message) -> bool:
        """Whether it is too early for this message: its provider wouldn't wait for the time."""
        if not message.due or message.due <= now_millis():
            return False
        return not (isinstance(self.connector, Scheduler) and self.connector.schedule(message))

    def reserve(self, parts: int) -> bool:
        """A place for a message that is about to be accepted; True: add it with `reserved` after its commit."""
        if self._waiting or self._ready or not self._room() >= parts:
            return False
        if (self.fitness.hindered and self._hindered()) or not self.fitness.spend(parts):
            return False
        self._reserved += parts
        return True

    def release(self, parts: int) -> None:
        """The message was not accepted after all."""
        self._reserved -= parts
        self.fitness.refund(parts)

    def add(self, outgoing: Outgoing, *, reserved: bool = False) -> None:
        """A committed message; `reserved`: it was accepted with `started`."""
        if self._forward is not None:
            return self._forward(outgoing)
        if not outgoing.parts:
            outgoing.cut(self.connector.split(outgoing.message))
        outgoing.prepare()
        if reserved:
            self._reserved += len(outgoing.todo) - outgoing.message.parts  # where the connector cuts it otherwise
            heappush(self._ready, (outgoing.message.id, outgoing))
        else:
            heappush(self._waiting, (outgoing.message.id, outgoing))
        return self.pump()

    def recall(self, message_id: MessageId) -> Outgoing | None:
        """Takes out a message of which nothing has left; None: it is too late for that, or it isn't here."""
        postponed = self._due.get(message_id)
        here = [postponed[1]] if postponed else [found for waits, found in self._waiting if waits == message_id]
        if not here or here[0].begun or here[0].doubts:
            return None
        if postponed:
            self._due.pop(message_id)[0].cancel()
        else:
            self._take_out(here[0])
        return here[0]

    def _take_out(self, outgoing: Outgoing) -> None:
        self._waiting.remove((outgoing.message.id, outgoing))
        heapify(self._waiting)

    def withdraw(self, outgoing: Outgoing) -> bool:
        """Fails a message that is not being submitted yet: its sender waits no longer."""
        if (outgoing.message.id, outgoing) not in self._waiting:
            return False
        self._take_out(outgoing)
        down = GatewayDown("The gateway can't take it now")
        self._fail(outgoing, State.UNDELIVERABLE, down.reason, down.comment, down)
        return True

    def in_doubt(self, outgoing: Outgoing) -> None:
        """A message found after a crash whose submit may have been under way."""
        if not outgoing.parts:
            outgoing.cut(self.connector.split(outgoing.message))
        self._in_doubt(outgoing, OutcomeUnknown("The gateway was stopped while this was being submitted"))
        self.pump()

    def resume_later(self, outgoing: Outgoing, due: Millis) -> None:
        """A message whose next attempt is not due yet."""
        delay = max(0.0, (due - now_millis()) / 1000)
        timer = asyncio.get_running_loop().call_later(delay, self._come_due, outgoing)
        self._due[outgoing.message.id] = (timer, outgoing)

    def _come_due(self, outgoing: Outgoing) -> None:
        del self._due[outgoing.message.id]
        self.add(outgoing)

    def retain(self, ours: set[int]) -> None:
        """The lease had lapsed: only these messages are still ours to send."""
        self._waiting = sorted(item for item in self._waiting if item[0] in ours)
        self._reserved -= sum(len(outgoing.todo) for message_id, outgoing in self._ready if message_id not in ours)
        self._ready = sorted(item for item in self._ready if item[0] in ours)
        for message_id in self._due.keys() - ours:
            self._due.pop(message_id)[0].cancel()
        for message_id in self._unverified.keys() - ours:
            del self._unverified[message_id]

    async def drain(self, patience: float, forward: Callable[[Outgoing], None] | None = None) -> list[Outgoing]:
        """Starts nothing more, waits for the answers to what has left; returns what has not, given back in writing.

        What comes later still, since its commit was under way, goes to `forward`.
        """
        self._draining, self._forward = True, forward
        if self._starts:
            await asyncio.wait(self._starts, timeout=patience)
        for _, outgoing in self._ready:
            self._put_back(outgoing)
            self._write(Postpone(outgoing.message.id, outgoing.attempt, now_millis()))
        for timer in (self._timer, *(timer for timer, _ in self._due.values())):
            if timer is not None:
                timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        for task in tuple(self._verifying):
            task.cancel()  # asking again does no harm
        left = [outgoing for _, outgoing in (*self._ready, *self._waiting)]
        left += self._unverified.values()
        return [*left, *(outgoing for _, outgoing in self._due.values())]

    # -- out

    def pump(self) -> None:
        """Submits what may be submitted now. Called whenever a place, a message, time or the store comes free."""
        if self._draining:
            return None
        if not self._journal.may_work():
            return self._wake_in(0.2) if self._waiting or self._ready else None
        now = time.monotonic()
        if self.fitness.barred and not self.fitness.look(now):
            self._hold(now)
        elif not self.connector.ready:
            self._clear_out(now)
        if now < self._paused_until:
            return self._wake_in(self._paused_until - now)
        while self._ready and self.connector.free() > self._launching:
            outgoing = self._ready[0][1]
            if not self._allowance.take(now, air_parts(outgoing.todo[-1])):
                return self._wake_in(self._allowance.wait(now))
            self._submit_next(outgoing)
        return None if self.fitness.barred else self._start_waiting()

    def _hold(self, now: float) -> None:
        """Nothing new is given to the gateway: what has not begun waits, or goes elsewhere, where it may."""
        if self.fitness.recalls:
            for item in [item for item in self._ready if not item[1].begun]:
                self._ready.remove(item)
                self._put_back(item[1])
                self._wait_again(item[1])
            heapify(self._ready)
        self._clear_out(now)
        if wait := self.fitness.wait(now):
            self._wake_in(min(wait, CLEAR_OUT))

    def _put_back(self, outgoing: Outgoing) -> None:
        """Its place and its part of the cap are free again."""
        self._reserved -= len(outgoing.todo)
        self.fitness.refund(outgoing.air_parts)

    def _wake_in(self, delay: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.pump()

    def _submit_next(self, outgoing: Outgoing) -> None:
        """One part of the oldest message that is ready."""
        part = outgoing.todo.pop()
        if not outgoing.todo:
            heappop(self._ready)
        outgoing.under_way += 1
        self._reserved -= 1
        self._launching += 1
        task = asyncio.create_task(self._submit(outgoing, part))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _room(self) -> int:
        return self.connector.free() - self._launching - self._reserved

    def _start_waiting(self) -> None:
        """Has those written as started for whose parts there is room, in one commit."""
        room = min(self._room(), START_BATCH)
        batch: list[Outgoing] = []
        if self.fitness.trial and self._waiting:
            room = 0 if self._trying() else min(room, 1)
            self._wake_in(TRIAL)
        while self._waiting and room > 0:
            outgoing = self._waiting[0][1]
            if self._expired(outgoing):
                heappop(self._waiting)
                continue
            if not self.fitness.spend(outgoing.air_parts):
                self._wake_in(0)  # to hold it
                break
            heappop(self._waiting)
            room -= len(outgoing.todo)
            self._reserved += len(outgoing.todo)
            batch.append(outgoing)
        if not batch:
            return
        self._starting += len(batch)
        attempts = tuple((outgoing.message.id, outgoing.attempt) for outgoing in batch)
        written = self._journal.append(Start(attempts))
        self._starts.add(written)
        written.add_done_callback(self._starts.discard)
        written.add_done_callback(lambda future: self._started(batch, future))

    def _started(self, batch: list[Outgoing], written: asyncio.Future[None]) -> None:
        self._starting -= len(batch)
        failed = written.cancelled() or written.exception() is not None
        for outgoing in batch:
            if failed:
                self._put_back(outgoing)
            heappush(self._waiting if failed else self._ready, (outgoing.message.id, outgoing))
        if not self._draining:
            self.pump()

    def _expired(self, outgoing: Outgoing) -> bool:
        message = outgoing.message
        if now_millis() - max(message.created, message.due) <= lifetime(self._expire(), message.valid):
            return False
        self._fail(outgoing, State.EXPIRED, "expired", "Too old to be sent")
        return True

    async def _submit(self, outgoing: Outgoing, part: Part) -> None:
        self._launching -= 1
        try:
            submitted = await self.connector.submit(part)
        except SubmitError as error:
            outgoing.under_way -= 1
            self._meet(outgoing, error)
        except Exception:  # a task's root: a connector's own fault, which may have sent it
            log.exception("a connector has failed", gateway=self.settings.name, id=outgoing.message.id)
            outgoing.under_way -= 1
            self._meet(outgoing, OutcomeUnknown("A fault of this program"))
        else:
            outgoing.under_way -= 1
            del outgoing.left[part.number]
            self._taken(outgoing, part, submitted)
        if outgoing.setback is not None and not outgoing.under_way:
            self._set_back(outgoing, outgoing.setback)
        self.pump()

    def _taken(self, outgoing: Outgoing, part: Part, submitted: Submitted) -> None:
        message, last = outgoing.message, not outgoing.left
        self._down_delay = DOWN_DELAYS[0]
        if self.fitness.faults or self.fitness.trial:
            self.fitness.success()
        self._write(Take(message, part.number, part.total, outgoing.attempt, submitted, last, self._expires(message)))
        if last and submitted.unverified:
            self.verify(outgoing, submitted)
        elif last:
            self._end_well(outgoing, submitted)

    def _end_well(self, outgoing: Outgoing, submitted: Submitted) -> None:
        detail = submitted.comment or submitted.provider_id
        self._log.outcome(outgoing.message, self.settings.name, "taken", detail)
        outgoing.tell(None)

    # -- verifying

    def verify(self, outgoing: Outgoing, submitted: Submitted) -> None:
        """Asks the provider, after a while, whether it has really sent what it took. Its CDR waits for that."""
        outgoing.unverified = submitted
        self._unverified[outgoing.message.id] = outgoing
        task = asyncio.create_task(self._verify(outgoing, submitted))
        self._verifying.add(task)
        task.add_done_callback(self._verifying.discard)

    async def _verify(self, outgoing: Outgoing, submitted: Submitted) -> None:
        message, connector = outgoing.message, self.connector
        refused: SubmitRefused | None = None
        try:
            if not isinstance(connector, Verifier):
                raise SubmitFailed("the gateway has no smsverifyurl any more")
            await asyncio.sleep(connector.verify_delay)
            submitted = await connector.verify(message, submitted.provider_id)
        except SubmitRefused as error:
            refused = error
        except SubmitError as error:
            comment = f"{submitted.comment}; not verified: {error.comment}".removeprefix("; ")
            submitted = replace(submitted, comment=comment, unverified=False)
        if self._unverified.pop(message.id, None) is None:
            return  # another process has it now
        if refused is not None:
            self._fail(outgoing, State.REJECTED, refused.reason, refused.comment)
        else:
            self._write(Confirm(message, outgoing.attempt, submitted, self._expires(message)))
            self._end_well(outgoing, submitted)

    # -- setbacks

    def _meet(self, outgoing: Outgoing, error: SubmitError) -> None:
        """A part was not taken: the others of its message stay here until all answers have come."""
        if outgoing.todo:
            self._ready.remove((outgoing.message.id, outgoing))
            heapify(self._ready)
            self._reserved -= len(outgoing.todo)
            outgoing.todo = []
        outgoing.meet(error)
        if isinstance(error, Throttled):
            self._pause(error.retry_after)
        elif isinstance(error, GatewayDown):
            self._pause(self._down_delay)
            self._down_delay = min(self._down_delay * 2, DOWN_DELAYS[1])
        if isinstance(error, FAULTS) and self.connector.ready:  # else it is out by its own word
            self.fitness.fault(time.monotonic(), f"{error.reason}: {error.comment}")
        self._log.outcome(outgoing.message, self.settings.name, error.reason, error.comment)

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def _set_back(self, outgoing: Outgoing, setback: SubmitError) -> None:
        """The attempt is over, and parts were not taken: what now?"""
        if not isinstance(setback, OutcomeUnknown):
            self.fitness.refund(outgoing.air_parts)
        if isinstance(setback, ELSEWHERE) and self._send_elsewhere(outgoing):
            return
        if isinstance(setback, SubmitRefused):
            self._fail(outgoing, State.REJECTED, setback.reason, setback.comment)
        elif isinstance(setback, OutcomeUnknown):
            self._in_doubt(outgoing, setback)
        elif outgoing.answered is not None:
            # smsthread=0: its sender is told "not now" and will come again, so it must not be sent later.
            self._fail(outgoing, State.UNDELIVERABLE, setback.reason, setback.comment, setback)
        elif isinstance(setback, SubmitFailed):
            self._again_or_fail(outgoing, setback)
        else:
            self._wait_again(outgoing)

    def _send_elsewhere(self, outgoing: Outgoing) -> bool:
        """To the next gateway that may take it; not where this one has taken some of its parts."""
        if len(outgoing.left) < len(outgoing.parts):
            return False
        if (found := self._reroute(outgoing)) is None:
            return False
        queue, message = found
        self._log.outcome(message, self.settings.name, "rerouted", f"to {queue.settings.name}")
        self._write(Reroute(message, f"from {self.settings.name} to {queue.settings.name}{outgoing.failure}"))
        queue.add(outgoing.moved_to(message))
        return True

    def _clear_out(self, now: float) -> None:
        """The gateway is down: what waits for it goes elsewhere, where it may. A look every now and then, since it is
        one at all of them."""
        if (wait := self._cleared + CLEAR_OUT - now) > 0:
            return self._wake_in(wait) if self._waiting or self._ready else None
        self._cleared = now
        waiting, self._waiting = self._waiting, []
        kept = [item for item in waiting if not (self._expired(item[1]) or self._send_elsewhere(item[1]))]
        self._waiting = sorted(kept + self._waiting)
        ready = [] if self.connector.ready else self._ready
        for item in [item for item in ready if not item[1].under_way]:
            if self._send_elsewhere(item[1]):
                self._ready.remove(item)
                self._put_back(item[1])
        heapify(self._ready)
        return self._wake_in(CLEAR_OUT) if self._waiting or self._ready else None

    def _wait_again(self, outgoing: Outgoing, more: int = 0) -> None:
        self._write(self._postponed(outgoing, now_millis(), more))
        outgoing.prepare()
        heappush(self._waiting, (outgoing.message.id, outgoing))

    def _in_doubt(self, outgoing: Outgoing, setback: OutcomeUnknown) -> None:
        """SMPP and HTTP know no way to ask here: the gateway's policy decides, and a resend happens once."""
        outgoing.doubts += 1
        policy = self.settings.on_unknown
        if policy == "fail":
            self._fail(outgoing, State.UNKNOWN, setback.reason, setback.comment, SubmitFailed(setback.comment))
        elif policy == "resend" and outgoing.doubts == 1:
            self._wait_again(outgoing, 1)
        else:
            self._write(Doubt(outgoing.message, setback.comment, self._expires(outgoing.message)))
            outgoing.tell(setback)

    def _again_or_fail(self, outgoing: Outgoing, setback: SubmitFailed) -> None:
        if outgoing.attempt >= self.settings.retries:
            if self._send_elsewhere(outgoing):
                return None
            return self._fail(outgoing, State.UNDELIVERABLE, setback.reason, setback.comment)
        growing = self.settings.retrydelay * 2 ** (outgoing.attempt - 1)
        delay = setback.retry_after if setback.retry_after is not None else growing
        due = Millis(now_millis() + round(min(delay, MAX_DELAY) * 1000))
        self._write(self._postponed(outgoing, due, 1))
        return self.resume_later(outgoing, due)

    def _postponed(self, outgoing: Outgoing, due: Millis, more: int = 0) -> Postpone:
        failure = f"attempt {outgoing.attempt} at {self.settings.name}{outgoing.failure}" if outgoing.failure else ""
        outgoing.attempt += more
        return Postpone(outgoing.message.id, outgoing.attempt, due, failure)

    def _fail(
        self, outgoing: Outgoing, state: State, reason: str, comment: str, setback: SubmitError | None = None
    ) -> None:
        self._log.outcome(outgoing.message, self.settings.name, "failed", f"{reason}: {comment}")
        self._write(Fail(outgoing.message, state, reason, comment))
        outgoing.tell(setback or SubmitRefused(comment))

    def _expires(self, message: Message) -> Millis:
        """Until when a receipt is waited for."""
        expire = self._expire()
        return Millis(now_millis() + (min(expire, message.valid * 1000 + RECEIPT) if message.valid else expire))

    def _write(self, entry: Entry) -> None:
        """Entries of dispatch are kept by the journal until they can be written; one that never can is logged there."""
        self._journal.append(entry).add_done_callback(ignore)
