"""Every kind of gateway, and which one a gateway's settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voipsms.connectors.http import HttpConnector
from voipsms.connectors.http_verify import VerifyingHttpConnector
from voipsms.connectors.mail import MailConnector
from voipsms.connectors.null import NullConnector
from voipsms.connectors.plugin import PluginConnector
from voipsms.connectors.port import Connector, Inbox, Selector
from voipsms.connectors.program import ProgramConnector
from voipsms.connectors.sip import SipConnector
from voipsms.connectors.smpp import SmppConnector
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings, kind_of_url
from voipsms.log import LogMethod, get_logger, masking
from voipsms.model import GatewayId
from voipsms.settings import MailSettings

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
    mail: MailSettings

    def trace(self, name: str) -> LogMethod | None:
        """The debug log of that name, where anybody reads it."""
        log = get_logger(name)
        return log.debug if log.debugging else None


def _smpp(at: Place) -> Connector:
    log = get_logger("smpp")
    trace = (lambda direction, text: log.debug("pdu", way=direction, what=text)) if log.debugging else None
    return SmppConnector(at.gateway_id, at.settings, at.inbox, at.wake, trace=trace, mask=masking(), folder=at.folder)


def _http(at: Place) -> Connector:
    kind = VerifyingHttpConnector if at.settings.smsverifyurl else HttpConnector
    return kind(
        at.gateway_id, at.settings, at.wake,
        folder=at.folder, selector=at.selector, trace=at.trace("http"), mask=masking(),
    )  # fmt: skip


def _program(at: Place) -> Connector:
    return ProgramConnector(
        at.gateway_id, at.settings, at.wake, at.folder,
        selector=at.selector, trace=at.trace("program"), mask=masking(),
    )  # fmt: skip


def _sip(at: Place) -> Connector:
    return SipConnector(
        at.gateway_id, at.settings, at.wake, at.folder,
        selector=at.selector, trace=at.trace("sip"), mask=masking(),
    )  # fmt: skip


def _mail(at: Place) -> Connector:
    return MailConnector(
        at.gateway_id, at.settings, at.wake, at.folder, at.mail,
        selector=at.selector, trace=at.trace("mail"), mask=masking(),
    )  # fmt: skip


def _null(at: Place) -> Connector:
    return NullConnector(at.gateway_id, at.settings, at.wake, trace=at.trace("null"), mask=masking())


def _plugin(at: Place) -> Connector:
    return PluginConnector(
        at.gateway_id, at.settings, at.wake, at.folder,
        selector=at.selector, trace=at.trace("plugin"), mask=masking(),
    )  # fmt: skip


_KINDS: Final[dict[str, Callable[[Place], Connector]]] = {
    "smpp": _smpp, "http": _http, "program": _program, "sip": _sip, "mail": _mail, "null": _null, "plugin": _plugin,
}  # fmt: skip


def kind_of(settings: GatewaySettings) -> str:
    """smpp, http, program, sip, mail, null or plugin; empty: none of them."""
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
    mail: MailSettings | None = None,
) -> Connector:
    """Raises ConfigError where the gateway can't be built from its settings."""
    build = _KINDS.get(kind_of(settings))
    if build is None:
        raise ConfigError(f"[{settings.section}] smsurl: there is no connector for it")
    return build(Place(gateway_id, settings, inbox, wake, folder, selector, mail or MailSettings()))
