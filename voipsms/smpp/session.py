"""One SMPP session, either end of it, without a network: octets in, events out; time comes in as an argument.

Whoever owns a Session feeds `receive_data`, takes `events()`, writes `data_to_send()`, and calls `on_timeout` when
`next_timeout()` is due. After a Closed event the connection is to be ended once the rest of `data_to_send()` is out.
Times are seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voipsms.errors import ProtocolError
from voipsms.smpp.codec import Framer, decode, encode
from voipsms.smpp.events import Closed, Event, Request, Response, ResponseTimeout
from voipsms.smpp.pdu import (
    ALERT_NOTIFICATION,
    BIND_TRANSMITTER,
    CANCEL_SM,
    CONGESTION_STATE,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    MESSAGE_PAYLOAD,
    NOTHING,
    OUTBIND,
    QUERY_SM,
    REPLACE_SM,
    RESPONSE,
    SAR_MSG_REF_NUM,
    SC_INTERFACE_VERSION,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    Bind,
    Body,
    Pdu,
    PduError,
    Tlvs,
    command_name,
    has_answer,
)
from voipsms.smpp.states import BINDS, BOUND, LEGAL, OVER, Side, State
from voipsms.smpp.status import ESME_RALYBND, ESME_RINVBNDSTS, ESME_RINVCMDID, ESME_ROK, ESME_ROPTPARNOTALLWD

LAST_SEQUENCE: Final = 0x7FFFFFFF  # §5.1.4; then 1 again
FIRST_WITH_TLVS: Final = 0x34  # interface_version, §5.2.4: what is below is 3.3 or earlier

_WINDOWED = frozenset({SUBMIT_SM, SUBMIT_MULTI, DATA_SM, QUERY_SM, CANCEL_SM, REPLACE_SM, DELIVER_SM})
_NOT_OPTIONAL = frozenset({MESSAGE_PAYLOAD, SAR_MSG_REF_NUM})  # what they carry can't be left away
_UNANSWERED = frozenset({ALERT_NOTIFICATION, OUTBIND})  # requests without an answer


def _share_of_window(congestion: int) -> float:
    """What is asked of a peer that says how busy it is, SMPP 5.0 §4.8.4.18: 80…89 is optimum, 100 congested. At least
    one message stays under way, so that its answer can tell of better times."""
    return 1.0 if congestion < 90 else 0.5 if congestion < 100 else 0.0


class NotAllowed(ProtocolError):
    """This end asked for what the session's state or window doesn't allow now."""


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds; 0: never."""

    enquire: float = 25.0  # enquire_link when nothing was received for so long
    response: float = 30.0  # a request without an answer for so long is given up
    inactivity: float = 60.0  # the session ends when nothing was received for so long


@dataclass(frozen=True, slots=True)
class _Outstanding:
    command_id: int
    context: object
    due: float


class Session:
    """`watch(direction, pdu)` sees every PDU, `>` ours and `<` the peer's; None costs nothing.

    `malformed(error)` is told of what is no PDU.
    """

    def __init__(
        self,
        side: Side,
        now: float,
        *,
        window: int = 100,
        timers: Timers | None = None,
        watch: Callable[[str, Pdu], None] | None = None,
        malformed: Callable[[PduError], None] = lambda error: None,
    ) -> None:
        self.side = side
        self.state = State.OPEN
        self.end_reason = ""
        self.served = False  # it has carried a message, and its answer
        self.strays = 0  # PDUs that answer nothing we asked, or are no PDU and can't be answered
        self.peer_version = 0  # interface_version or sc_interface_version, as the peer told it; 0: it didn't
        self.takes_tlvs = True  # a peer of 3.3 doesn't know them
        self._carries = LEGAL[side, SUBMIT_SM if side is Side.ESME else DELIVER_SM]
        self._whole_window = self._window = window
        self._timers = timers or Timers()
        self._watch = watch
        self._malformed = malformed
        self._framer = Framer()
        self._sequence = 0
        self._outstanding: dict[int, _Outstanding] = {}  # by sequence number, in the order of their being due
        self._in_window = 0
        self._unbinding = False
        self._heard = now  # when the peer last sent a PDU
        self._enquired = False  # since then
        self.doubted = False  # a message got no answer, and nothing has come from the peer since it left
        self._events: list[Event] = []
        self._octets: list[bytes] = []

    # -- this end's wishes --

    @property
    def room(self) -> int:
        """How many more messages the window takes; 0 while the session can't carry any, or may be dead."""
        if self._unbinding or self.doubted or not self.submits:
            return 0
        room = self._window - self._in_window
        return room if room > 0 else 0  # a window may shrink below what is under way

    @property
    def submits(self) -> bool:
        """Whether the session is bound for messages of this end."""
        return self.state in self._carries

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def outstanding(self) -> int:
        return len(self._outstanding)

    def request(
        self, command_id: int, now: float, body: Body = NOTHING, tlvs: Tlvs = (), context: object = None
    ) -> int:
        """Sends a request, returns its sequence number. Raises NotAllowed, and PduError for what can't be encoded."""
        if self.state not in LEGAL.get((self.side, command_id), ()) or self._unbinding:
            raise NotAllowed(f"{command_name(command_id)} is not for an {self.side.value} in {self.state.value}")
        windowed = command_id in _WINDOWED
        if windowed and self._in_window >= self._window:
            raise NotAllowed(f"{self._in_window} messages wait for their answers already")
        if isinstance(body, Bind):
            self.takes_tlvs = body.interface_version >= FIRST_WITH_TLVS
        if tlvs and not self.takes_tlvs:
            tlvs = _left_away(tlvs)
        sequence = self._next_sequence()
        self._send(command_id, ESME_ROK, sequence, body, tlvs)
        self._sequence = sequence
        self._in_window += windowed
        self._unbinding = command_id == UNBIND
        due = now + self._timers.response if self._timers.response else float("inf")
        if has_answer(command_id):
            self._outstanding[sequence] = _Outstanding(command_id, context, due)
        return sequence

    def respond(self, request: Pdu, command_status: int = ESME_ROK, body: Body = NOTHING, tlvs: Tlvs = ()) -> None:
        """Answers a Request; of no effect when the session is over. A bind that is answered ESME_ROK binds."""
        if self.state in OVER:
            return
        self.served = self.served or request.command_id in _WINDOWED
        if isinstance(request.body, Bind):
            self._learn(request.body.interface_version)
        if not self.takes_tlvs:
            tlvs = ()
        self._send(request.command_id | RESPONSE, command_status, request.sequence_number, body, tlvs)
        if request.command_id in BINDS and command_status == ESME_ROK:
            self.state = BINDS[request.command_id]

    def nack(self, sequence_number: int, command_status: int) -> None:
        self._send(GENERIC_NACK, command_status, sequence_number)

    def close(self, reason: str, state: State = State.CLOSED) -> None:
        """The connection has ended, or has to. The Closed event follows, once."""
        if self.state in OVER:
            return
        self.state, self.end_reason = state, reason
        unanswered = tuple((known.command_id, known.context) for known in self._outstanding.values())
        self._outstanding.clear()
        self._in_window = 0
        self._events.append(Closed(reason, unanswered))

    # -- what comes in and goes out --

    def receive_data(self, octets: bytes, now: float) -> None:
        self._framer.receive_data(octets)
        try:
            for frame in self._framer.frames():
                if self.state in OVER:
                    return
                self._heard = now
                self._enquired = self.doubted = False
                self._receive(frame)
        except PduError as error:  # the framing itself: nothing after it can be trusted
            self._malformed(error)
            if self.state not in OVER:
                self.nack(0, error.command_status)
                self.close(str(error))

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        octets = b"".join(self._octets)
        self._octets.clear()
        return octets

    def next_timeout(self) -> float:
        """When on_timeout is due; infinity: never."""
        if self.state in OVER:
            return float("inf")
        timers, due = self._timers, float("inf")
        for known in self._outstanding.values():
            due = known.due
            break
        if timers.inactivity:
            due = min(due, self._heard + timers.inactivity)
        if timers.enquire and not self._enquired and self.state in BOUND:
            due = min(due, self._heard + timers.enquire)
        return due

    def on_timeout(self, now: float) -> None:
        if self.state in OVER:
            return
        while self._outstanding:
            sequence, first = next(iter(self._outstanding.items()))
            if first.due > now:
                break
            self._settle(sequence)
            if first.command_id in (ENQUIRE_LINK, UNBIND):
                return self.close(f"no answer to {command_name(first.command_id)}")
            self._events.append(ResponseTimeout(sequence, first.command_id, first.context))
            self.doubted = self.doubted or self._heard <= first.due - self._timers.response
        silence = now - self._heard
        if self._timers.inactivity and silence >= self._timers.inactivity:
            self.close(f"nothing received for {silence:.0f} s")
        elif self.state in BOUND and not self._enquired and (self.doubted or self._is_silent(silence)):
            self._enquired = True
            if not self._unbinding:
                self.request(ENQUIRE_LINK, now)

    # -- inside --

    def _is_silent(self, seconds: float) -> bool:
        return 0 < self._timers.enquire <= seconds

    def _next_sequence(self) -> int:
        sequence = self._sequence % LAST_SEQUENCE + 1
        while sequence in self._outstanding:
            sequence = sequence % LAST_SEQUENCE + 1
        return sequence

    def _send(self, command_id: int, command_status: int, sequence: int, body: Body = NOTHING, tlvs: Tlvs = ()) -> None:
        self._octets.append(encode(command_id, command_status, sequence, body, tlvs))
        if self._watch:
            self._watch(">", Pdu(command_id, command_status, sequence, body, tlvs))

    def _learn(self, version: int) -> None:
        self.peer_version = version
        self.takes_tlvs = self.takes_tlvs and version >= FIRST_WITH_TLVS

    def _read_tlvs(self, pdu: Pdu, command_id: int) -> None:
        """What an answer says beside the matter. Most SMSCs of 3.4 leave sc_interface_version away."""
        if command_id in BINDS and (version := pdu.tlv(SC_INTERFACE_VERSION)):
            self._learn(version[0])
        if congestion := pdu.tlv(CONGESTION_STATE):
            self._window = max(1, int(self._whole_window * _share_of_window(congestion[0])))

    def _settle(self, sequence: int) -> _Outstanding:
        known = self._outstanding.pop(sequence)
        self._in_window -= known.command_id in _WINDOWED
        return known

    def _receive(self, frame: bytes) -> None:
        try:
            pdu = decode(frame)
        except PduError as error:
            return self._receive_bad(error)
        if self._watch:
            self._watch("<", pdu)
        if pdu.command_id >= RESPONSE:
            self._receive_response(pdu)
        else:
            self._receive_request(pdu)

    def _receive_bad(self, error: PduError) -> None:
        """A frame that is no PDU; the stream is whole, so the session goes on (§3.3)."""
        self._malformed(error)
        if error.command_id >= RESPONSE or error.command_id in _UNANSWERED:
            self.strays += 1  # an answer is never answered, or two ends could nack each other for ever
        elif error.command_status == ESME_RINVCMDID or not has_answer(error.command_id):
            self.nack(error.sequence_number, error.command_status)
        else:
            self._send(error.command_id | RESPONSE, error.command_status, error.sequence_number)

    def _receive_request(self, pdu: Pdu) -> None:
        command_id = pdu.command_id
        if self.state not in LEGAL.get((self.side.peer, command_id), ()) and not self._early(command_id):
            status = ESME_RALYBND if command_id in BINDS and self.state in BOUND else ESME_RINVBNDSTS
            if has_answer(command_id):
                self.respond(pdu, status)
        elif command_id == ENQUIRE_LINK:
            self.respond(pdu)
        elif command_id == UNBIND:
            self.respond(pdu)
            self.close("the peer unbound", State.UNBOUND)
        else:
            self._events.append(Request(pdu))

    def _early(self, command_id: int) -> bool:
        """Some SMSCs deliver before they answer the bind; refused, the message might never come again."""
        return command_id in (DELIVER_SM, DATA_SM) and any(
            known.command_id in BINDS and known.command_id != BIND_TRANSMITTER for known in self._outstanding.values()
        )

    def _receive_response(self, pdu: Pdu) -> None:
        known = self._outstanding.get(pdu.sequence_number)
        if known is None or pdu.command_id not in (known.command_id | RESPONSE, GENERIC_NACK):
            self.strays += 1
            return
        self._settle(pdu.sequence_number)
        if pdu.tlvs:
            self._read_tlvs(pdu, known.command_id)
        if known.command_id in BINDS and pdu.command_status == ESME_ROK and pdu.command_id != GENERIC_NACK:
            self.state = BINDS[known.command_id]
        if known.command_id == UNBIND:
            self.close("unbound", State.UNBOUND)
        elif known.command_id != ENQUIRE_LINK:  # a generic_nack to that is a sign of life, too
            self._events.append(Response(pdu, known.command_id, known.context))
            self.served = self.served or known.command_id in _WINDOWED


def _left_away(tlvs: Tlvs) -> Tlvs:
    """Towards SMPP 3.3. Raises PduError where the message would be another one without them."""
    if any(tag in _NOT_OPTIONAL for tag, _ in tlvs):
        raise PduError("the peer speaks SMPP 3.3, which has no optional parameters", ESME_ROPTPARNOTALLWD)
    return ()
