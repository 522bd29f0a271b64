"""A user's program on loopback, which answers as it is told to, in order, and 200 from then on."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Hook:
    """`answers`: statuses with headers and body. `requests`: (method, raw path, headers, body) as they came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], str]] = []
        self.connections = 0
        self.speaks = asyncio.Event()  # cleared: it answers nothing
        self.speaks.set()
        self._seen: set[int] = set()
        self._runner = web.ServerRunner(web.Server(self._answer), access_log=None, shutdown_timeout=0.1)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.speaks.set()
        await self._runner.cleanup()

    def url(self, path: str = "sms", userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}/{path}"

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if id(request.protocol) not in self._seen:
            self._seen.add(id(request.protocol))
            self.connections += 1
        self.requests.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        await self.speaks.wait()
        status, headers, text = self.answers.pop(0) if self.answers else (200, {}, "")
        return web.Response(status=status, headers=headers, text=text)
