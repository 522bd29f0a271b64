"""What a gateway is built from: settings, and the files that they name. Where that is as it was, so is the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId
from voipsms.settings import MailSettings

State = tuple[GatewaySettings, MailSettings, tuple[tuple[str, int, int], ...]]  # files: name, mtime in ns, octets


def _names(settings: GatewaySettings, gateway_id: GatewayId) -> Iterator[str]:
    yield from (settings.certificate, settings.certificatekey, settings.ca, settings.plugin, settings.smpp.sslcertstore)
    for key in ("smssenddata", "smssendheader"):
        yield from (f"{key}_{gateway_id}.txt", f"{key}.txt")


def state(settings: GatewaySettings, mail: MailSettings, folder: Path, gateway_id: GatewayId) -> State:
    """To be compared with what it was: certificates are renewed and templates are edited under the same names."""
    files = []
    for name in filter(None, _names(settings, gateway_id)):
        try:
            found = (folder / name).stat()
        except (OSError, ValueError):  # there is none, or it is no file's name at all
            continue
        files.append((name, found.st_mtime_ns, found.st_size))
    return settings, mail, tuple(files)
