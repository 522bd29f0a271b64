"""All doors of a running gateway, and what stands behind them: SIP, HTTP, texts from phones, SMS callback."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence

from voipsms import log, metrics
from voipsms.automatic import Automatic
from voipsms.callback.telephony import Telephony
from voipsms.config import Config
from voipsms.doors.sip import SipDoor
from voipsms.house import House
from voipsms.model import Delivery, Inbound, Micros, Receipt, UserId
from voipsms.proving import Passwords
from voipsms.reception import Reception
from voipsms.settings import Listen
from voipsms.sip.endpoint import Peer, SipEndpoint, server_tls
from voipsms.sip.message import Request, Response
from voipsms.sip.trace import describe
from voipsms.store.reader import Reader
from voipsms.tasks import Tasks
from voipsms.values import replace
from voipsms.web.app import Parts
from voipsms.web.callback_door import CallbackDoor
from voipsms.web.front import Front
from voipsms.web.server import Application, WebServer

_log = log.get_logger("gateway")


class Entrance:
    """`open()`, then `close()`. `heard` takes receipts; `refresh`: the directory is read anew; `pages`: a reader that
    others don't wait for. Raises ConfigError."""

    def __init__(
        self,
        house: House,
        tasks: Tasks,
        heard: Callable[[Receipt], Awaitable[None]],
        refresh: Callable[[], Awaitable[bool]],
        pages: Reader,
    ) -> None:
        self._house = house = replace(house, request=self._request)
        self._tasks = tasks
        self._stack = contextlib.AsyncExitStack()
        config = house.config()
        passwords = Passwords()
        self._stack.callback(passwords.close)
        automatic = Automatic(house.intake, house.directory, lambda: house.config().sms)
        self.telephony = (
            Telephony(house, automatic, passwords, self._post, refresh)
            if config.callback.enabled or config.accounts
            else None
        )
        commands, carriers = (self.telephony.arrivals, self.telephony.carriers) if self.telephony else (None, {})
        self._reception = Reception(house, automatic, commands, carriers)
        self._front = Front(house, self._reception.receiving, self._reception.verifying, heard, pages, passwords)
        self._door = SipDoor(config.sip, house.intake, house.directory, house.secret, self._reception.outbox.seen)
        self._commands: CallbackDoor | None = None
        self._give_commands(config)

    async def _request(self, request: Request, peer: Peer) -> Response:
        return await self.sip.request(request, peer)

    async def _post(self, deliveries: Sequence[Delivery]) -> None:
        await self._reception.outbox.post(deliveries)

    def _give_commands(self, config: Config) -> None:
        if self.telephony is not None:
            extension = config.callback.extension if config.callback.enabled else ""
            self._door.give_commands(extension, self.telephony.arrivals)

    # -- life

    async def open(self, parts: Parts) -> None:
        """Raises ConfigError, StoreError."""
        try:
            await self._open(parts)
        except BaseException:
            await self._stack.aclose()
            raise

    async def _open(self, parts: Parts) -> None:
        config = self._house.config()
        await self._reception.open()
        await self._open_sip(config)
        if self.telephony is not None:
            self._stack.push_async_callback(self.telephony.close)
        self._stack.push_async_callback(self._reception.close)  # what it is bringing to phones goes by SIP
        self._stack.callback(self._front.close)
        self._stack.push_async_callback(self._drain)
        await self._serve("http", self._front.application(parts), config.http.listen)
        if config.callback.enabled:
            self._commands = CallbackDoor(self._take_command, config)
            await self._serve("callback", self._commands, config.callback.listen)
        self._start_works()

    def _start_works(self) -> None:
        """What comes in is worked on when all that it may lead to can be done."""
        works = {**self._reception.works(), **self._front.works()}
        if self.telephony is not None:
            works |= self.telephony.works()
        self._tasks.run_all(works)
        self._stack.push_async_callback(self._tasks.end_all, works)
        self._run_readers()
        self._stack.push_async_callback(self._end_readers)

    def _run_readers(self) -> None:
        gateways = self._house.gateways
        self._readers = {f"mo.log {gateways[at].name}": work for at, work in self._reception.readers().items()}
        self._tasks.run_all(self._readers)

    async def _end_readers(self) -> None:
        await self._tasks.end_all(self._readers)

    async def _serve(self, what: str, application: Application, listen: Listen) -> None:
        server = WebServer(application, listen, f"[{what}] listen")
        await server.start()
        self._stack.push_async_callback(server.stop)
        _log.info("listening", what=what, at=f"{listen.host}:{server.port}")

    async def _open_sip(self, config: Config) -> None:
        settings = config.sip
        tls = None
        if any(listen.transport == "tls" for listen in settings.listen):
            tls = server_tls(str(config.path(settings.tls_cert)), str(config.path(settings.tls_key)))
        self.sip: SipEndpoint = SipEndpoint(
            settings.listen, self._door.on_request, tls=tls, connections=settings.connections,
            connections_each=settings.connections_each, trusted=self._door.trusts, trace=_sip_tracer(),
            count=lambda name: metrics.count("malformed", name),
        )  # fmt: skip
        await self.sip.start()
        self._stack.push_async_callback(self.sip.close)
        self._door.listens_at(frozenset((listen.host, listen.port) for listen in self.sip.bound))
        for listen in self.sip.bound:
            metrics.measure("listener_up", 1, str(listen))
            _log.info("listening", what="sip", at=str(listen))

    async def _drain(self) -> None:
        self._house.intake.draining = True
        self.sip.stop_accepting()
        await self._door.drain()

    async def close(self) -> None:
        await self._stack.aclose()

    # -- what others tell

    async def inbound(self, inbound: Inbound) -> None:
        """A text from a phone, by SMPP; returns after the commit. Raises StoreError."""
        await self._reception.receiving.take(inbound, "smpp")

    async def _take_command(self, inbound: Inbound) -> None:
        assert self.telephony is not None
        await self._reception.receiving.take(inbound, self.telephony.arrivals.door)

    def paid(self, balances: dict[UserId, Micros]) -> None:
        self._reception.paid(balances)

    def lapsed(self) -> None:
        self._reception.outbox.lapsed()

    def parts(self) -> dict[str, str | None]:
        return self.telephony.parts() if self.telephony is not None else {}

    # -- reload

    async def check(self, config: Config) -> None:
        """Takes what may be refused. Raises ConfigError."""
        if self.telephony is not None:
            self.telephony.configure(config)
        await self._reception.configure(config)

    async def configure(self, config: Config) -> None:
        """After `check`, when the gateways are the new ones. Listeners stay as they are."""
        self._door.configure(config.sip)
        self._give_commands(config)
        self._front.configure(config)
        if self._commands is not None:
            self._commands.configure(config)
        await self._end_readers()
        self._run_readers()


def _sip_tracer() -> Callable[[str, str, bytes], None] | None:
    tell = log.get_logger("sip")
    if not tell.debugging:
        return None
    return lambda direction, peer, octets: tell.debug(direction, peer=peer, what=describe(octets, log.masking()))
