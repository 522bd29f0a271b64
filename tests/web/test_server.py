from __future__ import annotations

import asyncio
import signal

import pytest

from tests.web.conftest import Serve
from voipsms.errors import ConfigError
from voipsms.settings import Listen
from voipsms.web import app, server
from voipsms.web.server import WebServer

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


async def exchange(port: int, *pieces: bytes) -> bytes:
    """What the server says to these octets until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_octets, status",
    [
        (GET + b"Connection: close\r\n\r\n", b"HTTP/1.1 200 "),
        (GET + b"X: " + b"x" * 30_000 + b"\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 "),
        (GET + b"X: " + b"x" * 60_000, b"HTTP/1.1 431 "),
        (b"".join([GET, *(b"X%d: x\r\n" % n for n in range(10_000))]), b"HTTP/1.1 431 "),
        (b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 400 "),
    ],
    ids=["small", "long header", "endless header", "endless headers", "garbage", "bad length"],
)
async def test_heads(serve: Serve, request_octets: bytes, status: bytes) -> None:
    started = await serve(app.build(dict))
    assert (await exchange(started.port, request_octets)).startswith(status)


async def test_byte_by_byte_and_pipelined(serve: Serve) -> None:
    started = await serve(app.build(dict))
    requests = GET + b"\r\n" + GET + b"Connection: close\r\n\r\n"
    assert (await exchange(started.port, *(requests[i : i + 1] for i in range(len(requests))))).count(b"alive") == 2


@pytest.mark.parametrize(
    "piece",
    [b"", GET, b"POST /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"],
    ids=["silence", "half a head", "half a body"],
)
async def test_a_slow_request_ends(serve: Serve, monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(server, "SLOWEST_REQUEST", 0.1)
    started = await serve(app.build(dict))
    answer = await asyncio.wait_for(exchange(started.port, piece), 5)
    assert b"HTTP/1.1 408 " in answer


async def test_a_port_in_use_is_one_clear_line(serve: Serve) -> None:
    taken = (await serve(app.build(dict))).port
    with pytest.raises(ConfigError) as caught:
        await WebServer(app.build(dict), Listen("tcp", "127.0.0.1", taken)).start()
    assert str(caught.value) == f"[http] listen: 127.0.0.1:{taken}: Address already in use"


async def test_an_address_of_another_machine_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"^\[http\] listen: 192\.0\.2\.1:0: [^\n]+$"):
        await WebServer(app.build(dict), Listen("tcp", "192.0.2.1", 0)).start()


async def test_signals_stay_as_they_were_and_stop_frees_the_port() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    started = WebServer(app.build(dict), Listen("tcp", "127.0.0.1", 0))
    await started.start()
    assert {number: signal.getsignal(number) for number in before} == before
    await started.stop()
    await started.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", started.port)
