from __future__ import annotations

from pathlib import Path

import pytest

from voipsms.connectors.http import HttpConnector
from voipsms.connectors.http_verify import VerifyingHttpConnector
from voipsms.connectors.mail import MailConnector
from voipsms.connectors.null import NullConnector
from voipsms.connectors.plugin import PluginConnector
from voipsms.connectors.port import Describer
from voipsms.connectors.program import ProgramConnector
from voipsms.connectors.registry import connector_for
from voipsms.connectors.sip import SipConnector
from voipsms.connectors.smpp import SmppConnector
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings, SmppSettings, kind_of_url
from voipsms.model import GatewayId, Inbound, Receipt
from voipsms.settings import MailSettings


class Nobody:
    async def receipt(self, receipt: Receipt) -> None: ...

    async def inbound(self, inbound: Inbound) -> None: ...


def build(settings: GatewaySettings) -> object:
    mail = MailSettings(server="127.0.0.1", sender="gw@acme.test")
    return connector_for(GatewayId(2), settings, Nobody(), lambda: None, folder=Path("/conf"), mail=mail)


@pytest.mark.parametrize(
    "settings, kind",
    [
        (GatewaySettings(smsurl="http://a.test/?t=[message]"), HttpConnector),
        (GatewaySettings(smsurl="https://a.test/", smsverifyurl="https://a.test/[messageId]"), VerifyingHttpConnector),
        (GatewaySettings(smpp=SmppSettings(server="a.test")), SmppConnector),
        (GatewaySettings(smsurl="sip:[tonum]@a.test"), SipConnector),
        (GatewaySettings(smsurl="SIPS:[tonum]@a.test"), SipConnector),
        (GatewaySettings(smsurl="mailto:[tonum]@a.test"), MailConnector),
        (GatewaySettings(smsurl="null:delay=5"), NullConnector),
        (GatewaySettings(smsurl="./send.sh [tonum]"), ProgramConnector),
        (GatewaySettings(smsurl="/usr/local/bin/send"), ProgramConnector),
        (GatewaySettings(smsurl="'./send it' [message]"), ProgramConnector),
        (GatewaySettings(plugin="twilio.py", user="AC1", password="p"), PluginConnector),
        (GatewaySettings(smsurl="http://a.test/", plugin="twilio.py", user="AC1", password="p"), PluginConnector),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_the_settings_choose_the_kind(settings: GatewaySettings, kind: type) -> None:
    connector = build(settings)
    assert type(connector) is kind
    assert isinstance(connector, Describer)


async def test_what_nothing_speaks_for() -> None:
    assert kind_of_url("ftp://a.test") == ""
    with pytest.raises(ConfigError, match=r"\[global\] smsurl: there is no connector for it"):
        build(GatewaySettings(smsurl="ftp://a.test"))


async def test_mail_without_a_server() -> None:
    with pytest.raises(ConfigError, match=r"\[mail\] server: must be set"):
        connector_for(GatewayId(2), GatewaySettings(smsurl="mailto:a@b.test"), Nobody(), lambda: None)
