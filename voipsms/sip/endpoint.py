"""SIP over UDP, TCP and TLS: the asyncio shell around messages and transactions. RFC 3261 §18.

Requests arrive at `on_request` as IncomingRequest, without a task; `request()` is a client transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import logging
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from voipsms.config import Listen
from voipsms.errors import ConfigError, VoipSmsError
from voipsms.sip.connection import Connection, Link, Peer, UdpSocket, bind
from voipsms.sip.grammar import SipParseError
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, parse_message, received_from, response_to
from voipsms.sip.stream import MAX_BODY
from voipsms.sip.transaction import (
    COOKIE,
    Arrival,
    ClientTransactions,
    Reply,
    ServerTransactions,
    TimedOut,
    client_key,
    server_key,
)
from voipsms.sip.uri import Via

log = logging.getLogger("voipsms.sip")

MAX_UDP_REQUEST = 1300  # octets; RFC 3261 §18.1.1
DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
_VIA_SIZE = 100  # octets, about, of the Via that is put on top
_GRAIN = 0.05  # seconds between two looks at the timers


class Unreachable(VoipSmsError):
    """A request could not leave, or its connection ended before the answer."""


class RequestTimeout(VoipSmsError):
    """Timer F: no final answer within 32 s."""


def server_tls(cert: str, key: str) -> ssl.SSLContext:
    """The context of a TLS listener from PEM files. Raises ConfigError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[sip] tls_cert, tls_key: {cert}, {key}: {error.strerror or error}") from error
    return context


class IncomingRequest:
    """A request and the way back to its sender."""

    __slots__ = ("_answered", "_endpoint", "_key", "_link", "request", "source", "transport")

    def __init__(self, request: Request, endpoint: SipEndpoint, link: Link, peer: Peer, key: str) -> None:
        self.request = request
        self.transport = peer.transport
        self.source = (peer.host, peer.port)
        self._endpoint, self._link, self._key = endpoint, link, key
        self._answered = False

    def respond(
        self, status: int, reason: str | None = None, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        """The final answer; the first call counts, later ones do nothing. Raises UnsafeHeader."""
        if self._answered:
            return
        tag = self._endpoint.new_tag()
        data = response_to(self.request, status, reason, headers, body, tag).to_bytes()
        self._answered = True
        self._endpoint.answer(self._key, data, self.request, self._link, Peer(self.transport, *self.source))


@dataclass(slots=True)
class _Waiting:
    """Who waits for the answer to a request of ours."""

    answer: asyncio.Future[Response]
    link: Link
    peer: Peer


class SipEndpoint:
    """Every listener, connection and transaction of one process.

    `trace(direction, peer, octets)` sees all that goes "in" and "out"; `count(name)` is told of what went wrong.
    `connections_each` does not bound addresses for which `trusted(ip)` holds.
    """

    def __init__(
        self,
        listen: Sequence[Listen],
        on_request: Callable[[IncomingRequest], None],
        *,
        tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        connections: int = 1000,
        connections_each: int = 100,
        trusted: Callable[[str], bool] = lambda ip: False,
        max_body: int = MAX_BODY,
        guard: float = 30.0,
        trace: Callable[[str, str, bytes], None] | None = None,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.bound: list[Listen] = []
        self.max_body, self.guard, self.count = max_body, guard, count
        self._listen, self._on_request, self._trace = listen, on_request, trace
        self._tls, self._client_tls = tls, client_tls
        self._max_connections, self._max_each, self._trusted = connections, connections_each, trusted
        self._udp: list[UdpSocket] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._by_peer: dict[Peer, Connection] = {}
        self._each: Counter[str] = Counter()  # connections that others opened, by address
        self._connecting: dict[Peer, asyncio.Task[Connection]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbound = ServerTransactions()
        self._outbound = ClientTransactions()
        self._waiting: dict[str, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._accepting = True
        self._closed = False
        self._tag, self._numbers = secrets.token_hex(5), itertools.count(1)

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Binds every listener; afterwards `bound` has their real ports. Raises ConfigError, one line."""
        self._loop = asyncio.get_running_loop()
        try:
            for listen in self._listen:
                await self._bind(listen)
        except BaseException:
            await self.close()
            raise

    async def _bind(self, listen: Listen) -> None:
        if listen.transport == "tls" and self._tls is None:
            raise ConfigError(f"[sip] listen: {listen} needs tls_cert and tls_key")
        try:
            sock = bind(listen.transport, listen.host, listen.port)
        except OSError as error:
            raise ConfigError(f"[sip] listen: {listen} can't be used: {error.strerror or error}") from error
        host, port = sock.getsockname()[:2]
        if listen.transport == "udp":
            _, udp = await self._loop.create_datagram_endpoint(lambda: UdpSocket(self), sock=sock)
            self._udp.append(udp)
        else:
            tls = self._tls if listen.transport == "tls" else None
            server = await self._loop.create_server(
                lambda: Connection(self, listen.transport, ours=False),
                sock=sock,
                ssl=tls,
                ssl_handshake_timeout=self.guard if tls else None,
            )
            self._servers.append(server)
        self.bound.append(Listen(listen.transport, host, port))

    def stop_accepting(self) -> None:
        """New connections are refused and new requests get 503; answers still go out."""
        self._accepting = False
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Ends everything, after giving what is on its way out a second to leave."""
        self.stop_accepting()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._tasks, *self._connecting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for key in list(self._waiting):
            self._fail(key, Unreachable("The SIP endpoint is closing"))
        links: list[Link] = [*self._udp, *self._connections]
        for link in links:
            link.close()
        if links:
            await asyncio.wait([link.gone for link in links], timeout=1)
        for connection in list(self._connections):
            connection.transport.abort()
            await connection.gone
        for server in self._servers:
            await server.wait_closed()

    # -- what links tell ----------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> bool:
        host = connection.peer.host
        if not connection.ours:
            crowded = self._each[host] >= self._max_each and not self._trusted(host)
            if crowded or self._each.total() >= self._max_connections or not self._accepting:
                self.count("sip_connections_refused")
                return False
            self._each[host] += 1
        self._connections.add(connection)
        self._by_peer[connection.peer] = connection
        return True

    def closed(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if self._by_peer.get(connection.peer) is connection:
            del self._by_peer[connection.peer]
        if not connection.ours:
            self._each -= Counter({connection.peer.host: 1})  # which also drops what is 0
        for key in [key for key, waiting in self._waiting.items() if waiting.link is connection]:
            self._fail(key, Unreachable(f"{connection.peer} closed the connection"))

    def traced(self, direction: str, peer: Peer, data: bytes) -> None:
        if self._trace is not None:
            self._trace(direction, str(peer), data)

    def datagram(self, data: bytes, link: UdpSocket, peer: Peer) -> None:
        if not data.strip(b"\r\n\0 "):  # a NAT keep-alive
            return
        self.traced("in", peer, data)
        try:
            message = parse_message(data)
            if len(message.body) > self.max_body:
                self.count("sip_too_big")
                if isinstance(message, Request) and message.method != "ACK":
                    self._answer_once(message, 413, link, peer)
                return
        except SipParseError as error:
            self.malformed(error, link, peer)
            return
        self.received(message, link, peer)

    def malformed(self, error: SipParseError, link: Link, peer: Peer) -> None:
        self.count("sip_too_big" if error.status == 413 else "sip_malformed")
        if error.request is not None and error.request.method != "ACK":
            self._answer_once(error.request, error.status, link, peer, str(error))

    def received(self, message: Request | Response, link: Link, peer: Peer) -> None:
        if isinstance(message, Response):
            self._reply(message)
        elif message.method != "ACK":  # RFC 3261 §17.1.1.3: it has no answer
            self._request(message, link, peer)

    # -- server side --------------------------------------------------------------------------------------------

    def new_tag(self) -> str:
        return f"{self._tag}{next(self._numbers):x}"

    def _request(self, request: Request, link: Link, peer: Peer) -> None:
        received_from(request, peer.host, peer.port)
        key = server_key(request)
        arrival = self._inbound.receive(key, self._loop.time())
        if arrival is Arrival.NEW:
            self._deliver(IncomingRequest(request, self, link, peer, key))
        elif arrival is Arrival.FULL:
            self.count("sip_overload")
            self._answer_once(request, 503, link, peer, retry_after="5")
        else:
            self.count("sip_retransmissions")
            if arrival is Arrival.ANSWERED:
                self._send_back(self._inbound.answer(key), request, link, peer)

    def _deliver(self, incoming: IncomingRequest) -> None:
        if not self._accepting:
            incoming.respond(503, headers=(("Retry-After", "5"),))
            return
        try:
            self._on_request(incoming)
        except Exception:
            log.exception("a SIP request could not be served")
            incoming.respond(500)

    def answer(self, key: str, data: bytes, request: Request, link: Link, peer: Peer) -> None:
        """Sends a final answer and keeps it for retransmissions of its request."""
        self._inbound.respond(key, data, self._loop.time(), reliable=link.reliable)
        if self._timer is None:
            self._arm()
        self._send_back(data, request, link, peer)

    def _answer_once(
        self, request: Request, status: int, link: Link, peer: Peer, reason: str | None = None, retry_after: str = ""
    ) -> None:
        """An answer that no transaction remembers: the same request would get the same again."""
        received_from(request, peer.host, peer.port)
        extra = [("Retry-After", retry_after)] if retry_after else []
        data = response_to(request, status, reason, extra, to_tag=self.new_tag()).to_bytes()
        self._send_back(data, request, link, peer)

    def _send_back(self, data: bytes, request: Request, link: Link, peer: Peer) -> None:
        """RFC 3261 §18.2.2, RFC 3581 §4."""
        via = request.via
        if not link.reliable:
            link.send(data, peer if "rport" in via.params else Peer("udp", peer.host, via.port or 5060))
        elif not link.send(data, peer):
            back = Peer(peer.transport, peer.host, via.port or DEFAULT_PORTS[peer.transport])
            self._start(self._send_anew(data, back))

    async def _send_anew(self, data: bytes, peer: Peer) -> None:
        """An answer whose connection has ended goes to the address in Via."""
        try:
            link = await self._connect(peer, peer.host)
        except Unreachable:
            self.count("sip_answers_lost")
        else:
            link.send(data, peer)

    def _start(self, coroutine: Coroutine[None, None, None]) -> None:
        if len(self._tasks) >= self._max_connections:
            self.count("sip_answers_lost")
            coroutine.close()
            return
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- client side --------------------------------------------------------------------------------------------

    async def request(self, request: Request, destination: Peer) -> Response:
        """Sends a copy of the request with a Via of its own and waits for the final answer.

        A destination of `udp` is reached by TCP where the request has more than 1300 octets and TCP works
        (RFC 3261 §18.1.1). Raises RequestTimeout, Unreachable, UnsafeHeader.
        """
        address = await self._resolve(destination)
        branch = COOKIE + secrets.token_hex(12)
        link = await self._way(address, destination.host, len(request.to_bytes()))
        via = Via(link.kind.upper(), *self._sent_by(link, address), {"branch": branch, "rport": ""})
        headers = Headers([("Via", str(via)), *request.headers])
        data = Request(request.method, request.uri, headers, request.body).to_bytes()
        key = client_key(via, request.method)
        waiting = self._waiting[key] = _Waiting(self._loop.create_future(), link, address)
        try:
            if not link.send(data, address):
                raise Unreachable(f"{address} can't be sent to")
            self._outbound.start(key, data, self._loop.time(), reliable=link.reliable)
            self._arm()
            return await waiting.answer
        finally:
            del self._waiting[key]
            if not waiting.answer.done() or waiting.answer.cancelled():
                self._outbound.abandon(key)

    async def _resolve(self, destination: Peer) -> Peer:
        kind = socket.SOCK_DGRAM if destination.transport == "udp" else socket.SOCK_STREAM
        try:
            found = await self._loop.getaddrinfo(destination.host, destination.port, type=kind)
        except OSError as error:
            raise Unreachable(f"{destination}: {error.strerror or error}") from error
        return Peer(destination.transport, str(found[0][4][0]), destination.port)

    async def _way(self, address: Peer, name: str, size: int) -> Link:
        """The link to an address; a Via line is still to come on top of `size`. Raises Unreachable."""
        if address.transport != "udp":
            return await self._connect(address, name)
        if size + _VIA_SIZE > MAX_UDP_REQUEST:
            with contextlib.suppress(Unreachable):
                return await self._connect(address._replace(transport="tcp"), name)
        family = ":" in address.host
        for udp in self._udp:
            if (":" in udp.local[0]) == family:
                return udp
        raise Unreachable(f"{address}: there is no UDP listener of its address family")

    async def _connect(self, address: Peer, name: str) -> Connection:
        """The open connection to an address, or a new one. Raises Unreachable."""
        known = self._by_peer.get(address)
        if known is not None and not known.transport.is_closing():
            return known
        task = self._connecting.get(address)
        if task is None:
            task = self._connecting[address] = self._loop.create_task(self._open(address, name))
            task.add_done_callback(lambda _: self._connecting.pop(address, None))
        try:
            return await asyncio.shield(task)
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{address}: {error or 'no answer'}") from error

    async def _open(self, address: Peer, name: str) -> Connection:
        context = None
        if address.transport == "tls":
            context = self._client_tls = self._client_tls or ssl.create_default_context()
        async with asyncio.timeout(self.guard):
            _, connection = await self._loop.create_connection(
                lambda: Connection(self, address.transport, ours=True),
                address.host,
                address.port,
                ssl=context,
                server_hostname=name if context else None,
            )
        return connection

    def _sent_by(self, link: Link, address: Peer) -> tuple[str, int]:
        """Where we listen, as that peer sees it: RFC 3261 §18.1.1."""
        host, port = link.local
        if not link.reliable:
            return (host, port) if not ipaddress.ip_address(host).is_unspecified else (_source_for(address), port)
        return host, next((at.port for at in self.bound if at.transport == link.kind), port)

    def _reply(self, response: Response) -> None:
        """RFC 3261 §17.1.3, §18.1.2."""
        try:
            key = client_key(Via.parse(response.headers.get("Via")), response.headers.get("CSeq").split()[1])
        except SipParseError:
            self.count("sip_malformed")
            return
        reply = self._outbound.receive(key, response.status, self._loop.time())
        waiting = self._waiting.get(key)
        if reply is Reply.STRAY:
            self.count("sip_stray_responses")
        elif reply is Reply.FINAL and waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(response)

    def _fail(self, key: str, error: VoipSmsError) -> None:
        waiting = self._waiting.get(key)
        self._outbound.abandon(key)
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_exception(error)

    # -- timers -------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Sees to it that `_tick` runs when the next transaction times out."""
        ends = [end for end in (self._inbound.next_timeout(), self._outbound.next_timeout()) if end is not None]
        if not ends or self._closed:
            return
        when = max(min(ends), self._loop.time() + _GRAIN)
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._inbound.expire(now)
        for event in self._outbound.expire(now):
            waiting = self._waiting.get(event.key)
            if isinstance(event, TimedOut):
                self._fail(event.key, RequestTimeout("No final answer in time"))
            elif waiting is not None:
                waiting.link.send(event.request, waiting.peer)
        self._arm()


def _source_for(address: Peer) -> str:
    """Our own address on the way to a peer; connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address.host, address.port))
        except OSError as error:
            raise Unreachable(f"{address}: {error.strerror or error}") from error
        host: str = probe.getsockname()[0]
        return host
