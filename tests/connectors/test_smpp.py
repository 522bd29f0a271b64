from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.connectors.messages import message
from tests.smpp.rig import PATIENCE, until
from voipsms.connectors import smpp
from voipsms.connectors.port import Connector, Describer, Querier, Scheduler
from voipsms.connectors.smpp import SmppConnector
from voipsms.errors import (
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    StoreError,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings, SmppSettings
from voipsms.model import GatewayId, Inbound, Message, Receipt, State, Submitted
from voipsms.smpp.behaviour import Options
from voipsms.smpp.deliveries import mobile_originated
from voipsms.smpp.pdu import DATA_SM, MESSAGE_PAYLOAD, DataMessage, ShortMessage
from voipsms.smpp.simulator import Simulator

TO = "36301234567"


class Inbox:
    """Keeps what it gets; fails while `broken`, waits while `gate` is closed."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.texts: list[Inbound] = []
        self.waiting = 0
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def _keep(self) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.broken:
            raise StoreError("no database")

    async def receipt(self, receipt: Receipt) -> None:
        await self._keep()
        self.receipts.append(receipt)

    async def inbound(self, inbound: Inbound) -> None:
        await self._keep()
        self.texts.append(inbound)


def connector(inbox: Inbox | None = None, port: int = 9, **settings: Any) -> SmppConnector:
    smpp_settings = SmppSettings(**{"server": "127.0.0.1", "serverport": port, "response": 5.0, **settings})
    return SmppConnector(GatewayId(7), GatewaySettings(name="gw", smpp=smpp_settings), inbox or Inbox(), lambda: None)


@asynccontextmanager
async def running(simulator: Simulator, inbox: Inbox | None = None, **settings: Any) -> AsyncIterator[SmppConnector]:
    """A connector that is bound."""
    gateway = connector(inbox, simulator.port, **settings)
    keeping = asyncio.create_task(gateway.run())
    try:
        await until(lambda: gateway.ready if settings.get("bind") == "rx" else gateway.free())
        yield gateway
    finally:
        await gateway.close()
        keeping.cancel()
        await asyncio.wait((keeping,))


async def submit(gateway: SmppConnector, text: Message) -> list[Submitted]:
    async with asyncio.timeout(PATIENCE):
        return [await gateway.submit(part) for part in gateway.split(text)]


def test_it_is_a_connector() -> None:
    port: Connector = connector()
    assert port.name == "gw"
    assert isinstance(port, Scheduler)
    assert isinstance(port, Querier)
    assert isinstance(port, Describer)


# -- outcomes -----------------------------------------------------------------------------------------------------

OUTCOMES: dict[str, tuple[str, type[SubmitError], str]] = {
    "refused": ("0001", SubmitRefused, "ESME_RINVDSTADR (0x0000000b): destination address not valid"),
    "throttled": ("0002", Throttled, "ESME_RTHROTTLED (0x00000058): more messages a second than allowed"),
    "queue full": ("0010", Throttled, "ESME_RMSGQFUL (0x00000014): message queue full"),
    "failed": ("0009", SubmitFailed, "ESME_RSYSERR (0x00000008): system error at the SMSC"),
    "silence": ("0003", OutcomeUnknown, "no answer within 0.1 s"),
    "disconnect": ("0004", OutcomeUnknown, "the session ended before the answer: the peer closed the connection"),
}


@pytest.mark.parametrize("ending, kind, comment", OUTCOMES.values(), ids=OUTCOMES.keys())
async def test_outcomes(ending: str, kind: type[SubmitError], comment: str) -> None:
    async with Simulator() as simulator, running(simulator, response=0.1) as gateway:
        with pytest.raises(SubmitError) as raised:
            await submit(gateway, message(target="3630123" + ending))
        assert (type(raised.value), raised.value.comment) == (kind, comment)


async def test_nothing_left_while_the_gateway_is_down() -> None:
    gateway = connector()
    with pytest.raises(GatewayDown):
        await submit(gateway, message())
    assert (gateway.free(), gateway.ready) == (0, False)


async def test_a_sender_that_no_pdu_can_carry() -> None:
    async with Simulator() as simulator, running(simulator) as gateway:
        with pytest.raises(RefusedHere, match="source_addr is longer than 20"):
            await submit(gateway, message(sender="A" * 21))
        assert gateway.free() == 100


@pytest.mark.parametrize("receipts, state", [(True, State.ENROUTE), (False, State.ACCEPTED)])
async def test_submitted(receipts: bool, state: State) -> None:
    async with Simulator() as simulator, running(simulator, receipts=receipts) as gateway:
        (submitted,) = await submit(gateway, message(target=TO))
        assert submitted == Submitted(simulator.submits[0].id, state)
        assert simulator.submits[0].registered == receipts


async def test_long_text_on_the_wire() -> None:
    async with Simulator() as simulator, running(simulator) as gateway:
        await submit(gateway, message("a" * 153 + "b" * 8, target=TO))
        first, second = (bytes.fromhex(submit.user_data) for submit in simulator.submits)
        assert (first[:3], first[4:]) == (b"\5\0\3", b"\2\1" + b"a" * 153)
        assert (second[:4], second[4:]) == (first[:4], b"\2\2" + b"b" * 8)


async def test_wake_and_last_error() -> None:
    wakes: list[int] = []
    async with Simulator() as simulator:
        settings = GatewaySettings(smpp=SmppSettings(server="127.0.0.1", serverport=simulator.port, window=1))
        gateway = SmppConnector(GatewayId(7), settings, Inbox(), lambda: wakes.append(gateway.free()))
        keeping = asyncio.create_task(gateway.run())
        await until(lambda: wakes == [1])
        await submit(gateway, message(target=TO))
        assert wakes == [1, 1]
        simulator.disconnect()
        await until(lambda: gateway.last_error)
        assert not gateway.ready
        await until(lambda: wakes == [1, 1, 1])
        assert gateway.last_error == ""
        await gateway.close()
        keeping.cancel()
        await asyncio.wait((keeping,))


async def test_probe() -> None:
    async with Simulator(Options(username="me", password="secret")) as simulator:
        await connector(port=simulator.port, username="me", password="secret").probe()
        await until(lambda: not simulator._links)
        with pytest.raises(GatewayDown, match="refused the bind: ESME_RINVSYSID"):
            await connector(port=simulator.port, username="you").probe()
    with pytest.raises(GatewayDown, match=f"can't connect to 127.0.0.1:{simulator.port}: Connection refused"):
        await connector(port=simulator.port).probe()


# -- what comes in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending, states",
    [
        ("4567", [State.DELIVERED]),
        ("0005", [State.UNDELIVERABLE]),
        ("0006", [State.EXPIRED]),
        ("0007", [State.DELIVERED]),
        ("0011", [State.DELIVERED, State.DELIVERED]),
        ("0012", [State.REJECTED]),
        ("0014", [State.ENROUTE, State.DELIVERED]),
    ],
)
@pytest.mark.parametrize("tlvs", [False, True])
async def test_receipts(ending: str, states: list[State], tlvs: bool) -> None:
    inbox = Inbox()
    async with Simulator(Options(tlvs=tlvs)) as simulator, running(simulator, inbox) as gateway:
        (submitted,) = await submit(gateway, message(target="3630123" + ending))
        await until(lambda: simulator.counts["delivered"] == len(states))
        assert [receipt.state for receipt in inbox.receipts] == states
        assert {(receipt.gateway_id, receipt.provider_id) for receipt in inbox.receipts} == {(7, submitted.provider_id)}
        assert gateway.counts["receipts"] == len(states)


async def test_inbound() -> None:
    inbox = Inbox()
    async with Simulator() as simulator, running(simulator, inbox):
        simulator.deliver(*mobile_originated("36301", "36302", "szöveg"))
        await until(lambda: simulator.counts["delivered"])
        assert inbox.texts == [Inbound(GatewayId(7), "36301", "36302", "szöveg")]


@pytest.mark.parametrize("bind", ["trx", "tx", "rx"])
async def test_inbound_parts(bind: str) -> None:
    """Half an emoji in each, as some phones cut: by a transceiver, and by receivers."""
    inbox = Inbox()
    async with Simulator() as simulator, running(simulator, inbox, bind=bind):
        for number, half in ((2, b"\xde\0"), (1, b"\xd8\x3d")):
            body = ShortMessage(source_addr="36301", destination_addr="36302", esm_class=0x40, data_coding=8,
                                short_message=b"\5\0\3\7\2" + bytes((number,)) + half)  # fmt: skip
            simulator.deliver(body)
        await until(lambda: simulator.counts["delivered"] == 2)
        assert sorted((told.number, told.total, told.reference, told.text) for told in inbox.texts) == [
            (1, 2, 7, "\ud83d"), (2, 2, 7, "\ude00"),
        ]  # fmt: skip


async def test_data_sm() -> None:
    inbox = Inbox()
    async with Simulator() as simulator, running(simulator, inbox):
        (link,) = simulator._links
        body = DataMessage("", 1, 1, "36301", 1, 1, "36302")
        link.request(DATA_SM, body, ((MESSAGE_PAYLOAD, b"hello"),))
        await until(lambda: not link.session.outstanding)
        assert inbox.texts == [Inbound(GatewayId(7), "36301", "36302", "hello")]


async def test_answered_only_when_kept() -> None:
    inbox = Inbox()
    async with Simulator() as simulator, running(simulator, inbox) as gateway:
        inbox.gate.clear()
        await asyncio.gather(*(submit(gateway, message(target=TO)) for _ in range(20)))
        await until(lambda: inbox.waiting == 20)  # one that waits doesn't stop the others
        assert simulator.counts["delivered"] == 0
        inbox.gate.set()
        await until(lambda: simulator.counts["delivered"] == 20)
        assert len(inbox.receipts) == 20


async def test_comes_again_when_the_store_is_back() -> None:
    inbox = Inbox()
    inbox.broken = True
    async with Simulator(Options(redeliver=0.01)) as simulator, running(simulator, inbox) as gateway:
        await submit(gateway, message(target=TO))
        simulator.deliver(*mobile_originated("36301", "36302", "text"))
        await until(lambda: simulator.counts["delivered_later"] >= 4)
        assert simulator.counts["delivered"] == 0
        inbox.broken = False
        await until(lambda: simulator.counts["delivered"] == 2)
        assert (len(inbox.receipts), len(inbox.texts)) == (1, 1)
        assert gateway.counts["postponed"] >= 4


async def test_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp, "MOST_PENDING", 2)
    inbox = Inbox()
    async with Simulator(Options(redeliver=0.01)) as simulator, running(simulator, inbox) as gateway:
        inbox.gate.clear()
        for _ in range(3):
            simulator.deliver(*mobile_originated("36301", "36302", "text"))
        await until(lambda: simulator.counts["delivered_later"])
        assert (inbox.waiting, gateway.counts["postponed"]) == (2, simulator.counts["delivered_later"])
        inbox.gate.set()
        await until(lambda: simulator.counts["delivered"] == 3)


async def test_unreadable_is_acknowledged_and_counted() -> None:
    inbox = Inbox()
    async with Simulator() as simulator, running(simulator, inbox) as gateway:
        simulator.deliver(ShortMessage(source_addr="361", esm_class=4, short_message=b"what?"))
        await until(lambda: simulator.counts["delivered"])
        assert (inbox.receipts, inbox.texts, gateway.counts["unreadable"]) == ([], [], 1)


async def test_close_answers_what_is_being_kept() -> None:
    inbox = Inbox()
    async with Simulator() as simulator:
        async with running(simulator, inbox) as gateway:
            inbox.gate.clear()
            await submit(gateway, message(target=TO))
            await until(lambda: inbox.waiting)
            closing = asyncio.create_task(gateway.close())
            await asyncio.sleep(0)
            inbox.gate.set()
            await closing
        assert simulator.counts["delivered"] == 1


async def test_trace() -> None:
    lines: list[str] = []
    async with Simulator() as simulator:
        settings = GatewaySettings(smpp=SmppSettings(server="127.0.0.1", serverport=simulator.port, password="secret"))
        gateway = SmppConnector(
            GatewayId(7), settings, Inbox(), lambda: None, trace=lambda direction, text: lines.append(direction + text)
        )
        await gateway.probe()
    assert [line.split()[0] for line in lines] == [
        ">bind_transceiver", "<bind_transceiver_resp", ">unbind", "<unbind_resp",
    ]  # fmt: skip
    assert "secret" not in "".join(lines)
