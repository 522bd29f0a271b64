"""A provider that takes every request at once, in as little time as Python can; prints its port."""

from __future__ import annotations

import asyncio
import re
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{"messageId":"%d"}'


class Connection(asyncio.Protocol):
    """Pipelined requests are answered in turn."""

    answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            after = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < after:
                return
            self._received = self._received[after:]
            Connection.answered += 1
            number = Connection.answered
            self._transport.write(_ANSWER % (16 + len(str(number)), number))


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main())
