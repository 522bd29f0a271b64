"""SIP messages out of a TCP or TLS stream. RFC 3261 §18.3, RFC 5626 §3.5.1."""

from __future__ import annotations

from collections.abc import Iterator

from voipsms.sip.grammar import SipParseError, TooBig
from voipsms.sip.message import MAX_HEADERS, NUMBER, Request, Response, content_length, parse_head

MAX_BODY = 65536


class StreamParser:
    """Octets in by `receive_data`, messages out by `events`, answers to pings out by `data_to_send`.

    After `events` has raised, the stream can't be read on: framing is lost, so the connection is to be closed.
    """

    def __init__(self, *, max_headers: int = MAX_HEADERS, max_body: int = MAX_BODY) -> None:
        self._max_headers, self._max_body = max_headers, max_body
        self._buffer = bytearray()
        self._searched = 0  # up to where there is no blank line
        self._partial: Request | Response | SipParseError | None = None  # whose body is still missing
        self._missing = 0  # octets of that body
        self._pongs = 0

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun that is not complete."""
        return self._partial is not None or bool(self._buffer.strip(b"\r\n"))

    def receive_data(self, data: bytes) -> None:
        self._buffer += data

    def data_to_send(self) -> bytes:
        """CRLF for each double CRLF that came between messages."""
        pongs, self._pongs = self._pongs, 0
        return b"\r\n" * pongs

    def events(self) -> Iterator[Request | Response | SipParseError]:
        """The messages that are complete; a malformed one whose end is known is its SipParseError.

        Raises SipParseError or TooBig, with `request` where it can be answered, where framing is lost.
        """
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> Request | Response | SipParseError | None:
        if self._partial is None:
            self._partial = self._head()
        if self._partial is None or len(self._buffer) < self._missing:
            return None
        message, self._partial = self._partial, None
        if not isinstance(message, SipParseError):
            message.body = bytes(self._buffer[: self._missing])
        del self._buffer[: self._missing]
        return message

    def _head(self) -> Request | Response | SipParseError | None:
        self._skip_keep_alives()
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if max(end, len(self._buffer) if end < 0 else 0) > self._max_headers:
            raise TooBig("Headers too long")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._searched = 0
        try:
            message = parse_head(head)
        except SipParseError as error:
            if not 0 <= (length := _claimed_length(error)) <= self._max_body:
                raise
            self._missing = length
            return error
        request = message if isinstance(message, Request) else None
        known = content_length(message.headers)
        if known is None:  # RFC 3261 §20.14: mandatory on streams
            raise SipParseError("Missing Content-Length", request)
        if known > self._max_body:
            raise TooBig("Body too long", request)
        self._missing = known
        return message

    def _skip_keep_alives(self) -> None:
        """CRLFs before a start line: pairs of them are pings."""
        blank = 0
        while self._buffer.startswith(b"\r\n", blank):
            blank += 2
        self._pongs += blank // 4
        # The half of a pair stays, since its other half may come yet.
        keep = 2 if blank % 4 and bytes(self._buffer[blank : blank + 2]) in (b"", b"\r") else 0
        del self._buffer[: blank - keep]


def _claimed_length(error: SipParseError) -> int:
    """The one Content-Length of a malformed request, by which the next message is found; -1: there is none."""
    lengths = error.request.headers.get_all("Content-Length") if error.request else ()
    return int(lengths[0]) if len(lengths) == 1 and NUMBER.fullmatch(lengths[0]) else -1
