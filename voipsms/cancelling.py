"""Messages that their users don't want any more: withdrawn and refunded where nothing has left, else by their provider.

What waits is in the memory of one process, and only that one can be sure that nothing leaves. Another one writes its
wish into tb_cancels; the process that has the message looks there every half second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from voipsms import telling
from voipsms.connectors.port import Querier
from voipsms.dispatch import GatewayQueue
from voipsms.errors import StoreError, SubmitError, SubmitRefused, TooLate
from voipsms.log import get_logger
from voipsms.model import GatewayId, MessageId, Receipt, State, UserId
from voipsms.outgoing import Outgoing
from voipsms.store import story
from voipsms.store.database import Database
from voipsms.store.entries import Fail, Hear, Stage
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.store.story import Story

POLL = 0.5  # seconds between two looks at tb_cancels
PATIENCE = 3.0  # seconds that an answer waits for another process
GLANCE = 0.1  # seconds between two looks whether that has done it
_OUR_WORD = "cancelled"  # reason of a message that was withdrawn here

log = get_logger("message")


class Cancelling:
    """`run()` until cancelled."""

    def __init__(self, journal: Journal, reader: Reader, queues: Mapping[GatewayId, GatewayQueue], node: int) -> None:
        self._journal = journal
        self._reader = reader
        self._queues = queues
        self._node = node

    async def run(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            try:
                await self.look()
            except StoreError as error:
                log.debug("wishes to cancel can't be read now", why=str(error))

    async def look(self) -> None:
        """Does what other processes want of this one."""
        for message_id, user_id, stage in await self._reader.run(lambda db: db.read("cancels", node=self._node)):
            if stage is not None and Stage(stage) not in (Stage.TAKEN, Stage.DOUBT):
                await self._withdraw(MessageId(message_id), UserId(user_id))
            await self._journal.run(lambda db, one=message_id: db.write("end_cancel", id=one))  # type: ignore[misc]

    async def cancel(self, found: Story, user_id: UserId) -> bool:
        """False: another process is asked to, and has not said yet. Raises TooLate, StoreError."""
        if found.waits_for is None:
            raise TooLate(f"The message is {found.state} already")
        if found.waits_for is Stage.TAKEN:
            await self._tell_provider(found)
            return True
        if found.waits_for is not Stage.WAITING:
            raise TooLate("The message may have left")
        if await self._withdraw(found.message.id, user_id):
            return True
        if found.node == self._node:
            raise TooLate("The message is being sent")
        return await self._ask_other(found.message.id, user_id)

    # -- what has not left

    async def _withdraw(self, message_id: MessageId, user_id: UserId) -> bool:
        """Whether it was here, and nothing of it had left."""
        recalled = filter(None, (queue.recall(message_id) for queue in self._queues.values()))
        outgoing: Outgoing | None = next(recalled, None)
        if outgoing is None:
            return False
        comment = "by its user" if outgoing.message.user_id == user_id else f"by user {user_id}"
        name = self._queues[outgoing.message.gateway_id].settings.name
        telling.outcome(outgoing.message, name, "failed", f"{_OUR_WORD}: {comment}")
        outgoing.tell(SubmitRefused(_OUR_WORD))
        await self._journal.append(Fail(outgoing.message, State.DELETED, _OUR_WORD, comment))
        return True

    async def _ask_other(self, message_id: MessageId, user_id: UserId) -> bool:
        """Raises TooLate where the process that has it says so, or where it has gone meanwhile."""
        await self._journal.run(lambda db: _wish(db, message_id, user_id))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            await asyncio.sleep(GLANCE)
            asked, found = await self._reader.run(
                lambda db: (db.read("asked_to_cancel", id=message_id), story.read(db, message_id))
            )
            if found is not None and found.state is State.DELETED:
                return True
            if not asked:
                raise TooLate("The message has left")
        return False

    # -- what a provider has

    async def _tell_provider(self, found: Story) -> None:
        """Each part that has no receipt yet. Raises TooLate; parts that were stopped before are so in the record."""
        queue = self._queues.get(found.message.gateway_id)
        if queue is None or not isinstance(queue.connector, Querier):
            raise TooLate(f"{found.gateway} has the message, and can't be told to forget it")
        last = max(part.attempt for part in found.parts)
        for part in found.parts:
            if part.attempt == last and not part.state:
                await self._stop(queue.connector, found, part.provider_id)

    async def _stop(self, connector: Querier, found: Story, provider_id: str) -> None:
        message = found.message
        if not provider_id:  # to cancel_sm it would mean every message to this number
            raise TooLate(f"{found.gateway} has the message, and gave it no id")
        try:
            await connector.cancel(message, provider_id)
        except SubmitError as error:
            raise TooLate(f"{found.gateway} has the message: {error.comment}") from error
        stopped = Receipt(
            message.gateway_id, provider_id, State.DELETED, comment=_OUR_WORD, sender=message.sender,
            target=message.target,
        )  # fmt: skip
        telling.receipt(stopped, await self._journal.append(Hear(stopped)))


def _wish(db: Database, message_id: MessageId, user_id: UserId) -> bool:
    if not db.read("asked_to_cancel", id=message_id):
        db.write("ask_to_cancel", id=message_id, user_id=user_id, created=now_millis())
    return True
