"""Framing: whole, byte by byte, in any pieces, with more behind; pings; bounds."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sip.messages import TYPICAL_OCTETS, changed
from voipsms.errors import ProtocolError
from voipsms.sip.grammar import SipParseError, TooBig
from voipsms.sip.message import Request, Response, parse_message
from voipsms.sip.stream import StreamParser

MESSAGES = [TYPICAL_OCTETS, changed(body=b"\r\n\r\n"), changed(l="0", content_length=None), changed("SIP/2.0 200 OK")]
STREAM = b"\r\n".join([b"", *MESSAGES]) + b"\r\n\r\n"


def read(parser: StreamParser, octets: bytes) -> list[Request | Response | SipParseError]:
    parser.receive_data(octets)
    return list(parser.events())


def test_whole() -> None:
    parser = StreamParser()
    assert read(parser, STREAM) == [parse_message(message) for message in MESSAGES]
    assert not parser.unfinished
    assert parser.data_to_send() == b"\r\n"


def test_byte_by_byte() -> None:
    parser = StreamParser()
    found = [message for octet in STREAM for message in read(parser, bytes([octet]))]
    assert found == [parse_message(message) for message in MESSAGES]
    assert parser.data_to_send() == b"\r\n"


@settings(max_examples=100)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_any_pieces(cuts: list[int]) -> None:
    parser = StreamParser()
    ends = [*cuts, len(STREAM)]
    found = [m for start, end in zip([0, *cuts], ends, strict=True) for m in read(parser, STREAM[start:end])]
    assert found == [parse_message(message) for message in MESSAGES]
    assert parser.data_to_send() == b"\r\n"


def test_trailing_octets_are_the_next_message() -> None:
    parser = StreamParser()
    assert len(read(parser, TYPICAL_OCTETS + TYPICAL_OCTETS[:50])) == 1
    assert parser.unfinished
    assert len(read(parser, TYPICAL_OCTETS[50:])) == 1
    assert not parser.unfinished


@pytest.mark.parametrize(
    ("pieces", "pongs"),
    [([b"\r\n\r\n"], 1), ([b"\r\n"], 0), ([b"\r\n", b"\r\n"], 1), ([b"\r", b"\n\r", b"\n"], 1), ([b"\r\n" * 6], 3),
     ([TYPICAL_OCTETS, b"\r\n\r\n", TYPICAL_OCTETS], 1)],
    ids=["ping", "half", "two halves", "quarters", "three", "between messages"],
)  # fmt: skip
def test_pings(pieces: list[bytes], pongs: int) -> None:
    parser = StreamParser()
    for piece in pieces:
        read(parser, piece)
    assert parser.data_to_send() == b"\r\n" * pongs
    assert parser.data_to_send() == b""


REFUSED: dict[str, tuple[bytes, int | None]] = {
    "no length": (changed(content_length=None), 400),
    "malformed": (changed(cseq="x", content_length=None), 400),
    "body too long": (changed(content_length="101"), 413),
    "body far too long": (changed(content_length="9999999999"), 413),
    "no end of headers": (b"x" * 2001, None),
    "headers too long": (changed(subject="y" * 2000), None),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", None),
}


@pytest.mark.parametrize(("octets", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["byte by byte", "whole"])
def test_refused(octets: bytes, status: int | None, size: int) -> None:
    parser = StreamParser(max_headers=2000, max_body=100)
    with pytest.raises(SipParseError) as caught:  # noqa: PT012  # at whichever piece
        for start in range(0, len(octets), size):
            read(parser, octets[start : start + size])
    assert isinstance(caught.value, TooBig) == (caught.value.status == 413)
    assert (caught.value.status if caught.value.request else None) == status


def test_messages_before_a_bad_one_come_out() -> None:
    parser = StreamParser()
    parser.receive_data(TYPICAL_OCTETS + b"nonsense\r\n\r\n")
    events = parser.events()
    assert isinstance(next(events), Request)
    with pytest.raises(SipParseError):
        next(events)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([*MESSAGES, b"\r\n", b"SIP/2.0 200 OK\r\n"]), max_size=8))
def test_nothing_else_is_raised(pieces: list[bytes]) -> None:
    parser = StreamParser()
    with contextlib.suppress(ProtocolError):
        for piece in pieces:
            read(parser, piece)


MENDABLE = {
    "no Call-ID": changed(call_id=None),
    "bad Max-Forwards": changed(max_forwards="1000"),
    "bad CSeq": changed(cseq="1 INVITE"),
    "two From": changed(f="<sip:a@b>;tag=1"),
}


@pytest.mark.parametrize("octets", MENDABLE.values(), ids=MENDABLE.keys())
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_bad_message_whose_end_is_known_stops_no_other(octets: bytes, step: int) -> None:
    parser, stream = StreamParser(), octets + TYPICAL_OCTETS
    found = [message for n in range(0, len(stream), step) for message in read(parser, stream[n : n + step])]
    assert isinstance(found[0], SipParseError)
    assert found[0].request is not None
    assert found[1:] == [parse_message(TYPICAL_OCTETS)]
