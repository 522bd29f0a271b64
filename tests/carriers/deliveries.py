"""Deliveries and users for carriers."""

from __future__ import annotations

from typing import Any

from voipsms.carriers.port import Recipient
from voipsms.model import Channel, Delivery, DeliveryId, MessageId, Millis, Reach, Subject, UserId

AT = Millis(1_172_493_410_123)  # 2007-02-26 12:36:50.123 UTC


def delivery(text: str = "Szia, 1 & 2 < 3", channel: Channel = Channel.WEBHOOK, **fields: Any) -> Delivery:
    wanted: dict[str, Any] = {
        "id": DeliveryId(7_000_000_000_000_000_001), "message_id": MessageId(7_000_000_000_000_000_000),
        "user_id": UserId(6_999_999_000_000_012_345), "channel": channel, "subject": Subject.TEXT,
        "source": "36301112233", "target": "36201234567", "text": text, "created": AT, "expires": Millis(AT + 60_000),
    }  # fmt: skip
    return Delivery(**wanted | fields)


def user(name: str = "alice", **reach: Any) -> Recipient:
    return Recipient(name, Reach(**reach))
