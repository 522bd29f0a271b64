from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from voipsms.settings import Listen
from voipsms.web.server import Application, WebServer

Serve = Callable[[Application], Awaitable[WebServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server for an application, and stops it after the test."""
    started: list[WebServer] = []

    async def start(app: Application) -> WebServer:
        server = WebServer(app, Listen("tcp", "127.0.0.1", 0))
        await server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()
