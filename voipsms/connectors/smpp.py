"""A gateway that speaks SMPP: we are the ESME.

A message becomes parts in smpp_parts.py, a part a PDU in short_message.py, its answer an outcome in smpp_answer.py.

A deliver_sm or data_sm is answered ESME_ROK only when the inbox has kept it. ESME_RX_T_APPN, which makes the SMSC
repeat it, goes where the inbox can't, or where MOST_PENDING others wait for it. A receipt without an id gets ESME_ROK
all the same and is counted: a repeat would read no better, and a refusal makes some SMSCs stop at it for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from voipsms import metrics
from voipsms.connectors import deliver_sm
from voipsms.connectors.port import Inbox
from voipsms.connectors.short_message import Composer, Submit, in_words
from voipsms.connectors.smpp_answer import queried, refusal, submit_error, submitted_to_several
from voipsms.connectors.smpp_parts import Cutter
from voipsms.errors import ConfigError, RefusedHere, StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger
from voipsms.model import GatewayId, Inbound, Message, Part, Receipt, State, Submitted
from voipsms.smpp.client import Client
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import (
    Answer,
    Cancel,
    DataMessage,
    MultiMessage,
    Pdu,
    PduError,
    Query,
    Replace,
    ShortMessage,
    Tlvs,
)
from voipsms.smpp.status import ESME_ROK, ESME_RX_T_APPN
from voipsms.smpp.trace import Trace
from voipsms.values import replace

log = get_logger("smpp")

MOST_PENDING: Final = 5000  # deliver_sm that may wait for the inbox at once
CLOSE_TIME: Final = 5.0  # seconds that the inbox has to keep what came in before the end
LONGEST: Final = 254  # octets of short_message, SMPP 3.4 §5.2.21


class SmppConnector:
    """Relative file names in the settings start at `folder`.

    Raises ConfigError where certificates or outbind can't be used as they are set.
    """

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        inbox: Inbox,
        wake: Callable[[], None],
        *,
        trace: Trace | None = None,
        mask: bool = True,
        folder: Path | None = None,
    ) -> None:
        self.name = settings.name
        self.counts: Counter[str] = Counter()  # receipts, messages, unreadable ones, those that the inbox couldn't take
        self._gateway_id = gateway_id
        self._smpp = settings.smpp
        self._inbox = inbox
        self._cutter = Cutter(settings.smpp, random.randrange(65536))
        self.split: Callable[[Message], Sequence[Part]] = self._cutter.split
        self._composer = Composer(settings)
        self._dialect = deliver_sm.dialect_of(settings.smpp)
        self._state = State.ENROUTE if settings.smpp.receipts else State.ACCEPTED
        self._pending: set[asyncio.Task[None]] = set()
        try:
            self._client = Client(
                settings.smpp, on_request=self._on_request, on_room=wake, trace=trace, mask=mask, folder=folder
            )
        except ConfigError as error:
            raise ConfigError(f"[{settings.section}] {error}") from error

    # -- out --

    @property
    def ready(self) -> bool:
        return self._client.ready

    @property
    def last_error(self) -> str:
        """Why a session is not bound; empty: nothing is known to be wrong."""
        return self._client.last_error

    def free(self) -> int:
        return self._client.free()

    async def submit(self, part: Part) -> Submitted:
        body, tlvs = self._composer.compose(part) if part.user_data else self.compose(part)
        try:
            client = self._client
            answer = await (client.submit(body, tlvs) if type(body) is ShortMessage else client.request(body, tlvs))
        except PduError as error:
            raise RefusedHere(str(error)) from error
        if answer.command_status != ESME_ROK:
            raise submit_error(answer.command_status, self._smpp.status)
        if type(body) is MultiMessage:
            return submitted_to_several(answer, body, self._state)
        return Submitted(answer.body.message_id if isinstance(answer.body, Answer) else "", self._state)

    def compose(self, part: Part) -> tuple[Submit, Tlvs]:
        """The PDU of a part, and its TLVs. Raises SubmitRefused where the message can't go this way."""
        if not part.user_data and (why := self._cutter.refusal(part.message)):
            raise why
        return self._composer.compose(part)

    def schedule(self, message: Message) -> str:
        return self._composer.schedule(message)

    async def describe(self, message: Message) -> Sequence[str]:
        return [in_words(*self.compose(part)) for part in self.split(message)]

    # -- what was taken --

    async def query(self, message: Message, provider_id: str) -> Receipt | None:
        answer = await self._ask(Query(provider_id, *self._composer.source(message)))
        return queried(answer, self._gateway_id, message, provider_id)

    async def cancel(self, message: Message, provider_id: str) -> None:
        answer = await self._ask(Cancel("", provider_id, *self._composer.source(message)))
        if answer.command_status != ESME_ROK:
            raise refusal(answer.command_status, self._smpp.status)

    async def replace(self, message: Message, provider_id: str, text: str) -> None:
        """In the coding of the text that is replaced (SMPP 3.4 §4.10.1 has no other), and in one part."""
        parts = (*self.split(message), *self.split(replace(message, text=text)))
        if len(parts) != 2 or len(parts[1].user_data) > LONGEST:
            raise RefusedHere("only a text of one part can be replaced, and by one of one part")
        if why := self._cutter.refusal(parts[1].message):
            raise why
        source = self._composer.source(message)
        body = Replace(
            provider_id, *source, registered_delivery=int(self._smpp.receipts), short_message=parts[1].user_data
        )
        answer = await self._ask(body)
        if answer.command_status != ESME_ROK:
            raise refusal(answer.command_status, self._smpp.status)

    async def _ask(self, body: Query | Cancel | Replace) -> Pdu:
        try:
            return await self._client.request(body)
        except PduError as error:
            raise RefusedHere(str(error)) from error

    async def run(self) -> None:
        await self._client.run()

    async def probe(self) -> None:
        await self._client.probe()

    async def close(self) -> None:
        """What the inbox is still keeping is answered before the unbind, as long as that takes no CLOSE_TIME."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=CLOSE_TIME)
        await self._client.close()
        for task in tuple(self._pending):
            task.cancel()

    # -- in --

    def _on_request(self, link: Link, pdu: Pdu) -> None:
        if not isinstance(pdu.body, ShortMessage | DataMessage):
            return  # alert_notification, which has no answer
        if len(self._pending) >= MOST_PENDING:
            self.counts["postponed"] += 1
            link.respond(pdu, ESME_RX_T_APPN, Answer())
            return
        task = asyncio.get_running_loop().create_task(self._take(link, pdu, pdu.body))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _take(self, link: Link, pdu: Pdu, body: ShortMessage | DataMessage) -> None:
        answer = ESME_ROK
        try:
            await self._keep(deliver_sm.read(self._gateway_id, pdu, body, self._dialect), body.source_addr)
        except StoreError as error:
            self.counts["postponed"] += 1
            log.warning("a deliver_sm can't be kept now", gateway=self.name, error=str(error))
            answer = ESME_RX_T_APPN
        link.respond(pdu, answer, Answer())

    async def _keep(self, what: Receipt | Inbound | None, source: str) -> None:
        if isinstance(what, Receipt):
            self.counts["receipts"] += 1
            await self._inbox.receipt(what)
        elif what is not None:
            self.counts["inbound"] += 1
            await self._inbox.inbound(what)
        else:
            self.counts["unreadable"] += 1
            metrics.count("malformed", "smpp_receipt")
            log.warning("a deliver_sm can't be read", gateway=self.name, source=source)
