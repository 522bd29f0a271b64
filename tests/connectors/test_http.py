from __future__ import annotations

import asyncio
import socket
from urllib.parse import parse_qsl

import pytest

from tests.connectors.http_rig import Connect, Traced, Wakes, closed_port, submit
from tests.connectors.messages import message
from tests.connectors.provider import Provider
from voipsms import __version__
from voipsms.connectors import reachable
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.model import State, Submitted

MOVED = "HTTP 302: a redirect to /ok, which is not followed: smsurl must be the final address"


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
        ("early", SubmitFailed, "HTTP 425", None),
        ("slow", SubmitFailed, "HTTP 408", None),
        (
            "moved-for-good",
            SubmitRefused,
            MOVED.replace("302", "308").replace("/ok", "https://***@elsewhere.test/ok"),
            None,
        ),
        ("moved-nowhere", SubmitRefused, MOVED.replace("302", "301").replace(" to /ok", ""), None),
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


async def test_a_pause_until_a_date(provider: Provider, connect: Connect) -> None:
    with pytest.raises(Throttled) as caught:
        await submit(connect(provider.url("busy-until")))
    assert 50 < caught.value.retry_after <= 60


@pytest.mark.parametrize(
    "path, provider_id",
    [("gzip", "zipped-1"), ("deflate", "zipped-2"), ("not-gzip", "plain-1"), ("bomb", ""), ("brotli", ""),
     ("chunked", "chunked-1"), ("old", "old-1")],
)  # fmt: skip
async def test_packed_answers(provider: Provider, connect: Connect, path: str, provider_id: str) -> None:
    taken = await submit(connect(provider.url(path)))
    assert (taken.provider_id, len(taken.comment) <= 200) == (provider_id, True)


@pytest.mark.parametrize("path", ["latin1", "utf16", "utf8", "martian", "hexadecimal", "idna"])
async def test_answers_in_their_charset(provider: Provider, connect: Connect, path: str) -> None:
    taken = await submit(connect(provider.url(path), smssuccessstring="envoyé"))
    assert taken.comment == "HTTP 200: envoyé"


async def test_an_answer_that_is_not_in_its_charset(provider: Provider, connect: Connect) -> None:
    assert (await submit(connect(provider.url("wrong")))).comment == "HTTP 200: ID: é-1 envoy\ufffd"


async def test_a_pattern_that_takes_too_long_leaves_the_outcome_unknown(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("big"), smssuccessstring=r"re:(\w+ ?)+!")
    with pytest.raises(OutcomeUnknown, match="takes too long"):
        await submit(connector)
    assert connector.free() == 20


async def test_the_operator_s_words(provider: Provider, connect: Connect) -> None:
    assert await submit(connect(provider.url("fail"), smssuccessstring="114|115"))
    with pytest.raises(SubmitRefused):
        await submit(connect(provider.url("ok"), smsfailstring="OK"))


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "to=[tonum]"], ids=["GET", "POST"])
@pytest.mark.parametrize("path", ["hang", "reset", "garbage", "half", "drip", "slow-head", "long-head", "endless-head",
                                  "reset-midway", "bad-chunk", "bad-length"])  # fmt: skip
@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept connection"])
async def test_after_the_request_was_sent_nobody_knows(
    provider: Provider, connect: Connect, path: str, body: str, warm: bool
) -> None:
    connector = connect(provider.url("[message]?password=hush"), smssenddata=body, timeout=0.3)
    if warm:
        await submit(connector, "ok")
    with pytest.raises(OutcomeUnknown) as caught:
        await submit(connector, path)
    assert "hush" not in caught.value.comment
    asked = [request[1].partition("?")[0] for request in provider.requests]
    assert asked == ["/ok", f"/{path}"][not warm :]  # never repeated
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


@pytest.mark.parametrize("mask", [True, False])
async def test_an_exchange_is_traced_without_secrets(provider: Provider, connect: Connect, mask: bool) -> None:
    traced = Traced()
    connector = connect(
        provider.url("id?user=u&password=hush&to=[tonum]"), options={"trace": traced, "mask": mask},
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
        await submit(connect(f"http://127.0.0.1:{closed_port()}/", options={"trace": traced}))
    assert str(traced.fields["answer"]).startswith("gateway_down: ")


async def test_credentials_are_in_no_log_wherever_they_stand(provider: Provider, connect: Connect) -> None:
    """Not by the names around them, but because they are what they are."""
    traced = Traced()
    connector = connect(
        provider.url("echo/[password]?x=[apikey]"), options={"trace": traced, "mask": False},
        smssenddata='{"x": "[password]", "y": ["[apikey]"]}', smssendheader="Content-Language: [apikey]",
        password="pass/word", apikey="ke&y",
    )  # fmt: skip
    assert (await submit(connector)).comment == "HTTP 200: OK /echo/*** x=***"
    assert not any(secret in str(traced.fields) for secret in ("pass/word", "pass%2Fword", "ke&y", "ke%26y"))
    shown = "\n".join(await connector.describe(message("text")))
    assert "/echo/" in shown
    assert not any(secret in shown for secret in ("pass/word", "pass%2Fword", "ke&y", "ke%26y"))
