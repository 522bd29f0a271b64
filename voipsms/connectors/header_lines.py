"""smssendheader where it is no HTTP: `Name: value` lines with keywords, for SIP requests and mail."""

from __future__ import annotations

import re
from collections.abc import Collection

from voipsms.connectors import places
from voipsms.connectors.template import Template, compile_value
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings

HeaderLines = tuple[tuple[str, Template], ...]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def read_header_lines(settings: GatewaySettings, ours: Collection[str]) -> HeaderLines:
    """`ours`: names in lower case that the connector writes itself. Raises ConfigError."""
    found = []
    for line in filter(str.strip, re.split(r"[|\n]", settings.smssendheader)):
        name, colon, value = (piece.strip() for piece in line.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise ConfigError(f"[{settings.section}] smssendheader: must be `Name: value`, several by |")
        if name.lower() in ours:
            raise ConfigError(f"[{settings.section}] smssendheader: {name} is set by the connector itself")
        template = compile_value(settings.section, "smssendheader", value, places.header, dialect=settings.smsdialect)
        found.append((name, template))
    return tuple(found)
