"""HTTP load for the Mizu API: keep-alive connections, one request at a time on each.

    python -m bench.load_api PORT MESSAGES CONNECTIONS ENTRY AUTHKEY AUTHID PROOF [RATE]

PROOF is `password:…`, or `secret:…`: then each request has its own salt. Without RATE a connection's next request
leaves when the last was answered. With RATE they leave at that pace, on any connection that is free, and a response
time counts from when its request was due.
"""

from __future__ import annotations

import hashlib
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import quote_plus

from bench.load import SENDER, Tally, target, text

_PAUSE = 0.05  # seconds until a message that was refused for now is tried anew
_REQUEST = "GET /mvapireq/?apientry={entry}&{proof}&anum={sender}&bnum={target}&message={text}&now=555 HTTP/1.1\r\n"


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    number: int = -1  # of the message under way
    due: float = 0.0
    received: bytes = b""

    def answer(self) -> str:
        """The body where the whole answer is here; empty: not yet. Raises ConnectionError at its end."""
        octets = self.socket.recv(65536)
        if not octets:
            raise ConnectionError("the gateway closed a keep-alive connection")
        self.received += octets
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return str(body, "utf-8") if end and len(body) >= int(length) else ""


class Proof:
    """The parameters by which each request proves whose it is."""

    def __init__(self, authkey: str, authid: str, proof: str) -> None:
        self._authkey, self._authid = authkey, authid
        self._kind, _, self._word = proof.partition(":")
        self._run = os.urandom(6).hex()

    def of(self, number: int) -> str:
        begin = f"authkey={self._authkey}&authid={self._authid}"
        if self._kind == "password":
            return f"{begin}&authpwd={quote_plus(self._word)}"
        salt = f"{self._run}{number}"
        words = f"{self._authid}:{self._authkey}:{self._word}:{salt}"
        return f"{begin}&authmd5={hashlib.md5(words.encode()).hexdigest()}&authsalt={salt}"


class Generator:
    def __init__(self, port: int, messages: int, connections: int, entry: str, proof: Proof, rate: float = 0.0) -> None:
        self.messages, self.rate = messages, rate
        self.entry, self.proof = entry, proof
        self.next = self.requests = 0
        self.tally = Tally()
        self.poll = select.epoll()
        self.again: deque[tuple[float, int, float]] = deque()  # when, message, due: what was refused for now
        self.open: dict[int, _Connection] = {}
        for _ in range(connections):
            connection = _Connection(socket.create_connection(("127.0.0.1", port)))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open[connection.socket.fileno()] = connection
            self.poll.register(connection.socket, select.EPOLLIN)
        self.free = deque(self.open.values())

    def run(self) -> None:
        self.tally.started = time.monotonic()
        while len(self.tally.seconds) < self.messages:
            self._send_due()
            for number, _ in self.poll.poll(0.0005 if self.rate or self.again else 60):
                self._receive(self.open[number])

    def _send_due(self) -> None:
        now = time.monotonic()
        while self.free and self.again and self.again[0][0] <= now:
            self._send(*self.again.popleft()[1:])
        while self.free and self.next < self.messages:
            due = self.tally.started + self.next / self.rate if self.rate else now
            if due > now:
                return
            self._send(self.next, due)
            self.next += 1

    def _send(self, number: int, due: float) -> None:
        connection = self.free.popleft()
        connection.number, connection.due, connection.received = number, due, b""
        line = _REQUEST.format(
            entry=self.entry, proof=self.proof.of(self.requests), sender=SENDER, target=target(number),
            text=quote_plus(text(number)),
        )  # fmt: skip
        self.requests += 1
        connection.socket.sendall(f"{line}Host: 127.0.0.1\r\n\r\n".encode())

    def _receive(self, connection: _Connection) -> None:
        answer = connection.answer()
        if not answer:
            return
        now = time.monotonic()
        self.free.append(connection)
        words = answer.split()
        self.tally.answers[words[0] if words[0] == "OK" else " ".join(words[:2])] += 1
        if words[0] == "OK":
            self.tally.seconds.append(now - connection.due)
        elif words[1] == "unavailable":
            self.again.append((now + _PAUSE, connection.number, connection.due))
        else:
            raise SystemExit(f"the gateway answered {answer}")


def _main(
    port: str, messages: str, connections: str, entry: str, authkey: str, authid: str, proof: str, rate: str = "0"
) -> None:
    generator = Generator(int(port), int(messages), int(connections), entry, Proof(authkey, authid, proof), float(rate))
    generator.run()
    generator.tally.print()


if __name__ == "__main__":
    _main(*sys.argv[1:])
