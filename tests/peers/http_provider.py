"""A provider's HTTP API on loopback: the last digits of the number in the request say how it answers."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_TARGET = re.compile(r"3630\d{7}")

# By the last two digits: the answers in turn (the last one again and again), None for silence.
ANSWERS: dict[str, tuple[tuple[int, str] | None, ...]] = {
    "01": ((400, "no such number"),),
    "02": ((200, "ERR: 105, out of credit"),),
    "03": ((500, "oops"), (200, "ID: 3")),
    "04": ((500, "oops"),),
    "05": (None,),
    "06": ((429, "slow down"), (200, "ID: 6")),
    "07": ((200, "ID: 7"), (200, "ERR: it was not sent")),  # the second is that of a verify request
    "08": ((200, "ID: 8"), None),
}
USUAL = ((200, "ID: abc-1"),)


def _entry(number: str) -> dict[str, str]:
    """What the answer to a batch says of one number."""
    return {"to": number, "error": "no such number"} if number.endswith("01") else {"to": number, "id": f"b-{number}"}


@dataclass(frozen=True, slots=True)
class Exchange:
    method: str
    path: str  # with the query
    content_type: str
    body: bytes
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    """`tls`: with which it speaks. A client whose certificate it doesn't accept gets an alert and nothing else."""

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            return super().finish_request(request, client_address)
        request.settimeout(5)
        with self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secure:
            try:
                secure.do_handshake()
            except OSError:
                return _leave(socket.socket(fileno=secure.detach()))
            return super().finish_request(secure, client_address)


def _leave(connection: socket.socket) -> None:
    """Reads what the client still sends, lest a reset overtakes the alert."""
    with connection, contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


class HttpProvider:
    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Exchange] = []
        self.usual: tuple[tuple[int, str] | None, ...] = USUAL
        self.released = threading.Event()  # ends silences
        self._seen: Counter[str] = Counter()
        self._server = _Server(port, self._handler(), tls)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def to(self, target: str) -> list[Exchange]:
        return [request for request in self.requests if request.target == target]

    def _answer(self, exchange: Exchange) -> tuple[int, str] | None:
        self.requests.append(exchange)
        if exchange.path.startswith("/batch"):
            return 200, json.dumps([_entry(number) for number in _TARGET.findall(exchange.path)])
        answers = ANSWERS.get(exchange.target[-2:], self.usual)
        turn, self._seen[exchange.target] = self._seen[exchange.target], self._seen[exchange.target] + 1
        return answers[min(turn, len(answers) - 1)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 2

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                found = _TARGET.search(f"{self.path} {body.decode()}")
                kind = self.headers.get("Content-Type", "")
                exchange = Exchange(self.command, self.path, kind, body, found[0] if found else "", dict(self.headers))
                answer = provider._answer(exchange)
                if answer is None:
                    provider.released.wait()
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                if answer[0] == 429:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1].encode())

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the requests are kept."""

        return Handler
