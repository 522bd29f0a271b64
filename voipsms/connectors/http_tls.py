"""The TLS side of an HTTP gateway: whom we believe, and what we show. Every fault is found at load."""

from __future__ import annotations

import ssl
from pathlib import Path

from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings


def client_context(settings: GatewaySettings, folder: Path) -> ssl.SSLContext:
    """`ca` replaces the system's authorities; `certificate` and `certificatekey` are shown to servers that ask.

    Paths are relative to `folder`. Raises ConfigError with section, key and file.
    """
    place = f"[{settings.section}]"
    context = _trust(settings, folder, place)
    if settings.certificate:
        _show(context, settings, folder, place)
    elif settings.certificatekey:
        raise ConfigError(f"{place} certificatekey: there must be a certificate, too")
    return context


def _trust(settings: GatewaySettings, folder: Path, place: str) -> ssl.SSLContext:
    authorities = folder / settings.ca if settings.ca else None
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place} ca: {authorities}: {_why(error)}") from error
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _show(context: ssl.SSLContext, settings: GatewaySettings, folder: Path, place: str) -> None:
    certificate = folder / settings.certificate
    key = folder / settings.certificatekey if settings.certificatekey else None
    for name, file in (("certificate", certificate), ("certificatekey", key)):
        if file is not None and not file.is_file():
            raise ConfigError(f"{place} {name}: {file}: there is no such file")
    try:
        # An empty password, so that OpenSSL never asks the terminal for one.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        both = f"{certificate} and {key}" if key else str(certificate)
        raise ConfigError(f"{place} certificate: {both}: {_why(error)}") from error


def _why(error: OSError | ValueError) -> str:
    """OpenSSL's words are of little help; what is right is the same in all cases."""
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        return f"must be PEM, the key without a password and of this certificate{reason and f' ({reason})'}"
    return getattr(error, "strerror", None) or str(error)
