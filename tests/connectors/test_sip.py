from __future__ import annotations

import asyncio
import functools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.messages import message
from tests.connectors.rig import Traces, Wakes, submit, until
from tests.connectors.trunk import PASSWORD, USER, SipTrunk
from tests.peers import certificates
from tests.peers.ports import free_port
from tests.peers.sipp import Answerer
from tests.sip.loops import on_both_loops
from voipsms.connectors.sip import SipConnector
from voipsms.connectors.sip_answer import Meaning, meaning, retry_after
from voipsms.connectors.template import values
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, Part, State
from voipsms.sip.endpoint import Peer
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, parse_message
from voipsms.sip.uri import NameAddr, Uri
from voipsms.values import replace

Connect = Callable[..., SipConnector]
T1 = 0.02  # seconds: timer F ends after 1.3


@pytest.fixture
async def trunk() -> AsyncIterator[SipTrunk]:
    started = SipTrunk()
    await started.start("udp", "tcp")
    yield started
    await started.stop()


@pytest.fixture
async def connect(tmp_path: Path) -> AsyncIterator[Connect]:
    """Makes a connector and closes it after the test."""
    made: list[SipConnector] = []

    def make(
        url: str, wake: Wakes | None = None, trace: LogMethod | None = None, mask: bool = True, **fields: object
    ) -> SipConnector:
        told = GatewaySettings(smsurl=url, **{"timeout": 5.0, **fields})  # type: ignore[arg-type]
        made.append(SipConnector(GatewayId(2), told, wake or Wakes(), tmp_path, trace=trace, mask=mask, t1=T1))
        return made[-1]

    yield make
    for connector in made:
        await connector.close()


def url(trunk: SipTrunk, transport: str = "udp") -> str:
    end = "" if transport == "udp" else f";transport={transport}"
    return f"sip:+[tonum]@127.0.0.1:{trunk.port(transport)}{end}"


# -- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_message(trunk: SipTrunk, connect: Connect, transport: str) -> None:
    connector = connect(url(trunk, transport))
    text = "é\U0001f600\r\n\r\nBYE sip:x SIP/2.0\0"
    taken = await submit(connector, text)
    (request,) = trunk.requests
    assert (taken.provider_id, taken.state, taken.comment) == (
        request.headers.get("Call-ID"), State.ACCEPTED, "SIP 202 Accepted",
    )  # fmt: skip
    assert request.method == "MESSAGE"
    assert request.uri == url(trunk, transport).replace("[tonum]", "36209876543")
    assert request.headers.get("To") == "<sip:+36209876543@127.0.0.1>"
    assert request.headers.get("From").partition(";tag=")[0] == "<sip:36301234567@127.0.0.1>"
    assert NameAddr.parse(request.headers.get("From")).tag
    assert request.headers.get("CSeq") == "1 MESSAGE"
    assert request.headers.get("Content-Type") == "text/plain;charset=UTF-8"
    assert "Contact" not in request.headers  # RFC 3428 §4
    assert request.body == text.encode()
    assert trunk.transports == [transport]


async def test_sender_headers_and_body_by_template(trunk: SipTrunk, connect: Connect) -> None:
    connector = connect(
        url(trunk), sender="ACME <x>", smssenddata="[fromnum]: [message]",
        smssendheader="P-Asserted-Identity: <sip:[option]@x.test>|X-Id: [smsid] [message]", option="a@b>",
    )  # fmt: skip
    await submit(connector, "a\r\nX: y")
    headers = trunk.requests[0].headers
    assert NameAddr.parse(headers.get("From")).uri == Uri("sip", "ACME <x>", "127.0.0.1")
    assert headers.get("P-Asserted-Identity") == "<sip:a@b%3E@x.test>"
    assert headers.get("X-Id") == "1 a%0D%0AX:%20y"
    assert trunk.requests[0].body == b"ACME <x>: a\r\nX: y"


async def test_from_as_the_operator_writes_it(trunk: SipTrunk, connect: Connect) -> None:
    await submit(connect(url(trunk), smssendheader="From: <sip:+[fromnum]@acme.test>"))
    found = NameAddr.parse(trunk.requests[0].headers.get("From"))
    assert (found.uri, bool(found.tag)) == (Uri("sip", "+36301234567", "acme.test"), True)
    assert len(trunk.requests[0].headers.get_all("From")) == 1


async def test_long_ones_go_by_tcp_where_that_is_there(trunk: SipTrunk, connect: Connect) -> None:
    alone = SipTrunk()
    await alone.start("udp")
    both = SipTrunk()
    port = free_port()
    await both.start("udp", "tcp", ports=(port, port))
    for peer in (both, alone):
        connector = connect(url(peer))
        await submit(connector, "x" * 100)
        await submit(connector, "x" * 1300)
    assert (both.transports, alone.transports) == (["udp", "tcp"], ["udp", "udp"])
    assert len(alone.requests[1].body) == 1300
    await alone.stop()
    await both.stop()


async def test_tls(tmp_path: Path, connect: Connect) -> None:
    ca = certificates.authority(tmp_path)
    server = certificates.server(tmp_path, ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.certificate, server.key)
    trunk = SipTrunk()
    await trunk.start("tls", tls=context)
    for scheme, end in (("sip", ";transport=tls"), ("sips", "")):
        connector = connect(f"{scheme}:[tonum]@127.0.0.1:{trunk.port('tls')}{end}", ca=ca.certificate.name)
        await connector.probe()
        await submit(connector)
    with pytest.raises(GatewayDown, match="certificate verify failed"):
        await submit(connect(f"sips:[tonum]@127.0.0.1:{trunk.port('tls')}"))
    assert [request.method for request in trunk.requests] == ["OPTIONS", "MESSAGE"] * 2
    await trunk.stop()


ODD = st.text(
    st.one_of(st.sampled_from("\r\n\t\0 <>\"';,@?:%\\/[]{}&=+\U0001f600"), st.characters()), max_size=30
) | st.sampled_from(["x>;tag=1", "a@evil.test", "\r\n\r\nBYE", "[tonum]", "{{1}}", "%0d%0a", "sip:x@y"])


@functools.cache
def odd_headers() -> SipConnector:
    header = "X-Id: [message]|X-From: <sip:[fromnum]@x>"
    return at("sip:[tonum]@trunk.test:5070;transport=tcp", smssendheader=header)


@given(text=ODD, sender=ODD, target=ODD)
@settings(max_examples=150)
def test_no_value_changes_the_request(text: str, sender: str, target: str) -> None:
    connector = odd_headers()
    named = values(message(text, sender=sender, target=target))
    if not target:
        with pytest.raises(SubmitRefused):
            connector._message(named)
        return
    octets = connector._message(named).to_bytes()
    start, _, rest = octets.partition(b"\r\n")
    found = parse_message(start + b"\r\nVia: SIP/2.0/TCP x;branch=z9hG4bKx\r\n" + rest)
    assert isinstance(found, Request)
    names = ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "X-Id", "X-From", "Content-Type"]
    assert [name for name, _ in found.headers] == [*names, "Content-Length"]
    assert (Uri.parse(found.uri).host, found.from_addr.uri.host) == ("trunk.test", "trunk.test")
    assert Uri.parse(found.uri).user == target.encode("utf-8", "replace").decode()
    assert found.from_addr.uri.user == (sender.encode("utf-8", "replace").decode() or "anonymous")
    assert found.body == text.encode("utf-8", "replace")


def at(smsurl: str, **fields: str) -> SipConnector:
    told = GatewaySettings(smsurl=smsurl, **fields)  # type: ignore[arg-type]
    return SipConnector(GatewayId(2), told, lambda: None, Path())


@pytest.mark.parametrize(
    "smsurl, fault",
    [
        ("sip:provider.test", "must be sip:"),
        ("sip:[tonum]@[tonum]", "must be sip:"),
        ("sip:x@a.test;transport=[tonum]", "must be sip:"),
        ("sip:[tonum]@a.test:99999", "must be sip:"),
        ("sip:[tonum]@a.test?X=y", "must be sip:"),
        ("sip:[tonum]@", "must be sip:"),
        ("sip:[tonum]@a.test;transport=sctp", "transport must be one of udp, tcp, tls, not 'sctp'"),
        ("sip:[nothing]@a.test", r"character 1: unknown keyword \[nothing\]"),
        ("sip:a b[tonum]@a.test", "character 2: ' ' is not allowed before the @"),
        ("sip:[message]@a.test|From: <sip:x@y>|Via: x", "smssendheader: Via is set by the connector itself"),
        ("sip:[message]@a.test|nonsense", "smssendheader: must be `Name: value`"),
    ],
)
async def test_faults_stop_the_start(smsurl: str, fault: str) -> None:
    smsurl, _, header = smsurl.partition("|")
    with pytest.raises(ConfigError, match=fault):
        at(smsurl, smssendheader=header)


async def test_a_binary_message_is_for_another_gateway(trunk: SipTrunk, connect: Connect) -> None:
    binary: Message = replace(message(""), octets=b"\1\2")
    with pytest.raises(RefusedHere):
        await connect(url(trunk)).submit(Part(binary, 1, 1))
    assert trunk.requests == []


# -- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, error, comment, pause",
    [
        ("refused", SubmitRefused, 'SIP 403 Forbidden: SIP;cause=403;text="Not your number"', None),
        ("gone", SubmitFailed, "SIP 480 Temporarily Unavailable", None),
        ("busy", Throttled, "SIP 503 Service Unavailable", 7.0),
        ("broken", SubmitFailed, "SIP 500 Server Internal Error", None),
        ("late", OutcomeUnknown, "SIP 408 Request Timeout", None),
        ("moved", SubmitRefused, "SIP 302 Moved Temporarily", None),
        ("everywhere", SubmitRefused, "SIP 603 Decline", None),
    ],
)
async def test_not_taken(
    trunk: SipTrunk, connect: Connect, text: str, error: type[SubmitError], comment: str, pause: float | None
) -> None:
    connector = connect(url(trunk))
    with pytest.raises(error) as caught:
        await submit(connector, text)
    assert (type(caught.value), caught.value.comment) == (error, comment)
    assert getattr(caught.value, "retry_after", None) == pause
    assert (connector.ready, connector.free(), len(trunk.requests)) == (True, 20, 1)


def test_every_status_has_a_meaning() -> None:
    assert {meaning(status) for status in range(200, 300)} == {Meaning.TAKEN}
    temporary = {status for status in range(200, 700) if meaning(status) is Meaning.TEMPORARY}
    assert temporary == {480, 486, 491, *range(500, 600)} - {501, 504, 505, 513}
    assert {status for status in range(200, 700) if meaning(status) is Meaning.UNKNOWN} == {408, 504}


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("5", 5.0),
        (" 18000;duration=3600", 3600.0),
        ("120 (I'm in a meeting)", 120.0),
        ("", None),
        ("-1", None),
        ("soon", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value) == seconds


# -- credentials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-256", "MD5")], ids="+".join)
async def test_digest(connect: Connect, status: int, algorithms: tuple[str, ...]) -> None:
    trunk = SipTrunk(algorithms, status)
    await trunk.start("udp")
    connector = connect(url(trunk), user=USER, password=PASSWORD)
    for _ in range(2):
        assert (await submit(connector)).comment == "SIP 202 Accepted"
    first, second, third = trunk.messages
    header = "Authorization" if status == 401 else "Proxy-Authorization"
    assert [header in request.headers for request in trunk.messages] == [False, True, True]
    assert [request.cseq for request in trunk.messages] == [1, 2, 1]
    assert first.headers.get("Call-ID") == second.headers.get("Call-ID") != third.headers.get("Call-ID")
    assert ("nc=00000001" in second.headers.get(header), "nc=00000002" in third.headers.get(header)) == (True, True)
    trunk.forget_nonces()
    assert await submit(connector)  # one more challenge is answered
    assert len(trunk.messages) == 5
    await trunk.stop()


@pytest.mark.parametrize(
    "user, password, requests", [(USER, "wrong", 2), ("", "", 1)], ids=["wrong password", "no credentials"]
)
async def test_not_let_in(connect: Connect, user: str, password: str, requests: int) -> None:
    trunk = SipTrunk(("MD5",))
    await trunk.start("udp")
    connector = connect(url(trunk), user=user, password=password)
    with pytest.raises(SubmitRefused, match="SIP 401 Unauthorized"):
        await submit(connector)
    assert len(trunk.messages) == requests
    await trunk.stop()


async def test_a_challenge_that_cannot_be_answered(connect: Connect) -> None:
    asks = SipTrunk(("MD5",))
    asks._digest.challenges = lambda now, *, stale=False: [("WWW-Authenticate", 'Basic realm="x"')]  # type: ignore[method-assign]
    await asks.start("udp")
    connector = connect(url(asks), user=USER, password=PASSWORD)
    for _ in range(2):
        with pytest.raises(SubmitRefused, match="No digest challenge that can be answered"):
            await submit(connector)
    assert len(asks.messages) == 2
    await asks.stop()


# -- faults -------------------------------------------------------------------------------------------------------


async def test_timer_f(trunk: SipTrunk, connect: Connect) -> None:
    connector = connect(url(trunk))
    with pytest.raises(OutcomeUnknown, match="no answer"):
        await submit(connector, "silence")
    assert not connector.ready
    assert connector.last_error == f"udp:127.0.0.1:{trunk.port('udp')}: no answer"
    assert len(trunk.requests) == 1  # one transaction, whatever was sent again


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_gateway_s_own_patience(trunk: SipTrunk, connect: Connect, transport: str) -> None:
    with pytest.raises(OutcomeUnknown, match="no answer"):
        await submit(connect(url(trunk, transport), timeout=0.1), "silence")


async def test_a_connection_that_ends_first(connect: Connect) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    connector = connect(f"sip:[tonum]@127.0.0.1:{server.sockets[0].getsockname()[1]};transport=tcp")
    with pytest.raises(OutcomeUnknown, match="closed the connection"):
        await submit(connector)
    assert connector.ready
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
async def test_nothing_was_sent_where_nobody_is(connect: Connect, host: str) -> None:
    transport = "tcp" if host == "127.0.0.1" else "udp"
    connector = connect(f"sip:[tonum]@{host}:{free_port()};transport={transport}")
    with pytest.raises(GatewayDown, match=host):
        await submit(connector)
    assert connector.free() == 0
    with pytest.raises(GatewayDown, match=host):
        await connector.probe()


async def test_probe(trunk: SipTrunk, connect: Connect) -> None:
    connector = connect(url(trunk), timeout=0.1)
    await connector.probe()
    assert [request.method for request in trunk.requests] == ["OPTIONS"]
    trunk.mute.add("OPTIONS")
    with pytest.raises(GatewayDown, match="no answer to OPTIONS"):
        await connector.probe()


async def comes_back(connector: SipConnector, wakes: Wakes, repair: Callable[[], Awaitable[None]]) -> None:
    watch = asyncio.create_task(connector.run())
    await repair()
    wakes.called.clear()
    async with asyncio.timeout(5):
        await wakes.called.wait()
    watch.cancel()
    assert connector.ready
    assert await submit(connector)


async def test_up_again(trunk: SipTrunk, connect: Connect) -> None:
    wakes, port = Wakes(), free_port()
    connector = connect(f"sip:[tonum]@127.0.0.1:{port};transport=tcp", wake=wakes)
    with pytest.raises(GatewayDown):
        await submit(connector)
    later = SipTrunk()
    await comes_back(connector, wakes, lambda: later.start("tcp", ports=(port,)))
    await later.stop()


async def test_a_trunk_that_knows_no_options_is_tried_again(trunk: SipTrunk, connect: Connect) -> None:
    trunk.mute.add("OPTIONS")
    wakes = Wakes()
    connector = connect(url(trunk), wake=wakes, timeout=0.1)
    await submit(connector)
    with pytest.raises(OutcomeUnknown):
        await submit(connector, "silence")
    await comes_back(connector, wakes, lambda: asyncio.sleep(0))


@pytest.mark.parametrize("method, status", [("OPTIONS", 200), ("MESSAGE", 405)])
async def test_what_comes_unasked(trunk: SipTrunk, connect: Connect, method: str, status: int) -> None:
    await submit(connect(url(trunk)))
    assert trunk.endpoint is not None
    fields = [("From", "<sip:a@b>;tag=1"), ("To", "<sip:c@d>"), ("Call-ID", "x"), ("CSeq", f"1 {method}")]
    asked = Request(method, "sip:us@127.0.0.1", Headers(fields))
    answer = await trunk.endpoint.request(asked, Peer("udp", *trunk.sources[0]))
    assert (answer.status, answer.headers.get("Allow")) == (status, "OPTIONS")


# -- what is shown ------------------------------------------------------------------------------------------------


async def test_described() -> None:
    connector = at("sip:[tonum]@trunk.test;transport=tcp", user="u", password="geheim")
    peer, start, *lines = await connector.describe(message("hi"))
    assert (peer, start) == ("to tcp:trunk.test:5060", "MESSAGE sip:36209876543@trunk.test;transport=tcp SIP/2.0")
    assert [line.partition(":")[0] for line in lines] == [
        "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Content-Type", "Content-Length", "", "hi",
    ]  # fmt: skip
    assert "geheim" not in "".join(lines)


async def test_traced_without_texts_and_secrets(connect: Connect) -> None:
    trunk = SipTrunk(("MD5",))
    await trunk.start("udp")
    traces = Traces()
    connector = connect(url(trunk), trace=traces, user=USER, password=PASSWORD)
    await submit(connector, "secret text")
    shown = json.dumps(traces.lines)
    assert [line["event"] for line in traces.lines] == ["out", "in", "out", "in", "exchange"]
    for hidden in ("secret text", "36209876543", "36301234567", PASSWORD, "response="):
        assert hidden not in shown
    assert traces.lines[-1]["answer"] == "SIP 202 Accepted"
    await trunk.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_trunk_of_somebody_else_s(tmp_path: Path, connect: Connect, transport: str) -> None:
    with Answerer(tmp_path, 202, transport) as sipp:
        end = "" if transport == "udp" else f";transport={transport}"
        header = "P-Asserted-Identity: <sip:[fromnum]@acme.test>"
        connector = connect(f"sip:[tonum]@127.0.0.1:{sipp.port}{end}", smssendheader=header)
        await connector.probe()
        assert (await submit(connector, "Árvíztűrő")).state is State.ACCEPTED
        await until(lambda: sipp.received() == [("<sip:36301234567@acme.test>", "Árvíztűrő")])


@on_both_loops
async def test_many_at_once() -> None:
    trunk = SipTrunk(("SHA-256",))
    await trunk.start("udp")
    told = GatewaySettings(smsurl=url(trunk), user=USER, password=PASSWORD)
    connector = SipConnector(GatewayId(2), told, lambda: None, Path())
    taken = await asyncio.gather(*(connector.submit(Part(message("x", number=n), 1, 1)) for n in range(50)))
    assert len({one.provider_id for one in taken}) == 50
    await connector.close()
    await trunk.stop()
