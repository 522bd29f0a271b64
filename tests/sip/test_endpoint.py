"""The endpoint on real sockets of 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.sip.loops import on_both_loops
from voipsms.config import Listen
from voipsms.sip.connection import Peer
from voipsms.sip.endpoint import IncomingRequest, SipEndpoint
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, parse_message


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

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

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
    port = next(at.port for at in endpoint.bound if at.transport == "udp")
    transport, protocol = await loop.create_datagram_endpoint(Phone, remote_addr=("127.0.0.1", port))
    try:
        yield protocol, transport
    finally:
        transport.close()
        await asyncio.sleep(0)


@on_both_loops
async def test_udp_request_is_answered() -> None:
    async with running() as endpoint, phone(endpoint) as (alice, wire):
        wire.sendto(message())
        answer = await alice.answer()
    assert (answer.status, answer.headers.get("Call-ID")) == (202, "call1")
    assert "received=127.0.0.1" in answer.headers.get("Via")
    assert ";tag=" in answer.headers.get("To")


@on_both_loops
async def test_request_between_endpoints() -> None:
    async with running("udp tcp") as server, running("udp") as client:
        for body in (b"short", b"x" * 2000):
            request = Request("MESSAGE", "sip:1@x", Headers(fields()), body)
            answer = await client.request(request, Peer("udp", "127.0.0.1", server.bound[0].port))
            assert answer.status == 202


def fields() -> list[tuple[str, str]]:
    return [("From", "<sip:a@b>;tag=1"), ("To", "<sip:1@x>"), ("Call-ID", "abc"), ("CSeq", "1 MESSAGE")]
