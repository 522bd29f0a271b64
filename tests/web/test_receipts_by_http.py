"""A provider takes a message by HTTP and tells at /dlr/NAME what became of it: the whole way round, on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.peers.http_provider import HttpProvider
from tests.store.diary import keeping
from tests.store.rig import CREDIT, LATER, PRICE, House
from tests.test_providers import gateway, moved
from tests.web.conftest import Serve
from tests.web.test_mo import mounted
from voipsms.connectors.http import HttpConnector
from voipsms.inbound.call import Origin
from voipsms.model import Inbound, Message, Part, Receipt, State
from voipsms.settings import GlobalSettings, HttpSettings
from voipsms.store.entries import Accept, Hear, Take
from voipsms.store.journal import Journal
from voipsms.store.sqlite import SqliteEngine
from voipsms.web.mo import ProviderDoor


class Hearing:
    """What the gateway does with a receipt."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.matched: list[bool] = []

    async def receipt(self, receipt: Receipt) -> None:
        self.matched.append(await self._journal.append(Hear(receipt)))

    async def inbound(self, inbound: Inbound) -> None:
        raise AssertionError("no text was told")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(SqliteEngine(tmp_path / "voipsms.db", 1.0))
    yield house
    house.check()
    house.close()


@pytest.mark.parametrize(
    "provider, inbound, answer, query, state, balance",
    [
        ("routomessaging", "routo", "success", "mess_id={own}&status=0&number={number}", State.DELIVERED, -PRICE),
        ("routomessaging", "routo", "success", "mess_id={own}&status=9&number={number}", State.UNDELIVERABLE, 0),
        ("routomessaging", "routo", "success", "mess_id={own}&status=247&number={number}", State.ENROUTE, -PRICE),
        ("clickatell", "clickatell", "ID: 205e85d0578314037a96175249fc6a2b",
         "api_id=1&apiMsgId=205e85d0578314037a96175249fc6a2b&cliMsgId=&status=004&charge=0.3", State.DELIVERED, -PRICE),
        ("clickatell", "clickatell", "ID: 205e85d0578314037a96175249fc6a2b",
         "apiMsgId=205E85D0578314037A96175249FC6A2B&status=012", State.REJECTED, 0),
        ("clickatell", "generic", "ID: 7", "id=7&status=UNDELIV&err=27", State.UNDELIVERABLE, 0),
    ],
    ids=["routo: delivered", "routo: not", "routo: sent", "clickatell: received", "clickatell: no credit", "generic"],
)  # fmt: skip
async def test_round_trip(
    house: House, serve: Serve, provider: str, inbound: str, answer: str, query: str, state: State, balance: int
) -> None:
    with HttpProvider() as server:
        server.usual = ((200, answer),)
        keys = {"user": "u", "password": "p", "apikey": "k", "inbound": inbound, "inbound_ip": "127.0.0.1"}
        settings = moved(gateway(provider, Path("/etc/voipsms"), **keys), server.port)
        async with keeping(house) as (journal, _):
            message = await _sent(house, journal, HttpConnector(house.gateway(), settings, lambda: None))
            assert house.state(message)[0] is State.ENROUTE
            hearing = Hearing(journal)
            door = ProviderDoor(hearing)
            door.configure({"acme": Origin(house.gateway(), settings, GlobalSettings())}, HttpSettings())
            web = await serve(mounted(door))
            told = query.format(own=message.id, number=message.target)
            if "{own}" in query:
                assert f"mess_id={message.id}" in server.requests[0].path
            for _ in range(2):
                await _tell(f"http://127.0.0.1:{web.port}/dlr/acme?{told}")
        assert house.state(message)[0] is state
        assert house.balance() == CREDIT + balance


async def _sent(house: House, journal: Journal, connector: HttpConnector) -> Message:
    message = house.message()
    await journal.append(Accept(message, started=True))
    submitted = await connector.submit(Part(message, 1, 1))
    await connector.close()
    await journal.append(Take(message, 1, 1, 1, submitted, last=True, expires=LATER))
    return message


async def _tell(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url) as answered:
        assert (answered.status, await answered.text()) == (200, "OK\n")


@pytest.mark.parametrize(
    "keys, state, own",
    [
        ({}, State.ACCEPTED, True),
        ({"inbound": "routo"}, State.ENROUTE, True),
        ({"inbound": "routo", "inbound_receipts": "none"}, State.ACCEPTED, False),
        ({"inbound": "routo", "inbound_receipts": "answer"}, State.ACCEPTED, False),
        ({"inbound": "icewarp"}, State.ACCEPTED, True),
    ],
    ids=[
        "tells nothing",
        "tells by our id",
        "tells of texts alone",
        "no id in the answer",
        "a format without receipts",
    ],
)
async def test_whether_a_receipt_is_waited_for(house: House, keys: dict[str, str], state: State, own: bool) -> None:
    with HttpProvider() as server:
        server.usual = ((200, "success"),)
        settings = gateway("routomessaging", Path("/etc/voipsms"), user="u", password="p", **keys)
        connector = HttpConnector(house.gateway(), moved(settings, server.port), lambda: None)
        message = house.message()
        submitted = await connector.submit(Part(message, 1, 1))
        await connector.close()
    assert (submitted.state, submitted.provider_id) == (state, str(message.id) if own else "")
