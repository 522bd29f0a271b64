"""Providers' requests against the real server, by plain sockets where the octets matter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.inbound.test_clickatell import FILLED_SOAP, FILLED_XML, GET, OF_GET, OF_SOAP, OF_XML
from tests.web.conftest import Serve
from tests.web.test_server import exchange
from voipsms import metrics
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound.call import Origin
from voipsms.model import GatewayId, Inbound, Receipt, State
from voipsms.networks import read_networks
from voipsms.settings import GlobalSettings, HttpSettings
from voipsms.values import replace
from voipsms.web import app, mo, server
from voipsms.web.mo import DELIVER, ProviderDoor
from voipsms.web.server import Application

HERE = read_networks("127.0.0.1")
ELSEWHERE = read_networks("203.0.113.0/24")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Kept:
    """An inbox; `out`: its store is out of reach."""

    def __init__(self) -> None:
        self.texts: list[Inbound] = []
        self.receipts: list[Receipt] = []
        self.out = False
        self.hold = asyncio.Event()
        self.hold.set()

    async def inbound(self, inbound: Inbound) -> None:
        await self._commit()
        if inbound.source == BROKEN:
            raise RuntimeError("a fault of ours")
        self.texts.append(inbound)

    async def receipt(self, receipt: Receipt) -> None:
        await self._commit()
        self.receipts.append(receipt)

    async def _commit(self) -> None:
        await self.hold.wait()
        if self.out:
            raise StoreError("out of reach")


BROKEN = "36666"


def origins(**gateways: Mapping[str, Any]) -> dict[str, Origin]:
    return {
        name: Origin(GatewayId(7 + at), GatewaySettings(name=name, **settings), GlobalSettings())
        for at, (name, settings) in enumerate(gateways.items())
    }


GATEWAYS = origins(
    click={"inbound": "clickatell", "inbound_ip": HERE},
    far={"inbound": "clickatell", "inbound_ip": ELSEWHERE},
    keyed={"inbound": "clickatell", "inbound_key": "s3cr3t"},
    both={"inbound": "clickatell", "inbound_ip": ELSEWHERE, "inbound_key": "s3cr3t"},
    open={"inbound": "clickatell"},
    routo={"inbound": "routo", "user": "username", "password": "password"},
    routoip={"inbound": "routo", "user": "username", "password": "password", "inbound_ip": HERE},
    bare={"inbound": "routo"},
    any={"inbound": "generic", "inbound_ip": HERE},
    HTTP={"inbound": "icewarp", "inbound_key": "pinnumber"},
    nokey={"inbound": "icewarp"},
    none={"inbound_ip": HERE},
)
ROUTO = "user=username&pass=password&dcs=0&org=447700900123&dest=441234567890&message=message_text"
ICEWARP = "/sms/deliver.html?id=HTTP&pass=pinnumber&number=%2B15551234567&data=hello"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mo, "PENALTY", 0.0)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def mounted(door: ProviderDoor) -> Application:
    return app.build(dict, paths={DELIVER: door}, below={"/mo": door, "/dlr": door})


class House:
    """`ask` returns status, headers and body."""

    def __init__(self, port: int, door: ProviderDoor) -> None:
        self.port, self.door = port, door

    async def ask(
        self, path: str, method: str = "GET", body: bytes | str = b"", headers: Mapping[str, str] = FORM
    ) -> tuple[int, Mapping[str, str], str]:

        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=body or None, headers=headers) as answer,
        ):
            return answer.status, answer.headers, await answer.text()


@pytest.fixture
async def house(serve: Serve, kept: Kept) -> House:
    door = ProviderDoor(kept)
    door.configure(GATEWAYS, HttpSettings(body=100_000, attempts=1000))
    started = await serve(mounted(door))
    return House(started.port, door)


def coded(name: str, text: str) -> str:
    return f"{name}={quote(text, safe='')}"


@pytest.mark.parametrize(
    "path, method, body, headers, inbound",
    [
        (f"/mo/click?{GET}", "GET", "", FORM, OF_GET),
        ("/mo/click", "POST", GET, FORM, OF_GET),
        (f"/mo/click?{coded('data', FILLED_XML)}", "GET", "", FORM, OF_XML),
        ("/mo/click", "POST", "data=" + FILLED_XML, FORM, OF_XML),
        ("/mo/click", "POST", coded("data", FILLED_XML), FORM, OF_XML),
        (f"/mo/click?{coded('Data', FILLED_SOAP)}", "GET", "", FORM, OF_SOAP),
        ("/mo/click", "POST", FILLED_SOAP, {"Content-Type": "text/xml"}, OF_SOAP),
    ],
    ids=["GET", "POST", "XML by GET", "XML, bare", "XML by POST", "SOAP by GET", "SOAP as body"],
)  # fmt: skip
async def test_clickatell(
    house: House, kept: Kept, path: str, method: str, body: str, headers: Mapping[str, str], inbound: Inbound
) -> None:
    status, _, text = await house.ask(path, method, body, headers)
    assert (status, text) == (200, "OK\n")
    assert kept.texts == [replace(inbound, gateway_id=GatewayId(7))]


@pytest.mark.parametrize(
    "path, body, status, text",
    [
        ("/mo/routo", ROUTO, 200, "OK\n"),
        (f"/mo/routo?{ROUTO}", "", 200, "OK\n"),
        ("/mo/any", "from=361&to=362&message=x", 200, "OK\n"),
        (ICEWARP, "", 200, "True\n"),
        ("/sms/deliver.html", ICEWARP.partition("?")[2], 200, "True\n"),
        ("/mo/HTTP", ICEWARP.partition("?")[2], 200, "True\n"),
        ("/mo/keyed?key=s3cr3t", GET, 200, "OK\n"),
        ("/mo/routo", ROUTO.replace("password", "passwort"), 403, "ERROR not allowed\n"),
        ("/mo/routo", ROUTO.replace("username", "user"), 403, "ERROR not allowed\n"),
        ("/mo/routo", ROUTO.partition("&dcs")[2], 403, "ERROR not allowed\n"),
        ("/mo/bare", ROUTO, 403, "ERROR not allowed\n"),
        ("/mo/bare", ROUTO.replace("username", "").replace("password", ""), 403, "ERROR not allowed\n"),
        ("/mo/keyed", GET, 403, "ERROR not allowed\n"),
        ("/mo/keyed?key=", GET, 403, "ERROR not allowed\n"),
        ("/mo/keyed?key=%C3%A9", GET, 403, "ERROR not allowed\n"),
        ("/mo/both?key=s3cr3t", GET, 403, "ERROR not allowed\n"),
        ("/mo/far", GET, 403, "ERROR not allowed\n"),
        ("/mo/open", GET, 403, "ERROR not allowed\n"),
        (ICEWARP.replace("pinnumber", "1"), "", 403, "False not allowed\n"),
        (ICEWARP.replace("id=HTTP", "id=nokey"), "", 403, "False not allowed\n"),
        (ICEWARP.replace("id=HTTP", "id=click"), "", 403, "False not allowed\n"),
        (ICEWARP.replace("id=HTTP", "id=nobody"), "", 403, "False not allowed\n"),
        (ICEWARP.replace("id=HTTP", ""), "", 403, "False not allowed\n"),
        ("/mo/none", GET, 404, "ERROR no such provider\n"),
        ("/mo/nobody", GET, 404, "ERROR no such provider\n"),
        ("/dlr/HTTP?pass=pinnumber", "", 404, "False there are no receipts in this format\n"),
    ],
    ids=["routo", "routo by GET", "generic", "icewarp", "icewarp by POST", "icewarp at /mo", "key", "wrong password",
         "wrong user", "no password", "nothing set", "nothing set, nothing sent", "no key", "empty key", "another key",
         "key from elsewhere", "forged address", "no proof set", "wrong pin", "no pin set", "another format",
         "no such id", "no id", "no format", "no gateway", "no receipts"],
)  # fmt: skip
async def test_who_is_believed(house: House, kept: Kept, path: str, body: str, status: int, text: str) -> None:
    found, headers, said = await house.ask(path, "POST" if body else "GET", body)
    assert (found, said) == (status, text)
    assert headers["Cache-Control"] == "no-store"
    assert len(kept.texts) == (status == 200)


async def test_a_forged_address_is_believed_of_proxies_alone(house: House, kept: Kept) -> None:
    forged = {**FORM, "X-Forwarded-For": "203.0.113.9"}
    assert (await house.ask("/mo/far", "POST", GET, forged))[0] == 403
    house.door.configure(GATEWAYS, HttpSettings(proxies=HERE))
    assert (await house.ask("/mo/far", "POST", GET, forged))[0] == 200
    assert (await house.ask("/mo/click", "POST", GET, forged))[0] == 403
    assert len(kept.texts) == 1


def _count(door: str) -> float:
    return metrics.registry.get_sample_value("voipsms_malformed_total", {"door": door}) or 0.0


@pytest.mark.parametrize(
    "path, method, body, headers, status, door",
    [
        ("/mo/click", "POST", "from=1&to=2", FORM, 400, "mo_clickatell"),
        ("/mo/click", "POST", GET + "&text=again", FORM, 400, "mo_clickatell"),
        ("/mo/click", "POST", GET.replace("ISO-8859-1", "klingon"), FORM, 400, "mo_clickatell"),
        ("/mo/click", "POST", GET.replace("udh=", "udh=050003330307"), FORM, 400, "mo_clickatell"),
        ("/mo/click", "POST", GET.replace("udh=", "udh=FF0003330201"), FORM, 400, "mo_clickatell"),
        ("/mo/click", "POST", "data=<clickmo>", FORM, 400, "mo_clickatell"),
        ("/mo/click", "POST", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
         {"Content-Type": "text/xml"}, 400, "mo_clickatell"),
        ("/mo/click", "POST", "<a>" * 30_000, {"Content-Type": "text/xml"}, 400, "mo_clickatell"),
        ("/mo/click", "POST", b"\x89PNG", {"Content-Type": "image/png"}, 415, "mo_clickatell"),
        ("/mo/click", "POST", "x" * 100_001, FORM, 413, "mo_clickatell"),
        ("/mo/any", "POST", "{", {"Content-Type": "application/json"}, 400, "mo_generic"),
        ("/mo/routo", "POST", ROUTO.replace("dcs=0", "dcs=999"), FORM, 400, "mo_routo"),
        ("/dlr/click", "POST", "apiMsgId=a&status=015", FORM, 400, "mo_clickatell"),
        (ICEWARP + "&udh=05", "GET", "", FORM, 400, "mo_icewarp"),
        ("/mo/nobody", "GET", "", FORM, 404, "mo_unknown"),
    ],
    ids=["missing", "doubled", "charset", "part 7 of 3", "lying udh", "half XML", "entity", "deep XML", "picture",
         "too long", "half JSON", "dcs", "status", "udh of icewarp", "nobody"],
)  # fmt: skip
async def test_bad_input_is_refused_counted_and_not_stored(
    house: House, kept: Kept, path: str, method: str, body: bytes | str, headers: Mapping[str, str], status: int,
    door: str, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = _count(door)
    found, _, said = await house.ask(path, method, body, headers)
    assert found == status
    assert said.count("\n") == 1
    assert len(said) < 120
    assert _count(door) == before + 1
    assert (kept.texts, kept.receipts) == ([], [])
    assert "Traceback" not in capfd.readouterr().err
    assert (await house.ask(f"/mo/click?{GET}"))[0] == 200


@pytest.mark.parametrize("path", ["/mo/click", "/dlr/click", "/sms/deliver.html"])
async def test_methods(house: House, kept: Kept, path: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        status, headers, _ = await house.ask(path, method, GET)
        assert status == 405
        assert set(headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}
    status, _, text = await house.ask(f"{path}?{GET}", "HEAD")
    assert (status, text) == (200, "")
    assert kept.texts == []


async def test_the_answer_follows_the_commit(house: House, kept: Kept) -> None:
    kept.hold.clear()
    asked = asyncio.create_task(house.ask(f"/mo/click?{GET}"))
    assert (await house.ask(f"/mo/far?{GET}"))[0] == 403  # others are answered meanwhile
    assert not asked.done()
    kept.hold.set()
    assert (await asked)[0] == 200


async def test_a_fault_of_ours_is_no_text(house: House, kept: Kept) -> None:
    status, _, said = await house.ask(f"/mo/click?{GET}".replace("from=", f"from={BROKEN}&x="))
    assert (status, said, kept.texts) == (500, "internal error\n", [])


@pytest.mark.parametrize(
    "path, text",
    [(f"/mo/click?{GET}", "ERROR not now\n"), ("/dlr/click?apiMsgId=a&status=004", "ERROR not now\n"),
     (ICEWARP, "False not now\n")],
)  # fmt: skip
async def test_what_can_not_be_stored_has_to_come_again(house: House, kept: Kept, path: str, text: str) -> None:
    kept.out = True
    status, headers, said = await house.ask(path)
    assert (status, headers["Retry-After"], said) == (503, "5", text)
    kept.out = False
    assert (await house.ask(path))[0] == 200


@pytest.mark.parametrize(
    "path, receipt",
    [
        ("/dlr/click?apiMsgId=a1&status=004&to=361", Receipt(GatewayId(7), "a1", State.DELIVERED, target="361")),
        ("/dlr/routoip?mess_id=1001&status=9&number=361",
         Receipt(GatewayId(13), "1001", State.UNDELIVERABLE, "9", "Undeliverable", target="361")),
        ("/dlr/any?msgid=a1&status=DELIVRD", Receipt(GatewayId(15), "a1", State.DELIVERED)),
    ],
    ids=["clickatell", "routo", "generic"],
)  # fmt: skip
async def test_receipts(house: House, kept: Kept, path: str, receipt: Receipt) -> None:
    assert (await house.ask(path))[0] == 200
    path, _, query = path.partition("?")
    assert (await house.ask(path, "POST", query))[0] == 200
    assert kept.receipts == [receipt, receipt]


async def test_wrong_proofs_lock_the_address_for_a_while(serve: Serve, kept: Kept) -> None:
    now = 0.0
    door = ProviderDoor(kept, lambda: now)
    door.configure(GATEWAYS, HttpSettings(attempts=3, lockout=60))
    house = House((await serve(mounted(door))).port, door)
    for _ in range(3):
        assert (await house.ask("/mo/keyed?key=x", "POST", GET))[0] == 403
    status, headers, _ = await house.ask("/mo/keyed?key=s3cr3t", "POST", GET)
    assert (status, headers["Retry-After"]) == (429, "61")
    now = 61.0
    assert (await house.ask("/mo/keyed?key=s3cr3t", "POST", GET))[0] == 200
    assert len(kept.texts) == 1


# -- octets


def request(body: bytes) -> bytes:
    head = b"POST /mo/click HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n"
    return head + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_byte_by_byte_and_with_octets_behind(house: House, kept: Kept) -> None:
    octets = request(GET.encode())
    assert b"200 OK" in await exchange(house.port, *(octets[at : at + 1] for at in range(len(octets))))
    assert b"200 OK" in await exchange(house.port, octets + b"&text=again")
    assert kept.texts == [replace(OF_GET, gateway_id=GatewayId(7))] * 2


async def test_a_body_in_chunks_is_bounded_as_it_comes(house: House, kept: Kept) -> None:
    head = b"POST /mo/click HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert b" 413 " in await exchange(house.port, head, chunk, chunk)
    body = GET.encode()
    chunks = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body))) + b"0\r\n\r\n"
    assert b" 200 OK" in await exchange(house.port, head, chunks)
    assert len(kept.texts) == 1


async def test_a_long_body_is_refused_before_it_comes(house: House, kept: Kept) -> None:
    head = b"POST /mo/click HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\nConnection: close\r\n\r\n"
    assert b" 413 " in await asyncio.wait_for(exchange(house.port, head), 5)


async def test_a_request_that_never_ends_is_given_up(
    house: House, kept: Kept, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "SLOWEST_REQUEST", 0.1)
    octets = request(GET.encode())
    assert b" 408 " in await asyncio.wait_for(exchange(house.port, octets[:-5]), 5)
    assert b" 200 OK" in await exchange(house.port, octets)
    assert len(kept.texts) == 1
    assert "Traceback" not in capfd.readouterr().err


async def test_a_peer_that_goes_away_leaves_nothing(
    house: House, kept: Kept, capfd: pytest.CaptureFixture[str]
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(request(GET.encode())[:-5])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await house.ask(f"/mo/click?{GET}"))[0] == 200
    assert len(kept.texts) == 1
    assert "Traceback" not in capfd.readouterr().err
