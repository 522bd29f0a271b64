"""Answers, octet by octet: whatever a server says, a message is taken, or not, or nobody knows."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.http_rig import Wakes, submit
from voipsms.connectors.http import HttpConnector
from voipsms.errors import OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Submitted

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"


async def told(*answer: bytes) -> str:
    """What becomes of a message that is answered so, in these pieces, before the connection ends."""

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            for piece in answer:
                self._transport.write(piece)
            self._transport.close()

    loop = asyncio.get_running_loop()
    async with await loop.create_server(Server, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        made = GatewaySettings(smsurl=f"http://127.0.0.1:{port}/", timeout=5.0, smsbatch=1)
        connector = HttpConnector(GatewayId(2), made, Wakes())
        try:
            taken = await submit(connector)
        except SubmitError as error:
            return f"{type(error).__name__}: {error.comment}"
        finally:
            await connector.close()
        return f"{Submitted.__name__}: {taken.provider_id}"


@pytest.mark.parametrize(
    "answer, outcome",
    [
        (OK + b"Content-Length: 5\r\n\r\nID: 7", "Submitted: 7"),
        (b"HTTP/1.0 200 OK\r\n\r\nID: 8", "Submitted: 8"),
        (CHUNKED + b"3\r\nID:\r\n2;x=y\r\n 9\r\n0\r\nX: trailer\r\n\r\n", "Submitted: 9"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nID: 7", "Submitted: 7"),
        (OK + b"Set-Cookie: \xff=;;;\r\n" + EMPTY, "Submitted: "),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", "Submitted: "),
        (OK + b"Content-Type: text/plain; charset=utf-16\r\nContent-Length: 3\r\n\r\nabc", "Submitted: "),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n" + EMPTY, "SubmitRefused: HTTP 302: a redirect, "),
        (b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n" + EMPTY, "SubmitRefused: HTTP 302: a redirect"),
        (b"HTTP/1.1 101 No\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", "SubmitRefused: HTTP 101"),
        (b"HTTP/1.1 429 No\r\nRetry-After: \xff\r\n" + EMPTY, "SubmitFailed: HTTP 429"),
        (b"HTTP/1.1 503 No\r\nRetry-After: 9999-99-99\r\n" + EMPTY, "SubmitFailed: HTTP 503"),
        (b"", OutcomeUnknown.__name__),
        (b"OK", OutcomeUnknown.__name__),
        (OK, OutcomeUnknown.__name__),
        (b"HTTP/1.1 999999 OK\r\n\r\n", OutcomeUnknown.__name__),
        (b"HTTP/9.9 200 OK\r\n\r\n", OutcomeUnknown.__name__),
        (OK + b"A B: c\r\n" + EMPTY, OutcomeUnknown.__name__),
        (OK + b"Content-Length: -1\r\n\r\n", OutcomeUnknown.__name__),
        (OK + b"Content-Length: 99999999999999999999\r\n\r\nOK", OutcomeUnknown.__name__),
        (OK + b"X: " + b"y" * 100_000 + b"\r\n" + EMPTY, OutcomeUnknown.__name__),
        (OK + b"X: y\r\n" * 20_000 + EMPTY, OutcomeUnknown.__name__),
        (CHUNKED + b"zz\r\n", OutcomeUnknown.__name__),
        (CHUNKED + b"2\r\nOKxx", OutcomeUnknown.__name__),
        (CHUNKED + b"-1\r\n", OutcomeUnknown.__name__),
        (CHUNKED + b"FFFFFFFFFFFFFFFFFFFF\r\n", OutcomeUnknown.__name__),
        (CHUNKED + b"2\r\nOK\r\n0\r\nX: " + b"y" * 100_000, OutcomeUnknown.__name__),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000], ids=["octet by octet", "whole"])
async def test_one_answer_has_one_meaning(answer: bytes, outcome: str, size: int) -> None:
    if size == 1 and len(answer) > 1000:
        size = 997
    assert (await told(*(answer[at : at + size] for at in range(0, len(answer), size)))).startswith(outcome)


PIECES = [
    b"HTTP/1.1 ", b"200 OK", b"302 Found", b"429 No", b"\r\n", b"\r\n\r\n", b"Content-Length: ", b"5", b"-1", b"0",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Location: ", b"http://[", b"Retry-After: ",
    b"Content-Type: text/plain; charset=", b"utf-7", b"idna", b"\x00", b"\xff", b"ID: 1", b"{", b"<a>", b": ",
]  # fmt: skip
answers = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=12).map(
    lambda some: OK[:9] + b"".join(some)
)


@settings(max_examples=150, deadline=None)
@given(answer=answers)
def test_no_answer_raises_anything_else(answer: bytes) -> None:
    known = (Submitted, SubmitRefused, SubmitFailed, OutcomeUnknown)
    outcome = asyncio.run(told(answer)).partition(":")[0]
    assert outcome in {kind.__name__ for kind in known} | {"Throttled"}
