"""`smsurl = sip:[tonum]@provider.example:5060;transport=tcp`: whom a MESSAGE is for, and where it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voipsms.connectors.pieces import Literal, Misplaced, Value
from voipsms.connectors.places import Place
from voipsms.connectors.template import Template, compile_value
from voipsms.errors import ConfigError, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.sip.endpoint import DEFAULT_PORTS, Peer
from voipsms.sip.grammar import SipParseError
from voipsms.sip.uri import Uri, host_text

_URL: Final = re.compile(r"(sips?):(.+)@([^@\[{\s]*|\[[0-9A-Fa-f:.]+\][^@\[{\s]*)", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r"[^-_.!~*'()&=+$,;?/%A-Za-z0-9]|%(?![0-9A-Fa-f]{2})")  # in a user, RFC 3261 §25.1


@dataclass(frozen=True, slots=True)
class _User(Place):
    """The user part of a SIP URI."""

    def after(self, piece: Literal) -> tuple[str, _User]:
        if bad := _FORBIDDEN.search(piece.text):
            raise Misplaced(piece.at + bad.start(), f"{bad[0]!r} is not allowed before the @ of a SIP URI")
        return piece.text, self

    def escape(self, piece: Value) -> str:
        return "as_percent"


@dataclass(frozen=True, slots=True)
class Trunk:
    """Where MESSAGEs go: `user` renders what stands before the @ of their URI, all the rest is fixed."""

    scheme: str
    user: Template
    rest: str  # host, port and parameters, as written
    host: str
    peer: Peer

    def uri(self, named: dict[str, str]) -> str:
        """Raises SubmitRefused, and Unwritable."""
        user = self.user(named)
        if not user:
            raise SubmitRefused("nothing would stand before the @ of its URI")
        return f"{self.scheme}:{user}@{self.rest}"

    def address(self, user: str) -> str:
        """For From and To, whose URI has neither port nor transport: RFC 3261 §19.1.1, table 1. `user`: escaped."""
        return f"<{self.scheme}:{user}@{host_text(self.host, None)}>"


def read_trunk(settings: GatewaySettings) -> Trunk:
    """Raises ConfigError."""
    place, url = f"[{settings.section}] smsurl", _URL.fullmatch(settings.smsurl)
    try:
        uri = Uri.parse(f"{url[1]}:x@{url[3]}") if url else None
    except SipParseError:
        uri = None
    if url is None or uri is None or uri.headers or uri.port == 0:
        raise ConfigError(f"{place}: must be sip:[tonum]@host, with :port and ;transport=tcp where it needs them")
    transport = "tls" if uri.scheme == "sips" else uri.params.get("transport", "udp").lower()
    if transport not in DEFAULT_PORTS:
        raise ConfigError(f"{place}: transport must be one of {', '.join(DEFAULT_PORTS)}, not {transport!r}")
    user = compile_value(settings.section, "smsurl", url[2], _User(), dialect=settings.smsdialect)
    peer = Peer(transport, uri.params.get("maddr") or uri.host, uri.port or DEFAULT_PORTS[transport])
    return Trunk(uri.scheme, user, url[3], uri.host, peer)
