"""Carries commands out: the channel of tb_outbox on which they wait.

Each is begun once, whatever crashes or comes twice; of one that a crash has cut off its sender is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from voipsms.callback.arrivals import LIFE, Post
from voipsms.callback.authentication import Asker, number_of
from voipsms.callback.commands import NOBODY, Command, Commands, Outcome
from voipsms.callback.registering import Sends
from voipsms.callback.replies import say
from voipsms.carriers.port import NotCarried, Recipient
from voipsms.config import Config
from voipsms.errors import StoreError, Unavailable, VoipSmsError
from voipsms.log import get_logger
from voipsms.model import Channel, Delivery, DeliveryId, MessageId, Millis, Subject, UserId
from voipsms.store import commands as table
from voipsms.store.commands import Begun
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal

PAUSES: Final = (1.0, 3.0, 10.0, 30.0)  # seconds after each attempt that could not begin
FORGET: Final = 3600.0  # seconds
_MINUTE: Final = 60_000

Write = Callable[[str, str, str], Awaitable[int]]
"""Callers.write: from a [sip:NAME], to a SIP URI, a text."""

log = get_logger("callback")


class _Over(VoipSmsError):
    """It has been carried out, or is being so."""


class _CutOff(VoipSmsError):
    """It was begun, and nobody knows how far it came."""


class CommandCarrier:
    """`post`: of the outbox."""

    def __init__(
        self,
        commands: Commands,
        journal: Journal,
        ids: IdSource,
        automatic: Sends,
        post: Post,
        write: Write,
        config: Callable[[], Config],
    ) -> None:
        self._commands = commands
        self._journal = journal
        self._ids = ids
        self._automatic = automatic
        self._post = post
        self._write = write
        self._config = config

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        if delivery.created < now_millis() - LIFE:
            raise NotCarried("it is too late for that", lasting=True)
        fields, key = dict(delivery.fields), dict(delivery.fields)["key"]

        async def begin() -> None:
            begun = await self._journal.run(lambda db: table.begin(db, key, delivery.id, now_millis()))
            if begun is not Begun.NOW:
                raise _CutOff if begun is Begun.BEFORE else _Over

        try:
            outcome = await self._commands.take(self._command(delivery, fields), begin)
        except (Unavailable, StoreError) as error:
            raise NotCarried(str(error)) from error
        except _Over:
            return "it was carried out before"
        except _CutOff:
            outcome = Outcome("interrupted", say("interrupted"))
        await self._finish(key, outcome.code)
        await self._reply(delivery, fields, outcome)
        return f"{outcome.action}: {outcome.code}"

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        return PAUSES[min(delivery.attempt, len(PAUSES)) - 1]

    async def close(self) -> None:
        """There is nothing to close."""

    async def run(self) -> None:
        """Until cancelled: commands that nobody repeats any more are forgotten."""
        while True:
            try:
                await self.forget()
            except StoreError as error:
                log.debug("commands can't be forgotten now", why=str(error))
            await asyncio.sleep(FORGET)

    async def forget(self) -> int:
        """Raises StoreError."""
        before = Millis(now_millis() - table.KEEP)
        return await self._journal.run(lambda db: table.forget(db, before))

    def _command(self, delivery: Delivery, fields: dict[str, str]) -> Command:
        country = self._config().sms.country
        if proven := fields.get("proven"):
            asker = Asker(fields["asker"], UserId(int(proven)))
        else:
            asker = Asker(number_of(delivery.source, country))
        door = fields["door"]
        return Command(delivery.text, asker, "" if door == "chat" else delivery.target, door, delivery.message_id)

    async def _finish(self, key: str, code: str) -> None:
        try:
            await self._journal.run(lambda db: table.finish(db, key, code))
        except StoreError as error:
            log.warning("what became of a command can't be written", why=str(error))

    # -- what is said

    async def _reply(self, delivery: Delivery, fields: dict[str, str], outcome: Outcome) -> None:
        """To where the command came from; billed to who was proven, else to whose number it came to."""
        if not outcome.reply or not self._config().callback.callbackreply:
            return
        if uri := fields.get("uri"):
            await self._write(fields["account"], uri, outcome.reply)
        elif fields["door"] == "chat":
            await self._notice(delivery, UserId(int(fields.get("proven", 0))) or outcome.user_id, outcome.reply)
        else:
            await self._text(delivery, outcome)

    async def _text(self, delivery: Delivery, outcome: Outcome) -> None:
        """Who can't pay for it is told that, too: at the cost of the number's user."""
        key = delivery.id.to_bytes(8, "big")
        for payer in dict.fromkeys((outcome.user_id or delivery.user_id, delivery.user_id)):
            if await self._automatic.send(payer, delivery.target, delivery.source, outcome.reply, key, asked=True):
                return

    async def _notice(self, delivery: Delivery, user: UserId, text: str) -> None:
        if user == NOBODY:
            return
        now, hold = now_millis(), self._config().sms.smsreceive_hold * _MINUTE
        notice = Delivery(
            id=DeliveryId(self._ids.next()), message_id=MessageId(0), user_id=user, channel=Channel.CHAT,
            subject=Subject.NOTICE, source=delivery.target, target="", text=text, created=now,
            expires=Millis(now + hold),
        )  # fmt: skip
        try:
            await self._post((notice,))
        except StoreError as error:
            log.warning("an answer to a command is lost", user=user, why=str(error))
