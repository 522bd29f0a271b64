"""A gateway that speaks SMPP: we are the ESME.

Source TON/NPI where the settings leave them open (-1): names 5/0 (alphanumeric, §5.2.5), short codes of 3–5 digits 3/1
(network specific), any other number 1/1 (international, E.164).

A deliver_sm or data_sm is answered ESME_ROK only when the inbox has kept it. ESME_RX_T_APPN, which makes the SMSC
repeat it, goes where the inbox can't, or where MOST_PENDING others wait for it. A receipt without an id gets ESME_ROK
all the same and is counted: a repeat would read no better, and a refusal makes some SMSCs stop at it for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from voipsms import metrics
from voipsms.connectors import deliver_sm
from voipsms.connectors.port import Inbox
from voipsms.errors import GatewayDown, OutcomeUnknown, StoreError, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger
from voipsms.model import Coding, GatewayId, Message, Part, Receipt, State, Submitted
from voipsms.smpp.client import Client
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import ESM_UDHI, MESSAGE_PAYLOAD, Answer, DataMessage, Pdu, PduError, ShortMessage, Tlvs
from voipsms.smpp.status import ESME_ROK, ESME_RX_T_APPN, Verdict, status
from voipsms.smpp.trace import Trace
from voipsms.sms.dcs import smpp_data_coding
from voipsms.sms.gsm0338 import NotInAlphabet
from voipsms.sms.segment import Segments, segment, udh_for
from voipsms.sms.transliterate import transliterate
from voipsms.sms.udh import References

log = get_logger("smpp")

MOST_PENDING: Final = 5000  # deliver_sm that may wait for the inbox at once
CLOSE_TIME: Final = 5.0  # seconds that the inbox has to keep what came in before the end
SINGLE: Final = {Coding.GSM7: 160}  # octets of user data in one part, septets being unpacked; else 140
SERVICE_TYPES: Final = ("", "CMT", "CPT", "VMN", "VMA", "WAP", "USSD", "CBS")  # §5.2.11


def source_ton_npi(sender: str) -> tuple[int, int]:
    """What kind of address a sender is, see above."""
    if not sender.isdecimal():
        return 5, 0
    return (3, 1) if 3 <= len(sender) <= 5 else (1, 1)


class SmppConnector:
    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        inbox: Inbox,
        wake: Callable[[], None],
        *,
        trace: Trace | None = None,
        mask: bool = True,
    ) -> None:
        self.name = settings.name
        self.counts: Counter[str] = Counter()  # receipts, messages, unreadable ones, those that the inbox couldn't take
        self._gateway_id = gateway_id
        self._smpp = settings.smpp
        self._inbox = inbox
        self._payload = settings.smpp.longsms == "payload" and settings.smpp.version != 33  # 3.3 has no TLVs
        self._references = References(random.randrange(256))
        self._pending: set[asyncio.Task[None]] = set()
        self._client = Client(settings.smpp, on_request=self._on_request, on_room=wake, trace=trace, mask=mask)

    # -- out --

    @property
    def ready(self) -> bool:
        return self._client.ready

    @property
    def last_error(self) -> str:
        """Why a session is not bound; empty: nothing is known to be wrong."""
        return self._client.last_error

    def split(self, message: Message) -> Sequence[Part]:
        bodies = _segments(message).bodies
        total = len(bodies)
        if total == 1 or self._payload:
            return (Part(message, 1, 1, b"".join(bodies)),)
        reference = self._references.next(message.target)
        return tuple(
            Part(message, number, total, body, udh_for(number, total, reference))
            for number, body in enumerate(bodies, 1)
        )

    def free(self) -> int:
        return self._client.free()

    async def submit(self, part: Part) -> Submitted:
        body, tlvs = self.short_message(part)
        try:
            answer = await self._client.submit(body, tlvs)
        except PduError as error:
            raise SubmitRefused(str(error)) from error
        if answer.command_status != ESME_ROK:
            raise submit_error(answer.command_status)
        message_id = answer.body.message_id if isinstance(answer.body, Answer) else ""
        return Submitted(message_id, State.ENROUTE if self._smpp.receipts else State.ACCEPTED)

    def short_message(self, part: Part) -> tuple[ShortMessage, Tlvs]:
        """The submit_sm of a part, and its TLVs."""
        smpp, message = self._smpp, part.message
        sender = message.sender.removeprefix("+")
        ton, npi = source_ton_npi(sender)
        user_data = part.udh + part.user_data
        as_payload = len(user_data) > SINGLE.get(message.coding, 140)
        return ShortMessage(
            SERVICE_TYPES[smpp.servicetype],
            ton if smpp.sourceton < 0 else smpp.sourceton,
            npi if smpp.sourcenpi < 0 else smpp.sourcenpi,
            sender,
            smpp.destinationton,
            smpp.destinationnpi,
            message.target,
            ESM_UDHI if part.udh else 0,
            registered_delivery=1 if smpp.receipts else 0,
            data_coding=smpp_data_coding(message.coding, message.message_class),
            short_message=b"" if as_payload else user_data,
        ), ((MESSAGE_PAYLOAD, user_data),) if as_payload else ()

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
            await self._keep(deliver_sm.read(self._gateway_id, pdu, body), body)
        except StoreError as error:
            self.counts["postponed"] += 1
            log.warning("a deliver_sm can't be kept now", gateway=self.name, error=str(error))
            answer = ESME_RX_T_APPN
        link.respond(pdu, answer, Answer())

    async def _keep(self, what: Receipt | str | None, body: ShortMessage | DataMessage) -> None:
        if isinstance(what, Receipt):
            self.counts["receipts"] += 1
            await self._inbox.receipt(what)
        elif what is not None:
            self.counts["inbound"] += 1
            await self._inbox.inbound(self.name, body.source_addr, body.destination_addr, what)
        else:
            self.counts["unreadable"] += 1
            metrics.count("malformed", "smpp_receipt")
            log.warning("a deliver_sm can't be read", gateway=self.name, source=body.source_addr)


def _segments(message: Message) -> Segments:
    """In the coding that accept chose: where the text isn't in it, it was chosen for the transliterated text."""
    try:
        return segment(message.text, coding=message.coding)
    except NotInAlphabet:
        return segment(transliterate(message.text), coding=message.coding)


_ERRORS: Final[dict[Verdict, Callable[[str], SubmitError]]] = {
    Verdict.WAIT: Throttled,
    Verdict.RETRY: SubmitFailed,
    Verdict.FAILOVER: SubmitRefused,
    Verdict.REFUSE: SubmitRefused,
    Verdict.UNKNOWN: OutcomeUnknown,
    Verdict.FAULT: GatewayDown,
}


def submit_error(command_status: int) -> SubmitError:
    """What an answer's status means for the part; a status that nobody knows is worth another attempt."""
    known = status(command_status)
    return _ERRORS[known.verdict](str(known))
