"""What is wrong with a gateway's TLS or outbind stops the start, with section, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from voipsms.connectors.registry import connector_for
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings, SmppSettings
from voipsms.model import GatewayId

WRONG = {
    "a word that sslaccept doesn't know": (
        SmppSettings(server="a", secure=True, sslaccept="yes"), "smpp_sslaccept: must be ANY, ALL, - or empty",
    ),
    "a store of Windows": (
        SmppSettings(server="a", secure=True, sslcertstore="MY"), "smpp_sslcertstore: MY is a certificate store",
    ),
    "a file that isn't there": (
        SmppSettings(server="a", secure=True, sslcertstore="no.pem"), "smpp_sslcertstore, smpp_sslpwd: No such file",
    ),
    "outbind without a password": (SmppSettings(server="a", outbind="127.0.0.1:0"), "smpp_outbindpassword: must be"),
}  # fmt: skip


@pytest.mark.parametrize("smpp, why", WRONG.values(), ids=WRONG.keys())
async def test_refused(smpp: SmppSettings, why: str, tmp_path: Path) -> None:
    settings = GatewaySettings(name="acme", smpp=smpp)
    with pytest.raises(ConfigError) as raised:
        connector_for(GatewayId(1), settings, None, lambda: None, folder=tmp_path)  # type: ignore[arg-type]
    assert str(raised.value).startswith(f"[gateway:acme] {why}")
