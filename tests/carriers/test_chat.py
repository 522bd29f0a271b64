"""Chat through a softswitch on loopback, which is an endpoint of our own with digest."""

from __future__ import annotations

import asyncio
import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.carriers.deliveries import delivery, user
from voipsms.carriers.chat import HOP, PAUSES, ChatCarrier, hop_mark
from voipsms.carriers.port import NotCarried
from voipsms.errors import ConfigError
from voipsms.model import Channel, Subject
from voipsms.settings import Listen, SipSettings
from voipsms.sip.body import Ignored, TextBody, read_body
from voipsms.sip.digest import DigestServer, Outcome, ha1
from voipsms.sip.endpoint import IncomingRequest, Peer, SipEndpoint
from voipsms.sip.message import Request, Response

MARK = hop_mark(b"secret")
USER, PASSWORD, REALM = "voipsms", 'p"ss', "pbx.example.com"
T1 = 0.02  # seconds: timer F ends after 1.3
CHAT = Channel.CHAT


class Switch:
    """`status`, `headers`: what it answers; 0: nothing. `asks`: 401 or 407 to who has no digest; 0: nobody."""

    def __init__(self, asks: int = 0) -> None:
        self.asks = asks
        self.status, self.headers = 200, [("X-Any", "1")]
        self.requests: list[Request] = []
        self.transports: list[str] = []
        self.digest = DigestServer(REALM, b"seal")

    def answer(self, incoming: IncomingRequest) -> None:
        self.requests.append(incoming.request)
        self.transports.append(incoming.transport)
        if self.asks and not self.knows(incoming.request):
            name = "WWW-Authenticate" if self.asks == 401 else "Proxy-Authenticate"
            incoming.respond(self.asks, headers=[(name, value) for _, value in self.digest.challenges(time.time())])
        elif self.status:
            incoming.respond(self.status, headers=self.headers)

    def knows(self, request: Request) -> bool:
        given = request.headers.get_all("Authorization" if self.asks == 401 else "Proxy-Authorization")
        verdict = self.digest.verify(
            given, request.method, request.uri,
            lambda name, algorithm: ha1(algorithm, name, REALM, PASSWORD) if name == USER else None, time.time(),
        )  # fmt: skip
        return verdict.outcome is Outcome.OK


@asynccontextmanager
async def started(answer: Callable[[IncomingRequest], None], *transports: str) -> AsyncIterator[SipEndpoint]:
    """All on one port, as a softswitch listens."""
    endpoint = SipEndpoint([Listen(kind, "127.0.0.1", 0) for kind in transports], answer, t1=T1)
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.close()


@asynccontextmanager
async def between(switch: Switch, *transports: str, **settings: object) -> AsyncIterator[ChatCarrier]:
    """A carrier whose gateway listens on loopback, too."""
    async with started(switch.answer, *(transports or ("udp",))) as far, started(refuse, "udp") as near:
        at = far.bound[0]
        outbound = f"sip:127.0.0.1:{at.port}" + (";transport=tcp" if at.transport == "tcp" else "")
        made = SipSettings(outbound=outbound, listen=(Listen("udp", "127.0.0.1", 5060),), **settings)  # type: ignore[arg-type]
        carrier = ChatCarrier(made, near.request, MARK)
        try:
            yield carrier
        finally:
            await carrier.close()


def refuse(incoming: IncomingRequest) -> None:
    incoming.respond(405)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_message_to_a_phone(transport: str) -> None:
    switch = Switch()
    async with between(switch, transport) as carrier:
        assert await carrier.carry(delivery("Szia 😀", CHAT), user("alice")) == "200 OK"
    (request,) = switch.requests
    port = request.uri.partition("127.0.0.1:")[2]
    assert request.uri == f"sip:alice@127.0.0.1:{port}"
    assert port.endswith(";transport=tcp") == (transport == "tcp")
    assert request.headers.get("To") == "<sip:alice@127.0.0.1>"
    assert str(request.from_addr.uri) == "sip:+36301112233@127.0.0.1"
    assert request.headers.get(HOP) == MARK
    assert request.headers.get("Max-Forwards") == "70"
    assert "Contact" not in request.headers  # RFC 3428 §4
    assert read_body(request.headers, request.body) == TextBody("Szia 😀")
    assert switch.transports == [transport]


async def test_a_long_text_is_one_message_by_tcp() -> None:
    """RFC 3261 §18.1.1"""
    switch, text = Switch(), "ő" * 1000
    async with started(switch.answer, "tcp") as far, started(refuse, "udp") as near:
        port = far.bound[0].port
        both = SipEndpoint([Listen("udp", "127.0.0.1", port)], switch.answer, t1=T1)
        await both.start()
        carrier = ChatCarrier(SipSettings(outbound=f"sip:127.0.0.1:{port}"), near.request, MARK)
        for body in (text, "short"):
            await carrier.carry(delivery(body, CHAT), user())
        await both.close()
    assert switch.transports == ["tcp", "udp"]
    assert switch.requests[0].body.decode() == text


@pytest.mark.parametrize("asks", [401, 407])
async def test_digest(asks: int) -> None:
    switch = Switch(asks)
    async with between(switch, outbound_user=USER, outbound_password=PASSWORD) as carrier:
        for text in ("one", "two"):
            await carrier.carry(delivery(text, CHAT), user())
    assert [request.body for request in switch.requests] == [b"one", b"one", b"two"], "the challenge is remembered"


@pytest.mark.parametrize("password, status", [("wrong", 401), ("", 407)], ids=["wrong password", "no name"])
async def test_without_the_right_digest_it_is_not_now(password: str, status: int) -> None:
    switch = Switch(status)
    settings = {"outbound_user": USER, "outbound_password": password} if password else {}
    async with between(switch, **settings) as carrier:
        with pytest.raises(NotCarried) as caught:
            await carrier.carry(delivery("x", CHAT), user())
    assert (caught.value.lasting, caught.value.why.split()[0]) == (False, str(status))


ANSWERS: dict[str, tuple[int, Sequence[tuple[str, str]], bool, float | None]] = {  # lasting, seconds asked for
    "not found": (404, (), False, None),
    "unavailable": (480, (), False, None),
    "busy": (486, (), False, None),
    "late": (408, (), False, None),
    "server error": (500, (), False, None),
    "overload": (503, (("Retry-After", "7 (maintenance);duration=60"),), False, 7.0),
    "odd Retry-After": (503, (("Retry-After", "soon"),), False, None),
    "moved": (302, (("Contact", "<sip:x@y>"),), False, None),
    "busy everywhere": (600, (), False, None),
    "forbidden": (403, (), True, None),
    "no such method": (405, (), True, None),
    "too large": (413, (), True, None),
    "no such type": (415, (), True, None),
    "loop": (482, (), True, None),
    "not acceptable": (488, (), True, None),
    "not implemented": (501, (), True, None),
    "declined": (603, (), True, None),
    "nowhere": (604, (), True, None),
}


@pytest.mark.parametrize("status, headers, lasting, after", ANSWERS.values(), ids=ANSWERS)
async def test_answers(status: int, headers: Sequence[tuple[str, str]], lasting: bool, after: float | None) -> None:
    switch = Switch()
    switch.status, switch.headers = status, list(headers)
    async with between(switch) as carrier:
        with pytest.raises(NotCarried) as caught:
            await carrier.carry(delivery("x", CHAT), user())
    assert (caught.value.lasting, caught.value.after) == (lasting, after)
    assert caught.value.why.startswith(str(status))


@pytest.mark.parametrize("status", [200, 202])
async def test_taken(status: int) -> None:
    switch = Switch()
    switch.status = status
    async with between(switch) as carrier:
        assert (await carrier.carry(delivery("x", CHAT), user())).startswith(str(status))


async def test_silence_is_not_now() -> None:
    switch = Switch()
    switch.status = 0
    async with between(switch) as carrier:
        with pytest.raises(NotCarried, match="No final answer") as caught:
            await carrier.carry(delivery("x", CHAT), user())
    assert not caught.value.lasting


async def test_nobody_there_is_not_now() -> None:
    async with started(refuse, "udp") as near:
        carrier = ChatCarrier(SipSettings(outbound="sip:127.0.0.1:1;transport=tcp"), near.request, MARK)
        with pytest.raises(NotCarried) as caught:
            await carrier.carry(delivery("x", CHAT), user())
    assert not caught.value.lasting


async def test_without_outbound_chat_goes_nowhere() -> None:
    async with started(refuse, "udp") as near:
        with pytest.raises(NotCarried) as caught:
            await ChatCarrier(SipSettings(), near.request, MARK).carry(delivery("x", CHAT), user())
    assert caught.value.lasting


HOSTS = {
    "our listener's": ((Listen("udp", "0.0.0.0", 5060), Listen("tcp", "192.0.2.9", 5060)), "192.0.2.9"),
    "the softswitch's": ((Listen("udp", "0.0.0.0", 5060),), "127.0.0.1"),
}
SENDERS = {
    "number": ("36301112233", "sip:+36301112233@"),
    "short code": ("1234", "sip:1234@"),
    "name": ("Big Bank", "sip:Big%20Bank@"),
    "hostile": ("a@b>\r\nX: y", "sip:a%40b%3E%0D%0AX%3A%20y@"),
    "nobody": ("", "sip:anonymous@"),
}


@pytest.mark.parametrize("listen, host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("source, expected", SENDERS.values(), ids=SENDERS)
async def test_who_it_is_from(listen: tuple[Listen, ...], host: str, source: str, expected: str) -> None:
    switch = Switch()
    async with started(switch.answer, "udp") as far, started(refuse, "udp") as near:
        settings = SipSettings(outbound=f"sip:127.0.0.1:{far.bound[0].port}", listen=listen)
        await ChatCarrier(settings, near.request, MARK).carry(delivery("x", CHAT, source=source), user())
    assert f"<{expected}{host}>" in switch.requests[0].headers.get("From")


async def test_a_user_with_a_chat_address() -> None:
    switch = Switch()
    async with between(switch) as carrier:
        await carrier.carry(delivery("x", CHAT), user("alice", chat="alice phone"))
    assert switch.requests[0].uri.startswith("sip:alice%20phone@127.0.0.1")


FIELDS = (("imdn", "a<b&c"), ("sent", "2026-01-01T10:00:00+01:00"), ("disposition", "delivered"))


async def test_a_notification_that_the_phone_asked_for() -> None:
    """RFC 5438 §7.2.1.1, §8"""
    switch = Switch()
    receipt = delivery("", CHAT, subject=Subject.RECEIPT, fields=FIELDS)
    async with between(switch) as carrier:
        await carrier.carry(receipt, user("alice"))
    (request,) = switch.requests
    assert request.headers.get("Content-Type") == "message/cpim"
    assert read_body(request.headers, request.body) == Ignored("imdn"), "as our own door understands it"
    head, inner, document = request.body.split(b"\r\n\r\n", 2)
    assert b"NS: imdn <urn:ietf:params:imdn>" in head
    assert b"To: <sip:alice@127.0.0.1>" in head
    assert b"Content-Disposition: notification" in inner
    assert f"Content-length: {len(document)}".encode() in inner
    tree, space = ET.fromstring(document), "{urn:ietf:params:xml:ns:imdn}"
    assert tree.tag == f"{space}imdn"
    assert tree.findtext(f"{space}message-id") == "a<b&c"
    assert tree.findtext(f"{space}datetime") == "2026-01-01T10:00:00+01:00"
    assert tree.findtext(f"{space}recipient-uri") == "sip:+36301112233@127.0.0.1"
    assert tree.find(f"{space}delivery-notification/{space}status/{space}delivered") is not None


def test_pauses_grow() -> None:
    carrier = ChatCarrier(SipSettings(), nothing, MARK)
    assert [carrier.pause(delivery(attempt=n), user()) for n in range(1, 8)] == [*PAUSES, PAUSES[-1], PAUSES[-1]]


async def nothing(request: Request, peer: Peer) -> Response:
    raise AssertionError


BAD = {
    "no URI": "pbx.example.com", "another scheme": "http://pbx", "a user": "sip:a@pbx", "a header": "sip:pbx?a=b",
    "port 0": "sip:pbx:0", "transport": "sip:pbx;transport=sctp", "port too large": "sip:pbx:99999",
    "blank": "sip: pbx",
}  # fmt: skip


@pytest.mark.parametrize("outbound", BAD.values(), ids=BAD)
def test_what_is_no_outbound(outbound: str) -> None:
    with pytest.raises(ConfigError, match=r"^\[sip\] outbound: "):
        ChatCarrier(SipSettings(outbound=outbound), nothing, MARK)


async def test_new_settings() -> None:
    switch = Switch()
    async with between(switch) as carrier:
        carrier.configure(SipSettings())
        with pytest.raises(NotCarried):
            await carrier.carry(delivery("x", CHAT), user())


async def test_many_at_once() -> None:
    switch = Switch(401)
    async with between(switch, outbound_user=USER, outbound_password=PASSWORD) as carrier:
        said = await asyncio.gather(*(carrier.carry(delivery(str(n), CHAT), user()) for n in range(50)))
    assert said == ["200 OK"] * 50
