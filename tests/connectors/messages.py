"""Messages as accept would make them."""

from __future__ import annotations

from voipsms.model import Coding, GatewayId, Message, MessageId, Micros, Millis, Msisdn, UserId


def message(
    text: str = "hello", *, target: str = "36209876543", sender: str = "36301234567", number: int = 1
) -> Message:
    return Message(
        id=MessageId(number), created=Millis(0), door="sip", user_id=UserId(1), gateway_id=GatewayId(2), sender=sender,
        target=Msisdn(target), text=text, coding=Coding.GSM7, parts=1, duration=60, price=Micros(50_000),
        cost=Micros(0), currency="USD",
    )  # fmt: skip
