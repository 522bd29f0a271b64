"""The endpoint on real sockets of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.peers import certificates
from tests.sip.loops import on_both_loops
from voipsms.errors import ConfigError
from voipsms.settings import Listen
from voipsms.sip.endpoint import IncomingRequest, Peer, RequestTimeout, SipEndpoint, Unreachable, server_tls
from voipsms.sip.grammar import SipParseError
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, answer_to, parse_message
from voipsms.sip.stream import StreamParser


def message(
    n: int = 1, transport: str = "UDP", body: bytes = b"hi", branch: str = "", sent_by: str = "10.9.8.7:5070"
) -> bytes:
    branch = branch or f"z9hG4bKtest{n}"
    return (
        f"MESSAGE sip:36201234567@gw.example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} {sent_by};branch={branch};rport\r\n"
        f"From: <sip:alice@example.com>;tag=f{n}\r\nTo: <sip:36201234567@gw.example.com>\r\nCall-ID: call{n}\r\n"
        f"CSeq: {n} MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def accept(incoming: IncomingRequest) -> None:
    incoming.respond(202)


class Counts(Counter[str]):
    def __call__(self, name: str) -> None:
        self[name] += 1


@asynccontextmanager
async def running(
    listen: str = "udp", on_request: Callable[[IncomingRequest], None] = accept, **settings: object
) -> AsyncIterator[SipEndpoint]:
    at = [Listen(transport, "127.0.0.1", 0) for transport in listen.split()]
    endpoint = SipEndpoint(at, on_request, **settings)  # type: ignore[arg-type]
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.close()


class Phone(asyncio.DatagramProtocol):
    """A UDP peer of the test."""

    transport: asyncio.BaseTransport

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.put_nowait(data)

    async def answer(self) -> Response:
        async with asyncio.timeout(5):
            found = parse_message(await self.got.get())
        assert isinstance(found, Response)
        return found


@asynccontextmanager
async def phone(endpoint: SipEndpoint) -> AsyncIterator[tuple[Phone, asyncio.DatagramTransport]]:
    loop = asyncio.get_running_loop()
    port = port_of(endpoint, "udp")
    transport, protocol = await loop.create_datagram_endpoint(Phone, remote_addr=("127.0.0.1", port))
    try:
        yield protocol, transport
    finally:
        transport.close()
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop turn until it holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # there is nothing that would set an Event
            await asyncio.sleep(0)


def port_of(endpoint: SipEndpoint, transport: str) -> int:
    return next(at.port for at in endpoint.bound if at.transport == transport)


class Wire:
    """A TCP or TLS peer of the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._parser = StreamParser()
        self._found: list[Request | Response | SipParseError] = []

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def receive(self) -> Request | Response | SipParseError:
        async with asyncio.timeout(5):
            while not self._found:
                data = await self.reader.read(65536)
                assert data, "closed"
                self._parser.receive_data(data)
                self._found += self._parser.events()
        return self._found.pop(0)

    async def status(self) -> int:
        found = await self.receive()
        assert isinstance(found, Response)
        return found.status

    async def closed(self) -> bool:
        """Whether the other side closes without another word."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def connected(endpoint: SipEndpoint, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    port = port_of(endpoint, "tls" if tls else "tcp")
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, limit=1 << 16))
    try:
        yield wire
    finally:
        wire.writer.close()
        with contextlib.suppress(OSError):
            await wire.writer.wait_closed()


# -- UDP ----------------------------------------------------------------------------------------------------------


@on_both_loops
async def test_udp_request_is_answered() -> None:
    async with running() as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(message())
        answer = await alice.answer()
    assert (answer.status, answer.headers.get("Call-ID")) == (202, "call1")
    assert "received=127.0.0.1" in answer.headers.get("Via")
    assert ";tag=" in answer.headers.get("To")


@on_both_loops
async def test_retransmission_gets_the_first_answer() -> None:
    seen: list[IncomingRequest] = []
    counts = Counts()
    async with running(on_request=seen.append, count=counts) as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(message())
        wire.sendto(message())  # absorbed
        wire.sendto(message(2))
        await until(lambda: len(seen) == 2)
        seen[0].respond(202, "First", [("X-Id", "1")])
        seen[0].respond(500, "Second")
        first = await alice.got.get()
        wire.sendto(message())
        assert await alice.got.get() == first
    assert b"202 First" in first
    assert (len(seen), counts) == (2, {"sip_retransmissions": 2})


@on_both_loops
async def test_without_rport_the_answer_goes_to_the_sent_by_port() -> None:
    async with running() as endpoint, phone(endpoint) as (alice, _), phone(endpoint) as (_, other):
        port = alice.transport.get_extra_info("sockname")[1]
        other.sendto(message(sent_by=f"127.0.0.1:{port}").replace(b";rport", b""))
        assert (await alice.answer()).status == 202


ANSWERED = {
    "bad hops": (message().replace(b"Forwards: 70", b"Forwards: x"), 400, "sip_malformed"),
    "short body": (message().replace(b"Content-Length: 2", b"Content-Length: 3"), 400, "sip_malformed"),
    "version": (message().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), 505, "sip_malformed"),
    "long body": (message(body=b"x" * 101), 413, "sip_too_big"),
    "our own exception": (message(body=b"raise"), 500, None),
}


@pytest.mark.parametrize("case", ANSWERED)
@on_both_loops
async def test_answered_by_the_endpoint(case: str, caplog: pytest.LogCaptureFixture) -> None:
    def on_request(incoming: IncomingRequest) -> None:
        if incoming.request.body == b"raise":
            raise RuntimeError("raised on purpose")
        accept(incoming)

    octets, status, name = ANSWERED[case]
    counts = Counts()
    async with running(on_request=on_request, max_body=100, count=counts) as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(octets)
        assert (await alice.answer()).status == status
        wire.sendto(message(2))
        assert (await alice.answer()).status == 202
    assert counts == ({name: 1} if name else {})
    assert ("raised on purpose" in caplog.text) is (octets == message(body=b"raise"))


STRAY = message().replace(b"MESSAGE sip:36201234567@gw.example.com SIP/2.0", b"SIP/2.0 200 OK")
NOT_ANSWERED: dict[str, tuple[bytes, dict[str, int]]] = {
    "garbage": (b"\x01\x02garbage" * 9, {"sip_malformed": 1}),
    "keep-alive": (b"\r\n\r\n", {}),
    "zero": (b"\0", {}),
    "no Via": (b"MESSAGE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n", {"sip_malformed": 1}),
    "ACK": (message().replace(b"MESSAGE", b"ACK"), {}),
    "malformed ACK": (message().replace(b"MESSAGE", b"ACK").replace(b"1 ACK", b"x"), {"sip_malformed": 1}),
    "stray response": (STRAY, {"sip_stray_responses": 1}),
    "response of another's Via": (STRAY.replace(b"SIP/2.0/UDP", b"nonsense"), {"sip_malformed": 1}),
}


@pytest.mark.parametrize("case", NOT_ANSWERED)
@on_both_loops
async def test_not_answered(case: str) -> None:
    octets, counted = NOT_ANSWERED[case]
    counts = Counts()
    async with running(count=counts) as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(octets)
        wire.sendto(message(2))
        assert (await alice.answer()).headers.get("Call-ID") == "call2"
        assert alice.got.empty()
    assert counts == counted


@on_both_loops
async def test_what_can_not_be_sent_disturbs_nothing() -> None:
    counts = Counts()

    def on_request(incoming: IncomingRequest) -> None:
        incoming.respond(200, body=b"x" * (66_000 if incoming.request.body == b"big" else 10))

    async with running("udp", on_request, count=counts, t1=0.01) as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(message(1, body=b"big"))
        wire.sendto(message(2))
        assert (await alice.answer()).headers.get("Call-ID") == "call2"
        forbidden = Peer("udp", "255.255.255.255", 9)  # without SO_BROADCAST
        with pytest.raises(RequestTimeout):
            await endpoint.request(Request("OPTIONS", "sip:x", Headers(fields("OPTIONS"))), forbidden)
        wire.sendto(message(3))
        assert (await alice.answer()).headers.get("Call-ID") == "call3"
    assert counts["sip_send_dropped"] == 1


# -- TCP and TLS --------------------------------------------------------------------------------------------------


@on_both_loops
async def test_stream() -> None:
    octets = message(1, "TCP")
    async with running("tcp") as endpoint, connected(endpoint) as wire:
        await wire.send(octets)
        assert await wire.status() == 202
        await wire.send(*(bytes([octet]) for octet in message(2, "TCP")))
        assert await wire.status() == 202
        await wire.send(message(3, "TCP") + message(4, "TCP"))
        assert [await wire.status(), await wire.status()] == [202, 202]
        await wire.send(b"\r\n\r\n")
        assert await wire.reader.readexactly(2) == b"\r\n"


STREAMS = {
    "no length": (message().replace(b"Content-Length: 2\r\n", b""), 400, "sip_malformed"),
    "too long a body": (message().replace(b"Content-Length: 2", b"Content-Length: 1000000"), 413, "sip_too_big"),
    "too long headers": (b"MESSAGE " + b"x" * 70_000, None, "sip_too_big"),
    "garbage": (b"\x16\x03garbage\r\n\r\n", None, "sip_malformed"),
    "slow": (message()[:-1], None, "sip_slow_closed"),
    "silent": (b"", None, "sip_slow_closed"),
}


@on_both_loops
async def test_a_malformed_message_leaves_its_connection_alone() -> None:
    counts = Counts()
    async with running("tcp", count=counts) as endpoint, connected(endpoint) as wire:
        await wire.send(message().replace(b"Forwards: 70", b"Forwards: x") + message(2, "TCP"))
        assert [await wire.status(), await wire.status()] == [400, 202]
    assert counts == {"sip_malformed": 1}


@pytest.mark.parametrize("case", STREAMS)
@on_both_loops
async def test_stream_is_closed(case: str) -> None:
    octets, status, name = STREAMS[case]
    counts = Counts()
    async with running("tcp", count=counts, guard=0.1) as endpoint, connected(endpoint) as wire:
        if octets:
            await wire.send(octets)
        if status is not None:
            assert await wire.status() == status
        assert await wire.closed()
        async with connected(endpoint) as other:
            await other.send(message(2))
            assert await other.status() == 202
    assert counts == {name: 1}


@on_both_loops
async def test_complete_messages_keep_a_stream_open() -> None:
    async with running("tcp", guard=0.05) as endpoint, connected(endpoint) as wire:
        await wire.send(message(1, "TCP"))
        assert await wire.status() == 202
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await wire.reader.read(1)
        await wire.send(message(2, "TCP"))
        assert await wire.status() == 202


@on_both_loops
async def test_connection_limits() -> None:
    counts = Counts()
    async with running("tcp", count=counts, connections_each=1) as endpoint, connected(endpoint) as wire:
        await wire.send(message())
        assert await wire.status() == 202
        async with connected(endpoint) as other:
            assert await other.closed()
        await wire.send(message(2))
        assert await wire.status() == 202
    async with running("tcp", count=counts, connections_each=1, connections=2, trusted=lambda ip: True) as endpoint:
        async with connected(endpoint) as one, connected(endpoint) as two:
            for number, wire in enumerate((one, two)):
                await wire.send(message(number))
                assert await wire.status() == 202
            async with connected(endpoint) as three:
                assert await three.closed()
        async with connected(endpoint) as four:  # there is room again
            await four.send(message(4))
            assert await four.status() == 202
    assert counts == {"sip_connections_refused": 2}


@on_both_loops
async def test_peer_that_does_not_read_is_cut_off() -> None:
    counts = Counts()

    def on_request(incoming: IncomingRequest) -> None:
        incoming.respond(200, body=b"x" * 60_000)

    async with running("tcp", on_request, count=counts) as endpoint, connected(endpoint) as wire:
        with contextlib.suppress(ConnectionError):
            await wire.send(*(message(number, "TCP") for number in range(500)))
        await until(lambda: not endpoint.connections)
    assert counts["sip_unread_closed"] == 1


@on_both_loops
async def test_answer_after_the_connection_ended_goes_to_the_via_address() -> None:
    seen: asyncio.Queue[IncomingRequest] = asyncio.Queue()
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with running("tcp", seen.put_nowait) as endpoint:
        server = await asyncio.start_server(listening, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with connected(endpoint) as wire:
            await wire.send(message(1, "TCP", sent_by=f"127.0.0.1:{port}"))
            incoming = await seen.get()
        await until(lambda: not endpoint.connections)
        incoming.respond(202)
        async with asyncio.timeout(5):
            assert (await got.get()).startswith(b"SIP/2.0 202")
        server.close()
        await server.wait_closed()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and of a client that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    ca = certificates.authority(folder)
    own = certificates.server(folder, ca)
    client = ssl.create_default_context(cafile=str(ca.certificate))
    return server_tls(str(own.certificate), str(own.key)), client


@on_both_loops
async def test_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = tls
    async with running("tls", tls=server) as endpoint, running("tls", tls=server, client_tls=client) as other:
        async with connected(endpoint, client) as wire:
            await wire.send(message(1, "TLS"))
            assert await wire.status() == 202
        for _ in range(2):
            assert (await other.request(options(), Peer("tls", "127.0.0.1", port_of(endpoint, "tls")))).status == 202
    async with running("tls", tls=server) as endpoint, running("udp") as other:
        with pytest.raises(Unreachable, match="certificate"):
            await other.request(options(), Peer("tls", "127.0.0.1", port_of(endpoint, "tls")))


def test_tls_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls_cert, tls_key: .*nowhere"):
        server_tls(str(tmp_path / "nowhere"), str(tmp_path / "nowhere"))


# -- requests of ours ---------------------------------------------------------------------------------------------


def fields(method: str) -> list[tuple[str, str]]:
    return [("From", "<sip:a@b>;tag=1"), ("To", "<sip:1@x>"), ("Call-ID", "abc"), ("CSeq", f"1 {method}")]


def options(body: bytes = b"") -> Request:
    return Request("OPTIONS", "sip:1@x", Headers(fields("OPTIONS")), body)


@pytest.mark.parametrize(
    ("listen", "body", "transport"),
    [("udp", 10, "udp"), ("udp tcp", 10, "udp"), ("udp tcp", 1300, "tcp"), ("udp", 1300, "udp")],
    ids=["udp", "short by udp", "long by tcp", "long by udp where there is no tcp"],
)
@on_both_loops
async def test_request(listen: str, body: int, transport: str) -> None:
    seen: list[str] = []

    def on_request(incoming: IncomingRequest) -> None:
        seen.append(incoming.transport)
        incoming.respond(200)

    async with same_port(listen, on_request) as server, running("udp") as client:
        for _ in range(3):
            assert (
                await client.request(options(b"x" * body), Peer("udp", "127.0.0.1", server.bound[0].port))
            ).status == 200
        assert len(server.connections) == (transport == "tcp")
    assert seen == [transport] * 3


@asynccontextmanager
async def same_port(listen: str, on_request: Callable[[IncomingRequest], None]) -> AsyncIterator[SipEndpoint]:
    """UDP and TCP on the same free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = SipEndpoint([Listen(transport, "127.0.0.1", port) for transport in listen.split()], on_request)
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.close()


@on_both_loops
async def test_request_is_repeated_until_answered() -> None:
    async with running("udp", t1=0.01) as client, phone(client) as (server, wire):
        peer = Peer("udp", *server.transport.get_extra_info("sockname"))
        asking = asyncio.create_task(client.request(options(), peer))
        first = await server.got.get()
        assert await server.got.get() == first
        request = parse_message(first)
        assert isinstance(request, Request)
        assert request.headers.get("Max-Forwards") == "70"
        wire.sendto(answer_to(request, 100))
        wire.sendto(answer_to(request, 404, to_tag="x"))
        assert (await asking).status == 404


@on_both_loops
async def test_request_without_answer() -> None:
    async with running("udp tcp", t1=0.005) as client, phone(client) as (server, _):
        with pytest.raises(RequestTimeout):
            await client.request(options(), Peer("udp", *server.transport.get_extra_info("sockname")))
        with socket.create_server(("127.0.0.1", 0)) as free:
            silent = Peer("tcp", *free.getsockname())
            with pytest.raises(RequestTimeout):
                await client.request(options(), silent)
        for unreachable in (Peer("tcp", "127.0.0.1", silent.port), Peer("udp", "::1", 9), Peer("udp", "no\0name", 9)):
            with pytest.raises(Unreachable):
                await client.request(options(), unreachable)


@on_both_loops
async def test_request_whose_connection_ends() -> None:
    seen: asyncio.Queue[IncomingRequest] = asyncio.Queue()
    async with running("udp") as client:
        async with running("tcp", seen.put_nowait) as server:
            asking = asyncio.create_task(client.request(options(), Peer("tcp", "127.0.0.1", port_of(server, "tcp"))))
            await seen.get()
        with pytest.raises(Unreachable, match="closed the connection"):
            await asking


@on_both_loops
async def test_closing_ends_what_waits() -> None:
    seen: asyncio.Queue[IncomingRequest] = asyncio.Queue()
    async with running("udp", seen.put_nowait) as server:
        async with running("udp") as client:
            asking = asyncio.create_task(client.request(options(), Peer("udp", "127.0.0.1", port_of(server, "udp"))))
            await seen.get()
        with pytest.raises(Unreachable, match="closing"):
            await asking


# -- life ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@on_both_loops
async def test_port_in_use(transport: str) -> None:
    async with running(transport) as endpoint:
        second = SipEndpoint([Listen(transport, "127.0.0.1", endpoint.bound[0].port)], accept)
        with pytest.raises(ConfigError) as caught:
            await second.start()
    assert str(caught.value) == f"[sip] listen: {endpoint.bound[0]} can't be used: Address already in use"


@on_both_loops
async def test_tls_without_certificate() -> None:
    with pytest.raises(ConfigError, match=r"tls:127\.0\.0\.1:0 needs tls_cert and tls_key"):
        async with running("udp tls"):
            pass


@on_both_loops
async def test_stop_accepting() -> None:
    async with running("udp tcp") as endpoint, phone(endpoint) as (alice, wire), connected(endpoint) as stream:
        wire.sendto(message(1))
        assert (await alice.answer()).status == 202
        endpoint.stop_accepting()
        wire.sendto(message(1))
        assert (await alice.answer()).status == 202
        wire.sendto(message(2))
        answer = await alice.answer()
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "5")
        await stream.send(message(3, "TCP"))
        assert await stream.status() == 503
        with pytest.raises(ConnectionError):
            async with connected(endpoint):
                pass


@on_both_loops
async def test_trace() -> None:
    seen: list[tuple[str, str, bytes]] = []
    async with running("udp", trace=lambda *all_of: seen.append(all_of)) as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(message())
        answer = await alice.got.get()
        peer = f"udp:127.0.0.1:{alice.transport.get_extra_info('sockname')[1]}"
    assert seen == [("in", peer, message()), ("out", peer, answer)]
