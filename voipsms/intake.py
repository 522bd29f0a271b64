"""From a submission to a verdict that may leave: accept, reserve a place, commit, hand over to dispatch."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from voipsms.accept import accept
from voipsms.automatic import DOOR as AUTOMATIC
from voipsms.directory import Account, Directory
from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.errors import (
    REFUSALS,
    AccountExpired,
    AccountFault,
    NobodyToBill,
    NoCredit,
    OptedOut,
    OutcomeUnknown,
    ProviderBusy,
    ProviderRefused,
    Refused,
    StoreError,
    SubmitError,
    SubmitRefused,
    Unavailable,
    UserInactive,
)
from voipsms.model import GatewayId, Message, MessageId, Micros, Submission
from voipsms.preparation import Preparation, Ready, changes, chosen_first
from voipsms.routing import Ways
from voipsms.rules import COPIES, Effect
from voipsms.settings import GlobalSettings
from voipsms.store.entries import Accept, Amend, Remember, Repeat
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal
from voipsms.values import Value, replace

BACKLOG = 5000  # entries that may wait for a commit before new messages are turned away
RECENT = 10_000  # answers at hand; older ones are in tb_ingress
NO_CREDIT = Micros(0)
# Another process may have changed an account.
_MAY_BE_STALE = (NobodyToBill, NoCredit, UserInactive, AccountExpired, AccountFault, OptedOut)


class Taken(Value, frozen=True):
    """The message is committed. `sent`: its provider took it, too (smsthread=0). `repeated`: that was before."""

    message_id: MessageId
    sent: bool = False
    repeated: bool = False


class Log(Protocol):
    def accepted(self, message: Message) -> None: ...

    def refused(self, submission: Submission, refusal: Refused) -> None: ...


class Intake:
    """Where every door brings its submissions."""

    def __init__(
        self,
        directory: Directory,
        journal: Journal,
        queues: dict[GatewayId, GatewayQueue],
        ids: IdSource,
        ways: Ways,
        settings: GlobalSettings,
        bill_to: str,
        refresh: Callable[[], Awaitable[bool]],
        log: Log,
        preparation: Preparation | None = None,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._queues = queues
        self._ids = ids
        self._ways = ways
        self.settings = settings
        self.bill_to = bill_to
        self._refresh = refresh  # True: the directory has changed
        self._log = log
        self._preparation = preparation or Preparation(directory, settings, bill_to)
        self.confirms: Callable[[Message], Awaitable[bool]] = _none  # that its target has opted out
        self._recent: OrderedDict[bytes, Repeat] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[Taken]] = {}
        self.draining = False

    async def submit(self, submission: Submission) -> Taken:
        """Returns after the commit. Raises Refused; a repeat of an ingress key gets the first answer again."""
        key = submission.ingress_key
        if not key:
            return await self._submit(submission)
        if (answer := self._recent.get(key)) is not None:
            return _repeated(answer)
        if running := self._running.get(key):
            return await asyncio.shield(running)
        running = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            taken = await self._submit(submission)
        except Refused as refusal:
            if refusal.lasting:
                self._keep(key, Repeat(None, refusal.code, str(refusal)))
            running.set_exception(refusal)
            running.exception()  # nobody else may be waiting for it
            raise
        except BaseException:
            running.cancel()
            raise
        else:
            self._keep(key, Repeat(taken.message_id, "sent" if taken.sent else "accepted", ""))
            running.set_result(taken)
            return taken
        finally:
            del self._running[key]

    def _keep(self, key: bytes, answer: Repeat) -> None:
        self._recent[key] = answer
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    async def submit_by(self, submission: Submission, gateway_id: GatewayId) -> Taken:
        """By this gateway, past rules and routes. Raises Refused."""
        self._check_load(submission)
        return await self._commit(await self._accept(submission, lambda asked: (gateway_id,)))

    async def _submit(self, submission: Submission) -> Taken:
        try:
            return await self._answer(submission)
        except Refused as refusal:
            self._log.refused(submission, refusal)
            raise

    async def _answer(self, submission: Submission) -> Taken:
        try:
            self._check_load(submission)
            if self._preparation.active:
                return await self._prepared(submission)
            return await self._commit(await self._admit(submission, self._ways))
        except Refused as refusal:
            if first := await self._remember(submission.ingress_key, refusal):
                return _repeated(first)
            raise

    async def _prepared(self, submission: Submission) -> Taken:
        """By way of rules and what else comes before accept."""
        ready = await self._preparation.prepare(submission)
        message = await self._admit(ready.submission, chosen_first(self._ways, ready.gateway, self._queues))
        message, credit = self._preparation.credited(ready, message)
        return await self._commit(message, credit, ready.effects, changes(submission, ready.submission))

    async def quote(self, submission: Submission) -> Message:
        """The message that this would become: nothing is stored, charged or sent. Raises Refused."""
        ready = await self._preparation.prepare(submission) if self._preparation.active else Ready(submission)
        message = await self._accept(ready.submission, chosen_first(self._ways, ready.gateway, self._queues))
        return self._preparation.credited(ready, message)[0]

    def _check_load(self, submission: Submission) -> None:
        if self.draining and submission.door != COPIES:
            raise Unavailable("Shutting down")
        if self._journal.problem:
            raise Unavailable("The store is out of reach")
        if self._journal.backlog >= BACKLOG or any(len(q) >= self.settings.queue for q in self._queues.values()):
            raise Unavailable("Too many messages are waiting")

    async def _admit(self, submission: Submission, ways: Ways) -> Message:
        """As `_accept`; who has opted out still gets the one message that confirms it."""
        try:
            return await self._accept(submission, ways)
        except OptedOut as refusal:
            try:
                message = self._decide(replace(submission, exempt=True), ways)
            except Refused:
                raise refusal from None
            if not await self.confirms(message):
                raise
            return message

    async def _accept(self, submission: Submission, ways: Ways) -> Message:
        try:
            return self._decide(submission, ways)
        except _MAY_BE_STALE:
            if not await self._refresh():
                raise
            return self._decide(submission, ways)

    def _decide(self, submission: Submission, ways: Ways) -> Message:
        message_id = MessageId(self._ids.next())
        return accept(submission, self._directory, self.settings, ways, self.bill_to, message_id, now_millis())

    async def _commit(
        self, message: Message, credit: Micros = NO_CREDIT, wanted: tuple[Effect, ...] = (), said: str = ""
    ) -> Taken:
        queue = self._queues[message.gateway_id]
        started = not queue.keeps(message) and queue.reserve(message.parts)
        held = self._hold(message)
        try:
            result = await self._journal.append(Accept(message, started, credit=credit, said=said))
        except BaseException:
            if started:
                queue.release(message.parts)
            raise
        finally:
            for account, price in held:
                account.pending -= price
        if isinstance(result, Repeat):
            if started:
                queue.release(message.parts)
            return _repeated(result)
        self._log.accepted(message)
        if wanted:
            self._preparation.start(wanted, message)
        return await self._hand_over(message, queue, started)

    def _hold(self, message: Message) -> list[tuple[Account, Micros]]:
        """Until the commit has it, nobody else may spend the money of those who pay."""
        held = [(self._directory.by_id[message.user_id], message.price)]
        held += [(self._directory.by_id[user], price) for user, price in message.charges]
        for account, price in held:
            account.pending += price
        return held

    async def _hand_over(self, message: Message, queue: GatewayQueue, started: bool) -> Taken:
        outgoing = Outgoing(message)
        if queue.keeps(message):
            queue.resume_later(outgoing, message.due)
            return Taken(message.id)
        if self.settings.smsthread or message.door == AUTOMATIC:
            queue.add(outgoing, reserved=started)
            return Taken(message.id)
        outgoing.answered = asyncio.get_running_loop().create_future()
        queue.add(outgoing, reserved=started)
        return await self._await_provider(outgoing, queue)

    async def _await_provider(self, outgoing: Outgoing, queue: GatewayQueue) -> Taken:
        """smsthread=0. Who must wait too long for a message that has not left is told "not now", and it never will."""
        answered = outgoing.answered
        assert answered is not None
        await asyncio.wait((answered,), timeout=self.settings.smstimeout)
        if not answered.done() and not queue.withdraw(outgoing):
            return Taken(outgoing.message.id)
        setback = answered.result()
        if isinstance(setback, OutcomeUnknown):
            return Taken(outgoing.message.id)
        key = outgoing.message.ingress_key
        if setback is None:
            await self._amend(key, "sent", "")
            return Taken(outgoing.message.id, sent=True)
        raise _refusal(setback)

    async def _remember(self, key: bytes, refusal: Refused) -> Repeat | None:
        """Writes the answer down before it leaves, and returns the one that the request got before; one that can't be
        written is "not now"."""
        if not key or not refusal.lasting:
            return None
        amends = isinstance(refusal, ProviderRefused | ProviderBusy)
        entry = (Amend if amends else Remember)(key, refusal.code, str(refusal))
        try:
            first: Repeat | None = await self._journal.append(entry)
            return first
        except StoreError as error:
            raise Unavailable from error

    async def _amend(self, key: bytes, code: str, text: str) -> None:
        if key:
            await self._journal.append(Amend(key, code, text))


async def _none(message: Message) -> bool:
    return False


def _refusal(setback: SubmitError) -> Refused:
    kind = ProviderRefused if isinstance(setback, SubmitRefused) else ProviderBusy
    return kind(setback.comment)


def _repeated(repeat: Repeat) -> Taken:
    if repeat.code in ("accepted", "sent"):
        return Taken(MessageId(repeat.message_id or 0), sent=repeat.code == "sent", repeated=True)
    raise REFUSALS.get(repeat.code, Refused)(repeat.text or None)
