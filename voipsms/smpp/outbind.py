"""Where an SMSC may connect to us, and ask by outbind (SMPP 3.4 §2.2.1) for a session to deliver through.

Whoever brings the right outbind is sent our system_id and password, so `outbindpassword` must be set, and outbind is
not offered beside TLS, which it would go around. The system_id in an outbind names the SMSC; nothing says which name
is right, so it is logged and not compared.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

from voipsms.errors import ConfigError, GatewayDown
from voipsms.gateway_settings import SmppSettings
from voipsms.ini import BadValue, host_port
from voipsms.log import get_logger
from voipsms.smpp.binder import Binder, addresses
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import BIND_RECEIVER, Outbind

log = get_logger("smpp")

MOST: Final = 16  # connections at once, bound ones included
AGAIN: Final = 2.0  # seconds until the next attempt to listen
PATIENCE: Final = 10.0  # seconds from the connection to its outbind


class OutbindListener:
    """`on_bound` gets every session that came to be. Raises ConfigError where the settings can't be used."""

    def __init__(self, settings: SmppSettings, binder: Binder, on_bound: Callable[[Link, str], None]) -> None:
        try:
            self._at = host_port(settings.outbind)
        except BadValue as error:
            raise ConfigError(f"smpp_outbind: {error}") from error
        if not settings.outbindpassword:
            raise ConfigError("smpp_outbindpassword: must be set, since smpp_outbind is")
        if any(address.secure for address in addresses(settings)):
            raise ConfigError("smpp_outbind: must be empty with TLS: our password would be sent in the clear")
        self._password = settings.outbindpassword
        self._binder = binder
        self._on_bound = on_bound
        self._links: set[Link] = set()
        self._binding: dict[Link, asyncio.Task[None]] = {}
        self.port = 0  # where it really listens

    async def run(self) -> None:
        """Until cancelled. An address that somebody else still has is tried again."""
        try:
            while True:
                await self._serve()
                await asyncio.sleep(AGAIN)
        finally:
            for link in self._links - self._binding.keys():
                link.close("no outbind any more")

    async def _serve(self) -> None:
        host, port = self._at
        try:
            server = await asyncio.get_running_loop().create_server(self._accept, host, port)
        except OSError as error:
            log.warning("can't listen for outbind", host=host, port=port, reason=error.strerror or str(error))
            return
        self.port = server.sockets[0].getsockname()[1]
        try:
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            server.close()  # without wait_closed, which waits for sessions that are to stay

    def outbound(self, link: Link, body: Outbind) -> None:
        """An outbind came on a link. One on a session that we opened ourselves means nothing."""
        if link not in self._links or link in self._binding:
            return
        if not hmac.compare_digest(body.password.encode(), self._password.encode()):
            log.warning("outbind with a wrong password", smsc=body.system_id)
            link.close("wrong password in outbind")
            return
        self._binding[link] = asyncio.get_running_loop().create_task(self._bind(link, body.system_id))

    async def _bind(self, link: Link, name: str) -> None:
        try:
            await self._binder.bind_over(link, BIND_RECEIVER, name)
        except GatewayDown as error:
            log.warning("not bound after outbind", smsc=name, reason=error.comment)
        else:
            self._on_bound(link, f"outbind of {name}")

    def _accept(self) -> Link:
        link = self._binder.link()
        loop = asyncio.get_running_loop()
        if len(self._links) >= MOST:
            loop.call_soon(link.abort, "too many connections")
            return link
        self._links.add(link)
        impatience = loop.call_later(PATIENCE, self._lose_patience, link)
        link.closed.add_done_callback(lambda _: self._forget(link, impatience))
        return link

    def _lose_patience(self, link: Link) -> None:
        if link not in self._binding:
            link.abort("no outbind")

    def _forget(self, link: Link, impatience: asyncio.TimerHandle) -> None:
        impatience.cancel()
        self._links.discard(link)
        self._binding.pop(link, None)
