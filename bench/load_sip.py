"""SIP load: MESSAGE requests by UDP from one socket, each a client transaction with Timers E and F (RFC 3261 §17.1.2).

    python -m bench.load_sip PORT MESSAGES OUTSTANDING [RATE]

Without RATE a new request leaves as soon as fewer than OUTSTANDING wait for their answer. With RATE they leave at that
pace whatever the gateway does, and a response time counts from when its request was due.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import sys
import time
from dataclasses import dataclass

from bench.load import SENDER, Tally, target, text

T1, T2, TIMER_F = 0.5, 4.0, 32.0  # seconds, RFC 3261 §17.1.2.1
_PAUSE = 0.05  # seconds until a message that got 503 is tried anew, as another request

_BRANCH = re.compile(rb"z9hG4bK(\d+)")
_REQUEST = (
    "MESSAGE sip:{target}@127.0.0.1:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{branch};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{sender}@127.0.0.1>;tag={run}\r\n"
    "To: <sip:{target}@127.0.0.1>\r\n"
    "Call-ID: {branch}@{run}\r\n"
    "CSeq: 1 MESSAGE\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: {length}\r\n\r\n{text}"
)


@dataclass(slots=True)
class _Transaction:
    number: int  # of the message
    due: float
    datagram: bytes
    resend: float  # when Timer E fires
    interval: float
    deadline: float  # when Timer F fires


class Generator:
    def __init__(self, port: int, messages: int, outstanding: int, rate: float = 0.0) -> None:
        self.messages, self.outstanding, self.rate = messages, outstanding, rate
        self.port = port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.own = self.socket.getsockname()[1]
        self.run_id = os.urandom(6).hex()
        self.next_number = self.next_branch = 0
        self.again: list[tuple[float, int, float]] = []  # when, message, due: what got 503, in order of time
        self.open: dict[int, _Transaction] = {}
        self.tally = Tally()

    def run(self) -> None:
        poll = select.epoll()
        poll.register(self.socket, select.EPOLLIN)
        self.tally.started = timers = time.monotonic()
        while len(self.tally.seconds) < self.messages:
            self._send_due()
            poll.poll(0.0005 if self.rate else 0.05)
            self._receive()
            if (now := time.monotonic()) - timers > 0.1:
                timers = now
                self._retransmit(now)

    def _send_due(self) -> None:
        now = time.monotonic()
        while self.again and self.again[0][0] <= now:
            _, number, due = self.again.pop(0)
            self._send(number, due, now)
        while self.next_number < self.messages and len(self.open) < self.outstanding:
            due = self.tally.started + self.next_number / self.rate if self.rate else now
            if due > now:
                break
            self._send(self.next_number, due, now)
            self.next_number += 1

    def _send(self, number: int, due: float, now: float) -> None:
        branch, self.next_branch = self.next_branch, self.next_branch + 1
        body = text(number)
        datagram = _REQUEST.format(
            target=target(number), port=self.port, own=self.own, branch=branch, run=self.run_id, sender=SENDER,
            length=len(body), text=body,
        ).encode()  # fmt: skip
        self.open[branch] = _Transaction(number, due, datagram, now + T1, T1, now + TIMER_F)
        self._transmit(datagram)

    def _transmit(self, datagram: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # a full buffer: Timer E sends it again
            self.socket.send(datagram)

    def _receive(self) -> None:
        while True:
            try:
                response = self.socket.recv(65536)
            except BlockingIOError:
                return
            self._answered(response)

    def _answered(self, response: bytes) -> None:
        status = response[8:11]
        branch = _BRANCH.search(response)
        if status < b"200" or branch is None:
            return
        transaction = self.open.pop(int(branch[1]), None)
        if transaction is None:  # answered before: our retransmission crossed the answer
            return
        now = time.monotonic()
        self.tally.answers[str(status, "ascii")] += 1
        if status == b"202":
            self.tally.seconds.append(now - transaction.due)
        elif status == b"503":
            self.again.append((now + _PAUSE, transaction.number, transaction.due))
        else:
            raise SystemExit(f"the gateway answered {response.decode(errors='replace')}")

    def _retransmit(self, now: float) -> None:
        for transaction in self.open.values():
            if now >= transaction.deadline:
                raise SystemExit(f"no answer within {TIMER_F:g} s to message {transaction.number}")
            if now >= transaction.resend:
                transaction.interval = min(2 * transaction.interval, T2)
                transaction.resend = now + transaction.interval
                self.tally.retransmitted += 1
                self._transmit(transaction.datagram)


if __name__ == "__main__":
    generator = Generator(*map(int, sys.argv[1:4]), *map(float, sys.argv[4:5]))
    generator.run()
    generator.tally.print()
