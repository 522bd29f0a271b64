"""Settings that are right by themselves, and by which what comes in would go nowhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from voipsms.config import Config
from voipsms.gateway_settings import GatewaySettings

_BY_MAIL, _BY_CHAT = frozenset({2, 3, 4}), frozenset({1, 3, 4})  # smsreceive_route
_CLOSED: Final = "inbound_ip or inbound_key must be set: without them whatever comes is answered 403"


def dead_ends(config: Config) -> Iterator[str]:
    """A line each."""
    route = config.sms.smsreceive_route
    if route in _BY_MAIL and not config.mail.server:
        yield f"[global] smsreceive_route: {route} sends mail, and [mail] server is empty"
    if route in _BY_CHAT and not config.sip.outbound:
        yield f"[global] smsreceive_route: {route} sends by chat, and [sip] outbound is empty"
    for gateway in config.gateways:
        if gateway.inbound != "none" and not _proves(gateway):
            yield f"gateway {gateway.name}: {_CLOSED}"


def _proves(gateway: GatewaySettings) -> bool:
    """Whether anything may come from its provider, see web/mo.py."""
    own = gateway.inbound == "routo" and gateway.user and gateway.password
    return bool(gateway.inbound_ip or gateway.inbound_key or own)
