"""Our certificate from every store that there is, and the SMSC's that is pinned."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.peers.certificates import authority, server
from voipsms.errors import ConfigError, GatewayDown
from voipsms.gateway_settings import SmppSettings
from voipsms.smpp.certificates import load_own, pinned
from voipsms.smpp.tls import tls_for


@dataclass(frozen=True, slots=True)
class Stores:
    """One certificate, of CN=esme, in every store; the PFX with the password `secret`."""

    folder: Path
    pem: str
    der: bytes

    def blob(self, name: str = "esme.pfx") -> str:
        return base64.b64encode((self.folder / name).read_bytes()).decode()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder = tmp_path_factory.mktemp("stores")
    ca = authority(folder)
    made = server(folder, ca, "esme")
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    key: Any = serialization.load_pem_private_key(made.key.read_bytes(), None)
    chain = [x509.load_pem_x509_certificate(ca.certificate.read_bytes())]
    (folder / "both.pem").write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (folder / "locked.pem").write_bytes(made.certificate.read_bytes() + locked)
    for name, protection in (
        ("esme.pfx", serialization.BestAvailableEncryption(b"secret")),
        ("open.pfx", serialization.NoEncryption()),
    ):
        (folder / name).write_bytes(pkcs12.serialize_key_and_certificates(b"esme", key, certificate, chain, protection))
    (folder / "empty.pfx").write_bytes(
        pkcs12.serialize_key_and_certificates(b"ca", None, None, chain, serialization.NoEncryption())
    )
    return Stores(folder, made.certificate.read_text(), certificate.public_bytes(serialization.Encoding.DER))


GOOD: dict[str, dict[str, object]] = {
    "PEM": {"sslcertstore": "both.pem"},
    "PEM, key locked": {"sslcertstore": "locked.pem", "sslpwd": "secret"},
    "PFX file": {"sslcertstore": "esme.pfx", "sslstoretype": 2, "sslpwd": "secret"},
    "PFX file, open": {"sslcertstore": "open.pfx", "sslstoretype": 2},
    "PFX blob": {"sslcertstore": "blob", "sslstoretype": 3, "sslpwd": "secret"},
    "subject": {"sslcertstore": "both.pem", "sslsubject": "cn=ESME"},
    "any subject": {"sslcertstore": "esme.pfx", "sslstoretype": 2, "sslpwd": "secret", "sslsubject": "*"},
}


def settings(stores: Stores, values: dict[str, object]) -> SmppSettings:
    given = dict(values)
    if given.get("sslcertstore") == "blob":
        given["sslcertstore"] = stores.blob()
    return replace(SmppSettings(), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", GOOD.values(), ids=GOOD.keys())
def test_own_certificate(values: dict[str, object], stores: Stores) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_own(context, settings(stores, values), stores.folder)
    assert shown(context, stores.folder) == stores.der


def shown(context: ssl.SSLContext, folder: Path) -> bytes | None:
    """The certificate that a peer sees, by a handshake in memory."""
    client = ssl.create_default_context(cafile=folder / "ca.pem")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(there, back, server_side=True)
    theirs = client.wrap_bio(back, there, server_hostname="esme")
    for _ in range(3):
        for end in (theirs, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs.getpeercert(binary_form=True)


BAD: dict[str, tuple[dict[str, object], str]] = {
    "MY": ({"sslcertstore": "MY"}, "smpp_sslcertstore: MY is a certificate store of Windows; must be the path"),
    "root": ({"sslcertstore": "root"}, "smpp_sslcertstore: root is a certificate store of Windows"),
    "user's store": ({"sslcertstore": "esme.pfx", "sslstoretype": 0}, "smpp_sslstoretype: 0 .* must be 2, 3 or 4"),
    "machine's store": ({"sslcertstore": "esme.pfx", "sslstoretype": 1}, "smpp_sslstoretype: 1 .* must be 2, 3 or 4"),
    "no such file": ({"sslcertstore": "none.pem"}, "smpp_sslcertstore, smpp_sslpwd: No such file"),
    "no key in it": ({"sslcertstore": "esme.pem"}, "no certificate and key can be read"),
    "PFX as PEM": ({"sslcertstore": "esme.pfx"}, "no certificate and key can be read"),
    "PEM as PFX": ({"sslcertstore": "both.pem", "sslstoretype": 2}, "no certificate and key can be read"),
    "PFX of an authority alone": ({"sslcertstore": "empty.pfx", "sslstoretype": 2}, "no certificate and key"),
    "wrong password": ({"sslcertstore": "esme.pfx", "sslstoretype": 2, "sslpwd": "x"}, "no certificate and key"),
    "wrong password of PEM": ({"sslcertstore": "locked.pem", "sslpwd": "x"}, "no certificate and key"),
    "no password of PEM": ({"sslcertstore": "locked.pem"}, "no certificate and key"),
    "blob that is none": ({"sslcertstore": "!!", "sslstoretype": 3}, "smpp_sslcertstore: must be a PFX in base64"),
    "another subject": ({"sslcertstore": "both.pem", "sslsubject": "CN=x"}, "smpp_sslsubject: .* is of CN=esme"),
}


@pytest.mark.parametrize("values, why", BAD.values(), ids=BAD.keys())
def test_own_certificate_that_can_not_be_used(values: dict[str, object], why: str, stores: Stores) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        load_own(ssl.create_default_context(), settings(stores, values), stores.folder)
    assert "secret" not in str(raised.value)


def test_pinned(stores: Stores) -> None:
    bare = stores.pem.replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    for text in (
        stores.pem,
        bare,
        "".join(bare.split()),
        stores.pem.replace("\n", "\\n"),
        stores.pem.replace("\n", " "),
    ):
        assert pinned(text) == stores.der


@pytest.mark.parametrize("text", ["x", "MIIB", "-----BEGIN CERTIFICATE-----", "AAAA"])
def test_pinned_that_is_no_certificate(text: str) -> None:
    with pytest.raises(ConfigError, match="smpp_sslencodig: must be the SMSC's certificate"):
        pinned(text)


ACCEPT = [
    ("", "", ssl.CERT_REQUIRED),
    ("-", "", ssl.CERT_REQUIRED),
    ("ANY", "", ssl.CERT_NONE),
    ("all", "", ssl.CERT_NONE),
]


@pytest.mark.parametrize("accept, pin, mode", [*ACCEPT, ("-", "pem", ssl.CERT_NONE)])
def test_whom_we_believe(accept: str, pin: str, mode: ssl.VerifyMode, stores: Stores) -> None:
    tls = tls_for(SmppSettings(sslaccept=accept, sslencodig=pin and stores.pem), stores.folder)
    assert (tls.context.verify_mode, tls.context.check_hostname) == (mode, mode is ssl.CERT_REQUIRED)
    tls.check(stores.der)
    for other in (None, b"", stores.der[:-1]):
        if pin:
            with pytest.raises(GatewayDown, match="not the one in smpp_sslencodig"):
                tls.check(other)
        else:
            tls.check(other)


def test_accept_is_a_word() -> None:
    with pytest.raises(ConfigError, match="smpp_sslaccept: must be ANY, ALL, - or empty"):
        tls_for(SmppSettings(sslaccept="yes"), Path())
