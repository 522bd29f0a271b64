"""Mandatory parameters of PDUs that codec.py does not write out by hand: octets ↔ values, by their kind.

A reader takes the frame and where the parameter begins, and returns its value and where the next one begins. It raises
ValueError or IndexError where the frame ends first, PduError for what can't be.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from voipsms.smpp.pdu import (
    LONGEST_STRING,
    Destination,
    DistributionList,
    MultiAnswer,
    Parameter,
    PduError,
    Unsuccess,
)
from voipsms.smpp.status import ESME_RINVDESTFLAG, ESME_RINVMSGLEN, ESME_RINVNUMDESTS, ESME_RINVPARLEN

SME_ADDRESS: Final = 1  # dest_flag, §5.2.25
LIST_NAME: Final = 2
MOST_DESTINATIONS: Final = 255  # the octet that counts them; 3.4 allows 254, 5.0 all of them

_STATUS = struct.Struct(">I")


def _read_string(frame: bytes, at: int) -> tuple[str, int]:
    end = frame.index(0, at)
    if end - at > LONGEST_STRING:
        raise PduError(f"a string is longer than {LONGEST_STRING} octets", ESME_RINVPARLEN)
    return frame[at:end].decode("latin-1"), end + 1


def _read_octet(frame: bytes, at: int) -> tuple[int, int]:
    return frame[at], at + 1


def _read_text(frame: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + frame[at]
    if end > len(frame):
        raise PduError("short_message is cut", ESME_RINVMSGLEN)
    return frame[at + 1 : end], end


def _read_address(frame: bytes, at: int) -> tuple[tuple[int, int, str], int]:
    address, end = _read_string(frame, at + 2)
    return (frame[at], frame[at + 1], address), end


def _read_destination(frame: bytes, at: int) -> tuple[Destination | DistributionList, int]:
    flag = frame[at]
    if flag == SME_ADDRESS:
        address, at = _read_address(frame, at + 1)
        return Destination(*address), at
    if flag == LIST_NAME:
        name, at = _read_string(frame, at + 1)
        return DistributionList(name), at
    raise PduError(f"dest_flag {flag} is neither an address nor a list", ESME_RINVDESTFLAG)


def _read_unsuccess(frame: bytes, at: int) -> tuple[Unsuccess, int]:
    address, at = _read_address(frame, at)
    if at + 4 > len(frame):
        raise IndexError
    return Unsuccess(*address, *_STATUS.unpack_from(frame, at)), at + 4


def _counted(read: Callable[[bytes, int], tuple[Any, int]]) -> Callable[[bytes, int], tuple[tuple[Any, ...], int]]:
    def read_all(frame: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        found, count, at = [], frame[at], at + 1
        for _ in range(count):
            value, at = read(frame, at)
            found.append(value)
        return tuple(found), at

    return read_all


def read_multi_answer(frame: bytes, at: int) -> tuple[MultiAnswer, int]:
    """submit_multi_resp as far as it goes; by §4.5.2 there may be no body where the status is an error."""
    end = frame.find(0, at)
    end = len(frame) if end < 0 else end
    message_id, at = frame[at:end].decode("latin-1"), end + 1
    found: list[Unsuccess] = []
    try:
        count, at = frame[at], at + 1
        while len(found) < count:
            one, at = _read_unsuccess(frame, at)
            found.append(one)
    except (ValueError, IndexError, PduError):
        at = len(frame)  # nothing tells where TLVs would begin
    return MultiAnswer(message_id, tuple(found)), at


def c_octets(name: str, value: str) -> bytes:
    octets = value.encode("latin-1")
    if b"\0" in octets or len(octets) > LONGEST_STRING:
        raise PduError(f"{name} contains NUL or is longer than {LONGEST_STRING} octets", ESME_RINVPARLEN)
    return octets + b"\0"


def _write_octet(name: str, value: int) -> bytes:
    return b"%c" % value


def _write_text(name: str, value: bytes) -> bytes:
    return b"%c%b" % (len(value), value)


def _write_address(name: str, to: Destination | Unsuccess) -> bytes:
    return b"%c%c%b" % (to.dest_addr_ton, to.dest_addr_npi, c_octets(name, to.destination_addr))


def _write_destinations(name: str, value: tuple[Destination | DistributionList, ...]) -> bytes:
    if not 1 <= len(value) <= MOST_DESTINATIONS:
        raise PduError(f"1 to {MOST_DESTINATIONS} destinations, not {len(value)}", ESME_RINVNUMDESTS)
    return bytes((len(value),)) + b"".join(
        b"%c%b" % (LIST_NAME, c_octets("dl_name", to.dl_name))
        if isinstance(to, DistributionList)
        else b"%c%b" % (SME_ADDRESS, _write_address("destination_addr", to))
        for to in value
    )


def _write_unsuccess(name: str, value: tuple[Unsuccess, ...]) -> bytes:
    return b"%c%b" % (
        len(value),
        b"".join(_write_address("destination_addr", one) + _STATUS.pack(one.error_status_code) for one in value),
    )


READERS: Final[dict[Parameter, Callable[[bytes, int], tuple[Any, int]]]] = {
    Parameter.STRING: _read_string,
    Parameter.OCTET: _read_octet,
    Parameter.TEXT: _read_text,
    Parameter.DESTINATIONS: _counted(_read_destination),
    Parameter.UNSUCCESS: _counted(_read_unsuccess),
}
WRITERS: Final[dict[Parameter, Callable[[str, Any], bytes]]] = {
    Parameter.STRING: c_octets,
    Parameter.OCTET: _write_octet,
    Parameter.TEXT: _write_text,
    Parameter.DESTINATIONS: _write_destinations,
    Parameter.UNSUCCESS: _write_unsuccess,
}
