"""Every kind of gateway, and which one a gateway's settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voipsms.connectors.http import HttpConnector
from voipsms.connectors.http_verify import VerifyingHttpConnector
from voipsms.connectors.port import Connector, Inbox, Selector
from voipsms.connectors.smpp import SmppConnector
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings, kind_of_url
from voipsms.log import get_logger, masking
from voipsms.model import GatewayId

Wake = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Place:
    """What a connector is built with. Relative paths of its settings start at `folder`."""

    gateway_id: GatewayId
    settings: GatewaySettings
    inbox: Inbox
    wake: Wake
    folder: Path
    selector: Selector | None


def _smpp(at: Place) -> Connector:
    log = get_logger("smpp")
    trace = (lambda direction, text: log.debug("pdu", way=direction, what=text)) if log.debugging else None
    return SmppConnector(at.gateway_id, at.settings, at.inbox, at.wake, trace=trace, mask=masking(), folder=at.folder)


def _http(at: Place) -> Connector:
    log = get_logger("http")
    trace = log.debug if log.debugging else None
    kind = VerifyingHttpConnector if at.settings.smsverifyurl else HttpConnector
    return kind(
        at.gateway_id, at.settings, at.wake, folder=at.folder, selector=at.selector, trace=trace, mask=masking()
    )


_KINDS: Final[dict[str, Callable[[Place], Connector]]] = {"smpp": _smpp, "http": _http}


def _kind(settings: GatewaySettings) -> str:
    if settings.plugin:
        return "plugin"
    return "smpp" if settings.smpp.server else kind_of_url(settings.smsurl)


def connector_for(
    gateway_id: GatewayId,
    settings: GatewaySettings,
    inbox: Inbox,
    wake: Wake,
    *,
    folder: Path = Path(),
    selector: Selector | None = None,
) -> Connector:
    """Raises ConfigError where the gateway can't be built from its settings."""
    build = _KINDS.get(_kind(settings))
    if build is None:
        raise ConfigError(f"[{settings.section}] smsurl: there is no connector for it")
    return build(Place(gateway_id, settings, inbox, wake, folder, selector))
