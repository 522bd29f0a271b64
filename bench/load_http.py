"""HTTP load for Kannel's sendsms: keep-alive connections, one request at a time on each."""

from __future__ import annotations

import select
import socket
import sys
import time
from dataclasses import dataclass
from urllib.parse import quote_plus

from bench.load import SENDER, Tally, target, text

_REQUEST = (
    "GET /cgi-bin/sendsms?username=bench&password=bench&from={sender}&to={target}&text={text}&dlr-mask=3 HTTP/1.1\r\n"
    "Host: 127.0.0.1\r\n\r\n"
)


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    number: int = -1  # of the message under way
    sent: float = 0.0
    received: bytes = b""

    def send(self, number: int, sent: float) -> None:
        self.number, self.sent, self.received = number, sent, b""
        words = _REQUEST.format(sender=SENDER, target=target(number), text=quote_plus(text(number)))
        self.socket.sendall(words.encode())

    def answer(self) -> str:
        """The status where the whole answer is here; empty: not yet. Raises ConnectionError at its end."""
        octets = self.socket.recv(65536)
        if not octets:
            raise ConnectionError("Kannel closed a keep-alive connection")
        self.received += octets
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length or 0):
            return ""
        return str(head[9:12], "ascii")


class Generator:
    def __init__(self, port: int, messages: int, connections: int) -> None:
        self.messages = messages
        self.next = 0
        self.tally = Tally()
        self.poll = select.epoll()
        self.open: dict[int, _Connection] = {}
        for _ in range(connections):
            connection = _Connection(socket.create_connection(("127.0.0.1", port)))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open[connection.socket.fileno()] = connection
            self.poll.register(connection.socket, select.EPOLLIN)

    def run(self) -> None:
        self.tally.started = time.monotonic()
        for connection in self.open.values():
            self._send(connection)
        while len(self.tally.seconds) < self.messages:
            for number, _ in self.poll.poll(60):
                self._receive(self.open[number])

    def _send(self, connection: _Connection) -> None:
        if self.next < self.messages:
            connection.send(self.next, time.monotonic())
            self.next += 1

    def _receive(self, connection: _Connection) -> None:
        status = connection.answer()
        if not status:
            return
        self.tally.answers[status] += 1
        if status == "202":
            self.tally.seconds.append(time.monotonic() - connection.sent)
            self._send(connection)
        else:  # busy (503): the same message once more
            connection.send(connection.number, connection.sent)


if __name__ == "__main__":
    generator = Generator(*map(int, sys.argv[1:]))
    generator.run()
    generator.tally.print()
