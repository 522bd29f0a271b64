"""uvicorn inside our event loop: it neither takes signals nor ends the process, and no peer holds it up.

uvicorn's httptools protocol bounds neither the head of a request nor the time it may take; ours does both.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from voipsms import metrics
from voipsms.errors import ConfigError
from voipsms.settings import Listen

LONGEST_HEAD = 32 * 1024  # octets of request line and headers
SLOWEST_REQUEST = 20.0  # seconds from a connection's or request's first octet to the request's last
MOST_CONNECTIONS = 1000
GRACE = 3  # seconds that requests under way get when we stop

Application = Callable[[Any, Any, Any], Awaitable[None]]  # ASGI 3


class _Joining:
    """A transport that writes once what is written in one turn of the loop: uvicorn writes an answer's head and body
    apart, which would be two packets, and two calls of the system."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, octets: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(octets)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, []
            self._transport.write(b"".join(held))


class _Bounded(HttpToolsProtocol):
    head = 0  # octets of the head under way, at the most
    in_head = True
    deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_clock()

    def on_headers_complete(self) -> None:
        self.head, self.in_head = 0, False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_clock()
        self.head, self.in_head = 0, True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self.head += len(data)
        super().data_received(data)
        if self.in_head and self.head > LONGEST_HEAD and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def send_400_response(self, msg: str) -> None:
        metrics.count("malformed", "http")
        super().send_400_response(msg)

    def _refuse(self, status: bytes) -> None:
        metrics.count("malformed", "http")
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.transport.close()

    def _start_clock(self) -> None:
        self._stop_clock()
        self.deadline = self.loop.call_later(SLOWEST_REQUEST, self._refuse, b"408 Request Timeout")

    def _stop_clock(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class _Embedded(uvicorn.Server):
    """uvicorn's server without its signal handlers, telling when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


def _bind(listen: Listen, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((listen.host, listen.port))
        bound.listen(1024)
    except OSError as error:
        bound.close()
        raise ConfigError(f"{setting}: {listen.host}:{listen.port}: {error.strerror or error}") from error
    bound.setblocking(False)
    return bound


class WebServer:
    """Serves one ASGI application at one address from `start` to `stop`. `setting`: what names the address."""

    def __init__(self, app: Application, listen: Listen, setting: str = "[http] listen") -> None:
        self.listen = listen
        self._setting = setting
        self.port = listen.port  # the real one once started
        config = uvicorn.Config(
            app, http=_Bounded, loop="none", lifespan="off", ws="none", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE,
        )  # fmt: skip
        self._server = _Embedded(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens when it returns. Raises ConfigError where the address can't be had."""
        bound = _bind(self.listen, self._setting)
        self.port = bound.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]), name="http")
        await self._server.listening.wait()

    async def stop(self) -> None:
        """Ends when requests under way have been answered, or after GRACE."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._task = None
