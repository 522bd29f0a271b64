"""Faults of an SMSC, for the simulator: where each strikes, what leaves instead of the answer, and whether the request
is taken all the same."""

from __future__ import annotations

import math
import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from voipsms.smpp.codec import encode
from voipsms.smpp.pdu import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DATA_SM,
    DELIVER_SM,
    ESM_RECEIPT,
    GENERIC_NACK,
    HEADER_LENGTH,
    OUTBIND,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    Alert,
    Answer,
    Outbind,
    Pdu,
    ShortMessage,
)
from voipsms.smpp.session import Session, Timers
from voipsms.smpp.status import ESME_RBINDFAIL, ESME_RINVBNDSTS, ESME_RINVCMDID, ESME_ROK, ESME_RSYSERR


class Place(Enum):
    BIND = "bind"
    SUBMIT = "submit"
    UNBIND = "unbind"


PLACES: Final = {
    BIND_TRANSMITTER: Place.BIND,
    BIND_RECEIVER: Place.BIND,
    BIND_TRANSCEIVER: Place.BIND,
    SUBMIT_SM: Place.SUBMIT,
    SUBMIT_MULTI: Place.SUBMIT,
    DATA_SM: Place.SUBMIT,
    UNBIND: Place.UNBIND,
}

_OURS: Final = (
    0x70000000  # sequence number of requests that a fault makes; the simulator doesn't wait for their answers
)
_UNKNOWN_COMMAND: Final = 0x00010200  # the first of those that vendors may have, §5.1.2.1
_STRANGE: Final = ShortMessage(esm_class=ESM_RECEIPT, short_message=b"id:0 stat:DELIVRD")  # a receipt for nothing
_UNSAID: Final = 1000  # octets that a PDU says it had, and hasn't


def _nothing(asked: Pdu) -> bytes:
    return b""


def _refusal(command_status: int) -> Callable[[Pdu], bytes]:
    return lambda asked: encode(asked.command_id | RESPONSE, command_status, asked.sequence_number)


def _nack(command_status: int, with_sequence: bool = True) -> Callable[[Pdu], bytes]:
    return lambda asked: encode(GENERIC_NACK, command_status, asked.sequence_number if with_sequence else 0)


def _answer_of_length(length: Callable[[int], int]) -> Callable[[Pdu], bytes]:
    def answer(asked: Pdu) -> bytes:
        octets = encode(asked.command_id | RESPONSE, ESME_ROK, asked.sequence_number, Answer("fault"))
        return struct.pack(">I", length(len(octets))) + octets[4:]

    return answer


def _cut_delivery(asked: Pdu) -> bytes:
    """A deliver_sm whose sm_length is more than there is, in a frame that is whole."""
    octets = encode(DELIVER_SM, ESME_ROK, _OURS, ShortMessage(short_message=b"cut"))[:-2]
    return struct.pack(">I", len(octets)) + octets[4:]


def _unknown_command(asked: Pdu) -> bytes:
    return struct.pack(">IIII", HEADER_LENGTH, _UNKNOWN_COMMAND, ESME_ROK, _OURS)


_DELIVERY: Final = encode(DELIVER_SM, ESME_ROK, _OURS, _STRANGE)
_UNBIND: Final = encode(UNBIND, ESME_ROK, _OURS + 1)
_ALERT: Final = encode(ALERT_NOTIFICATION, ESME_ROK, _OURS, Alert(1, 1, "36301234567", 1, 1, "36300000000"))
_OUTBIND: Final = encode(OUTBIND, ESME_ROK, _OURS, Outbind("voipsms-smsc", "fault"))


def _always(octets: bytes) -> Callable[[Pdu], bytes]:
    return lambda asked: octets


@dataclass(frozen=True, slots=True)
class Fault:
    meaning: str
    place: Place
    sends: Callable[[Pdu], bytes]
    taken: bool = False  # the request is taken as usual, behind what was sent
    deaf: bool = False  # nothing that comes after it on this session is read


_S = Place.SUBMIT
FAULTS: Final[dict[str, Fault]] = {
    "black-hole": Fault("the session falls silent for ever", _S, _nothing, deaf=True),
    "no-answer": Fault("no answer", _S, _nothing),
    "nack": Fault("generic_nack, ESME_RSYSERR", _S, _nack(ESME_RSYSERR)),
    "nack-without-sequence": Fault("generic_nack of the sequence number 0", _S, _nack(ESME_RINVCMDID, False)),
    "error": Fault("ESME_RSYSERR", _S, _refusal(ESME_RSYSERR)),
    "unbind": Fault("unbind instead of the answer", _S, _always(_UNBIND)),
    "unbind-without-answer": Fault("an unbind gets no answer", Place.UNBIND, _nothing, deaf=True),
    "bind-error": Fault("ESME_RBINDFAIL", Place.BIND, _refusal(ESME_RBINDFAIL)),
    "bind-nack": Fault("generic_nack, ESME_RINVCMDID", Place.BIND, _nack(ESME_RINVCMDID)),
    "length-too-short": Fault("command_length below the header's", _S, _answer_of_length(lambda length: 12)),
    "length-too-long": Fault("command_length above what follows", _S, _answer_of_length(lambda real: real + _UNSAID)),
    "unknown-command": Fault("a command that nobody knows, first", _S, _unknown_command, taken=True),
    "parse-error": Fault("a deliver_sm that can't be read, first", _S, _cut_delivery, taken=True),
    "early-deliver": Fault("deliver_sm before the answer to the bind", Place.BIND, _always(_DELIVERY), taken=True),
    "outbind": Fault("outbind before the answer to the bind", Place.BIND, _always(_OUTBIND), taken=True),
    "deliver-then-unbind": Fault("deliver_sm and unbind instead of the answer", _S, _always(_DELIVERY + _UNBIND)),
    "submit-on-receiver": Fault("ESME_RINVBNDSTS, as if bound as receiver", _S, _refusal(ESME_RINVBNDSTS)),
    "alert": Fault("alert_notification, first", _S, _always(_ALERT), taken=True),
}


@dataclass(frozen=True, slots=True)
class Strike:
    """How often a fault of FAULTS is to strike: each of its requests with a chance of `share`, `most` times in all."""

    name: str
    share: float = 1.0
    most: int = 0  # 0: without end


@dataclass(slots=True)
class _Loaded:
    strike: Strike
    fault: Fault
    left: float


class Dice:
    """Which fault strikes a request; one for all sessions of a simulator. Counts them as `fault NAME`."""

    def __init__(self, strikes: Sequence[Strike], counts: Counter[str], source: random.Random) -> None:
        self._counts = counts
        self._random = source
        self.load(strikes)

    def load(self, strikes: Sequence[Strike]) -> None:
        self._strikes = [_Loaded(strike, FAULTS[strike.name], strike.most or math.inf) for strike in strikes]

    def throw(self, command_id: int) -> Fault | None:
        for loaded in self._strikes:
            meant = loaded.left and loaded.fault.place is PLACES.get(command_id)
            if meant and self._random.random() < loaded.strike.share:
                loaded.left -= 1
                self._counts[f"fault {loaded.strike.name}"] += 1
                return loaded.fault
        return None


class FaultySession(Session):
    """An SMSC's end of a session that doesn't keep to the protocol."""

    def __init__(self, *words: Any, dice: Dice, **more: Any) -> None:
        super().__init__(*words, **more)
        self._dice = dice
        self._deaf = False

    @property
    def room(self) -> int:
        return 0 if self._deaf else super().room

    def _receive(self, frame: bytes) -> None:
        if not self._deaf:
            super()._receive(frame)

    def _receive_request(self, pdu: Pdu) -> None:
        fault = self._dice.throw(pdu.command_id)
        if fault is not None:
            self._octets.append(fault.sends(pdu))
            if fault.deaf:
                self._deaf, self._timers = True, Timers(0, 0, 0)
        if fault is None or fault.taken:
            super()._receive_request(pdu)
