from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.web.conftest import Serve
from voipsms import metrics
from voipsms.web import app


async def test_alive(serve: Serve) -> None:
    server = await serve(app.build(dict))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}/healthz") as answer,
    ):
        assert (answer.status, await answer.text()) == (200, "alive\n")


@pytest.mark.parametrize(
    "parts, status, body",
    [
        ({}, 200, {"ready": True, "parts": {}}),
        ({"store": None}, 200, {"ready": True, "parts": {"store": "usable"}}),
        (
            {"store": "database is locked", "sip": None},
            503,
            {"ready": False, "parts": {"store": "database is locked", "sip": "usable"}},
        ),
    ],
    ids=["nothing to be ready", "usable", "store not usable"],
)
async def test_ready(serve: Serve, parts: Mapping[str, str | None], status: int, body: object) -> None:
    server = await serve(app.build(lambda: parts))
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.port}/readyz") as answer:
        assert (answer.status, await answer.json()) == (status, body)


async def test_metrics(serve: Serve) -> None:
    metrics.count("refused", "no_credit")
    server = await serve(app.build(dict))
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.port}/metrics") as answer:
        assert answer.headers["Content-Type"] == metrics.exposition()[1]
        assert 'voipsms_messages_refused_total{code="no_credit"}' in await answer.text()


async def test_further_routes(serve: Serve) -> None:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    server = await serve(app.build(dict, [Route("/echo", echo, methods=["POST"])]))
    async with aiohttp.ClientSession() as session:
        for length in (0, 1, 100_000):
            async with session.post(f"http://127.0.0.1:{server.port}/echo", data=b"x" * length) as answer:
                assert await answer.read() == b"x" * length
        async with session.get(f"http://127.0.0.1:{server.port}/nothing") as answer:
            assert answer.status == 404
