"""An HTTP provider on loopback: the last segment of the path says how it answers."""

from __future__ import annotations

import asyncio
import gzip
import re
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable
from email.utils import formatdate
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
    "moved-for-good": (308, "", {"Location": "https://user:pw@elsewhere.test/ok?password=hush"}),
    "moved-nowhere": (301, "<html>moved</html>", {}),
    "early": (425, "", {}),
    "slow": (408, "", {}),
}

# Content-Encoding or charset, and the octets
BODIES: dict[str, tuple[dict[str, str], bytes]] = {
    "gzip": ({"Content-Encoding": "gzip"}, gzip.compress(b"ID: zipped-1")),
    "deflate": ({"Content-Encoding": "deflate"}, zlib.compress(b"ID: zipped-2")),
    "bomb": ({"Content-Encoding": "GZIP"}, gzip.compress(b"OK " + b"x" * 50_000_000)),
    "not-gzip": ({"Content-Encoding": "gzip"}, b"ID: plain-1"),
    "brotli": ({"Content-Encoding": "br"}, b"\x0b\x02\x80OK\x03"),
    "latin1": ({"Content-Type": "text/plain; charset=ISO-8859-1"}, "envoyé".encode("latin-1")),
    "utf16": ({"Content-Type": 'text/plain; charset="utf-16"'}, "envoyé".encode("utf-16")),
    "utf8": ({"Content-Type": "text/plain"}, "envoyé".encode()),
    "martian": ({"Content-Type": "text/plain; charset=martian"}, "envoyé".encode()),
    "hexadecimal": ({"Content-Type": "text/plain; charset=hex"}, "envoyé".encode()),
    "idna": ({"Content-Type": "text/plain; charset=idna"}, "envoyé".encode()),
    "wrong": ({"Content-Type": "text/plain; charset=utf-8"}, "ID: é-1 envoy\udcff".encode("utf-8", "surrogateescape")),
}


def _entry(number: str) -> dict[str, object]:
    """Numbers that end in 9 are refused."""
    return (
        {"to": number, "error": "unknown subscriber"} if number.endswith("9") else {"to": number, "id": f"i-{number}"}
    )


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
            "slow-head": self._slow_head, "long-head": self._long_head, "endless-head": self._endless_head,
            "reset-midway": self._reset_midway, "old": self._old,
            "bad-chunk": self._bad_chunk, "bad-length": self._bad_length,
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
        if "/echo/" in request.path:
            return web.Response(text=f"OK {request.path} {request.query_string}")
        if kind == "each":
            return web.json_response({"messages": [_entry(number) for number in re.split("[,;]", request.query["to"])]})
        if kind == "chunked":
            return await self._chunked(request)
        if kind == "busy-until":
            later = formatdate(time.time() + 60, usegmt=True)
            return web.Response(status=503, headers={"Retry-After": later})
        if kind in BODIES:
            headers, body = BODIES[kind]
            return web.Response(body=body, headers=headers)
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

    async def _chunked(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in (b"I", b"D: ", b"chunk", b"ed-1"):
            await response.write(piece)
        await response.write_eof()
        return response

    async def _slow_head(self, transport: asyncio.Transport) -> None:
        for octet in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
            if self.release.is_set() or transport.is_closing():
                return
            transport.write(bytes([octet]))
            await asyncio.sleep(0.02)

    async def _long_head(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\nOK")
        await self.release.wait()

    async def _endless_head(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"Content-Length: 2\r\n\r\nOK")
        await self.release.wait()

    async def _reset_midway(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        transport.abort()

    async def _old(self, transport: asyncio.Transport) -> None:
        """HTTP/1.0, whose answers end with the connection."""
        transport.write(b"HTTP/1.0 200 OK\r\n\r\nID: ")
        await asyncio.sleep(0)
        transport.write(b"old-1")
        transport.close()

    async def _bad_chunk(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n")
        await asyncio.sleep(0)
        transport.write(b"zz\r\nnone\r\n")
        await self.release.wait()

    async def _bad_length(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Length: 2\r\n\r\nOK")
        await self.release.wait()
