"""An SMSC to develop and test against: takes binds and submits, sends receipts and MO, and misbehaves on demand.

Destinations ending in the digits of behaviour.ENDINGS provoke what is written there, options.faults strike whatever
the destination. Everything that was submitted is in `submits` (the last 100,000), in `counts`, and in the log file.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Final

from voipsms.ini import host_port
from voipsms.smpp.behaviour import ENDINGS, USUAL, Behaviour, Options
from voipsms.smpp.deliveries import mobile_originated, receipt
from voipsms.smpp.events import Closed, Event, Request, Response, ResponseTimeout
from voipsms.smpp.faults import Dice, FaultySession, Strike
from voipsms.smpp.kept import Kept, KeptMessage
from voipsms.smpp.link import Link
from voipsms.smpp.outbox import Delivery, Outbox
from voipsms.smpp.pdu import (
    ESM_UDHI,
    NOTHING,
    OUTBIND,
    SC_INTERFACE_VERSION,
    Answer,
    Bind,
    BindAnswer,
    Body,
    Cancel,
    DataMessage,
    DistributionList,
    MultiAnswer,
    MultiMessage,
    Outbind,
    Pdu,
    Query,
    Replace,
    ShortMessage,
    Tlvs,
    Unsuccess,
)
from voipsms.smpp.session import Session, Timers
from voipsms.smpp.states import Side
from voipsms.smpp.status import (
    ESME_RINVCMDID,
    ESME_RINVPASWD,
    ESME_RINVSYSID,
    ESME_ROK,
    ESME_RTHROTTLED,
    status,
)
from voipsms.smpp.submits import Submit, SubmitLog
from voipsms.smpp.trace import Trace, watch
from voipsms.values import field_names

MOST_SEEN: Final = 100_000  # destinations
SYSTEM_ID: Final = "voipsms-smsc"
VERSION: Final = b"\x50"  # ours, as sc_interface_version says it
ASK_AGAIN: Final = 1.0  # seconds until the next outbind, where the last one brought no session


class Simulator:
    def __init__(self, options: Options | None = None, *, trace: Trace | None = None) -> None:
        self.options = options or Options()
        self.counts: Counter[str] = Counter()
        self._log = SubmitLog(self.options.log)
        self.port = 0
        self._watch = watch(trace, False) if trace else None
        self._random = random.Random(self.options.seed)
        self._ids = itertools.count(int(time.time() * 1000) * 1000)  # unlike those of an earlier run
        self._links: list[Link] = []
        self._seen: set[str] = set()  # destinations that had their `once`
        self._second = (0, 0)  # which one, and the submits in it
        self._kept = Kept()
        self._outbox = Outbox(self.options, self.counts, self._links)
        self._dice = Dice(self.options.faults, self.counts, self._random)
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Raises OSError when the address can't be used."""
        options, loop = self.options, asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, options.host, options.port, ssl=_tls(options))
        self.port = self._server.sockets[0].getsockname()[1]
        self._log.open()
        if options.mo_count:
            self._tasks.append(asyncio.create_task(self._send_mo()))
        if options.outbind:
            self._tasks.append(asyncio.create_task(self._ask_by_outbind(*host_port(options.outbind))))

    @property
    def submits(self) -> deque[Submit]:
        return self._log.submits

    async def close(self) -> None:
        """Ends every connection; receipts that still wait are dropped."""
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()
        links = tuple(self._links)
        for link in links:
            link.close("the SMSC ends")
        if links:
            await asyncio.wait([link.lost for link in links], timeout=3)
        self._log.close()

    def disconnect(self) -> None:
        """Ends every connection, as a fault would."""
        for link in tuple(self._links):
            link.abort("disconnected")

    def strike(self, *strikes: Strike) -> None:
        """Other faults than before, on the sessions that are there, too; their counts begin anew."""
        self._dice.load(strikes)

    # -- sessions --

    def _accept(self) -> Link:
        return Link(self._session(), self._on_event, self._outbox.drain, self._welcome)

    def _welcome(self, link: Link) -> None:
        self._links.append(link)
        self.counts["connections"] += 1

    def _session(self) -> Session:
        options, now = self.options, asyncio.get_running_loop().time()
        timers = Timers(options.enquire, 60.0, 0.0)
        return FaultySession(Side.SMSC, now, dice=self._dice, window=options.window, timers=timers, watch=self._watch)

    async def _ask_by_outbind(self, host: str, port: int) -> None:
        """Whenever no session is there, the ESME is asked for one."""
        while True:
            if not self._links:
                await self._outbind_once(host, port)
            await asyncio.sleep(ASK_AGAIN)

    async def _outbind_once(self, host: str, port: int) -> None:
        link = self._accept()
        try:
            await asyncio.get_running_loop().create_connection(lambda: link, host, port)
        except OSError:
            return
        self.counts["outbinds"] += 1
        link.request(OUTBIND, Outbind(SYSTEM_ID, self.options.outbind_password))

    def _on_event(self, link: Link, event: Event) -> None:
        match event:
            case Response(pdu, _, Delivery() as delivery):
                self._outbox.answered(pdu, delivery)
            case Request(pdu):
                self._asked(link, pdu, pdu.body)
            case ResponseTimeout(_, _, Delivery() as delivery):
                self.counts["delivery_timeouts"] += 1
                self._outbox.add(delivery)
            case Closed(_, unanswered):
                self._links.remove(link)
                for _, context in unanswered:
                    if isinstance(context, Delivery):
                        self._outbox.add(context)

    def _asked(self, link: Link, pdu: Pdu, body: Body) -> None:
        now = asyncio.get_running_loop().time()
        match body:
            case ShortMessage():
                self._submit(link, pdu, body)
            case DataMessage():
                self._submit(link, pdu, _short_message(body))
            case MultiMessage():
                self._submit_multi(link, pdu, body)
            case Bind():
                self._bind(link, pdu, body)
            case Query():
                self.counts["queries"] += 1
                refusal, state = self._kept.query(body, now)
                link.respond(pdu, refusal, *((state,) if state else ()))
            case Cancel():
                self._cancel(link, pdu, body, now)
            case Replace():
                self.counts["replaces"] += 1
                link.respond(pdu, self._kept.replace(body, now))
            case _:
                self.counts["other"] += 1
                link.respond(pdu, ESME_RINVCMDID)

    def _bind(self, link: Link, pdu: Pdu, body: Bind) -> None:
        options = self.options
        refusal = options.refuse_bind
        if options.username and body.system_id != options.username:
            refusal = ESME_RINVSYSID
        elif options.password and body.password != options.password:
            refusal = ESME_RINVPASWD
        self.counts["refused_binds" if refusal else "binds"] += 1
        if refusal:
            link.respond(pdu, refusal)
        else:
            link.respond(pdu, ESME_ROK, BindAnswer(SYSTEM_ID), ((SC_INTERFACE_VERSION, VERSION),))
        self._outbox.drain()

    def _cancel(self, link: Link, pdu: Pdu, body: Cancel, now: float) -> None:
        self.counts["cancels"] += 1
        refusal, stopped = self._kept.cancel(body, now)
        link.respond(pdu, refusal)
        for kept in stopped:
            if kept.message.registered_delivery & 3 and self.options.receipts:
                self.counts["receipts"] += 1
                self._outbox.add(self._receipt(kept, "DELETED", link))

    # -- submits --

    def _submit(self, link: Link, pdu: Pdu, body: ShortMessage) -> None:
        """submit_sm and data_sm."""
        self.counts["submits"] += 1
        number = next(self._ids)
        behaviour, refusal = self._judge(body.destination_addr)
        message_id = "" if refusal else f"{number:x}"
        self._log.add(pdu, body, message_id, status(refusal).name if behaviour.answers else "")
        receipts = () if refusal else self._keep(body, number, behaviour, link)
        if behaviour.early:
            self._send_receipts(receipts)
        if behaviour.answers:
            self.counts["refused" if refusal else "accepted"] += 1
            self._answer(link, pdu, refusal, NOTHING if refusal else Answer(message_id))
        else:
            self.counts["unanswered"] += 1
        if not behaviour.early:
            self._send_receipts(receipts)
        if self.options.mo_reply and not refusal and _begins(body):
            self.counts["mo"] += 1
            self.deliver(*mobile_originated(body.destination_addr, body.source_addr, self.options.mo_reply))
        if behaviour.disconnects or (self.options.disconnect and not self.counts["submits"] % self.options.disconnect):
            self.counts["disconnects"] += 1
            link.close("disconnected on demand")

    def _submit_multi(self, link: Link, pdu: Pdu, body: MultiMessage) -> None:
        """One id for all that are taken; the others stand in the answer with their statuses. Lists are as good as
        addresses."""
        self.counts["submits"] += 1
        number = next(self._ids)
        failed: list[Unsuccess] = []
        receipts: list[Delivery] = []
        for one in _each(body):
            behaviour, refusal = self._judge(one.destination_addr)
            self._log.add(pdu, one, "" if refusal else f"{number:x}", status(refusal).name)
            if refusal:
                failed.append(Unsuccess(one.dest_addr_ton, one.dest_addr_npi, one.destination_addr, refusal))
            else:
                receipts += self._keep(one, number, behaviour, link)
        self.counts["accepted"] += 1
        self._answer(link, pdu, ESME_ROK, MultiAnswer(f"{number:x}", tuple(failed)))
        self._send_receipts(receipts)

    def _judge(self, destination: str) -> tuple[Behaviour, int]:
        """What becomes of a message to it, and its command_status this time."""
        behaviour = self._behaviour(destination)
        if behaviour.once:
            return behaviour, self._once(destination, behaviour.command_status)
        return behaviour, behaviour.command_status

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
        if destination in self._seen or len(self._seen) >= MOST_SEEN:
            return ESME_ROK
        self._seen.add(destination)
        return refusal

    def _answer(self, link: Link, pdu: Pdu, refusal: int, body: Body) -> None:
        if self.options.response_delay:
            asyncio.get_running_loop().call_later(self.options.response_delay, lambda: link.respond(pdu, refusal, body))
        else:
            link.respond(pdu, refusal, body)

    # -- receipts and MO --

    def _keep(self, body: ShortMessage, number: int, behaviour: Behaviour, link: Link) -> tuple[Delivery, ...]:
        """The message is known from now on; its receipts, where it shall have any."""
        options = self.options
        words = behaviour.receipts or (None,)
        ends = asyncio.get_running_loop().time() + options.receipt_delay
        kept = self._kept.add(number, body, ends, words[-1] or options.state)
        if not (options.receipts and body.registered_delivery & 3):
            return ()
        return tuple(self._receipt(kept, word or options.state, link) for word in behaviour.receipts)

    def _receipt(self, kept: KeptMessage, word: str, link: Link) -> Delivery:
        message, tlvs = receipt(kept.message, kept.number, word, self.options.ids, self.options.tlvs)
        return Delivery(message, tlvs, link, None if word == "DELETED" else kept)

    def _send_receipts(self, receipts: Iterable[Delivery]) -> None:
        for delivery in receipts:
            self.counts["receipts"] += 1
            self._outbox.add(delivery, self.options.receipt_delay)

    def deliver(self, message: ShortMessage, tlvs: Tlvs = ()) -> None:
        """Sends any deliver_sm, on any session that receives; it waits until there is one."""
        self._outbox.add(Delivery(message, tlvs, None))

    async def _send_mo(self) -> None:
        options = self.options
        for number in range(options.mo_count):
            self.counts["mo"] += 1
            self.deliver(*mobile_originated(options.mo_from, options.mo_to, options.mo_text.replace("%d", str(number))))
            await asyncio.sleep(1 / options.mo_rate)


def _begins(body: ShortMessage) -> bool:
    """Whether it is a whole message, or the first part of one: its number is the header's last octet."""
    octets = body.short_message
    if not octets or not body.esm_class & ESM_UDHI:
        return True
    return octets[octets[0] : octets[0] + 1] == b"\x01"


def _short_message(body: DataMessage) -> ShortMessage:
    """What a data_sm says of its message; the text is in message_payload."""
    return ShortMessage(**{name: getattr(body, name) for name in field_names(body)})


def _each(body: MultiMessage) -> Iterator[ShortMessage]:
    """A submit_multi's message, once for each of its destinations."""
    common = {name: getattr(body, name) for name in field_names(body) if name != "dest_addresses"}
    for to in body.dest_addresses:
        if isinstance(to, DistributionList):
            yield ShortMessage(**common, destination_addr=to.dl_name)
        else:
            yield ShortMessage(**common, **{name: getattr(to, name) for name in field_names(to)})


def _tls(options: Options) -> ssl.SSLContext | None:
    """Raises OSError where the files can't be used."""
    if not options.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.tls_cert, options.tls_key or None)
    if options.tls_ca:
        context.load_verify_locations(options.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
