"""Which SMSC is believed when the session goes by TLS, and what we show it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voipsms.errors import ConfigError, GatewayDown
from voipsms.gateway_settings import SmppSettings
from voipsms.smpp import certificates

ANY: Final = frozenset({"any", "all"})
VALID: Final = frozenset({"", "-"})


@dataclass(frozen=True, slots=True)
class Tls:
    context: ssl.SSLContext
    pinned: bytes = b""  # the only certificate that is accepted, DER; empty: any that the context accepts

    def check(self, certificate: bytes | None) -> None:
        """The certificate that the SMSC showed, before anything is said to it. Raises GatewayDown."""
        if self.pinned and certificate != self.pinned:
            raise GatewayDown("the SMSC's certificate is not the one in smpp_sslencodig")


def tls_for(settings: SmppSettings, folder: Path) -> Tls:
    """Paths are relative to `folder`. Raises ConfigError, which names the parameter and what would be right."""
    accept = settings.sslaccept.lower()
    if accept not in ANY | VALID:
        raise ConfigError("smpp_sslaccept: must be ANY, ALL, - or empty")
    context = ssl.create_default_context()
    if accept in ANY or settings.sslencodig:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.sslcertstore:
        certificates.load_own(context, settings, folder)
    return Tls(context, certificates.pinned(settings.sslencodig) if settings.sslencodig else b"")
