"""An SMSC that sends texts, and the phone or program that gets them: each text is timed from one to the other.

    python -m bench.load_mo SMSC-PORT SINK-PORT MESSAGES SINK

SINK is `sip` (answers MESSAGE by UDP with 200) or `http` (answers any request with 200). It begins READY seconds
after a gateway has bound, and ends when every text has come.
"""

from __future__ import annotations

import asyncio
import re
import struct
import sys
import time
from typing import cast

import uvloop

from bench.load import SENDER, Tally, target, text

USERS = 8  # who get them in turn: what one user gets at once is bounded
WINDOW = 100  # deliver_sm without an answer
READY = 3.0  # seconds after the bind, until all else of a gateway is there
UNDER_WAY = 1000  # texts that the gateway has and the sink has not
_HEADER = struct.Struct(">4I")
_DELIVER, _ENQUIRE, _ANSWER = 0x5, 0x15, 0x80000000
_BINDS = (0x1, 0x9)  # receiver, transceiver
_NUMBER = re.compile(rb"parcel(?: |\+|%20)(\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_COPIED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):.*\r\n", re.IGNORECASE | re.MULTILINE)
_HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"


class Run:
    """What is on its way."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.tally = Tally()
        self.sent: dict[int, float] = {}  # the moment, by the text's number
        self.next = self.unanswered = 0
        self.smsc: Smsc | None = None
        self.over = asyncio.Event()

    def begin(self, smsc: Smsc) -> None:
        self.tally.started, self.smsc = time.monotonic(), smsc
        self.fill()

    def fill(self) -> None:
        if self.smsc is None:
            return
        frames = []
        while self.next < self.messages and self.unanswered < WINDOW and len(self.sent) < UNDER_WAY:
            frames.append(_deliver_sm(self.next))
            self.sent[self.next] = time.monotonic()
            self.next += 1
            self.unanswered += 1
        if frames:
            self.smsc.write(b"".join(frames))

    def arrived(self, octets: bytes) -> None:
        found = _NUMBER.search(octets)
        if found and (sent := self.sent.pop(int(found[1]), None)) is not None:
            self.tally.seconds.append(time.monotonic() - sent)
            self.over.set() if len(self.tally.seconds) == self.messages else self.fill()


def number_of(user: int) -> str:
    return str(int(SENDER) + user)


def _deliver_sm(number: int) -> bytes:
    words = text(number).encode()
    body = b"\0\1\1%b\0\1\1%b\0\0\0\0\0\0\0\0\0\0%c%b" % (
        target(number).encode(),
        number_of(number % USERS).encode(),
        len(words),
        words,
    )
    return _HEADER.pack(16 + len(body), _DELIVER, 0, number + 1) + body


class Smsc(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write

    def data_received(self, data: bytes) -> None:
        self._received += data
        at = 0
        while len(self._received) - at >= 16:
            length, command, status, sequence = _HEADER.unpack_from(self._received, at)
            if len(self._received) - at < length:
                break
            at += length
            self._pdu(command, status, sequence)
        self._received = self._received[at:]
        self._run.fill()

    def _pdu(self, command: int, status: int, sequence: int) -> None:
        if command == _DELIVER | _ANSWER:
            self._run.unanswered -= 1
            self._run.tally.answers[f"{status:#x}"] += 1
        elif command in _BINDS:
            self.write(_HEADER.pack(21, command | _ANSWER, 0, sequence) + b"smsc\0")
            asyncio.get_running_loop().call_later(READY, self._run.begin, self)
        elif not command & _ANSWER:
            self.write(_HEADER.pack(16, command | _ANSWER, 0, sequence))


class SipSink(asyncio.DatagramProtocol):
    def __init__(self, run: Run) -> None:
        self._run = run

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        copied = b"".join(_COPIED.findall(head + b"\r\n"))
        self._transport.sendto(b"SIP/2.0 200 OK\r\n" + copied + b"Content-Length: 0\r\n\r\n", addr)
        self._run.arrived(body)


class HttpSink(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            after = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < after:
                return
            request, self._received = self._received[:after], self._received[after:]
            self._transport.write(_HTTP_OK)
            self._run.arrived(request)


async def _main(smsc_port: str, sink_port: str, messages: str, sink: str) -> None:
    run, loop = Run(int(messages)), asyncio.get_running_loop()
    if sink == "sip":
        await loop.create_datagram_endpoint(lambda: SipSink(run), ("127.0.0.1", int(sink_port)))
    else:
        await loop.create_server(lambda: HttpSink(run), "127.0.0.1", int(sink_port))
    await loop.create_server(lambda: Smsc(run), "127.0.0.1", int(smsc_port))
    await asyncio.wait_for(run.over.wait(), 120)
    run.tally.print()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
