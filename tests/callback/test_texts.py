"""A [sip:NAME] through the real library: registered, written to, and answering."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.callback.desk import ALICE, FAR
from tests.callback.test_entrances import Office, office_in
from tests.core.stage import until
from tests.peers.ports import free_port
from voipsms.callback.callers import Callers
from voipsms.callback.replies import say
from voipsms.callback.texts import Texts
from voipsms.settings import CallbackSettings, Listen, SipAccount
from voipsms.sip.endpoint import IncomingRequest, Peer, SipEndpoint
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request
from voipsms.sip.uri import NameAddr, Uri


class Softswitch:
    """Registers whoever asks; `said`: MESSAGEs that came, by their targets."""

    def __init__(self) -> None:
        self.endpoint = SipEndpoint([Listen("udp", "127.0.0.1", 0)], self._hear)
        self.contact: Uri | None = None
        self.said: list[tuple[str, str]] = []

    @property
    def port(self) -> int:
        return self.endpoint.bound[0].port

    def _hear(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        if request.method == "REGISTER":
            contact = request.headers.get("Contact")
            self.contact = NameAddr.parse(contact).uri
            incoming.respond(200, headers=[("Contact", contact), ("Expires", "600")])
            return
        self.said.append((Uri.parse(request.uri).user, request.body.decode()))
        incoming.respond(200)

    async def write(self, sender: str, target: str, text: str) -> int:
        assert self.contact is not None
        headers = Headers([
            ("From", f"<sip:{sender}@127.0.0.1:{self.port}>;tag=1"), ("To", f"<sip:{target}@127.0.0.1>"),
            ("Call-ID", text), ("CSeq", "1 MESSAGE"), ("Content-Type", "text/plain;charset=UTF-8"),
        ])  # fmt: skip
        request = Request("MESSAGE", str(self.contact), headers, text.encode())
        return (await self.endpoint.request(request, Peer("udp", "127.0.0.1", self.contact.port or 5060))).status


@asynccontextmanager
async def registered(office: Office) -> AsyncIterator[Softswitch]:
    switch = Softswitch()
    await switch.endpoint.start()
    accounts = {"pbx": SipAccount(f"sip:127.0.0.1:{switch.port}", "gateway", "x")}
    first = free_port()
    callers = Callers(
        CallbackSettings(rtp=f"{first}-{first + 15}"), accounts, text=lambda text: texts.heard(text), bound="127.0.0.1"
    )
    office.carrier._write = callers.write
    texts = Texts(accounts, office.arrivals, office.desk.home.intake, callers.write, lambda: office.desk.config)
    task = asyncio.create_task(callers.run())
    try:
        await until(lambda: switch.contact is not None)
        yield switch
        await office.quiet()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await texts.close()
        await callers.close()
        await switch.endpoint.close()


async def test_commands_texts_and_refusals(tmp_path: Path) -> None:
    async with office_in(tmp_path) as office, registered(office) as switch:
        assert await switch.write(ALICE, "gateway", f"b {FAR}") == 200
        await until(lambda: len(switch.said) == 1)
        assert office.desk.calls == [("alice", ALICE, FAR)]
        assert switch.said == [(ALICE, say("p2p", first=f"+{ALICE}", second=f"+{FAR}"))]
        assert await switch.write(ALICE, "36201112233", "Szép napot") == 200
        await until(lambda: len(office.messages()) == 1)
        assert office.messages("text, target") == [("Szép napot", "36201112233")]
        assert await switch.write("101", "36201112233", "Hello") == 200
        await until(lambda: len(switch.said) == 2)
        assert switch.said[1] == ("101", "Your message was not sent: Nobody to bill for this sender.")
