"""HTTP load by our own connector: one request a message, so many under way, one process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import uvloop

from bench.load import SENDER, Tally, target, text
from voipsms.connectors.http import HttpConnector
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, GatewayId, Message, MessageId, Micros, Millis, Msisdn, UserId

URL = "http://127.0.0.1:{port}/send?user=[user]&password=[password]&to=[tonum]&from=[fromnum]&text=[message]&id=[smsid]"


def _message(number: int) -> Message:
    return Message(
        id=MessageId(number), created=Millis(0), door="bench", user_id=UserId(1), gateway_id=GatewayId(2),
        sender=SENDER, target=Msisdn(target(number)), text=text(number), coding=Coding.GSM7, parts=1, duration=60,
        price=Micros(0), cost=Micros(0), currency="USD",
    )  # fmt: skip


async def _submit(connector: HttpConnector, messages: Iterator[Message], tally: Tally) -> None:
    for message in messages:
        began = time.monotonic()
        (part,) = connector.split(message)
        taken = await connector.submit(part)
        tally.answers[taken.state] += 1
        tally.seconds.append(time.monotonic() - began)


async def _main(port: int, count: int, connections: int) -> None:
    settings = GatewaySettings(smsurl=URL.format(port=port), user="me", password="secret", connections=connections)
    connector = HttpConnector(GatewayId(2), settings, lambda: None)
    messages = map(_message, range(count))
    tally = Tally()
    await asyncio.gather(*(_submit(connector, messages, tally) for _ in range(connections)))
    tally.print()
    await connector.close()


if __name__ == "__main__":
    uvloop.run(_main(*map(int, sys.argv[1:])))
