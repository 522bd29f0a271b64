"""MESSAGE by TLS, with certificates made here."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.rig import messages, settled
from tests.peers import certificates
from tests.peers.gateway import Gateway
from tests.peers.phone import STRANGER, Phone
from tests.peers.ports import free_port
from tests.peers.smsc import SmscCommand

MOBILE = "36301112233"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificates.server(folder, certificates.authority(folder))
    return folder


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with SmscCommand(folder) as smsc:
        gateway = Gateway(folder, smsc.port)
        listen = f"udp:127.0.0.1:{gateway.sip_port}, tls:127.0.0.1:{gateway.tls_port}"
        files = {"tls_cert": "localhost.pem", "tls_key": "localhost.key"}
        gateway.configure({"sip": {"listen": listen, "trusted": "127.0.0.1", **files}})
        gateway.add_user()
        with gateway:
            yield gateway


def test_a_trusted_softswitch(gateway: Gateway, folder: Path) -> None:
    with Phone(gateway.tls_port, "tls", authority=folder / "ca.pem") as softswitch:
        assert [softswitch.send(MOBILE).status for _ in range(3)] == [202] * 3
        assert softswitch.send("3612345678").status == 404
    settled(gateway, messages(gateway))


def test_a_phone_with_a_password(gateway: Gateway, folder: Path) -> None:
    with Phone(gateway.tls_port, "tls", STRANGER, folder / "ca.pem") as phone:
        assert phone.send_as("bench", MOBILE).status == 202


def test_who_does_not_trust_the_authority_gets_nothing(gateway: Gateway, folder: Path) -> None:
    (folder / "other").mkdir()
    other = certificates.authority(folder / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        Phone(gateway.tls_port, "tls", authority=other.certificate)


def test_plain_text_on_the_tls_port_disturbs_nobody(gateway: Gateway, folder: Path) -> None:
    with (
        Phone(gateway.tls_port, "tcp") as confused,
        Phone(gateway.tls_port, "tls", authority=folder / "ca.pem") as phone,
    ):
        confused.write(b"MESSAGE sip:1@x SIP/2.0\r\n\r\n")
        with pytest.raises(ConnectionError):
            confused.read()
        assert phone.send(MOBILE).status == 202


FAULTS = {
    "no such file": ({"tls_cert": "nowhere.pem"}, "nowhere.pem"),
    "another's key": ({"tls_key": "ca.key"}, "ca.key"),
    "not PEM": ({"tls_cert": "config.ini"}, "config.ini"),
}


@pytest.mark.parametrize("change, named", FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_certificate_stops_the_start_with_one_line(change: dict[str, str], named: str, folder: Path) -> None:
    gateway = Gateway(folder)
    files = {"tls_cert": "localhost.pem", "tls_key": "localhost.key", **change}
    gateway.configure({
        "global": {"smsurl": None},
        "database": {"url": "sqlite:///other.db"},
        "sip": {"listen": f"tls:127.0.0.1:{free_port()}", **files},
        "log": {"level": "error"},
    })  # fmt: skip
    ran = gateway.run("run")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1), ran.stderr
    assert "tls" in ran.stderr
    assert named in ran.stderr
