"""A scripted phone or softswitch: one request, its answer; it writes every octet itself where a test asks for that."""

from __future__ import annotations

import itertools
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.gateway import NUMBER, PASSWORD
from voipsms.sip.digest import authorization
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, parse_message
from voipsms.sip.stream import StreamParser

SOFTSWITCH, STRANGER = "127.0.0.1", "127.0.0.2"  # addresses: the gateways of the tests trust the first one only
PATIENCE = 10.0  # seconds for an answer

Fields = Mapping[str, str | None]

_numbers = itertools.count(1)


def message(target: str, text: str | bytes = "Hello", sender: str = NUMBER, fields: Fields | None = None) -> Request:
    """A MESSAGE without Via, every one a new one; `fields` replaces or adds headers, None leaves one out."""
    usual: dict[str, str | None] = {
        "From": f"<sip:{sender}@example.com>;tag={secrets.token_hex(4)}",
        "To": f"<sip:{target}@example.com>",
        "Call-ID": f"{next(_numbers)}-{secrets.token_hex(6)}",
        "CSeq": "1 MESSAGE",
        "Max-Forwards": "70",
        "Content-Type": "text/plain;charset=UTF-8",
    }
    given = {**usual, **(fields or {})}
    body = text.encode() if isinstance(text, str) else text
    headers = Headers((name, value) for name, value in given.items() if value is not None)
    return Request("MESSAGE", f"sip:{target}@127.0.0.1", headers, body)


class Phone:
    """`transport`: udp, tcp or tls, the last one with the authority that it trusts."""

    def __init__(
        self, port: int, transport: str = "udp", host: str = SOFTSWITCH, authority: Path | None = None
    ) -> None:
        self.transport = transport
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        plain = socket.socket(socket.AF_INET, kind)
        plain.bind((host, 0))
        plain.connect(("127.0.0.1", port))
        self._socket = plain
        if transport == "tls":
            self._socket = ssl.create_default_context(cafile=authority).wrap_socket(plain, server_hostname="localhost")
        self._parser = StreamParser()
        self.sent_by = f"{host}:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def write(self, octets: bytes) -> None:
        self._socket.send(octets) if self.transport == "udp" else self._socket.sendall(octets)

    def octets(self, seconds: float = PATIENCE) -> bytes:
        """What comes next, as it is."""
        self._socket.settimeout(seconds)
        return self._socket.recv(65536)

    def read(self, seconds: float = PATIENCE) -> Response:
        """The next final answer, whatever it answers. Raises TimeoutError, ConnectionError."""
        deadline = time.monotonic() + seconds
        while True:
            response = self._next(max(0.001, deadline - time.monotonic()))
            if response is not None and response.status >= 200:
                return response

    def _next(self, seconds: float) -> Response | None:
        octets = self.octets(seconds)
        if self.transport == "udp":
            found = parse_message(octets)
            return found if isinstance(found, Response) else None
        if not octets:
            raise ConnectionError("the gateway has closed the connection")
        self._parser.receive_data(octets)
        return next((event for event in self._parser.events() if isinstance(event, Response)), None)

    def put(self, request: Request, branch: str = "") -> str:
        """Sends the request and does not wait; returns its branch."""
        branch = branch or f"z9hG4bK{secrets.token_hex(8)}"
        via = ("Via", f"SIP/2.0/{self.transport.upper()} {self.sent_by};branch={branch};rport")
        self.write(Request(request.method, request.uri, Headers([via, *request.headers]), request.body).to_bytes())
        return branch

    def exchange(self, request: Request, branch: str = "", seconds: float = PATIENCE) -> Response:
        """A transaction; another call with the same request is another one."""
        branch = self.put(request, branch)
        while True:
            response = self.read(seconds)
            if branch in response.headers.get("Via"):
                return response

    def send(
        self, target: str, text: str | bytes = "Hello", sender: str = NUMBER, fields: Fields | None = None,
        seconds: float = PATIENCE,
    ) -> Response:  # fmt: skip
        return self.exchange(message(target, text, sender, fields), seconds=seconds)

    def send_as(
        self, user: str, target: str, text: str = "Hello", password: str = PASSWORD, algorithm: str = ""
    ) -> Response:
        """As a phone does: MESSAGE, challenge, MESSAGE with credentials for one of the challenges."""
        request = message(target, text, user)
        return self.exchange(answer_challenge(request, self.exchange(request), user, password, algorithm))


def answer_challenge(
    request: Request, challenge: Response, user: str, password: str = PASSWORD, algorithm: str = ""
) -> Request:
    """The request again, with the digest; `algorithm` empty: the best one that is offered. Raises NoUsableChallenge."""
    offered = [v for v in challenge.headers.get_all("WWW-Authenticate") if algorithm in v]
    value = authorization(offered, request.method, request.uri, user, password, cnonce=secrets.token_hex(8))
    cseq = f"{request.cseq + 1} {request.method}"
    fields = [(name, cseq if name == "CSeq" else text) for name, text in request.headers]
    return Request(request.method, request.uri, Headers([*fields, ("Authorization", value)]), request.body)
