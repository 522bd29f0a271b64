"""What the SIP door has to do with delivery: who is there, whose message comes back, who wants to hear of his own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.core import house, stage
from voipsms.carriers.chat import HOP, hop_mark
from voipsms.doors.sip import SipDoor
from voipsms.networks import read_networks
from voipsms.settings import Listen, SipSettings
from voipsms.sip.endpoint import IncomingRequest, Peer, SipEndpoint
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response

SECRET = b"secret of all processes"
TRUSTED = SipSettings(trusted=read_networks("127.0.0.1"))
CPIM = (
    b"From: <sip:alice@x>\r\nTo: <sip:bob@x>\r\nDateTime: 2026-01-01T10:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: 34jk324j\r\nimdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n"
    b"Content-Type: text/plain\r\n\r\nHello"
)


@dataclass
class Rig:
    own: house.House
    phone: SipEndpoint
    peer: Peer
    seen: list[str]

    async def ask(
        self, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"Hello", target: str = "36201112233"
    ) -> Response:
        given = {name for name, _ in headers}
        wanted = [
            ("From", f"<sip:{house.NUMBER}@127.0.0.1>;tag=1"), ("To", f"<sip:{target}@127.0.0.1>"),
            ("Call-ID", secrets.token_hex(8)), ("CSeq", f"1 {method}"),
        ]  # fmt: skip
        request = Request(
            method,
            f"sip:{target}@127.0.0.1",
            Headers([*(pair for pair in wanted if pair[0] not in given), *headers]),
            body,
        )
        return await self.phone.request(request, self.peer)


@asynccontextmanager
async def door(folder: Path, settings: SipSettings = TRUSTED) -> AsyncIterator[Rig]:
    async with house.house(folder, stage.Carrier(lambda part: None)) as own:
        seen: list[str] = []
        made = SipDoor(settings, own.intake, own.directory, SECRET, seen.append)
        async with _endpoint(made.on_request) as ours, _endpoint(lambda incoming: None) as phone:
            yield Rig(own, phone, Peer("udp", "127.0.0.1", ours.bound[0].port), seen)
            await made.drain()


@asynccontextmanager
async def _endpoint(answer: Callable[[IncomingRequest], None]) -> AsyncIterator[SipEndpoint]:
    made = SipEndpoint([Listen("udp", "127.0.0.1", 0)], answer)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


CONTACT = "<sip:alice@192.0.2.7:5062>"
REGISTERS: dict[str, tuple[list[tuple[str, str]], list[str]]] = {  # headers; who is there
    "third party": ([("To", "<sip:alice@pbx.example.com>"), ("Contact", CONTACT), ("Expires", "600")], ["alice"]),
    "no Expires": ([("To", "<sip:alice@pbx.example.com>"), ("Contact", CONTACT)], ["alice"]),
    "a number": ([("To", "<sip:+36201234567@pbx.example.com>;tag=5"), ("Contact", CONTACT)], ["+36201234567"]),
    "no Contact": ([("To", "<sip:alice@pbx.example.com>"), ("Expires", "600")], ["alice"]),
    "by parameter": ([("To", "<sip:alice@x>"), ("Contact", f"{CONTACT};expires=60"), ("Expires", "0")], ["alice"]),
    "leaves": ([("To", "<sip:alice@x>"), ("Contact", CONTACT), ("Expires", "0")], []),
    "leaves by parameter": ([("To", "<sip:alice@x>"), ("Contact", f"{CONTACT};expires=0")], []),
    "one of two leaves": ([("To", "<sip:alice@x>"), ("Contact", f"{CONTACT};expires=0, <sip:b@y>")], ["alice"]),
    "leaves with all": ([("To", "<sip:alice@x>"), ("Contact", "*"), ("Expires", "0")], []),
    "nobody": ([("To", "<sip:pbx.example.com>"), ("Contact", CONTACT)], []),
}


@pytest.mark.parametrize("headers, seen", REGISTERS.values(), ids=REGISTERS)
async def test_a_register_of_the_softswitch(tmp_path: Path, headers: list[tuple[str, str]], seen: list[str]) -> None:
    async with door(tmp_path) as rig:
        response = await rig.ask("REGISTER", headers, b"")
        assert response.status == 200
        assert rig.seen == seen
        given = dict(headers)
        assert response.headers.get("Expires") == given.get("Expires", "3600")
        assert ", ".join(response.headers.get_all("Contact")) == given.get("Contact", "")


BAD = {
    "To": [("To", "<sip:alice"), ("Contact", CONTACT)],
    "Contact": [("To", "<sip:alice@x>"), ("Contact", "<sip:alice")],
}


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD)
async def test_a_register_that_can_not_be_read(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    async with door(tmp_path) as rig:
        assert (await rig.ask("REGISTER", headers, b"")).status == 400
        assert rig.seen == []


async def test_a_register_of_anybody_else(tmp_path: Path) -> None:
    async with door(tmp_path, SipSettings()) as rig:
        response = await rig.ask("REGISTER", [("To", "<sip:alice@x>"), ("Contact", CONTACT)], b"")
        assert (response.status, response.headers.get("Allow")) == (405, "MESSAGE, OPTIONS")
        assert rig.seen == []


async def test_who_sends_is_there(tmp_path: Path) -> None:
    async with door(tmp_path) as rig:
        assert (await rig.ask("MESSAGE")).status == 202
        assert rig.seen == [house.NUMBER]


async def test_who_is_refused_is_not_seen(tmp_path: Path) -> None:
    async with door(tmp_path) as rig:
        assert (await rig.ask("MESSAGE", target="nobody")).status >= 400
        assert rig.seen == []


MARKS = {
    "ours": (hop_mark(SECRET), 482),
    "among others": (f"0123456789, {hop_mark(SECRET)}", 482),
    "another gateway's": (hop_mark(b"another"), 202),
    "empty": ("", 202),
}


@pytest.mark.parametrize("mark, status", MARKS.values(), ids=MARKS)
async def test_a_message_of_ours_that_comes_back(tmp_path: Path, mark: str, status: int) -> None:
    async with door(tmp_path) as rig:
        assert (await rig.ask("MESSAGE", [(HOP, mark)])).status == status
        assert len(rig.own.rows("tb_messages")) == (status == 202)


async def test_what_a_phone_asks_for_is_kept(tmp_path: Path) -> None:
    async with door(tmp_path) as rig:
        assert (await rig.ask("MESSAGE", [("Content-Type", "message/cpim")], CPIM)).status == 202
        (message_id, text) = rig.own.rows("tb_messages", "id, text")[0]
        assert text == "Hello"
        assert rig.own.rows("tb_imdn") == [(message_id, "34jk324j", "2026-01-01T10:00:00Z", 1, 1)]


async def test_a_plain_message_asks_for_nothing(tmp_path: Path) -> None:
    async with door(tmp_path) as rig:
        await rig.ask("MESSAGE")
        assert rig.own.rows("tb_imdn") == []
