"""From an address of the SMSC to a bound session: TCP, TLS, bind, and unbind at the end."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voipsms import metrics
from voipsms.errors import GatewayDown, SubmitError
from voipsms.gateway_settings import Server, SmppSettings
from voipsms.log import get_logger
from voipsms.smpp.events import Event
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    GENERIC_NACK,
    UNBIND,
    Bind,
    Pdu,
    PduError,
)
from voipsms.smpp.session import Session, Timers
from voipsms.smpp.states import Side
from voipsms.smpp.status import ESME_ROK, status
from voipsms.smpp.tls import Tls, tls_for
from voipsms.smpp.trace import Watch

log = get_logger("smpp")

UNBIND_TIME: Final = 3.0  # seconds that an SMSC has to answer unbind


def bind_commands(settings: SmppSettings) -> tuple[int, ...]:
    """One command a session. SMPP 3.3 has no bind_transceiver."""
    if settings.bind == "rx":
        return (BIND_RECEIVER,) * settings.sessions
    if settings.bind == "tx" or settings.version == 33:
        return (BIND_TRANSMITTER,) * settings.sessions + (BIND_RECEIVER,)
    return (BIND_TRANSCEIVER,) * settings.sessions


def addresses(settings: SmppSettings) -> tuple[Server, ...]:
    """In the order in which they are tried."""
    return (Server(settings.server, settings.serverport, settings.secure), *settings.servers)


class Binder:
    """Makes links whose events go to `on_event`. Raises ConfigError where the settings of TLS can't be used."""

    def __init__(
        self,
        settings: SmppSettings,
        folder: Path,
        on_event: Callable[[Link, Event], None],
        on_writable: Callable[[], None],
        watch: Watch | None,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._on_writable = on_writable
        self._watch = watch
        self._patience = settings.response  # seconds for connection, TLS and bind each; together by AbsoluteTimeout
        if settings.absolutetimeout:
            self._patience = min(settings.response, settings.timeout)
        secure = any(address.secure for address in addresses(settings))
        self._tls: Tls | None = tls_for(settings, folder) if secure else None

    async def bind(self, address: Server, command_id: int) -> Link:
        """A bound session at an address. Raises GatewayDown."""
        whole = self._patience if self._settings.absolutetimeout else None
        try:
            async with asyncio.timeout(whole):
                link = await self._connect(address)
                await self.bind_over(link, command_id, str(address))
        except TimeoutError as error:
            raise GatewayDown(f"can't bind at {address}: not within {self._patience:g} s") from error
        return link

    async def bind_over(self, link: Link, command_id: int, peer: str) -> None:
        """Binds on a connection that is there; it is closed where that fails. Raises GatewayDown."""
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        try:
            link.request(command_id, self._bind_body(), context=answer)
            pdu = await answer
        except (PduError, SubmitError) as error:
            link.close("not bound")
            raise GatewayDown(f"can't bind at {peer}: {error}") from error
        except asyncio.CancelledError:
            link.close("not wanted any more")
            raise
        if pdu.command_status != ESME_ROK or pdu.command_id == GENERIC_NACK:  # which binds nothing, whatever its status
            link.close("bind refused")
            word = status(pdu.command_status) if pdu.command_status != ESME_ROK else pdu.name
            raise GatewayDown(f"{peer} refused the bind: {word}")

    async def unbind(self, link: Link) -> None:
        """Ends a session; where the SMSC doesn't answer, without its word."""
        if not link.session.is_over:
            link.request(UNBIND)
        await asyncio.wait((link.closed,), timeout=UNBIND_TIME)
        link.close("no answer to unbind")

    def link(self) -> Link:
        """For a connection that is about to be."""
        return Link(self._session(asyncio.get_running_loop().time()), self._on_event, self._on_writable)

    async def _connect(self, address: Server) -> Link:
        link, loop = self.link(), asyncio.get_running_loop()
        tls = self._tls if address.secure else None
        context, name = (tls.context, address.host) if tls else (None, None)
        try:
            async with asyncio.timeout(self._patience):
                transport, _ = await loop.create_connection(
                    lambda: link, address.host, address.port, ssl=context, server_hostname=name
                )
        except TimeoutError as error:
            raise GatewayDown(f"can't connect to {address}: no answer") from error
        except ssl.SSLError as error:
            raise GatewayDown(f"can't connect to {address}: {_tls_fault(error)}") from error
        except OSError as error:
            raise GatewayDown(f"can't connect to {address}: {_fault(error)}") from error
        self._size_buffers(transport)
        if tls is not None:
            try:
                tls.check(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
            except GatewayDown:
                link.abort("not believed")
                raise
        return link

    def _size_buffers(self, transport: asyncio.BaseTransport) -> None:
        kernel = transport.get_extra_info("socket")
        settings = self._settings
        for option, octets in ((socket.SO_RCVBUF, settings.inbuffersize), (socket.SO_SNDBUF, settings.outbuffersize)):
            if octets:
                kernel.setsockopt(socket.SOL_SOCKET, option, octets)

    def _session(self, now: float) -> Session:
        settings = self._settings
        timers = Timers(settings.enquire, self._patience, settings.timeout)
        return Session(
            Side.ESME, now, window=settings.window, timers=timers, watch=self._watch, malformed=self._malformed
        )  # fmt: skip

    def _malformed(self, error: PduError) -> None:
        metrics.count("malformed", "smpp")
        log.warning("the SMSC sent what is no PDU", peer=self._settings.server, why=str(error))

    def _bind_body(self) -> Bind:
        settings = self._settings
        version = int(str(settings.version), 16)  # 34 → 0x34, §5.2.4
        return Bind(settings.username, settings.password, settings.systemtype, version)


def _fault(error: OSError) -> str:
    """A failed look-up has a negative errno and its own text."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _tls_fault(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
