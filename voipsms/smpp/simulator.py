"""An SMSC to develop and test against: takes binds and submits, sends receipts and MO, and misbehaves on demand.

Destinations ending in the digits of behaviour.ENDINGS provoke what is written there. Everything that was submitted is
in `submits` (the last 100,000), in `counts`, and in the log file.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Final, TextIO

from voipsms.smpp.behaviour import ENDINGS, USUAL, Behaviour, Options
from voipsms.smpp.deliveries import mobile_originated, receipt
from voipsms.smpp.events import Closed, Event, Request, Response, ResponseTimeout
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    MESSAGE_PAYLOAD,
    SUBMIT_SM,
    Answer,
    Bind,
    BindAnswer,
    Pdu,
    ShortMessage,
    Tlvs,
)
from voipsms.smpp.session import Session, Timers
from voipsms.smpp.states import Side
from voipsms.smpp.status import (
    ESME_RINVCMDID,
    ESME_RINVPASWD,
    ESME_RINVSYSID,
    ESME_RMSGQFUL,
    ESME_ROK,
    ESME_RTHROTTLED,
    ESME_RX_T_APPN,
    status,
)
from voipsms.smpp.trace import Trace, watch

KEPT: Final = 100_000  # submits kept in memory, receipts that may wait
SYSTEM_ID: Final = "voipsms-smsc"
_BINDS: Final = frozenset({BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER})
_AGAIN: Final = frozenset({ESME_RX_T_APPN, ESME_RMSGQFUL, ESME_RTHROTTLED})  # a deliver_sm_resp that asks for a repeat


@dataclass(frozen=True, slots=True)
class Submit:
    """One submit_sm as it came, and what was answered; `id` is empty where it was not taken."""

    time: float
    source: str
    destination: str
    esm_class: int
    data_coding: int
    registered: int
    user_data: str  # hexadecimal, user data header included
    id: str
    status: str  # empty: no answer


@dataclass(frozen=True, slots=True)
class _Delivery:
    message: ShortMessage
    tlvs: Tlvs
    origin: Link | None


class Simulator:
    def __init__(self, options: Options | None = None, *, trace: Trace | None = None) -> None:
        self.options = options or Options()
        self.counts: Counter[str] = Counter()
        self.submits: deque[Submit] = deque(maxlen=KEPT)
        self.port = 0
        self._watch = watch(trace, False) if trace else None
        self._random = random.Random(self.options.seed)
        self._ids = itertools.count(int(time.time() * 1000) * 1000)  # unlike those of an earlier run
        self._links: list[Link] = []
        self._seen: set[str] = set()  # destinations that had their `once`
        self._delayed = 0  # deliveries whose time has not come
        self._waiting: deque[_Delivery] = deque()
        self._turn = 0
        self._second = (0, 0)  # which one, and the submits in it
        self._server: asyncio.Server | None = None
        self._mo: asyncio.Task[None] | None = None
        self._log: TextIO | None = None
        self._log_waits = False  # for its flush

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Raises OSError when the address can't be used."""
        options, loop = self.options, asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, options.host, options.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._open_log()
        if options.mo_count:
            self._mo = asyncio.create_task(self._send_mo())

    def _open_log(self) -> None:
        if self.options.log:
            self._log = open(self.options.log, "a", encoding="utf-8")  # noqa: SIM115  # close() closes it

    async def close(self) -> None:
        """Ends every connection; receipts that still wait are dropped."""
        if self._mo is not None:
            self._mo.cancel()
        if self._server is not None:
            self._server.close()
        links = tuple(self._links)
        for link in links:
            link.close("the SMSC ends")
        if links:
            await asyncio.wait([link.lost for link in links], timeout=3)
        if self._log is not None:
            self._log.close()

    def disconnect(self) -> None:
        """Ends every connection, as a fault would."""
        for link in tuple(self._links):
            link.abort("disconnected")

    # -- sessions --

    def _accept(self) -> Link:
        options = self.options
        timers = Timers(options.enquire, 60.0, 0.0)
        session = Session(
            Side.SMSC, asyncio.get_running_loop().time(), window=options.window, timers=timers, watch=self._watch
        )
        link = Link(session, self._on_event, self._drain)
        self._links.append(link)
        self.counts["connections"] += 1
        return link

    def _on_event(self, link: Link, event: Event) -> None:
        match event:
            case Request(pdu) if pdu.command_id == SUBMIT_SM:
                self._submit(link, pdu)
            case Response(pdu, _, _Delivery() as delivery):
                self._delivered(pdu, delivery)
            case Request(pdu) if pdu.command_id in _BINDS:
                self._bind(link, pdu)
            case Request(pdu):
                self.counts["other"] += 1
                link.respond(pdu, ESME_RINVCMDID)
            case ResponseTimeout(_, _, _Delivery() as delivery):
                self.counts["delivery_timeouts"] += 1
                self._deliver(delivery)
            case Closed(_, unanswered):
                self._links.remove(link)
                for _, context in unanswered:
                    if isinstance(context, _Delivery):
                        self._deliver(context)

    def _bind(self, link: Link, pdu: Pdu) -> None:
        options, body = self.options, pdu.body
        assert isinstance(body, Bind)
        refusal = options.refuse_bind
        if options.username and body.system_id != options.username:
            refusal = ESME_RINVSYSID
        elif options.password and body.password != options.password:
            refusal = ESME_RINVPASWD
        self.counts["refused_binds" if refusal else "binds"] += 1
        link.respond(pdu, refusal, *(() if refusal else (BindAnswer(SYSTEM_ID),)))
        self._drain()

    # -- submits --

    def _submit(self, link: Link, pdu: Pdu) -> None:
        body = pdu.body
        assert isinstance(body, ShortMessage)
        self.counts["submits"] += 1
        behaviour = self._behaviour(body.destination_addr)
        refusal = behaviour.command_status
        if behaviour.once:
            refusal = self._once(body.destination_addr, refusal)
        number = next(self._ids)
        message_id = "" if refusal else f"{number:x}"
        self._record(pdu, body, message_id, status(refusal).name if behaviour.answers else "")
        receipts = () if refusal else self._receipts(body, number, behaviour, link)
        if behaviour.early:
            self._send_receipts(receipts)
        if behaviour.answers:
            self.counts["refused" if refusal else "accepted"] += 1
            self._answer(link, pdu, refusal, message_id)
        else:
            self.counts["unanswered"] += 1
        if not behaviour.early:
            self._send_receipts(receipts)
        if behaviour.disconnects or (self.options.disconnect and not self.counts["submits"] % self.options.disconnect):
            self.counts["disconnects"] += 1
            link.close("disconnected on demand")

    def _behaviour(self, destination: str) -> Behaviour:
        options = self.options
        if options.tps and self._throttled(options.tps):
            return Behaviour("", ESME_RTHROTTLED)
        known = ENDINGS.get(destination[-4:]) if options.endings else None
        if known is not None:
            return known
        if options.silence and self._random.random() < options.silence:
            return ENDINGS["0003"]
        if options.refuse and self._random.random() < options.refuse:
            return Behaviour("", options.refuse_status)
        return ENDINGS["0007"] if options.early else USUAL

    def _throttled(self, tps: float) -> bool:
        second, count = self._second
        now = int(time.monotonic())
        self._second = (now, count + 1 if now == second else 1)
        return self._second[1] > tps

    def _once(self, destination: str, refusal: int) -> int:
        if destination in self._seen or len(self._seen) >= KEPT:
            return ESME_ROK
        self._seen.add(destination)
        return refusal

    def _answer(self, link: Link, pdu: Pdu, refusal: int, message_id: str) -> None:
        body = () if refusal else (Answer(message_id),)
        if self.options.response_delay:
            asyncio.get_running_loop().call_later(
                self.options.response_delay, lambda: link.respond(pdu, refusal, *body)
            )
        else:
            link.respond(pdu, refusal, *body)

    def _record(self, pdu: Pdu, body: ShortMessage, message_id: str, answer: str) -> None:
        user_data = body.short_message or pdu.tlv(MESSAGE_PAYLOAD) or b""
        submit = Submit(
            time.time(),
            body.source_addr,
            body.destination_addr,
            body.esm_class,
            body.data_coding,
            body.registered_delivery,
            user_data.hex(),
            message_id,
            answer,
        )
        self.submits.append(submit)
        if self._log is not None:
            if not self._log_waits:
                self._log_waits = True
                asyncio.get_running_loop().call_later(0.02, self._flush_log)
            self._log.write(json.dumps(asdict(submit)) + "\n")

    # -- receipts and MO --

    def _receipts(self, body: ShortMessage, number: int, behaviour: Behaviour, link: Link) -> tuple[_Delivery, ...]:
        if not (self.options.receipts and body.registered_delivery & 3 and behaviour.receipts):
            return ()
        options = self.options
        return tuple(
            _Delivery(*receipt(body, number, word or options.state, options.ids, options.tlvs), link)
            for word in behaviour.receipts
        )

    def _send_receipts(self, receipts: tuple[_Delivery, ...]) -> None:
        for delivery in receipts:
            self.counts["receipts"] += 1
            self._deliver(delivery, self.options.receipt_delay)

    def deliver(self, message: ShortMessage, tlvs: Tlvs = ()) -> None:
        """Sends any deliver_sm, on any session that receives; it waits until there is one."""
        self._deliver(_Delivery(message, tlvs, None))

    def _deliver(self, delivery: _Delivery, delay: float = 0.0) -> None:
        if len(self._waiting) + self._delayed >= KEPT:
            self.counts["lost"] += 1
        elif delay:
            self._delayed += 1
            asyncio.get_running_loop().call_later(delay, self._deliver_now, delivery)
        else:
            self._waiting.append(delivery)
            self._drain()

    def _deliver_now(self, delivery: _Delivery) -> None:
        self._delayed -= 1
        self._deliver(delivery)

    def _drain(self) -> None:
        while self._waiting:
            link = self._receiver(self._waiting[0].origin)
            if link is None:
                return
            delivery = self._waiting.popleft()
            link.request(DELIVER_SM, delivery.message, delivery.tlvs, delivery)

    def _receiver(self, origin: Link | None) -> Link | None:
        """The session for a delivery: the submit's own, or the others in turn."""
        if origin is not None and origin.room and not self.options.elsewhere:
            return origin
        links = [link for link in self._links if link.room]
        if self.options.elsewhere and len(links) > 1:
            links = [link for link in links if link is not origin]
        self._turn += 1
        return links[self._turn % len(links)] if links else None

    def _delivered(self, pdu: Pdu, delivery: _Delivery) -> None:
        if pdu.command_status == ESME_ROK:
            self.counts["delivered"] += 1
        elif pdu.command_status in _AGAIN:
            self.counts["delivered_later"] += 1
            self._deliver(delivery, self.options.redeliver)
        else:
            self.counts["delivery_refused"] += 1
        self._drain()

    async def _send_mo(self) -> None:
        options = self.options
        for number in range(options.mo_count):
            self.counts["mo"] += 1
            self.deliver(*mobile_originated(options.mo_from, options.mo_to, options.mo_text.replace("%d", str(number))))
            await asyncio.sleep(1 / options.mo_rate)

    def _flush_log(self) -> None:
        self._log_waits = False
        if self._log is not None and not self._log.closed:
            self._log.flush()
