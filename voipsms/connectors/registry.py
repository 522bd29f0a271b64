"""Every kind of gateway, and which one a gateway's settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from voipsms.connectors.http import HttpConnector
from voipsms.connectors.port import Connector, Inbox
from voipsms.connectors.smpp import SmppConnector
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger, masking
from voipsms.model import GatewayId

Wake = Callable[[], None]


def _smpp(gateway_id: GatewayId, settings: GatewaySettings, inbox: Inbox, wake: Wake) -> Connector:
    log = get_logger("smpp")
    trace = (lambda direction, text: log.debug("pdu", way=direction, what=text)) if log.debugging else None
    return SmppConnector(gateway_id, settings, inbox, wake, trace=trace, mask=masking())


def _http(gateway_id: GatewayId, settings: GatewaySettings, inbox: Inbox, wake: Wake) -> Connector:
    log = get_logger("http")
    return HttpConnector(gateway_id, settings, wake, trace=log.debug if log.debugging else None, mask=masking())


_KINDS: Final = {"smpp": _smpp, "http": _http}


def connector_for(gateway_id: GatewayId, settings: GatewaySettings, inbox: Inbox, wake: Wake) -> Connector:
    """Raises ConfigError where the gateway's template can't be compiled."""
    return _KINDS["smpp" if settings.smpp.server else "http"](gateway_id, settings, inbox, wake)
