"""A certificate authority and what it signs, made by openssl in a folder of the test."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers.program import binary


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files."""

    certificate: Path
    key: Path


def _openssl(*words: str | Path) -> None:
    subprocess.run([binary("openssl"), *map(str, words)], check=True, capture_output=True)


def _files(folder: Path, name: str) -> Certificate:
    return Certificate(folder / f"{name}.pem", folder / f"{name}.key")


def authority(folder: Path, name: str = "ca") -> Certificate:
    """A self-signed CA, good for two days."""
    made = _files(folder, name)
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN=voipsms test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", made.key, "-out", made.certificate,
    )  # fmt: skip
    return made


def server(folder: Path, ca: Certificate, name: str = "localhost", days: int = 2) -> Certificate:
    """A server's certificate for `name` and 127.0.0.1. Negative `days`: it has expired."""
    made, request = _files(folder, name), folder / f"{name}.csr"
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    _openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
        "-keyout", made.key, "-out", request,
    )  # fmt: skip
    _openssl(
        "x509", "-req", "-in", request, "-CA", ca.certificate, "-CAkey", ca.key, "-CAcreateserial",
        "-days", str(days), "-extfile", extensions, "-out", made.certificate,
    )  # fmt: skip
    return made
