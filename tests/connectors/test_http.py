from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from tests.connectors.messages import message
from tests.connectors.provider import Provider
from tests.peers import certificates
from voipsms import __version__
from voipsms.connectors import reachable
from voipsms.connectors.http import HttpConnector
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, State, Submitted

Connect = Callable[..., HttpConnector]
MOVED = "HTTP 302: a redirect to /ok, which is not followed: smsurl must be the final address"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    started = Provider()
    await started.start()
    yield started
    await started.stop()


class Wakes:
    """Counts the calls of `wake`."""

    def __init__(self) -> None:
        self.count = 0
        self.called = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.called.set()


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
async def connect(wakes: Wakes) -> AsyncIterator[Connect]:
    """Makes a connector from GatewaySettings' fields, and closes it after the test."""
    made: list[HttpConnector] = []

    def make(url: str, trace: LogMethod | None = None, mask: bool = True, **fields: object) -> HttpConnector:
        settings = GatewaySettings(smsurl=url, **{"timeout": 5.0, **fields})  # type: ignore[arg-type]
        made.append(HttpConnector(GatewayId(2), settings, wakes, trace=trace, mask=mask))
        return made[-1]

    yield make
    for connector in made:
        await connector.close()


def submit(connector: HttpConnector, text: str = "hello", **fields: str) -> Awaitable[Submitted]:
    (part,) = connector.split(message(text, **fields))  # type: ignore[arg-type]
    return connector.submit(part)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- requests -----------------------------------------------------------------------------------------------------


async def test_get(provider: Provider, connect: Connect) -> None:
    text = "a+b&c=[tonum]%41 é\U0001f600\r\n\x00#?/{{1}}"
    connector = connect(
        provider.url("id?to=[tonum]&from=[fromnum]&text=[message]&id=[smsid]"), smssendheader="X-Key: k"
    )
    assert await submit(connector, text) == Submitted("abc-123", State.ACCEPTED, "HTTP 200: ID: abc-123")
    ((method, path, headers, body),) = provider.requests
    assert (method, path.partition("?")[0], body) == ("GET", "/id", b"")
    assert parse_qsl(path.partition("?")[2]) == [
        ("to", "36209876543"),
        ("from", "36301234567"),
        ("text", text),
        ("id", "1"),
    ]
    assert {name.lower(): value for name, value in headers.items()} == {
        "host": f"127.0.0.1:{provider.port}", "x-key": "k", "accept": "*/*", "user-agent": f"voipsms/{__version__}",
        "accept-encoding": "identity",
    }  # fmt: skip


async def test_post(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("[tonum]/json"), smssenddata='{"t":"[message]"}')
    assert await submit(connector, 'é"') == Submitted(
        "m-7", State.ACCEPTED, 'HTTP 202: {"messageId": "m-7", "status": "queued"}'
    )
    ((method, path, headers, body),) = provider.requests
    assert (method, path, body) == ("POST", "/36209876543/json", b'{"t":"\\u00e9\\""}')
    assert headers["Content-Type"] == "application/json"


async def test_path_values_keep_their_escapes(provider: Provider, connect: Connect) -> None:
    await submit(connect(provider.url("x/[message]/ok")), "a/b?c%2F.é#")
    assert provider.requests[0][1] == "/x/a%2Fb%3Fc%252F.%C3%A9%23/ok"


async def test_no_cookie_comes_back(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("cookie"))
    for _ in range(2):
        await submit(connector)
    assert "Cookie" not in provider.requests[1][2]


@pytest.mark.parametrize("text", ["..", "x" * 70_000], ids=["dots in the path", "a URL too long"])
async def test_what_cannot_be_written_is_refused_without_a_request(
    provider: Provider, connect: Connect, text: str
) -> None:
    with pytest.raises(SubmitRefused, match="no request can be made of it"):
        await submit(connect(provider.url("[message]/ok")), text)
    assert provider.requests == []


async def test_a_template_at_fault_stops_the_start(connect: Connect) -> None:
    with pytest.raises(ConfigError, match=r"\[global\] smsurl: character 16: unknown keyword"):
        connect("http://a.test/?[nothing]")


# -- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, comment, provider_id",
    [("ok", "HTTP 200: OK", ""), ("id", "HTTP 200: ID: abc-123", "abc-123"), ("big", "HTTP 200: OK " + "x" * 187, "")],
)
async def test_taken(provider: Provider, connect: Connect, path: str, comment: str, provider_id: str) -> None:
    connector = connect(provider.url(path))
    for _ in range(2):
        assert await submit(connector) == Submitted(provider_id, State.ACCEPTED, comment)
    assert connector.free() == 20


@pytest.mark.parametrize(
    "path, error, comment, pause",
    [
        ("fail", SubmitRefused, "HTTP 200: ERR: 114, Cannot route message", None),
        ("bad", SubmitRefused, "HTTP 400: no such parameter", None),
        ("moved", SubmitRefused, MOVED, None),
        ("busy", Throttled, "HTTP 429: slow down", 7.0),
        ("busy-for-long", Throttled, "HTTP 503", 3600.0),
        ("busy-silently", SubmitFailed, "HTTP 429: slow down", None),
        ("broken", SubmitFailed, "HTTP 500: oops", None),
    ],
)
async def test_not_taken(
    provider: Provider, connect: Connect, path: str, error: type[SubmitError], comment: str, pause: float | None
) -> None:
    connector = connect(provider.url(path))
    with pytest.raises(error) as caught:
        await submit(connector)
    assert type(caught.value) is error
    assert caught.value.comment == comment
    assert getattr(caught.value, "retry_after", None) == pause
    assert len(provider.requests) == 1
    assert connector.free() == 20


async def test_the_operator_s_words(provider: Provider, connect: Connect) -> None:
    assert await submit(connect(provider.url("fail"), smssuccessstring="114|115"))
    with pytest.raises(SubmitRefused):
        await submit(connect(provider.url("ok"), smsfailstring="OK"))


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "to=[tonum]"], ids=["GET", "POST"])
@pytest.mark.parametrize("path", ["hang", "reset", "garbage", "half", "drip"])
@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept connection"])
async def test_after_the_request_was_sent_nobody_knows(
    provider: Provider, connect: Connect, path: str, body: str, warm: bool
) -> None:
    connector = connect(provider.url("[message]"), smssenddata=body, timeout=0.3)
    if warm:
        await submit(connector, "ok")
    with pytest.raises(OutcomeUnknown):
        await submit(connector, path)
    assert [request[1] for request in provider.requests] == ["/ok", f"/{path}"][not warm :]  # never repeated
    assert (connector.ready, connector.last_error) == (True, "")
    assert connector.free() == 20
    assert await submit(connector, "ok")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nothing_was_sent_where_nobody_listens(connect: Connect, scheme: str) -> None:
    connector = connect(f"{scheme}://127.0.0.1:{closed_port()}/")
    with pytest.raises(GatewayDown, match="Connect call failed"):
        await submit(connector)
    assert connector.free() == 0
    assert not connector.ready
    assert "Connect call failed" in connector.last_error


async def test_nothing_was_sent_where_tls_fails(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("ok").replace("http:", "https:"))
    with pytest.raises(GatewayDown):
        await submit(connector)
    assert provider.requests == []


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[Provider, Path]]:
    """A provider by TLS, and the PEM file of the authority that vouches for it."""
    ca = certificates.authority(tmp_path)
    server = certificates.server(tmp_path, ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.certificate, server.key)
    started = Provider()
    await started.start(context)
    yield started, ca.certificate
    await started.stop()


async def test_tls(secure: tuple[Provider, Path], connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, authority = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    connector = connect(provider.url("ok").replace("http:", "https:"))
    await connector.probe()
    assert await submit(connector)


async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(
    secure: tuple[Provider, Path], connect: Connect
) -> None:
    provider, _ = secure
    connector = connect(provider.url("ok").replace("http:", "https:"))
    with pytest.raises(GatewayDown, match="certificate verify failed"):
        await connector.probe()
    with pytest.raises(GatewayDown, match="certificate verify failed"):
        await submit(connector)
    assert provider.requests == []


async def test_nothing_was_sent_where_no_connection_came_about(connect: Connect) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:  # the kernel answers no further SYN once the backlog is full
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        connector = connect(f"http://127.0.0.1:{port}/", timeout=0.3)
        with pytest.raises(GatewayDown, match=r"no connection within 0\.225 s"):
            await submit(connector)
        for filler in fillers:
            filler.close()


async def test_a_gateway_comes_back_by_itself(
    provider: Provider, connect: Connect, wakes: Wakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachable, "FIRST_PROBE", 0.01)
    connector = connect(provider.url("ok"))
    running = asyncio.create_task(connector.run())
    await provider.stop()
    with pytest.raises(GatewayDown):
        await submit(connector)
    with pytest.raises(GatewayDown, match=rf"^127\.0\.0\.1:{provider.port}: "):
        await connector.probe()
    again = Provider()
    again.port = provider.port
    await again.start()
    async with asyncio.timeout(5):
        await wakes.called.wait()
    assert (connector.free(), connector.ready, connector.last_error) == (20, True, "")
    assert await submit(connector)
    assert again.requests[0][1] == "/ok"  # looking at it sent nothing
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.stop()


async def test_probe(provider: Provider, connect: Connect) -> None:
    await connect(provider.url("ok")).probe()
    assert provider.requests == []
    with pytest.raises(GatewayDown):
        await connect(provider.url("ok").replace("http:", "https:")).probe()


# -- the port -----------------------------------------------------------------------------------------------------


async def test_one_part_is_the_whole_text(connect: Connect) -> None:
    whole = message("x" * 1000)
    (part,) = connect("http://127.0.0.1:1/").split(whole)
    assert (part.message, part.number, part.total, part.user_data, part.udh) == (whole, 1, 1, b"", b"")


async def test_connections_are_bounded_and_a_free_one_wakes(provider: Provider, connect: Connect, wakes: Wakes) -> None:
    connector = connect(provider.url("[message]"), connections=2)
    hanging = asyncio.ensure_future(submit(connector, "hang"))
    await provider.arrived.wait()
    assert (connector.free(), wakes.count) == (1, 0)
    await submit(connector, "ok")
    assert (connector.free(), wakes.count) == (1, 1)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    assert (connector.free(), wakes.count) == (2, 1)


class Traced:
    def __init__(self) -> None:
        self.fields: dict[str, object] = {}

    def __call__(self, event: str, /, **fields: object) -> None:
        self.fields = fields


@pytest.mark.parametrize("mask", [True, False])
async def test_an_exchange_is_traced_without_secrets(provider: Provider, connect: Connect, mask: bool) -> None:
    traced = Traced()
    connector = connect(
        provider.url("id?user=u&password=hush&to=[tonum]"), traced, mask,
        smssenddata="pin=hush&text=[message]", smssendheader="Authorization: Bearer hush",
    )  # fmt: skip
    await submit(connector, "private")
    request, answer = str(traced.fields["request"]), str(traced.fields["answer"])
    assert "hush" not in request
    assert request.startswith(f"POST {provider.url('id?user=u&password=***&to=')}")
    assert "pin=***&text=" in request
    assert ("private" in request, "36209876543" in request) == (not mask, not mask)
    assert answer == "HTTP 200\nID: abc-123"
    assert (traced.fields["gateway"], traced.fields["id"]) == ("default", 1)


async def test_a_fault_is_traced(connect: Connect) -> None:
    traced = Traced()
    with pytest.raises(GatewayDown):
        await submit(connect(f"http://127.0.0.1:{closed_port()}/", traced))
    assert str(traced.fields["answer"]).startswith("gateway_down: ")
