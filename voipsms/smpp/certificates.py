"""Our certificate and key as Mizu's `ssl…` parameters name them: a PFX file, a PFX blob, or PEM. The only importer of
cryptography."""

from __future__ import annotations

import base64
import binascii
import secrets
import ssl
import tempfile
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from voipsms.errors import ConfigError
from voipsms.gateway_settings import SmppSettings

PFX_FILE: Final = 2  # sslstoretype
PFX_BLOB: Final = 3
PEM: Final = 4
WINDOWS_STORES: Final = frozenset({"my", "ca", "root", "spc"})
_RIGHT: Final = "must be the path of a PFX file (sslstoretype=2) or of a PEM file with certificate and key (4)"


def load_own(context: ssl.SSLContext, settings: SmppSettings, folder: Path) -> None:
    """Makes the context show what `sslcertstore` holds. Raises ConfigError, which names the parameter."""
    store, kind = settings.sslcertstore, settings.sslstoretype
    if store.lower() in WINDOWS_STORES:
        raise ConfigError(f"smpp_sslcertstore: {store} is a certificate store of Windows; {_RIGHT}")
    if kind not in (PFX_FILE, PFX_BLOB, PEM):
        raise ConfigError(f"smpp_sslstoretype: {kind} is a certificate store of Windows; must be 2, 3 or 4")
    try:
        octets = _read(folder, store, kind)
        if kind == PEM:
            _check_subject(x509.load_pem_x509_certificate(octets), settings.sslsubject)
            # An empty password, so that OpenSSL never asks the terminal for one.
            context.load_cert_chain(folder / store, password=settings.sslpwd)
        else:
            _load_pfx(context, octets, settings)
    except (OSError, ValueError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
        raise ConfigError(f"smpp_sslcertstore, smpp_sslpwd: {why or 'no certificate and key can be read'}") from error


def _read(folder: Path, store: str, kind: int) -> bytes:
    if kind != PFX_BLOB:
        return (folder / store).read_bytes()
    try:
        return base64.b64decode("".join(store.split()), validate=True)
    except binascii.Error:
        raise ConfigError("smpp_sslcertstore: must be a PFX in base64, since smpp_sslstoretype is 3") from None


def _load_pfx(context: ssl.SSLContext, octets: bytes, settings: SmppSettings) -> None:
    """OpenSSL reads PEM files alone, so the key is in one for a moment, under a new password. Raises ValueError."""
    key, own, others = pkcs12.load_key_and_certificates(octets, settings.sslpwd.encode() or None)
    if key is None or own is None:
        raise ValueError("no certificate and key in it")
    _check_subject(own, settings.sslsubject)
    password = secrets.token_hex(16).encode()
    encoding = serialization.Encoding.PEM
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(certificate.public_bytes(encoding) for certificate in (own, *others))
        locked = serialization.BestAvailableEncryption(password)
        file.write(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, locked))
        file.flush()
        context.load_cert_chain(file.name, password=password)


def _check_subject(certificate: x509.Certificate, wanted: str) -> None:
    """`wanted`: attributes such as CN=client, several by comma, all of which the certificate must have."""
    if wanted in ("", "*"):
        return
    there = {f"{one.rfc4514_attribute_name}={one.value!s}".casefold() for one in certificate.subject}
    if not {word.strip().casefold() for word in wanted.split(",")} <= there:
        told = certificate.subject.rfc4514_string()
        raise ConfigError(f"smpp_sslsubject: the certificate in smpp_sslcertstore is of {told}")


def pinned(text: str) -> bytes:
    """The certificate of `sslencodig`, PEM or bare base64, as DER. Raises ConfigError."""
    words = text.replace("\\n", " ")  # as one line of a config file may spell it
    for mark in ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"):
        words = words.replace(mark, "")
    try:
        octets = base64.b64decode("".join(words.split()), validate=True)
        return x509.load_der_x509_certificate(octets).public_bytes(serialization.Encoding.DER)
    except ValueError as error:
        raise ConfigError("smpp_sslencodig: must be the SMSC's certificate, PEM or base64") from error
