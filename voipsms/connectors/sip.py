"""A provider's SIP trunk: one MESSAGE (RFC 3428) a text, with digest credentials where it asks for them.

`smsurl = sip:[tonum]@provider.example:5060;transport=tcp`. The connector has an endpoint of its own, on a port that
the system chooses; what the trunk sends there unasked is not taken.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote as escape

from voipsms.connectors.escapes import Unwritable
from voipsms.connectors.header_lines import read_header_lines
from voipsms.connectors.http_tls import client_context
from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import Reachable, selects_of
from voipsms.connectors.sip_answer import submitted
from voipsms.connectors.sip_trunk import read_trunk
from voipsms.connectors.template import compile_value
from voipsms.errors import ConfigError, GatewayDown, OutcomeUnknown, RefusedHere, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, Submitted
from voipsms.settings import Listen
from voipsms.sip.credentials import Credentials
from voipsms.sip.digest import NoUsableChallenge
from voipsms.sip.endpoint import (
    ConnectionLost,
    IncomingRequest,
    RequestTimeout,
    SipEndpoint,
    Unreachable,
)
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, UnsafeHeader
from voipsms.sip.trace import describe
from voipsms.sip.transaction import T1

LONGEST_PROBE = 5.0  # seconds
_OURS: Final = frozenset({
    "via", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type", "authorization",
    "proxy-authorization", "contact", "v", "t", "i", "l", "c", "m", "f",
})  # fmt: skip
_ANSWERED: Final = frozenset({"OPTIONS"})


class SipConnector(Reachable):
    """Raises ConfigError where smsurl, smssenddata, smssendheader or the certificates can't be used.

    `t1`: estimate of a round trip in seconds, from which the timers follow (RFC 3261 §17.1.1.1).
    """

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        folder: Path,
        *,
        selector: Selector | None = None,
        trace: LogMethod | None = None,
        mask: bool = True,
        t1: float = T1,
    ) -> None:
        super().__init__(gateway_id, settings, wake, selector=selector, trace=trace, mask=mask)
        self._trunk = read_trunk(settings)
        text = settings.smssenddata or "[message]"
        self._text = compile_value(settings.section, "smssenddata", text, dialect=settings.smsdialect)
        self._headers = read_header_lines(settings, _OURS)
        self._selects = selects_of(self._trunk.user, self._text, *(template for _, template in self._headers))
        self._tls = client_context(settings, folder) if self._trunk.peer.transport == "tls" else None
        self._t1, self._tag = t1, secrets.token_hex(4)
        self._opening = asyncio.Lock()
        self._endpoint: SipEndpoint | None = None
        self._credentials = Credentials(settings.user, settings.password)
        self._answered = self._greeted = False  # whether any MESSAGE, any OPTIONS ever got an answer

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        if message.octets:
            raise RefusedHere("a SIP trunk takes texts alone")
        request = self._message(named)
        try:
            response = await self._converse(request)
        except UnsafeHeader as error:
            raise SubmitRefused(f"no request can be made of it: {error}") from error
        return submitted(response, request.headers.get("Call-ID"))

    # -- requests -----------------------------------------------------------------------------------------------

    def _message(self, named: dict[str, str]) -> Request:
        try:
            uri, text = self._trunk.uri(named), self._text(named)
            further = [(name, template(named)) for name, template in self._headers]
        except Unwritable as error:
            raise SubmitRefused(f"no request can be made of it: {error}") from error
        sender = next((value for name, value in further if name.lower() == "from"), "")
        headers = self._head("MESSAGE", sender or self._trunk.address(_escaped(named["fromnum"])), uri)
        for name, value in further:
            if name.lower() != "from":
                headers.add(name, value)
        headers.add("Content-Type", "text/plain;charset=UTF-8")
        return Request("MESSAGE", uri, headers, text.encode("utf-8", "replace"))

    def _head(self, method: str, sender: str, uri: str) -> Headers:
        user = uri.partition(":")[2].rpartition("@")[0]
        return Headers([
            ("Max-Forwards", "70"),
            ("From", f"{sender};tag={self._tag}"),
            ("To", self._trunk.address(user) if user else f"<{uri}>"),
            ("Call-ID", secrets.token_hex(12)),
            ("CSeq", f"1 {method}"),
        ])  # fmt: skip

    async def _converse(self, request: Request) -> Response:
        try:
            return await self._credentials.converse(request, self._exchange)
        except NoUsableChallenge as error:
            raise SubmitRefused(f"SIP 401: {error}") from error

    # -- the trunk ----------------------------------------------------------------------------------------------

    async def _exchange(self, request: Request) -> Response:
        """Raises GatewayDown and OutcomeUnknown."""
        endpoint = await self._open()
        try:
            async with asyncio.timeout(self._settings.timeout):
                response = await endpoint.request(request, self._trunk.peer)
        except ConnectionLost as error:
            raise OutcomeUnknown(str(error)) from error
        except Unreachable as error:
            raise GatewayDown(str(error)) from error
        except (RequestTimeout, TimeoutError) as error:
            self._fall(f"{self._trunk.peer}: no answer")
            raise OutcomeUnknown(self._fault) from error
        self._answered = True
        return response

    async def _open(self) -> SipEndpoint:
        """Our endpoint, made when it is first needed. Raises GatewayDown."""
        async with self._opening:
            if self._endpoint is None:
                endpoint = SipEndpoint(
                    await self._listen(), _decline, client_tls=self._tls, trace=self._traced if self._trace else None,
                    t1=self._t1,
                )  # fmt: skip
                try:
                    await endpoint.start()
                except ConfigError as error:
                    raise GatewayDown(str(error)) from error
                self._endpoint = endpoint
        return self._endpoint

    async def _listen(self) -> Sequence[Listen]:
        """A UDP socket of the trunk's address family; streams need none."""
        peer = self._trunk.peer
        if peer.transport != "udp":
            return ()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(peer.host, peer.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise GatewayDown(f"{peer}: {error.strerror or error}") from error
        return (Listen("udp", "::" if found[0][0] == socket.AF_INET6 else "0.0.0.0", 0),)

    def _traced(self, direction: str, peer: str, octets: bytes) -> None:
        if self._trace is not None:
            self._trace(direction, gateway=self.name, peer=peer, what=describe(octets, self._mask))

    async def probe(self) -> None:
        """Sends OPTIONS (RFC 3261 §11); whatever is answered will do. Raises GatewayDown."""
        if not await self._greet():
            raise GatewayDown(f"{self._trunk.peer}: no answer to OPTIONS")

    async def _look(self) -> None:
        """As `probe`; but a trunk that answers MESSAGE and has never answered OPTIONS is tried by the next message."""
        if not await self._greet() and (self._greeted or not self._answered):
            raise GatewayDown(f"{self._trunk.peer}: no answer to OPTIONS")

    async def _greet(self) -> bool:
        """Whether OPTIONS got an answer. Raises GatewayDown."""
        endpoint, uri = await self._open(), f"{self._trunk.scheme}:{self._trunk.rest}"
        request = Request("OPTIONS", uri, self._head("OPTIONS", self._trunk.address("voipsms"), uri))
        try:
            async with asyncio.timeout(min(LONGEST_PROBE, self._settings.timeout)):
                await endpoint.request(request, self._trunk.peer)
        except Unreachable as error:
            raise GatewayDown(str(error)) from error
        except (RequestTimeout, TimeoutError):
            return False
        self._greeted = True
        return True

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        request = self._message(named)
        return [f"to {self._trunk.peer}", *request.to_bytes().decode().split("\r\n")]

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()


def _escaped(user: str) -> str:
    return escape(user.encode("utf-8", "replace"), safe="-_.!~*'()&=+$,;?/") or "anonymous"


def _decline(incoming: IncomingRequest) -> None:
    """The trunk looks whether we are there; its messages and calls have the door of `[sip] listen`."""
    status = 200 if incoming.request.method in _ANSWERED else 405
    incoming.respond(status, headers=[("Allow", ", ".join(_ANSWERED))])
