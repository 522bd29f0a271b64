"""Requests for SMS callback against the real server; the document's own one to the letter."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import Serve
from tests.web.test_server import exchange
from voipsms.config import Config
from voipsms.errors import StoreError
from voipsms.model import GatewayId, Inbound, Millis
from voipsms.networks import Network, read_networks
from voipsms.settings import GlobalSettings, HttpSettings
from voipsms.values import replace
from voipsms.web import mo, server
from voipsms.web.callback_door import CallbackDoor

# Seeds/002, "Example http request", but for its Content-Length: the numbers that it was made with were longer.
BODY = (
    b"api_id=3144985&from=3611111111&to=3622222222&timestamp=2009-07-04 21:39:40&text=Test+1+2+3&charset=ISO-8859-1"
    b"&udh=&moMsgId=5jv45t5tb42bavu34drfr"
)
EXAMPLE = (
    b"POST / HTTP/1.1\r\nUser-Agent: Clickatell MO Callback\r\nHost: 99.99.99.99:8084\r\nPragma: no-cache\r\n"
    b"Accept: \r\nReferer: 99.99.99.99\r\nContent-Length: %d\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Connection: close\r\n\r\n"
)
READ = Inbound(
    GatewayId(0), "3611111111", "3622222222", "Test 1 2 3", provider_id="5jv45t5tb42bavu34drfr",
    sent=Millis(1_246_736_380_000),
)  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mo, "PENALTY", 0.0)


class House:
    """`out`: the store is out of reach; `hold`: the commit waits for it."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.texts: list[Inbound] = []
        self.out = False
        self.hold = asyncio.Event()
        self.hold.set()

    async def take(self, inbound: Inbound) -> None:
        await self.hold.wait()
        if self.out:
            raise StoreError("out of reach")
        self.texts.append(inbound)

    async def open(self, allowed: tuple[Network, ...] = (), **http: Any) -> None:
        config = Config(Path(), sms=GlobalSettings(httpsmcallbackip=allowed), http=HttpSettings(**http))
        self.door = CallbackDoor(self.take, config)
        self.port = (await self._serve(self.door)).port

    async def post(self, body: bytes, path: bytes = b"/") -> bytes:
        octets = (EXAMPLE % len(body)).replace(b"POST / ", b"POST " + path + b" ") + body
        return await exchange(self.port, octets)

    async def get(self, path: bytes, method: bytes = b"GET") -> bytes:
        return await exchange(self.port, method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.fixture
async def house(serve: Serve) -> House:
    house = House(serve)
    await house.open()
    return house


async def test_the_documents_request(house: House) -> None:
    answer = await house.post(BODY)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nOK\n")
    assert house.texts == [READ]


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
async def test_as_the_document_shows_it(house: House, coding: str) -> None:
    """`&times` of `&timestamp` has become a sign."""
    assert b" 200 OK" in await house.post(BODY.replace(b"&timestamp", "×tamp".encode(coding)))
    assert house.texts == [READ]


@pytest.mark.parametrize("path", [b"/", b"/mo/other", b"/sms/deliver.html", b"/dlr/x", b"/a/b/c%20d", b"//"])
async def test_any_path_by_both_methods(house: House, path: bytes) -> None:
    assert b" 200 OK" in await house.post(BODY, path)
    assert b" 200 OK" in await house.get(path + b"?" + BODY.replace(b" ", b"+"))
    assert house.texts == [READ, READ]


async def test_a_link_checker_asks_for_nothing(house: House) -> None:
    assert b" 200 OK" in await house.get(b"/?" + BODY.replace(b" ", b"+"), b"HEAD")
    assert house.texts == []


HIDDEN = [
    ("no sender", BODY.replace(b"from=3611111111&", b""), "anonymous"),
    ("an empty sender", BODY.replace(b"from=3611111111", b"from="), "anonymous"),
    ("a blank one", BODY.replace(b"from=3611111111", b"from=+"), "anonymous"),
    ("a name", BODY.replace(b"from=3611111111", b"from=Bank"), "Bank"),
]


@pytest.mark.parametrize("body, source", [row[1:] for row in HIDDEN], ids=[row[0] for row in HIDDEN])
async def test_hidden_senders(house: House, body: bytes, source: str) -> None:
    assert b" 200 OK" in await house.post(body)
    assert house.texts == [replace(READ, source=source)]


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 400),
        (BODY.replace(b"to=3622222222&", b""), 400),
        (BODY.replace(b"&text=Test+1+2+3", b""), 400),
        (BODY + b"&text=again", 400),
        (BODY.replace(b"to=3622222222", b"to=me"), 400),
        (BODY.replace(b"udh=", b"udh=zz"), 400),
        (BODY.replace(b"ISO-8859-1", b"klingon"), 400),
        (BODY.replace(b"5jv45t5tb42bavu34drfr", b"x" * 65), 400),
        (BODY.replace(b"&timestamp", "×times".encode()), 400),
        (b"data=<clickmo>", 400),
        (b"a=&" * 200, 400),
        (b"x" * 70_000, 413),
    ],
    ids=["nothing", "no number of ours", "no text", "two texts", "a name of ours", "udh", "charset", "long id",
         "another sign", "half XML", "many parameters", "too long"],
)  # fmt: skip
async def test_bad_input(serve: Serve, body: bytes, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    house = House(serve)
    await house.open(body=65_536)
    answer = await house.post(body)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.partition(b"\r\n\r\n")[2].startswith(b"ERROR ")
    assert house.texts == []
    assert "Traceback" not in capfd.readouterr().err
    assert b" 200 OK" in await house.post(BODY)


async def test_other_methods(house: House) -> None:
    answer = await house.get(b"/", b"DELETE")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"allow: GET, HEAD, POST" in answer


async def test_who_may_ask(serve: Serve) -> None:
    house = House(serve)
    await house.open(read_networks("203.0.113.0/24"))
    assert (await house.post(BODY)).startswith(b"HTTP/1.1 403 ")
    assert house.texts == []
    config = Config(Path(), sms=GlobalSettings(httpsmcallbackip=read_networks("127.0.0.1")))
    house.door.configure(config)
    assert b" 200 OK" in await house.post(BODY)
    house.door.configure(Config(Path()))
    assert b" 200 OK" in await house.post(BODY), "empty: this machine"


async def test_who_asks_wrongly_too_often_is_locked_out(serve: Serve) -> None:
    house = House(serve)
    await house.open(read_networks("203.0.113.0/24"), attempts=2)
    statuses = [(await house.post(BODY)).split()[1] for _ in range(3)]
    assert statuses == [b"403", b"403", b"429"]


async def test_the_answer_follows_the_commit(house: House) -> None:
    house.hold.clear()
    asked = asyncio.create_task(house.post(BODY))
    assert (await house.get(b"/")).startswith(b"HTTP/1.1 400 ")  # others are answered meanwhile
    assert not asked.done()
    house.hold.set()
    assert b" 200 OK" in await asked


async def test_what_can_not_be_stored_has_to_come_again(house: House) -> None:
    house.out = True
    answer = await house.post(BODY)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in answer
    house.out = False
    assert b" 200 OK" in await house.post(BODY)


async def test_byte_by_byte(house: House) -> None:
    octets = EXAMPLE % len(BODY) + BODY
    assert b" 200 OK" in await exchange(house.port, *(octets[at : at + 1] for at in range(len(octets))))
    assert house.texts == [READ]


async def test_a_request_that_never_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SLOWEST_REQUEST", 0.1)
    octets = EXAMPLE % len(BODY) + BODY
    assert b" 408 " in await asyncio.wait_for(exchange(house.port, octets[:-5]), 5)
    assert house.texts == []
