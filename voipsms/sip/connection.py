"""One TCP or TLS connection and one UDP socket, as the endpoint sees them."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple, Protocol, cast

from voipsms.sip.grammar import SipParseError
from voipsms.sip.message import Request, Response
from voipsms.sip.stream import StreamParser
from voipsms.sip.uri import host_text

RECEIVE_BUFFER = 4 << 20  # octets of datagrams that the kernel keeps while a commit runs
MAX_UNREAD = 1 << 20  # octets that a stream's peer may leave unread
MAX_DATAGRAM = 65507  # octets of payload that IPv4 can carry


class Peer(NamedTuple):
    """A far end: transport `udp`, `tcp` or `tls`, host without brackets, port."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.transport}:{host_text(self.host, self.port)}"


class Receiver(Protocol):
    """Who is told what arrives."""

    max_body: int
    guard: float  # seconds

    def datagram(self, data: bytes, link: UdpSocket, peer: Peer) -> None: ...

    def received(self, message: Request | Response, link: Link, peer: Peer) -> None: ...

    def malformed(self, error: SipParseError, link: Link, peer: Peer) -> None: ...

    def lost(self, connection: Connection) -> None: ...

    def traced(self, direction: str, peer: Peer, data: bytes) -> None: ...

    def count(self, name: str) -> None: ...


class Keeper(Protocol):
    """Who knows all connections."""

    def opened(self, connection: Connection) -> bool:
        """Whether it may live."""
        ...

    def closed(self, connection: Connection) -> None: ...


class UdpSocket(asyncio.DatagramProtocol):
    kind = "udp"
    reliable = False

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._full = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.local: tuple[str, int] = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receiver.datagram(data, self, Peer("udp", addr[0], addr[1]))

    def send(self, data: bytes, peer: Peer) -> bool:
        """Whether it left, or waits to leave."""
        if self._full or len(data) > MAX_DATAGRAM or self.transport.is_closing():
            self._receiver.count("sip_send_dropped")
            return False
        self._receiver.traced("out", peer, data)
        self.transport.sendto(data, (peer.host, peer.port))
        return True

    def error_received(self, exc: Exception) -> None:
        self._receiver.count("sip_udp_errors")  # ICMP's word on an earlier datagram; nobody to tell

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def close(self) -> None:
        self.transport.close()


class Connection(asyncio.Protocol):
    """A stream. It is closed when its peer sends what has no end, stops within a message, or doesn't read."""

    reliable = True

    def __init__(self, keeper: Keeper, receiver: Receiver, kind: str, *, ours: bool) -> None:
        self.kind, self.ours = kind, ours  # ours: opened by us
        self._keeper, self._receiver = keeper, receiver
        self._parser = StreamParser(max_body=receiver.max_body)
        self._deadline: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        remote = transport.get_extra_info("peername") or ("", 0)  # None: it is gone already
        self.peer = Peer(self.kind, remote[0], remote[1])
        self.local: tuple[str, int] = (transport.get_extra_info("sockname") or ("", 0))[:2]
        self.transport.set_write_buffer_limits(high=MAX_UNREAD)
        if not self._keeper.opened(self):
            self.transport.abort()
        elif not self.ours:
            self._await_more()

    def _await_more(self) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self._receiver.guard, self._too_slow)

    def _too_slow(self) -> None:
        self._receiver.count("sip_slow_closed")
        self.transport.abort()

    def _enough(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._receiver.traced("in", self.peer, data)
        self._parser.receive_data(data)
        try:
            for message in self._parser.events():
                self._enough()
                if isinstance(message, SipParseError):
                    self._receiver.malformed(message, self, self.peer)
                else:
                    self._receiver.received(message, self, self.peer)
        except SipParseError as error:
            self._receiver.malformed(error, self, self.peer)
            self.transport.close()
            self._await_more()  # for its end: the peer may not read what we said
            return
        if pong := self._parser.data_to_send():
            self._enough()
            self.send(pong, self.peer)
        if self._parser.unfinished:
            self._await_more()

    def send(self, data: bytes, peer: Peer) -> bool:
        """Whether it left, or waits to leave."""
        if self.transport.is_closing():
            return False
        self._receiver.traced("out", self.peer, data)
        self.transport.write(data)
        return True

    def pause_writing(self) -> None:
        self._receiver.count("sip_unread_closed")
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._enough()
        self._keeper.closed(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def close(self) -> None:
        self.transport.close()


Link = UdpSocket | Connection


def bind(transport: str, host: str, port: int) -> socket.socket:
    """A bound socket, listening where it is a stream's. Raises OSError."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, kind)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:  # else IPv4 peers would appear as ::ffff:a.b.c.d
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        if kind == socket.SOCK_STREAM:
            bound.listen(256)
    except OSError:
        bound.close()
        raise
    return bound
