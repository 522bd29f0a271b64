"""An ESME: keeps its sessions with one SMSC bound, and submits through them.

A submit that finds the windows full waits here, so GatewayDown means that no session is bound. Whoever asks free()
first never makes it wait.

Order: submits for one destination go through one session, chosen by the destination, as long as that session has room;
when its window is full another one takes over, and between two sessions an SMSC promises no order.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from voipsms import metrics
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError
from voipsms.gateway_settings import SmppSettings
from voipsms.log import get_logger
from voipsms.smpp.events import Closed, Event, Request, Response, ResponseTimeout
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    COMMANDS,
    SUBMIT_SM,
    UNBIND,
    Bind,
    Body,
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
from voipsms.smpp.session import Session, Timers
from voipsms.smpp.states import Side
from voipsms.smpp.status import ESME_ROK, Verdict, status
from voipsms.smpp.trace import Trace, watch

log = get_logger("smpp")

DELAYS: Final = (0.5, 30.0)  # seconds from the end of a session to the next attempt: first, growing twofold to last
MOST_WAITING: Final = 10_000  # submits that found the windows full
UNBIND_TIME: Final = 3.0  # seconds that an SMSC has to answer unbind

OnRequest = Callable[[Link, Pdu], None]
Asked = ShortMessage | MultiMessage | DataMessage | Query | Cancel | Replace


def bind_commands(settings: SmppSettings) -> tuple[int, ...]:
    """One command a session. SMPP 3.3 has no bind_transceiver."""
    if settings.bind == "tx" or settings.version == 33:
        return (BIND_TRANSMITTER,) * settings.sessions + (BIND_RECEIVER,)
    return (BIND_TRANSCEIVER,) * settings.sessions


class Client:
    """`on_request` gets every deliver_sm and data_sm, `on_room` is called when free() grows from 0."""

    def __init__(
        self,
        settings: SmppSettings,
        *,
        on_request: OnRequest,
        on_room: Callable[[], None],
        trace: Trace | None = None,
        mask: bool = True,
        delays: tuple[float, float] = DELAYS,
    ) -> None:
        self._settings = settings
        self._delays = delays
        self._on_request = on_request
        self._on_room = on_room
        self._watch = watch(trace, mask) if trace else None
        self._links: list[Link] = []  # bound ones
        self._senders: list[Link] = []  # those of them that submit
        self._backlog: deque[tuple[Body, Tlvs, asyncio.Future[Pdu]]] = deque()
        self._errors: dict[int, str] = {}  # why a session isn't bound, by its place in bind_commands
        self._exhausted = True  # free() is 0, and somebody may wait for it to grow
        self._closing = False

    @property
    def ready(self) -> bool:
        """Whether something can be submitted, now or when an answer has come."""
        return any([link.session.submits for link in self._senders])  # noqa: C419 — a list is the quicker one

    @property
    def last_error(self) -> str:
        """Why a session is not bound; empty: all are, or are about to be."""
        return next(iter(self._errors.values()), "")

    def free(self) -> int:
        room = 0
        for link in self._senders:
            room += link.room
        self._exhausted = room == 0
        return room

    def submit(self, body: ShortMessage, tlvs: Tlvs = ()) -> asyncio.Future[Pdu]:
        """submit_sm. The answer, of whatever status; or OutcomeUnknown where none comes.

        Raises GatewayDown when no session is bound, PduError for what no PDU can carry.
        """
        return self._ask(SUBMIT_SM, body.destination_addr, body, tlvs)

    def request(self, body: Asked, tlvs: Tlvs = ()) -> asyncio.Future[Pdu]:
        """As `submit`, by the command that `body` belongs to, on any session that submits. Its place in the window
        is a submit's."""
        return self._ask(COMMANDS[type(body)], _destination(body), body, tlvs)

    def _ask(self, command_id: int, destination: str, body: Body, tlvs: Tlvs) -> asyncio.Future[Pdu]:
        if not self.ready:
            raise GatewayDown(self.last_error or "no session is bound")
        if len(self._backlog) >= MOST_WAITING:
            raise GatewayDown(f"{MOST_WAITING} submits wait already")
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        link = None if self._backlog else self._link_for(destination)
        if link is None:
            self._backlog.append((body, tlvs, answer))
        else:
            link.request(command_id, body, tlvs, answer)
            if not link.room:
                self.free()
        return answer

    async def run(self) -> None:
        """Keeps the sessions bound until cancelled or closed; sessions that are bound then stay so until close()."""
        async with asyncio.TaskGroup() as keepers:
            for place, command_id in enumerate(bind_commands(self._settings)):
                keepers.create_task(self._keep(place, command_id))

    async def probe(self) -> None:
        """Binds every kind of session once and unbinds. Raises GatewayDown with what is wrong."""
        for command_id in dict.fromkeys(bind_commands(self._settings)):
            await self._unbind(await self._bind(command_id))

    async def close(self) -> None:
        self._closing = True
        await asyncio.gather(*(self._unbind(link) for link in tuple(self._links)))

    # -- sessions --

    async def _keep(self, place: int, command_id: int) -> None:
        loop = asyncio.get_running_loop()
        first, longest = self._delays
        delay = first
        while not self._closing:
            started = loop.time()
            reason = await self._live(place, command_id)
            if self._closing:
                return
            self._errors[place] = reason
            if loop.time() - started > longest:
                delay = first
            pause = delay * random.uniform(0.5, 1.0)
            log.warning("not bound", peer=self._peer, reason=reason, again_in=round(pause, 1))
            await asyncio.sleep(pause)
            delay = min(delay * 2, longest)

    async def _live(self, place: int, command_id: int) -> str:
        """One session from connect to its end; the reason of the end."""
        try:
            link = await self._bind(command_id)
        except GatewayDown as error:
            return error.comment
        self._errors.pop(place, None)
        if self._closing:
            await self._unbind(link)
            return "closed"
        self._set_links([*self._links, link])
        log.info("bound", peer=self._peer, session=link.session.state.value)
        self._room()
        try:
            return await asyncio.shield(link.closed)
        finally:
            if link.closed.done():
                self._set_links([other for other in self._links if other is not link])

    def _set_links(self, links: list[Link]) -> None:
        self._links, self._senders = links, [link for link in links if link.session.submits]

    async def _connect(self) -> Link:
        settings, loop = self._settings, asyncio.get_running_loop()
        link = Link(self._session(loop.time()), self._on_event, self._writable)
        try:
            async with asyncio.timeout(settings.response):
                await loop.create_connection(lambda: link, settings.server, settings.serverport)
        except TimeoutError as error:
            raise GatewayDown(f"can't connect to {self._peer}: no answer") from error
        except OSError as error:
            # A failed look-up has a negative errno and its own text.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise GatewayDown(f"can't connect to {self._peer}: {reason}") from error
        return link

    async def _bind(self, command_id: int) -> Link:
        link = await self._connect()
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        try:
            link.request(command_id, self._bind_body(), context=answer)
            pdu = await answer
        except (PduError, SubmitError) as error:
            link.close("not bound")
            raise GatewayDown(f"can't bind at {self._peer}: {error}") from error
        except asyncio.CancelledError:
            link.close("not wanted any more")
            raise
        if pdu.command_status != ESME_ROK:
            link.close("bind refused")
            raise GatewayDown(f"{self._peer} refused the bind: {status(pdu.command_status)}")
        return link

    async def _unbind(self, link: Link) -> None:
        if not link.session.is_over:
            link.request(UNBIND)
        await asyncio.wait((link.closed,), timeout=UNBIND_TIME)
        link.close("no answer to unbind")

    def _session(self, now: float) -> Session:
        settings = self._settings
        timers = Timers(settings.enquire, settings.response, settings.timeout)
        return Session(
            Side.ESME, now, window=settings.window, timers=timers, watch=self._watch, malformed=self._malformed
        )  # fmt: skip

    def _malformed(self, error: PduError) -> None:
        metrics.count("malformed", "smpp")
        log.warning("the SMSC sent what is no PDU", peer=self._peer, why=str(error))

    def _bind_body(self) -> Bind:
        settings = self._settings
        version = int(str(settings.version), 16)  # 34 → 0x34, §5.2.4
        return Bind(settings.username, settings.password, settings.systemtype, version)

    @property
    def _peer(self) -> str:
        return f"{self._settings.server}:{self._settings.serverport}"

    # -- events --

    def _link_for(self, destination: str) -> Link | None:
        links = self._senders
        start = hash(destination) % len(links) if len(links) > 1 else 0
        for link in links[start:] + links[:start] if start else links:
            if link.room:
                return link
        return None

    def _writable(self) -> None:
        self._exhausted = True  # what a peer that doesn't read takes away, nobody has asked about
        self._room()

    def _room(self) -> None:
        """Room may have grown: for what waits first, then for those who asked in vain."""
        while self._backlog and (link := self._link_for(_destination(self._backlog[0][0]))):
            body, tlvs, answer = self._backlog.popleft()
            if answer.done():  # whoever asked was cancelled
                continue
            try:
                link.request(COMMANDS[type(body)], body, tlvs, answer)
            except PduError as error:
                answer.set_exception(error)
        if self._exhausted and self.free():
            self._on_room()

    def _on_event(self, link: Link, event: Event) -> None:
        match event:
            case Response(pdu, command_id, answer):
                if (
                    command_id == SUBMIT_SM
                    and pdu.command_status
                    and status(pdu.command_status).verdict is Verdict.FAULT
                ):
                    link.close(f"a submit got {status(pdu.command_status)}")  # every other one would, too
                _answered(answer, pdu)
                self._room()
            case Request(pdu):
                self._on_request(link, pdu)
            case ResponseTimeout(_, _, answer):
                _unanswered(answer, f"no answer within {self._settings.response:g} s")
                self._room()
            case Closed(reason, unanswered):
                for _, answer in unanswered:
                    _unanswered(answer, f"the session ended before the answer: {reason}")
                if not self.ready:
                    self._give_back(reason)
                self.free()

    def _give_back(self, reason: str) -> None:
        """Nothing of the backlog has left this machine."""
        for _, _, answer in self._backlog:
            if not answer.done():
                answer.set_exception(GatewayDown(reason))
        self._backlog.clear()


def _destination(body: Body) -> str:
    """What chooses the session; "" for what has no order among others."""
    return body.destination_addr if isinstance(body, ShortMessage | DataMessage) else ""


def _answered(answer: object, pdu: Pdu) -> None:
    if isinstance(answer, asyncio.Future) and not answer.done():  # done: whoever asked was cancelled
        answer.set_result(pdu)


def _unanswered(answer: object, comment: str) -> None:
    if isinstance(answer, asyncio.Future) and not answer.done():
        answer.set_exception(OutcomeUnknown(comment))
