"""A phone that is not there: what is for it waits until it registers at Kamailio, which tells the gateway."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.core import house, stage
from tests.peers import sipp
from tests.peers.kamailio import Kamailio
from voipsms.carriers.chat import ChatCarrier, hop_mark
from voipsms.doors.sip import SipDoor
from voipsms.model import Channel, Delivery, DeliveryId, MessageId, Millis, Subject
from voipsms.networks import read_networks
from voipsms.outbox import Outbox
from voipsms.settings import GlobalSettings, Listen, SipSettings
from voipsms.sip.endpoint import SipEndpoint
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine

SECRET = b"secret"
USERS = {"alice": "secret-a"}


def texts(own: house.House, *said: str) -> list[Delivery]:
    now = now_millis()
    return [
        Delivery(
            id=DeliveryId(own.ids.next()), message_id=MessageId(0), user_id=own.directory.by_name["alice"].id,
            channel=Channel.CHAT, subject=Subject.TEXT, source="36301112233", target=house.NUMBER, text=text,
            created=now, expires=Millis(now + 3_600_000),
        )
        for text in said
    ]  # fmt: skip


async def test_a_text_waits_for_the_phone_and_goes_when_it_registers(tmp_path: Path) -> None:
    door: list[SipDoor] = []
    endpoint = SipEndpoint([Listen("udp", "127.0.0.1", 0)], lambda incoming: door[0].on_request(incoming))
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(house.house(tmp_path, stage.Carrier(lambda part: None)))
        await endpoint.start()
        stack.push_async_callback(endpoint.close)
        proxy = Kamailio(tmp_path, [endpoint.bound[0].port], USERS)
        settings = SipSettings(trusted=read_networks("127.0.0.1"), outbound=f"sip:127.0.0.1:{proxy.port}")
        reader = Reader(SqliteEngine(tmp_path / "house.db", 0.2))
        stack.callback(reader.close)
        chat = ChatCarrier(settings, endpoint.request, hop_mark(SECRET))
        outbox = Outbox(own.journal, reader, own.directory, own.ids.node, {Channel.CHAT: chat}, GlobalSettings)
        stack.push_async_callback(outbox.close)
        door.append(SipDoor(settings, own.intake, own.directory, SECRET, outbox.seen))
        stack.enter_context(proxy)
        phone = stack.enter_context(sipp.Answerer(tmp_path, 200))

        await outbox.post(texts(own, "first", "second"))
        await stage.until(lambda: [row[0] for row in own.rows("tb_outbox", "node")] == [0, 0])
        assert own.rows("tb_outbox", "error")[0][0].startswith("404 ")
        await asyncio.to_thread(phone.register, proxy.port, "alice", USERS["alice"])
        await stage.until(lambda: not own.rows("tb_outbox"))
        assert [text for _, text in phone.received()] == ["first", "second"]
