"""An ESME: keeps its sessions with one SMSC bound, and submits through them.

A submit that finds the windows full waits here, so GatewayDown means that no session is bound. Whoever asks free()
first never makes it wait.

Order: submits for one destination go through one session, chosen by the destination, as long as that session has room;
when its window is full another one takes over, and between two sessions an SMSC promises no order.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voipsms.errors import GatewayDown, OutcomeUnknown
from voipsms.gateway_settings import Server, SmppSettings
from voipsms.log import get_logger
from voipsms.smpp.binder import Binder, addresses, bind_commands
from voipsms.smpp.events import Closed, Event, Request, Response, ResponseTimeout
from voipsms.smpp.link import Link
from voipsms.smpp.outbind import OutbindListener
from voipsms.smpp.pdu import (
    COMMANDS,
    DATA_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
    Body,
    Cancel,
    DataMessage,
    MultiMessage,
    Outbind,
    Pdu,
    PduError,
    Query,
    Replace,
    ShortMessage,
    Tlvs,
)
from voipsms.smpp.status import Verdict, status, verdict_of
from voipsms.smpp.trace import Trace, watch

log = get_logger("smpp")

DELAYS: Final = (0.5, 30.0)  # seconds from the end of a session to the next attempt: first, growing twofold to last
MOST_WAITING: Final = 10_000  # submits that found the windows full

_MESSAGES: Final = frozenset({SUBMIT_SM, SUBMIT_MULTI, DATA_SM})

OnRequest = Callable[[Link, Pdu], None]
Asked = ShortMessage | MultiMessage | DataMessage | Query | Cancel | Replace


class Client:
    """`on_request` gets every deliver_sm and data_sm, `on_room` is called when free() grows from 0. Paths in the
    settings are relative to `folder`.

    Raises ConfigError where the settings of TLS or outbind can't be used; its text begins with the parameter's name.
    """

    def __init__(
        self,
        settings: SmppSettings,
        *,
        on_request: OnRequest,
        on_room: Callable[[], None],
        trace: Trace | None = None,
        mask: bool = True,
        delays: tuple[float, float] = DELAYS,
        folder: Path | None = None,
    ) -> None:
        self._settings = settings
        self._delays = delays
        self._on_request = on_request
        self._on_room = on_room
        self._addresses = addresses(settings)
        self._binder = Binder(
            settings, folder or Path(), self._on_event, self._writable, watch(trace, mask) if trace else None
        )
        self._outbinds = OutbindListener(settings, self._binder, self._adopt) if settings.outbind else None
        self._links: list[Link] = []  # bound ones
        self._senders: list[Link] = []  # those of them that submit
        self._backlog: deque[tuple[Body, Tlvs, asyncio.Future[Pdu]]] = deque()
        self._errors: dict[int, str] = {}  # why a session isn't bound, by its place in bind_commands
        self._exhausted = True  # free() is 0, and somebody may wait for it to grow
        self._closing = False
        self._outbound: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether something can be submitted, now or when an answer has come; for a receiver, whether it is bound."""
        return self._submits or (self._settings.bind == "rx" and bool(self._links))

    @property
    def _submits(self) -> bool:
        return any([link.session.submits for link in self._senders])  # noqa: C419 — a list is the quicker one

    @property
    def outbind_port(self) -> int:
        """Where outbind is awaited; 0: nowhere yet."""
        return self._outbinds.port if self._outbinds else 0

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
        if not self._submits:
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
            if self._outbinds is not None:
                self._outbound = keepers.create_task(self._outbinds.run())

    async def probe(self) -> None:
        """Binds every kind of session once, at the first address where it can, and unbinds. Raises GatewayDown with
        what is wrong at each of them."""
        for command_id in dict.fromkeys(bind_commands(self._settings)):
            await self._binder.unbind(await self._bind_somewhere(command_id))

    async def close(self) -> None:
        self._closing = True
        if self._outbound is not None:
            self._outbound.cancel()
        await asyncio.gather(*(self._binder.unbind(link) for link in tuple(self._links)))

    # -- sessions --

    async def _keep(self, place: int, command_id: int) -> None:
        """The addresses in turn, from the first on; the delay grows when all of them have been tried."""
        loop = asyncio.get_running_loop()
        first, longest = self._delays
        delay = first
        for address in itertools.cycle(self._addresses):
            started = loop.time()
            reason, served = await self._live(place, address, command_id)
            if self._closing:
                return
            self._errors[place] = reason
            if served or loop.time() - started > delay:  # or it held for a while, or took its time to fail
                delay = first
            pause = delay * random.uniform(0.5, 1.0)
            log.warning("not bound", peer=str(address), reason=reason, again_in=round(pause, 1))
            await asyncio.sleep(pause)
            if address is self._addresses[-1]:
                delay = min(delay * 2, longest)

    async def _live(self, place: int, address: Server, command_id: int) -> tuple[str, bool]:
        """One session from connect to its end; the reason of the end, and whether messages went through it."""
        try:
            link = await self._binder.bind(address, command_id)
        except GatewayDown as error:
            return error.comment, False
        self._errors.pop(place, None)
        if self._closing:
            await self._binder.unbind(link)
            return "closed", False
        self._adopt(link, str(address))
        return await asyncio.shield(link.closed), link.session.served

    async def _bind_somewhere(self, command_id: int) -> Link:
        faults = []
        for address in self._addresses:
            try:
                return await self._binder.bind(address, command_id)
            except GatewayDown as error:
                faults.append(error.comment)
        raise GatewayDown("; ".join(faults))

    def _adopt(self, link: Link, peer: str) -> None:
        """A session that is bound is used until it ends."""
        self._set_links([*self._links, link])
        link.closed.add_done_callback(lambda _: self._set_links([other for other in self._links if other is not link]))
        log.info("bound", peer=peer, session=link.session.state.value, version=f"{link.session.peer_version:#x}")
        self._room()

    def _set_links(self, links: list[Link]) -> None:
        self._links, self._senders = links, [link for link in links if link.session.submits]

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
                if pdu.command_status and command_id in _MESSAGES:
                    self._judge(link, pdu.command_status)
                _answered(answer, pdu)
                self._room()
            case Request(pdu) if isinstance(pdu.body, Outbind):
                if self._outbinds is not None:
                    self._outbinds.outbound(link, pdu.body)
            case Request(pdu):
                self._on_request(link, pdu)
            case ResponseTimeout(_, _, answer):
                _unanswered(answer, f"no answer within {self._settings.response:g} s")
                self._room()
            case Closed(reason, unanswered):
                for _, answer in unanswered:
                    _unanswered(answer, f"the session ended before the answer: {reason}")
                if not self._submits:
                    self._give_back(reason)
                self.free()

    def _judge(self, link: Link, command_status: int) -> None:
        if verdict_of(command_status, self._settings.status) is Verdict.FAULT:
            link.close(f"a submit got {status(command_status)}")  # every other one would, too

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
