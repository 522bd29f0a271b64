"""An ESME client on a simulator, both real, over a loopback socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from voipsms.gateway_settings import SmppSettings
from voipsms.smpp.client import Client
from voipsms.smpp.codec import decode, encode
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import RESPONSE, Answer, BindAnswer, Pdu, ShortMessage
from voipsms.smpp.simulator import Simulator

PATIENCE = 10.0  # seconds; nothing takes so long unless it is broken


async def until(condition: Callable[[], object]) -> None:
    """Lets the loop turn until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in code that has no event for us
            await asyncio.sleep(0.002)


def message(destination: str = "36301234567", text: bytes = b"hello", registered: int = 1) -> ShortMessage:
    return ShortMessage(
        "", 5, 0, "Foo", 1, 1, destination, registered_delivery=registered, short_message=text
    )  # fmt: skip


class Esme:
    """A client that keeps what it receives and acknowledges it."""

    def __init__(self, port: int, settings: SmppSettings, trace: Callable[[str, str], None] | None = None) -> None:
        self.received: list[Pdu] = []
        self.wakes = 0
        self.answer: Callable[[Link, Pdu], None] = lambda link, pdu: link.respond(pdu, 0, Answer())
        self.client = Client(
            replace(settings, server=settings.server or "127.0.0.1", serverport=port),
            on_request=self._on_request,
            on_room=self._on_room,
            trace=trace,
            delays=(0.01, 0.05),
        )

    def _on_request(self, link: Link, pdu: Pdu) -> None:
        self.received.append(pdu)
        self.answer(link, pdu)

    def _on_room(self) -> None:
        self.wakes += 1

    async def submit(self, body: ShortMessage) -> Pdu:
        async with asyncio.timeout(PATIENCE):
            return await self.client.submit(body)

    def texts(self) -> list[str]:
        return [pdu.body.short_message.decode() for pdu in self.received if isinstance(pdu.body, ShortMessage)]


@asynccontextmanager
async def running(
    simulator: Simulator, settings: SmppSettings | None = None, *, bound: bool = True,
    trace: Callable[[str, str], None] | None = None,
) -> AsyncIterator[Esme]:  # fmt: skip
    """An ESME whose sessions are kept; `bound`: they are all there already."""
    settings = settings or SmppSettings(response=5.0)
    esme = Esme(simulator.port, settings, trace)
    keeping = asyncio.create_task(esme.client.run())
    try:
        if bound:
            sessions = settings.sessions + (settings.bind == "tx" or settings.version == 33)
            await until(lambda: simulator.counts["binds"] >= sessions and esme.client.free())
        yield esme
    finally:
        await esme.client.close()
        keeping.cancel()
        await asyncio.wait((keeping,))


class HandSession:
    """One connection to the client, PDU by PDU."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> Pdu:
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(4)
            return decode(head + await self.reader.readexactly(int.from_bytes(head, "big") - 4))

    def write(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def accept_bind(self) -> None:
        bind = await self.read()
        self.write(encode(bind.command_id | RESPONSE, 0, bind.sequence_number, BindAnswer("smsc")))


class HandSmsc(Simulator):
    """As a peer of `running`, but every connection is a HandSession in `connections`."""

    async def __aenter__(self) -> HandSmsc:
        self.connections: asyncio.Queue[HandSession] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for writer in self.writers:
            writer.close()
            await asyncio.wait((asyncio.ensure_future(writer.wait_closed()),))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.connections.put_nowait(HandSession(reader, writer))
