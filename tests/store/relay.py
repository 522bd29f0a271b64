"""Between a client and MariaDB: lets everything through until it is told to break a COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

_COMMIT = b"\x07\x00\x00\x00\x03COMMIT"  # a packet of 7 octets, number 0: COM_QUERY


class Cut(Enum):
    """Where the connection breaks."""

    BEFORE = "the COMMIT does not reach the server"
    AFTER = "its answer does not reach the client"


class Relay:
    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.cut: Cut | None = None  # what happens to the next COMMIT; then nobody gets through while `shut`
        self.shut = False
        self.shut_after_cut = False
        self.cuts = 0
        self._clients: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        with suppress(ConnectionError):
            if not self.shut:
                await self._relay(reader, writer)
        writer.close()
        self._clients.discard(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        answers = asyncio.ensure_future(_pour(server_reader, writer))
        try:
            while octets := await reader.read(1 << 16):
                if self.cut and octets == _COMMIT:
                    await self._break(server_writer, answers)
                    return
                server_writer.write(octets)
        finally:
            answers.cancel()
            with suppress(asyncio.CancelledError):
                await answers
            server_writer.close()

    async def _break(self, server_writer: asyncio.StreamWriter, answers: asyncio.Future[None]) -> None:
        cut, self.cut, self.shut = self.cut, None, self.shut_after_cut
        self.cuts += 1
        if cut is Cut.AFTER:
            answers.cancel()
            server_writer.write(_COMMIT + b"\x01\x00\x00\x00\x01")  # and COM_QUIT
            await server_writer.drain()

    def close(self) -> None:
        for writer in self._clients:
            writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while octets := await reader.read(1 << 16):
            writer.write(octets)


@asynccontextmanager
async def relaying(port: int) -> AsyncIterator[Relay]:
    relay = Relay(port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.close()
        await server.wait_closed()
