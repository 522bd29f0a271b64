"""Whoever calls a listener of ours: a request as it should be, and octets as they come."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    body: bytes
    headers: Mapping[str, str]  # names in lower case

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def object(self) -> Any:
        return json.loads(self.body)


def ask_http(
    port: int, path: str, body: str | bytes | None = None, kind: str = FORM, *, method: str = "",
    headers: Mapping[str, str] | None = None, seconds: float = 30.0,
) -> Said:  # fmt: skip
    """POST where there is a body, else GET. Raises OSError."""
    octets = body.encode() if isinstance(body, str) else body
    told = {**({"Content-Type": kind} if octets is not None and kind else {}), **(headers or {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method or ("GET" if octets is None else "POST"), path, octets, told)
        answer = connection.getresponse()
        return Said(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
    finally:
        connection.close()


def coded(fields: Mapping[str, str | bytes]) -> str:
    """As a query or a form; values that are octets stay as they are."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def raw(port: int, octets: bytes, seconds: float = 30.0) -> bytes:
    """Everything that is answered until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as peer, peer.makefile("rb") as said:
        peer.sendall(octets)
        return said.read()
