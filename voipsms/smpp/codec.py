"""SMPP 3.4 PDUs: octets ↔ values, and a stream ↔ frames.

submit_sm, deliver_sm and their answers, which are all but a few of the PDUs of any session, are written out by hand;
the others follow the tables in pdu.py, parameter by parameter (parameters.py).

Strictness: a request must be whole, else it is answered with the status in PduError. An answer can't be answered, and
losing it would leave the outcome of a submit unknown, so an answer's damaged body or TLVs are read as far as they go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from voipsms.smpp.parameters import READERS, WRITERS, c_octets, read_multi_answer
from voipsms.smpp.pdu import (
    DATA_SM_RESP,
    DELIVER_SM,
    DELIVER_SM_RESP,
    HEADER_LENGTH,
    LAYOUTS,
    LONGEST,
    LONGEST_STRING,
    NOTHING,
    RESPONSE,
    SUBMIT_MULTI_RESP,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Answer,
    Body,
    Layout,
    Pdu,
    PduError,
    ShortMessage,
    Tlvs,
    command_name,
)
from voipsms.smpp.status import (
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_RINVDSTADR,
    ESME_RINVMSGLEN,
    ESME_RINVOPTPARSTREAM,
    ESME_RINVPARLEN,
    ESME_RINVSERTYP,
    ESME_RINVSRCADR,
)

_HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
_Reader = Callable[[bytes, int], tuple[Body, int]]
_CUT = (ValueError, IndexError)  # what bytes.index and [] raise at the end of a frame


# -- octets → values ----------------------------------------------------------------------------------------------


def _read_short_message(frame: bytes, at: int) -> tuple[ShortMessage, int]:
    end = frame.index(0, at)
    service_type = frame[at:end].decode("latin-1")
    source = frame.index(0, end + 3)
    destination = frame.index(0, source + 3)
    scheduled = frame.index(0, destination + 4)
    validity = frame.index(0, scheduled + 1)
    if validity - at > 2 * LONGEST_STRING:
        raise PduError("a parameter is too long", ESME_RINVPARLEN)
    text = validity + 6
    tail = text + frame[validity + 5]
    if tail > len(frame):
        raise PduError("short_message is cut", ESME_RINVMSGLEN)
    return ShortMessage(
        service_type,
        frame[end + 1],
        frame[end + 2],
        frame[end + 3 : source].decode("latin-1"),
        frame[source + 1],
        frame[source + 2],
        frame[source + 3 : destination].decode("latin-1"),
        frame[destination + 1],
        frame[destination + 2],
        frame[destination + 3],
        frame[destination + 4 : scheduled].decode("latin-1"),
        frame[scheduled + 1 : validity].decode("latin-1"),
        frame[validity + 1],
        frame[validity + 2],
        frame[validity + 3],
        frame[validity + 4],
        frame[text:tail],
    ), tail


def _read_answer(frame: bytes, at: int) -> tuple[Answer, int]:
    # Some SMSCs leave the last NUL away, and by §4.4.2 there is no body at all where the status is an error.
    end = frame.find(0, at)
    if end < 0:
        end = len(frame)
    return Answer(frame[at:end].decode("latin-1")), end + 1


def _reader(kind: type[Body], layout: Layout) -> _Reader:
    readers = tuple(READERS[parameter] for _, parameter in layout)

    def read(frame: bytes, at: int) -> tuple[Body, int]:
        values = []
        for read_parameter in readers:
            value, at = read_parameter(frame, at)
            values.append(value)
        return kind(*values), at  # the layout is the class's own, see the tests

    return read


def _read_tlvs(frame: bytes, at: int) -> Tlvs:
    found = []
    while len(frame) - at >= 4:
        tag, length = _TLV.unpack_from(frame, at)
        at += 4 + length
        if at > len(frame):
            raise PduError(f"TLV {tag:#06x} is cut", ESME_RINVOPTPARSTREAM)
        found.append((tag, frame[at - length : at]))
    # Up to three NULs behind the last parameter are padding of SMSCs that count a terminator in command_length.
    if frame[at:].strip(b"\0"):
        raise PduError("octets behind the last TLV", ESME_RINVOPTPARSTREAM)
    return tuple(found)


def _read_request(frame: bytes, read: _Reader) -> tuple[Body, Tlvs]:
    try:
        body, at = read(frame, HEADER_LENGTH)
    except _CUT:
        raise PduError("the PDU is cut", ESME_RINVCMDLEN) from None
    return body, _read_tlvs(frame, at) if at < len(frame) else ()


def _read_response(frame: bytes, read: _Reader) -> tuple[Body, Tlvs]:
    try:
        body, at = read(frame, HEADER_LENGTH)
    except (*_CUT, PduError):
        return NOTHING, ()
    try:
        return body, _read_tlvs(frame, at) if at < len(frame) else ()
    except PduError:
        return body, ()


def decode(frame: bytes) -> Pdu:
    """One PDU, as Framer cuts it. Raises PduError, for a request only, but for an unknown or lying header."""
    if len(frame) < HEADER_LENGTH:
        raise PduError("the header is cut", ESME_RINVCMDLEN)
    length, command_id, command_status, sequence_number = _HEADER.unpack_from(frame)
    try:
        if length != len(frame):
            raise PduError("command_length is not the frame's", ESME_RINVCMDLEN)
        read = _READERS.get(command_id)
        if read is None:
            raise PduError(f"{command_name(command_id)} is not understood", ESME_RINVCMDID)
        body, tlvs = (_read_response if command_id >= RESPONSE else _read_request)(frame, read)
    except PduError as error:
        error.command_id, error.sequence_number = command_id, sequence_number
        raise
    return Pdu(command_id, command_status, sequence_number, body, tlvs)


# -- values → octets ----------------------------------------------------------------------------------------------


def _write_short_message(body: ShortMessage) -> bytes:
    if len(body.source_addr) > 20:
        raise PduError("source_addr is longer than 20 characters", ESME_RINVSRCADR)
    if len(body.destination_addr) > 20:
        raise PduError("destination_addr is longer than 20 characters", ESME_RINVDSTADR)
    if len(body.service_type) > 5:
        raise PduError("service_type is longer than 5 characters", ESME_RINVSERTYP)
    octets = b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c%c%c%c%c%b" % (
        body.service_type.encode("latin-1"),
        body.source_addr_ton,
        body.source_addr_npi,
        body.source_addr.encode("latin-1"),
        body.dest_addr_ton,
        body.dest_addr_npi,
        body.destination_addr.encode("latin-1"),
        body.esm_class,
        body.protocol_id,
        body.priority_flag,
        body.schedule_delivery_time.encode("latin-1"),
        body.validity_period.encode("latin-1"),
        body.registered_delivery,
        body.replace_if_present_flag,
        body.data_coding,
        body.sm_default_msg_id,
        len(body.short_message),
        body.short_message,
    )
    strings = body.service_type, body.source_addr, body.destination_addr, body.schedule_delivery_time
    if "\0" in "".join(strings) + body.validity_period:
        raise PduError("a parameter contains NUL", ESME_RINVPARLEN)
    return octets


def _write_answer(body: Answer) -> bytes:
    return c_octets("message_id", body.message_id)


def _writer(layout: Layout) -> Callable[[Body], bytes]:
    writers = tuple((name, WRITERS[parameter]) for name, parameter in layout)

    def write(body: Body) -> bytes:
        return b"".join([write_parameter(name, getattr(body, name)) for name, write_parameter in writers])

    return write


def encode(command_id: int, command_status: int, sequence_number: int, body: Body = NOTHING, tlvs: Tlvs = ()) -> bytes:
    """Raises PduError for what does not fit its parameter."""
    try:
        octets = _WRITERS[type(body)](body) if body is not NOTHING else b""
        if tlvs:
            octets += b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs)
        length = HEADER_LENGTH + len(octets)
        if length > LONGEST:
            raise PduError(f"{length} octets are more than a PDU has", ESME_RINVCMDLEN)
        return _HEADER.pack(length, command_id, command_status, sequence_number) + octets
    except UnicodeEncodeError as error:
        raise PduError(f"{error.object[error.start]!r} is not in ISO 8859-1", ESME_RINVPARLEN) from None
    except (OverflowError, struct.error):
        raise PduError("a parameter does not fit its octets", ESME_RINVPARLEN) from None


_READERS: Final[dict[int, _Reader]] = {
    **{command_id: _reader(*layout) for command_id, layout in LAYOUTS.items()},
    SUBMIT_SM: _read_short_message,
    DELIVER_SM: _read_short_message,
    SUBMIT_SM_RESP: _read_answer,
    DELIVER_SM_RESP: _read_answer,
    DATA_SM_RESP: _read_answer,
    SUBMIT_MULTI_RESP: read_multi_answer,
}
_WRITERS: Final[dict[type[Body], Callable[..., bytes]]] = {
    **{kind: _writer(layout) for kind, layout in LAYOUTS.values()},
    ShortMessage: _write_short_message,
    Answer: _write_answer,
}


# -- a stream of PDUs ---------------------------------------------------------------------------------------------


class Framer:
    """Cuts a stream into frames; holds no more than one frame of LONGEST octets and the rest of the last read."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._octets = bytearray()
        self._wanted = 4  # octets that must be there before it is worth looking

    def receive_data(self, octets: bytes) -> None:
        self._octets += octets

    def frames(self) -> Iterator[bytes]:
        """Every whole frame. Raises PduError where command_length can't be one: the stream has lost its frames."""
        if len(self._octets) < self._wanted:
            return
        octets, at = bytes(self._octets), 0
        self._wanted = 4
        try:
            while len(octets) - at >= 4:
                length = int.from_bytes(octets[at : at + 4], "big")
                if not HEADER_LENGTH <= length <= self._longest:
                    raise PduError(f"command_length {length} is impossible", ESME_RINVCMDLEN)
                if len(octets) - at < length:
                    self._wanted = length
                    break
                at += length
                yield octets[at - length : at]
        finally:
            del self._octets[:at]
