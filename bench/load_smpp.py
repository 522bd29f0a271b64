"""SMPP load by our own client: submit_sm without receipts, every window full, one process."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial

import uvloop

from bench.load import SENDER, Tally, target, text
from voipsms.gateway_settings import SmppSettings
from voipsms.smpp.client import Client
from voipsms.smpp.pdu import Answer, Pdu, ShortMessage
from voipsms.smpp.status import status


class Generator:
    """Submits as dispatch does: as much as free() says, and again when it has grown."""

    def __init__(self, port: int, messages: int, window: int) -> None:
        settings = SmppSettings(server="127.0.0.1", serverport=port, window=window)
        self.client = Client(settings, on_request=lambda link, pdu: link.respond(pdu, 0, Answer()), on_room=self.fill)
        self.messages = messages
        self.next = 0
        self.tally = Tally()
        self.over = asyncio.Event()

    async def run(self) -> None:
        keeping = asyncio.create_task(self.client.run())
        await asyncio.wait_for(self.over.wait(), 120)
        self.tally.print()
        await self.client.close()
        keeping.cancel()

    def fill(self) -> None:
        """Called for the first time when the session is bound."""
        if not self.next:
            self.tally.started = time.monotonic()
        for number in range(self.next, min(self.messages, self.next + self.client.free())):
            self.next = number + 1
            body = ShortMessage("", 1, 1, SENDER, 1, 1, target(number), short_message=text(number).encode())
            self.client.submit(body).add_done_callback(partial(self.answered, time.monotonic()))

    def answered(self, sent: float, answer: asyncio.Future[Pdu]) -> None:
        self.tally.answers[status(answer.result().command_status).name] += 1
        self.tally.seconds.append(time.monotonic() - sent)
        if len(self.tally.seconds) == self.messages:
            self.over.set()


async def _main(*numbers: int) -> None:
    await Generator(*numbers).run()


if __name__ == "__main__":
    uvloop.run(_main(*map(int, sys.argv[1:])))
