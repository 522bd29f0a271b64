"""SIP over UDP, TCP and TLS: the asyncio shell around messages and transactions. RFC 3261 §18.

Requests arrive at `on_request` as IncomingRequest, without a task; `request()` is a client transaction.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import ssl
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from voipsms.errors import VoipSmsError
from voipsms.settings import Listen
from voipsms.sip.connection import Connection, Link, Peer, UdpSocket
from voipsms.sip.grammar import SipParseError
from voipsms.sip.headers import Headers
from voipsms.sip.links import ConnectionLost, Links, Unreachable, server_tls
from voipsms.sip.message import Request, Response, answer_to, parse_message, received_from
from voipsms.sip.stream import MAX_BODY
from voipsms.sip.transaction import (
    COOKIE,
    T1,
    Arrival,
    ClientTransactions,
    Reply,
    ServerTransactions,
    TimedOut,
    client_key,
    server_key,
)
from voipsms.sip.uri import Via

__all__ = ["ConnectionLost", "IncomingRequest", "Peer", "RequestTimeout", "SipEndpoint", "Unreachable", "server_tls"]

log = logging.getLogger("voipsms.sip")

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
_GRAIN = 0.05  # seconds between two looks at the timers


class RequestTimeout(VoipSmsError):
    """Timer F: no final answer within 64 times T1, 32 s."""


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
        data = answer_to(self.request, status, reason, headers, body, tag)
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
    `connections_each` does not bound addresses for which `trusted(ip)` holds. `guard`: seconds that a peer may take
    over one message. `t1`: estimate of a round trip in seconds, from which the timers follow (RFC 3261 §17.1.1.1).
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
        t1: float = T1,
        trace: Callable[[str, str, bytes], None] | None = None,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.max_body, self.guard, self.count = max_body, guard, count
        self._listen, self._on_request, self._trace = listen, on_request, trace
        self._max_tasks = connections
        self._links = Links(
            self, tls=tls, client_tls=client_tls, connections=connections, each=connections_each, trusted=trusted
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbound = ServerTransactions()
        self._outbound = ClientTransactions(t1)
        self._waiting: dict[str, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._tag, self._numbers = secrets.token_hex(5), itertools.count(1)

    @property
    def bound(self) -> Sequence[Listen]:
        """The listeners with their real ports."""
        return self._links.bound

    @property
    def connections(self) -> Sequence[Peer]:
        """The far ends of the open ones."""
        return self._links.peers()

    async def start(self) -> None:
        """Binds every listener. Raises ConfigError, one line."""
        self._loop = asyncio.get_running_loop()
        try:
            for at in self._listen:
                await self._links.listen(at)
        except BaseException:
            await self.close()
            raise

    def stop_accepting(self) -> None:
        """New connections are refused and new requests get 503; answers still go out."""
        self._links.stop_accepting()

    async def close(self) -> None:
        """Ends everything, after giving what is on its way out a second to leave."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        for key in list(self._waiting):
            self._fail(key, ConnectionLost("The SIP endpoint is closing"))
        await self._links.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what links tell ----------------------------------------------------------------------------------------

    def lost(self, connection: Connection) -> None:
        for key in [key for key, waiting in self._waiting.items() if waiting.link is connection]:
            self._fail(key, ConnectionLost(f"{connection.peer} closed the connection"))

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
        if not self._links.accepting:
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
        data = answer_to(request, status, reason, extra, to_tag=self.new_tag())
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
            link = await self._links.connect(peer, peer.host)
        except Unreachable:
            self.count("sip_answers_lost")
        else:
            link.send(data, peer)

    def _start(self, coroutine: Coroutine[None, None, None]) -> None:
        if self._closed or len(self._tasks) >= self._max_tasks:
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
        link, address = await self._links.way(destination, len(request.to_bytes()))
        via = Via(
            link.kind.upper(),
            *self._links.sent_by(link, address),
            {"branch": COOKIE + secrets.token_hex(12), "rport": ""},
        )
        headers = Headers([("Via", str(via)), *request.headers])
        if "Max-Forwards" not in headers:
            headers.add("Max-Forwards", "70")
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
