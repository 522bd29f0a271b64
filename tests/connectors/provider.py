"""An HTTP provider on loopback: the last segment of the path says how it answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

ANSWERS: dict[str, tuple[int, str, dict[str, str]]] = {
    "ok": (200, "OK", {}),
    "id": (200, "ID: abc-123", {}),
    "json": (202, '{"messageId": "m-7", "status": "queued"}', {}),
    "fail": (200, "ERR: 114, Cannot route message", {}),
    "bad": (400, "no such parameter", {}),
    "busy": (429, "slow down", {"Retry-After": "7"}),
    "busy-for-long": (503, "", {"Retry-After": "999999999"}),
    "busy-silently": (429, "slow down", {}),
    "broken": (500, "oops", {}),
    "moved": (302, "", {"Location": "/ok"}),
    "big": (200, "OK " + "x" * 1_000_000, {}),
    "cookie": (200, "OK", {"Set-Cookie": "s=1"}),
}


class Provider:
    """`requests` are (method, raw path with query, headers, body), in the order in which they arrived."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.release = asyncio.Event()  # lets hanging answers go
        self.arrived = asyncio.Event()
        self.port = 0
        self._runner = web.ServerRunner(web.Server(self._answer), access_log=None, shutdown_timeout=0.1)
        self._faults: dict[str, Callable[[asyncio.Transport], Awaitable[None]]] = {
            "hang": self._hang, "reset": self._reset, "garbage": self._garbage, "half": self._half, "drip": self._drip,
        }  # fmt: skip

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.release.set()
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        self.arrived.set()
        kind = request.path.rpartition("/")[2]
        if fault := self._faults.get(kind):
            await fault(cast(asyncio.Transport, request.transport))
            raise asyncio.CancelledError
        status, text, headers = ANSWERS[kind]
        return web.Response(status=status, text=text, headers=headers)

    async def _hang(self, transport: asyncio.Transport) -> None:
        await self.release.wait()

    async def _reset(self, transport: asyncio.Transport) -> None:
        transport.abort()

    async def _garbage(self, transport: asyncio.Transport) -> None:
        transport.write(b"\x00\xff\r\nnot HTTP\r\n\r\n")
        await self.release.wait()

    async def _half(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nOK ")
        transport.close()

    async def _drip(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.release.is_set() and not transport.is_closing():
            transport.write(b"O")
            await asyncio.sleep(0.02)
