"""Calls and gateways for tests of formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound.call import Call, Origin, read_call
from voipsms.model import GatewayId
from voipsms.settings import GlobalSettings

GATEWAY = GatewayId(7)
FORM = "application/x-www-form-urlencoded"


def origin(inbound: str = "generic", *, sms: GlobalSettings | None = None, **settings: Any) -> Origin:
    return Origin(GATEWAY, GatewaySettings(name="acme", inbound=inbound, **settings), sms or GlobalSettings())


def coded(fields: Mapping[str, str | bytes]) -> bytes:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()


def by_get(query: str | bytes) -> Call:
    return read_call(query.encode() if isinstance(query, str) else query, "", b"")


def by_post(body: str | bytes, kind: str = FORM) -> Call:
    return read_call(b"", kind, body.encode() if isinstance(body, str) else body)
