"""A session on a TCP connection: the asyncio shell that the ESME client and the SMSC simulator share.

asyncio and uvloop set TCP_NODELAY themselves. What is sent within one turn of the event loop leaves in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from voipsms.smpp.events import Event
from voipsms.smpp.pdu import NOTHING, Body, Pdu, Tlvs
from voipsms.smpp.session import Session
from voipsms.smpp.status import ESME_ROK

LINGER: Final = 2.0  # seconds that a peer has to read the last PDUs of a session


class Link(asyncio.Protocol):
    """`on_event` sees every event of the session, on the event loop, `on_writable` is called when the peer reads again
    after it didn't, or answers again, `on_connected` when there is a connection, TLS included; `closed` gets the reason
    of the end."""

    def __init__(
        self,
        session: Session,
        on_event: Callable[[Link, Event], None],
        on_writable: Callable[[], None] = lambda: None,
        on_connected: Callable[[Link], None] = lambda link: None,
    ) -> None:
        self.session = session
        self._on_event = on_event
        self._on_writable = on_writable
        self._on_connected = on_connected
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._flushing = False
        self._ending: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = float("inf")
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()  # the connection itself is gone

    @property
    def room(self) -> int:
        return self.session.room if self._writable else 0

    def request(self, command_id: int, body: Body = NOTHING, tlvs: Tlvs = (), context: object = None) -> int:
        """As Session.request."""
        sequence = self.session.request(command_id, self._loop.time(), body, tlvs, context)
        self._flush_soon()
        return sequence

    def respond(self, request: Pdu, command_status: int = ESME_ROK, body: Body = NOTHING, tlvs: Tlvs = ()) -> None:
        self.session.respond(request, command_status, body, tlvs)
        self._flush_soon()

    def close(self, reason: str) -> None:
        """Ends the connection without unbind."""
        self.session.close(reason)
        self._flush()

    def abort(self, reason: str) -> None:
        """Ends the connection at once; what is not written yet is dropped."""
        if self._transport is not None:
            self._transport.abort()
        self.close(reason)

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._on_connected(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        doubted = self.session.doubted
        self.session.receive_data(data, self._loop.time())
        self._flush()
        if doubted and not self.session.doubted:
            self._on_writable()

    def pause_writing(self) -> None:
        # A peer that doesn't read is not read from either: its own requests can't pile up answers here.
        self._writable = False
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._on_writable()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        self.session.close(f"connection lost: {error}" if error else "the peer closed the connection")
        self._flush()

    # -- inside --

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hands events over, writes what is to be sent, sets the timer, ends what is over."""
        self._flushing = False
        for event in self.session.events():
            self._on_event(self, event)
        octets = self.session.data_to_send()
        if octets and self._transport is not None:
            self._transport.write(octets)
        if self.session.is_over:
            self._end()
        elif (due := self.session.next_timeout()) < self._timer_due:
            self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._on_timer) if due < float("inf") else None

    def _on_timer(self) -> None:
        self._set_timer(float("inf"))
        self.session.on_timeout(self._loop.time())
        self._flush()

    def _end(self) -> None:
        self._set_timer(float("inf"))
        if not self.closed.done():
            self.closed.set_result(self.session.end_reason)
        if self._transport is None:
            if self._ending is not None:
                self._ending.cancel()
        elif self._ending is None:
            self._transport.close()
            self._ending = self._loop.call_later(LINGER, self._transport.abort)
