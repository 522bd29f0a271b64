"""Every socket of an endpoint: listeners, the connections of others and our own, and their limits. RFC 3261 §18."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from voipsms.errors import ConfigError, VoipSmsError
from voipsms.settings import Listen
from voipsms.sip.connection import Connection, Link, Peer, Receiver, UdpSocket, bind

MAX_UDP_REQUEST = 1300  # octets; RFC 3261 §18.1.1
_VIA_SIZE = 100  # octets, about, of the Via that is still to come on top
_CONNECT = 5.0  # seconds that a connection may take to open


class Unreachable(VoipSmsError):
    """A request could not leave, or its connection ended before the answer."""


class ConnectionLost(Unreachable):
    """The latter: the request may have arrived."""


def server_tls(cert: str, key: str) -> ssl.SSLContext:
    """The context of a TLS listener from PEM files. Raises ConfigError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # of which ssl.SSLError is one
        raise ConfigError(f"[sip] tls_cert, tls_key: {cert}, {key}: {error.strerror or error}") from error
    return context


class Links:
    """`connections` bounds what others may open in all, `each` by address, except where `trusted(ip)` holds."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        tls: ssl.SSLContext | None,
        client_tls: ssl.SSLContext | None,
        connections: int,
        each: int,
        trusted: Callable[[str], bool],
    ) -> None:
        self.bound: list[Listen] = []
        self.accepting = True
        self._receiver = receiver
        self._tls, self._client_tls = tls, client_tls
        self._max_connections, self._max_each, self._trusted = connections, each, trusted
        self._udp: list[UdpSocket] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._by_peer: dict[Peer, Connection] = {}
        self._each: Counter[str] = Counter()  # connections that others opened, by address
        self._opening: dict[Peer, asyncio.Task[Connection]] = {}

    # -- listeners ----------------------------------------------------------------------------------------------

    async def listen(self, at: Listen) -> None:
        """Raises ConfigError, one line."""
        if at.transport == "tls" and self._tls is None:
            raise ConfigError(f"[sip] listen: {at} needs tls_cert and tls_key")
        try:
            sock = bind(at.transport, at.host, at.port)
        except OSError as error:
            raise ConfigError(f"[sip] listen: {at} can't be used: {error.strerror or error}") from error
        host, port = sock.getsockname()[:2]
        loop = asyncio.get_running_loop()
        if at.transport == "udp":
            _, udp = await loop.create_datagram_endpoint(lambda: UdpSocket(self._receiver), sock=sock)
            self._udp.append(udp)
        else:
            tls = self._tls if at.transport == "tls" else None
            server = await loop.create_server(
                lambda: Connection(self, self._receiver, at.transport, ours=False),
                sock=sock,
                ssl=tls,
                ssl_handshake_timeout=self._receiver.guard if tls else None,
            )
            self._servers.append(server)
        self.bound.append(Listen(at.transport, host, port))

    def stop_accepting(self) -> None:
        self.accepting = False
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Ends everything, after giving what is on its way out a second to leave."""
        self.stop_accepting()
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
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

    # -- connections --------------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> bool:
        host = connection.peer.host
        if not connection.ours:
            crowded = self._each[host] >= self._max_each and not self._trusted(host)
            if crowded or self._each.total() >= self._max_connections or not self.accepting:
                self._receiver.count("sip_connections_refused")
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
        self._receiver.lost(connection)

    def peers(self) -> list[Peer]:
        return [connection.peer for connection in self._connections]

    async def connect(self, address: Peer, name: str) -> Connection:
        """The open connection to an address, or a new one. `name`: the host as configured. Raises Unreachable."""
        known = self._by_peer.get(address)
        if known is not None and not known.transport.is_closing():
            return known
        task = self._opening.get(address)
        if task is None:
            task = self._opening[address] = asyncio.create_task(self._open(address, name))
            task.add_done_callback(lambda done: self._opened_or_not(address, done))
        try:
            return await asyncio.shield(task)
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{address}: {error or 'no answer'}") from error
        except asyncio.CancelledError:
            if task.cancelled():  # not we were: the endpoint is closing
                raise Unreachable(f"{address}: closing") from None
            raise

    def _opened_or_not(self, address: Peer, task: asyncio.Task[Connection]) -> None:
        del self._opening[address]
        if not task.cancelled():
            task.exception()  # whoever waited knows; perhaps nobody does any more

    async def _open(self, address: Peer, name: str) -> Connection:
        context = None
        if address.transport == "tls":
            context = self._client_tls = self._client_tls or ssl.create_default_context()
        async with asyncio.timeout(_CONNECT):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self, self._receiver, address.transport, ours=True),
                address.host,
                address.port,
                ssl=context,
                server_hostname=name if context else None,
            )
        return connection

    # -- ways to a peer -----------------------------------------------------------------------------------------

    async def way(self, destination: Peer, size: int) -> tuple[Link, Peer]:
        """The link for a request of `size` octets, and the address to send it to. Raises Unreachable."""
        address = await _resolve(destination)
        if address.transport != "udp":
            return await self.connect(address, destination.host), address
        if size + _VIA_SIZE > MAX_UDP_REQUEST:
            with contextlib.suppress(Unreachable):
                stream = address._replace(transport="tcp")
                return await self.connect(stream, destination.host), stream
        family = ":" in address.host
        for udp in self._udp:
            if (":" in udp.local[0]) == family:
                return udp, address
        raise Unreachable(f"{address}: there is no UDP listener of its address family")

    def sent_by(self, link: Link, address: Peer) -> tuple[str, int]:
        """Where we listen, as that peer sees it: RFC 3261 §18.1.1. Raises Unreachable."""
        host, port = link.local
        if link.reliable:
            return host, next((at.port for at in self.bound if at.transport == link.kind), port)
        return (_source_for(address) if ipaddress.ip_address(host).is_unspecified else host), port


async def _resolve(destination: Peer) -> Peer:
    kind = socket.SOCK_DGRAM if destination.transport == "udp" else socket.SOCK_STREAM
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(destination.host, destination.port, type=kind)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{destination}: {error}") from error
    return Peer(destination.transport, str(found[0][4][0]), destination.port)


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
