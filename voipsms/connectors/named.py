"""What the names of a template stand for: of a message, and of samples that every template must be well-formed with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, GatewayId, Message, Part
from voipsms.senders import sender_for
from voipsms.sms import dcs

_NO_GATEWAY: Final = GatewaySettings()


@lru_cache(maxsize=64)
def _dcs(coding: Coding, message_class: int | None) -> str:
    return str(dcs.serialize(dcs.Scheme(coding, message_class)))


def values(
    message: Message,
    *,
    gateway: GatewaySettings = _NO_GATEWAY,
    gateway_id: GatewayId | None = None,
    counter: int = 0,
    part: Part | None = None,
) -> dict[str, str]:
    """What every name of a template stands for. `counter`: messages of this gateway since it started. `part`: whose
    octets and header are meant; None: the whole message. Raises RefusedHere where the sender is not allowed."""
    sender = gateway.sender or message.sender
    if gateway.senders and not gateway.sender:
        sender = sender_for(gateway.senders, gateway.sender_instead, sender)
    octets, udh = (message.octets, message.udh) if part is None else (part.user_data, part.udh)
    return {
        "tonum": message.target,
        "fromnum": sender,
        "fromid": str(message.user_id),
        "message": message.text,
        "smsid": str(message.id),
        "smscounter": str(counter),
        "gatewayid": str(message.gateway_id if gateway_id is None else gateway_id),
        "clientip": message.client_ip,
        "user": gateway.user,
        "password": gateway.password,
        "apikey": gateway.apikey,
        "option": gateway.option,
        "mo": "1" if gateway.mo else "0",
        "parts": str(message.parts),
        "dcs": _dcs(message.coding, message.message_class),
        "unicode": "1" if message.coding is Coding.UCS2 else "",
        "binary": "1" if message.octets else "",
        "octets": octets.hex().upper() if message.octets else "",
        "udh": udh.hex().upper() if message.octets else "",
    }


_SAMPLE_TEXTS: Final = ("36301234567", "007", "a\"b'<&\\\n", "")
_SAMPLE_BINARY: Final = {"unicode": "", "binary": "1", "octets": "00FF", "udh": "050003010201"}
_SAMPLE_CODINGS: Final = (_SAMPLE_BINARY | {"binary": "", "octets": "", "udh": ""}, _SAMPLE_BINARY,
                          {"unicode": "1", "binary": "", "octets": "", "udh": ""})  # fmt: skip


def samples(names: frozenset[str], several: bool) -> Iterator[dict[str, object]]:
    """Values that a template must be well-formed with."""
    counts = (1, 2, 3) if several else (1,)
    for text in _SAMPLE_TEXTS:
        for coding in _SAMPLE_CODINGS:
            for count in counts:
                yield {**dict.fromkeys(names, text), "tonum": text, **coding, "targets": (text,) * count}
