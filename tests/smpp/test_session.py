"""Both ends against each other, octets passed by hand, time as it is told."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.smpp.pdus import PDUS
from voipsms.smpp.codec import Framer, decode, encode
from voipsms.smpp.events import Closed, Event, Request, Response, ResponseTimeout
from voipsms.smpp.pdu import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
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
    SUBMIT_SM_RESP,
    UNBIND,
    Alert,
    Answer,
    Bind,
    BindAnswer,
    Body,
    Cancel,
    DataMessage,
    Destination,
    MultiMessage,
    Outbind,
    Pdu,
    PduError,
    Query,
    Replace,
    ShortMessage,
    Tlvs,
    command_name,
)
from voipsms.smpp.session import LAST_SEQUENCE, NotAllowed, Session, Timers
from voipsms.smpp.states import LEGAL, Side, State
from voipsms.smpp.status import (
    ESME_RALYBND,
    ESME_RBINDFAIL,
    ESME_RINVBNDSTS,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_ROK,
    ESME_ROPTPARNOTALLWD,
)

BODIES: dict[int, Body] = {
    BIND_TRANSMITTER: Bind("me"),
    BIND_RECEIVER: Bind("me"),
    BIND_TRANSCEIVER: Bind("me"),
    SUBMIT_SM: ShortMessage(destination_addr="361"),
    DELIVER_SM: ShortMessage(source_addr="361"),
    DATA_SM: DataMessage(),
    SUBMIT_MULTI: MultiMessage(dest_addresses=(Destination(1, 1, "361"),)),
    QUERY_SM: Query("1"),
    CANCEL_SM: Cancel("", "1"),
    REPLACE_SM: Replace("1"),
    OUTBIND: Outbind("smsc"),
    ALERT_NOTIFICATION: Alert(),
    ENQUIRE_LINK: NOTHING,
    UNBIND: NOTHING,
}
BINDS = {State.BOUND_TX: BIND_TRANSMITTER, State.BOUND_RX: BIND_RECEIVER, State.BOUND_TRX: BIND_TRANSCEIVER}
TIMERS = Timers(enquire=25, response=30, inactivity=60)


def sent(session: Session) -> list[Pdu]:
    framer = Framer()
    framer.receive_data(session.data_to_send())
    return [decode(frame) for frame in framer.frames()]


def move(sender: Session, receiver: Session, now: float = 0) -> list[Event]:
    receiver.receive_data(sender.data_to_send(), now)
    return receiver.events()


def pair(state: State = State.OPEN, *, window: int = 10) -> tuple[Session, Session]:
    """An ESME and an SMSC that have come to `state`."""
    esme = Session(Side.ESME, 0, window=window, timers=TIMERS)
    smsc = Session(Side.SMSC, 0, window=window, timers=TIMERS)
    if state in BINDS:
        esme.request(BINDS[state], 0, Bind("me", "secret"), context="bind")
        (asked,) = move(esme, smsc)
        assert isinstance(asked, Request)
        smsc.respond(asked.pdu, ESME_ROK, BindAnswer("smsc"))
        (answer,) = move(smsc, esme)
        assert isinstance(answer, Response)
        assert (answer.context, answer.command_id) == ("bind", BINDS[state])
        assert (esme.state, smsc.state) == (state, state)
    elif state is State.CLOSED:
        for session in (esme, smsc):
            session.close("over")
            session.events()
    elif state is State.UNBOUND:
        esme, smsc = pair(State.BOUND_TRX)
        esme.request(UNBIND, 0)
        move(esme, smsc)
        move(smsc, esme)
    assert (esme.state, smsc.state) == (state, state)
    return esme, smsc


# -- §2.3 ---------------------------------------------------------------------------------------------------------

# By SMPP 3.4 §2.3, table 2-1; enquire_link before a bind is 5.0's.
TABLE = """
                     OPEN  BOUND_TX  BOUND_RX  BOUND_TRX
bind_transmitter     ESME  -         -         -
bind_receiver        ESME  -         -         -
bind_transceiver     ESME  -         -         -
submit_sm            -     ESME      -         ESME
submit_multi         -     ESME      -         ESME
query_sm             -     ESME      -         ESME
cancel_sm            -     ESME      -         ESME
replace_sm           -     ESME      -         ESME
outbind              SMSC  -         -         -
data_sm              -     ESME      SMSC      both
deliver_sm           -     -         SMSC      SMSC
alert_notification   -     -         SMSC      SMSC
enquire_link         both  both      both      both
unbind               -     both      both      both
"""
_HEAD, *_ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [
    (side, command_id, State[state], cell in (side.value, "both"))
    for name, *cells in _ROWS
    for command_id in BODIES
    if command_name(command_id) == name
    for state, cell in zip(_HEAD, cells, strict=True)
    for side in Side
]


@pytest.mark.parametrize("side, command_id, state, legal", CELLS)
def test_who_may_ask_what(side: Side, command_id: int, state: State, legal: bool) -> None:
    """Ours is not sent where it isn't legal; the peer's is refused, and the session lives on."""
    esme, smsc = pair(state)
    ours, theirs = (esme, smsc) if side is Side.ESME else (smsc, esme)
    if legal:
        ours.request(command_id, 0, BODIES[command_id])
    else:
        with pytest.raises(NotAllowed):
            ours.request(command_id, 0, BODIES[command_id])
        assert ours.data_to_send() == b""
    theirs.receive_data(encode(command_id, ESME_ROK, 99, BODIES[command_id]), 0)
    asked, answers = theirs.events(), sent(theirs)
    if legal:
        answered_by_itself = command_id in (ENQUIRE_LINK, UNBIND)
        assert [pdu.command_status for pdu in answers] == [ESME_ROK] * answered_by_itself
        assert any(isinstance(event, Request) for event in asked) is not answered_by_itself
    else:
        assert asked == []
        bound_already = command_id in BINDS.values() and state in BINDS
        refusals = (
            [] if command_id in (ALERT_NOTIFICATION, OUTBIND) else [ESME_RALYBND if bound_already else ESME_RINVBNDSTS]
        )
        assert [pdu.command_status for pdu in answers] == refusals
        assert theirs.state is state


def test_the_table_is_whole() -> None:
    assert {(side, command_id) for side, command_id, _, legal in CELLS if legal} == set(LEGAL)


@pytest.mark.parametrize("state", [State.UNBOUND, State.CLOSED])
def test_nothing_after_the_end(state: State) -> None:
    for session in pair(state):
        session.data_to_send()
        session.receive_data(encode(ENQUIRE_LINK, 0, 1), 0)
        session.on_timeout(1e9)
        session.close("again")
        assert (session.events(), session.data_to_send()) == ([], b"")
        assert session.next_timeout() == float("inf")
        with pytest.raises(NotAllowed):
            session.request(ENQUIRE_LINK, 0)


# -- requests and answers -----------------------------------------------------------------------------------------


def test_refused_bind() -> None:
    esme, smsc = pair()
    esme.request(BIND_TRANSCEIVER, 0, Bind("me", "wrong"))
    (asked,) = move(esme, smsc)
    assert isinstance(asked, Request)
    smsc.respond(asked.pdu, ESME_RBINDFAIL)
    (answer,) = move(smsc, esme)
    assert isinstance(answer, Response)
    assert answer.pdu.command_status == ESME_RBINDFAIL
    assert (esme.state, smsc.state) == (State.OPEN, State.OPEN)


def test_bind_answered_by_generic_nack_does_not_bind() -> None:
    esme, _ = pair()
    sequence = esme.request(BIND_TRANSCEIVER, 0, Bind("me"))
    esme.receive_data(encode(GENERIC_NACK, ESME_ROK, sequence), 0)
    assert isinstance(esme.events()[0], Response)
    assert esme.state is State.OPEN


def test_submit_and_its_answer() -> None:
    esme, smsc = pair(State.BOUND_TRX)
    sequence = esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context="mine")
    (asked,) = move(esme, smsc)
    assert isinstance(asked, Request)
    smsc.respond(asked.pdu, ESME_ROK, Answer("1f"))
    pdu = Pdu(SUBMIT_SM_RESP, ESME_ROK, sequence, Answer("1f"))
    assert move(smsc, esme) == [Response(pdu, SUBMIT_SM, "mine")]
    assert esme.outstanding == 0


def test_answers_in_any_order() -> None:
    esme, _ = pair(State.BOUND_TX)
    sequences = [esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context=number) for number in range(3)]
    for sequence in reversed(sequences):
        esme.receive_data(encode(SUBMIT_SM_RESP, 0, sequence, Answer(str(sequence))), 0)
    assert [event.context for event in esme.events() if isinstance(event, Response)] == [2, 1, 0]


def test_window() -> None:
    esme, smsc = pair(State.BOUND_TRX, window=2)
    assert (esme.room, smsc.room) == (2, 2)
    first = esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    assert esme.room == 0
    with pytest.raises(NotAllowed, match="2 messages wait"):
        esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    esme.request(ENQUIRE_LINK, 0)  # takes no place
    esme.receive_data(encode(SUBMIT_SM_RESP, 0, first, Answer()), 0)
    assert esme.room == 1
    smsc.request(DELIVER_SM, 0, BODIES[DELIVER_SM])
    assert smsc.room == 1


@pytest.mark.parametrize("state, room", [(State.OPEN, 0), (State.BOUND_RX, 0), (State.BOUND_TX, 10)])
def test_room_is_for_sessions_that_submit(state: State, room: int) -> None:
    assert pair(state)[0].room == room


def test_what_can_not_be_written_changes_nothing() -> None:
    esme, _ = pair(State.BOUND_TX)
    with pytest.raises(PduError):
        esme.request(SUBMIT_SM, 0, ShortMessage(source_addr="Ω"))
    assert (esme.room, esme.outstanding, esme.data_to_send()) == (10, 0, b"")


def test_generic_nack_settles_the_request_it_names() -> None:
    esme, _ = pair(State.BOUND_TX)
    sequence = esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context="mine")
    esme.receive_data(encode(GENERIC_NACK, ESME_RINVCMDLEN, sequence), 0)
    pdu = Pdu(GENERIC_NACK, ESME_RINVCMDLEN, sequence, NOTHING)
    assert esme.events() == [Response(pdu, SUBMIT_SM, "mine")]
    assert esme.room == 10


STRAYS = {
    "answer to nothing": encode(SUBMIT_SM_RESP, 0, 4711, Answer("1")),
    "generic_nack to nothing": encode(GENERIC_NACK, ESME_RINVCMDID, 0),
    "another command's answer": encode(ENQUIRE_LINK | RESPONSE, 0, 2),
    "an unknown answer": struct.pack(">IIII", 16, 0x80000077, 0, 2),
    "a damaged alert": struct.pack(">IIII", 17, ALERT_NOTIFICATION, 0, 2) + b"\1",
}


@pytest.mark.parametrize("octets", STRAYS.values(), ids=STRAYS.keys())
def test_strays_are_counted_and_never_answered(octets: bytes) -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    esme.data_to_send()
    esme.receive_data(octets, 0)
    assert (esme.events(), esme.data_to_send(), esme.strays, esme.outstanding) == ([], b"", 1, 1)


def test_sequence_numbers_wrap() -> None:
    esme, _ = pair(State.BOUND_TX)
    esme._sequence = LAST_SEQUENCE - 1
    assert [esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM]) for _ in range(3)] == [LAST_SEQUENCE, 1, 2]
    esme._sequence = LAST_SEQUENCE
    assert esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM]) == 3  # 1 and 2 still wait for their answers


# -- octets that are no PDU ---------------------------------------------------------------------------------------


def frame(command_id: int, body: bytes = b"", sequence: int = 5) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, 0, sequence) + body


BAD = {
    "unknown command": (frame(0x99), GENERIC_NACK, ESME_RINVCMDID),
    "a command that we don't offer": (frame(0x111, b"\0" * 9), GENERIC_NACK, ESME_RINVCMDID),
    "truncated deliver_sm": (frame(DELIVER_SM, b"\0\1\1"), DELIVER_SM | RESPONSE, ESME_RINVCMDLEN),
    "truncated data_sm": (frame(DATA_SM, b"\0"), DATA_SM | RESPONSE, ESME_RINVCMDLEN),
}


@pytest.mark.parametrize("octets, answer, command_status", BAD.values(), ids=BAD.keys())
def test_bad_frame_in_the_middle(octets: bytes, answer: int, command_status: int) -> None:
    """It is answered, and what follows it is understood."""
    esme, _ = pair(State.BOUND_TRX)
    esme.data_to_send()
    esme.receive_data(octets + encode(DELIVER_SM, 0, 6, BODIES[DELIVER_SM]), 0)
    (nack,) = sent(esme)
    assert (nack.command_id, nack.command_status, nack.sequence_number) == (answer, command_status, 5)
    (asked,) = esme.events()
    assert isinstance(asked, Request)
    assert esme.state is State.BOUND_TRX


@pytest.mark.parametrize("length", [0, 15, 65537, 0xFFFFFFFF])
def test_lying_length_ends_the_session(length: int) -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context="mine")
    esme.data_to_send()
    esme.receive_data(encode(DELIVER_SM, 0, 6, BODIES[DELIVER_SM]) + struct.pack(">IIII", length, 5, 0, 7), 0)
    asked, end = esme.events()
    assert isinstance(asked, Request)
    assert end == Closed(f"command_length {length} is impossible, ESME_RINVCMDLEN", ((SUBMIT_SM, "mine"),))
    (nack,) = sent(esme)
    assert (nack.command_id, nack.command_status) == (GENERIC_NACK, ESME_RINVCMDLEN)


def test_byte_by_byte() -> None:
    esme, smsc = pair(State.BOUND_TRX)
    for number in range(3):
        esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context=number)
    for octet in esme.data_to_send():
        smsc.receive_data(bytes((octet,)), 0)
    asked = smsc.events()
    assert [event.pdu.body for event in asked if isinstance(event, Request)] == [BODIES[SUBMIT_SM]] * 3


# -- timers -------------------------------------------------------------------------------------------------------


def test_response_timer() -> None:
    esme, _ = pair(State.BOUND_TX)
    sequence = esme.request(SUBMIT_SM, 3, BODIES[SUBMIT_SM], context="mine")
    esme.receive_data(encode(ENQUIRE_LINK, 0, 1), 20)
    assert esme.next_timeout() == 33
    esme.on_timeout(32.9)
    assert esme.events() == []
    esme.on_timeout(33)
    assert esme.events() == [ResponseTimeout(sequence, SUBMIT_SM, "mine")]
    assert esme.room == 10
    esme.receive_data(encode(SUBMIT_SM_RESP, 0, sequence, Answer("late")), 34)
    assert (esme.events(), esme.strays) == ([], 1)


def test_enquire_link_when_nothing_is_heard() -> None:
    esme, smsc = pair(State.BOUND_TRX)
    assert esme.next_timeout() == 25
    esme.on_timeout(25)
    assert move(esme, smsc, 25) == []
    assert move(smsc, esme, 26) == []
    assert esme.next_timeout() == 26 + 25
    assert esme.state is State.BOUND_TRX


def test_no_answer_to_enquire_link() -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.on_timeout(25)
    assert esme.next_timeout() == 55
    esme.on_timeout(55)
    assert esme.events() == [Closed("no answer to enquire_link", ())]


def test_inactivity() -> None:
    smsc = Session(Side.SMSC, 0, timers=TIMERS)
    assert smsc.next_timeout() == 60  # no bind, so no enquire_link
    smsc.on_timeout(60)
    assert smsc.events() == [Closed("nothing received for 60 s", ())]


def test_no_timers() -> None:
    smsc = Session(Side.SMSC, 0, timers=Timers(0, 0, 0))
    smsc.on_timeout(1e9)
    assert (smsc.next_timeout(), smsc.events()) == (float("inf"), [])


# -- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", Side)
def test_unbind(side: Side) -> None:
    esme, smsc = pair(State.BOUND_TRX)
    ours, theirs = (esme, smsc) if side is Side.ESME else (smsc, esme)
    ours.request(UNBIND, 0)
    assert ours.room == 0
    with pytest.raises(NotAllowed):
        ours.request(ENQUIRE_LINK, 0)
    assert move(ours, theirs) == [Closed("the peer unbound", ())]
    assert move(theirs, ours) == [Closed("unbound", ())]
    assert (ours.state, theirs.state) == (State.UNBOUND, State.UNBOUND)


def test_answers_still_count_while_unbinding() -> None:
    esme, smsc = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context="mine")
    (asked,) = move(esme, smsc)
    esme.request(UNBIND, 0)
    assert isinstance(asked, Request)
    smsc.respond(asked.pdu, ESME_ROK, Answer("1"))
    (answer,) = move(smsc, esme)
    assert isinstance(answer, Response)


def test_no_answer_to_unbind() -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.request(UNBIND, 0)
    esme.on_timeout(30)
    assert esme.events() == [Closed("no answer to unbind", ())]


def test_a_lost_connection_names_what_is_unanswered() -> None:
    esme, _ = pair(State.BOUND_TRX)
    for number in range(2):
        esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context=number)
    esme.close("connection lost")
    assert esme.events() == [Closed("connection lost", ((SUBMIT_SM, 0), (SUBMIT_SM, 1)))]
    assert (esme.state, esme.end_reason, esme.is_over) == (State.CLOSED, "connection lost", True)


def test_watch_sees_both_directions() -> None:
    seen: list[tuple[str, str]] = []
    esme = Session(Side.ESME, 0, watch=lambda direction, pdu: seen.append((direction, pdu.name)))
    esme.receive_data(encode(ENQUIRE_LINK, 0, 1), 0)
    assert seen == [("<", "enquire_link"), (">", "enquire_link_resp")]


# -- whatever there is --------------------------------------------------------------------------------------------

_PIECES = st.one_of(
    st.sampled_from([octets for octets, _ in PDUS.values()]),
    st.tuples(st.sampled_from([octets for octets, _ in PDUS.values()]), st.integers(4, 80), st.integers(0, 255)).map(
        lambda choice: choice[0][: choice[1]] + bytes((choice[2],)) + choice[0][choice[1] + 1 :]
    ),
    st.binary(max_size=12),
)


@settings(max_examples=200)
@given(st.sampled_from(Side), st.sampled_from([State.OPEN, *BINDS]), st.lists(_PIECES, max_size=6))
def test_no_octets_raise_anything(side: Side, state: State, pieces: list[bytes]) -> None:
    """And what the session answers is always whole PDUs."""
    session = pair(state)[0 if side is Side.ESME else 1]
    if session.submits:
        session.request(SUBMIT_SM if side is Side.ESME else DELIVER_SM, 0, ShortMessage())
    for now, piece in enumerate(pieces):
        session.receive_data(piece, now)
        session.on_timeout(now + 20)
    assert sum(isinstance(event, Closed) for event in session.events()) == session.is_over
    assert all(pdu.sequence_number >= 0 for pdu in sent(session))


# -- what the peer is, and how it does -----------------------------------------------------------------------------


def bound(version: int = 0x34, answer: Tlvs = (), window: int = 10) -> tuple[Session, Session]:
    """An ESME that bound with this interface_version, and was answered with these TLVs."""
    esme = Session(Side.ESME, 0, window=window, timers=TIMERS)
    smsc = Session(Side.SMSC, 0, window=window, timers=TIMERS)
    sequence = esme.request(BIND_TRANSCEIVER, 0, Bind("me", interface_version=version))
    (asked,) = move(esme, smsc)
    assert isinstance(asked, Request)
    smsc.respond(asked.pdu, ESME_ROK, BindAnswer("smsc"))
    smsc.data_to_send()
    esme.receive_data(encode(BIND_TRANSCEIVER | RESPONSE, 0, sequence, BindAnswer("smsc"), answer), 0)
    esme.events()
    return esme, smsc


VERSIONS: dict[str, tuple[int, Tlvs, bool]] = {  # our interface_version, the answer's TLVs, whether TLVs go out
    "3.4": (0x34, (), True),  # SMSCs of 3.4 that don't say so are about
    "3.4 at an SMSC of 3.4": (0x34, ((SC_INTERFACE_VERSION, b"\x34"),), True),
    "3.4 at an SMSC of 3.3": (0x34, ((SC_INTERFACE_VERSION, b"\x33"),), False),
    "3.4 at an SMSC of 5.0": (0x34, ((SC_INTERFACE_VERSION, b"\x50"),), True),
    "3.4 at an SMSC that says nothing with it": (0x34, ((SC_INTERFACE_VERSION, b""),), True),
    "3.3": (0x33, (), False),
    "3.3 at an SMSC of 3.4": (0x33, ((SC_INTERFACE_VERSION, b"\x34"),), False),
    "5.0": (0x50, ((SC_INTERFACE_VERSION, b"\x50"),), True),
}


@pytest.mark.parametrize("version, answer, tlvs", VERSIONS.values(), ids=VERSIONS.keys())
def test_no_tlvs_towards_33(version: int, answer: Tlvs, tlvs: bool) -> None:
    esme, _ = bound(version, answer)
    assert esme.takes_tlvs is tlvs
    assert esme.peer_version == (answer[0][1][0] if answer and answer[0][1] else 0)
    extra: Tlvs = ((0x0204, b"\0\1"),)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], extra)
    (submit,) = sent(esme)
    assert submit.tlvs == (extra if tlvs else ())


@pytest.mark.parametrize("tag", [MESSAGE_PAYLOAD, SAR_MSG_REF_NUM], ids=hex)
def test_what_33_can_not_say_is_not_said_otherwise(tag: int) -> None:
    esme, _ = bound(0x33)
    with pytest.raises(PduError) as raised:
        esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], ((tag, b"\0\1"),))
    assert (raised.value.command_status, esme.room, esme.data_to_send()) == (ESME_ROPTPARNOTALLWD, 10, b"")


@pytest.mark.parametrize("version, tlvs", [(0x33, ()), (0x34, ((0x0427, b"\2"),)), (0x50, ((0x0427, b"\2"),))])
def test_an_smsc_reads_the_interface_version(version: int, tlvs: Tlvs) -> None:
    _, smsc = bound(version)
    assert smsc.peer_version == version
    smsc.request(DELIVER_SM, 0, BODIES[DELIVER_SM], ((0x0427, b"\2"),))
    (delivery,) = sent(smsc)
    assert delivery.tlvs == tlvs


CONGESTION = [(0, 10), (80, 10), (89, 10), (90, 5), (99, 5), (100, 1), (255, 1)]


@pytest.mark.parametrize("state, window", CONGESTION)
def test_congestion_state_narrows_the_window(state: int, window: int) -> None:
    """And widens it again; SMPP 5.0 §4.8.4.18."""
    esme, _ = bound(0x50)
    for value, expected in ((bytes((state,)), window), (b"", window), (b"\x1e", 10)):
        sequence = esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
        esme.receive_data(encode(SUBMIT_SM_RESP, 0, sequence, Answer("1"), ((CONGESTION_STATE, value),)), 0)
        esme.events()
        assert esme.room == expected


def test_a_window_that_shrinks_below_what_is_under_way() -> None:
    esme, _ = bound(0x50)
    first, *_ = (esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM]) for _ in range(4))
    esme.receive_data(encode(SUBMIT_SM_RESP, 0, first, Answer("1"), ((CONGESTION_STATE, b"\x64"),)), 0)
    assert esme.room == 0
    with pytest.raises(NotAllowed):
        esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])


@pytest.mark.parametrize("bind, taken", [(BIND_TRANSCEIVER, True), (BIND_RECEIVER, True), (BIND_TRANSMITTER, False)])
@pytest.mark.parametrize("command_id", [DELIVER_SM, DATA_SM])
def test_a_delivery_before_the_answer_to_the_bind(bind: int, taken: bool, command_id: int) -> None:
    """Taken where the session is to receive: refused, it might never come again."""
    esme, _ = pair()
    esme.request(bind, 0, Bind("me"))
    esme.data_to_send()
    esme.receive_data(encode(command_id, 0, 99, BODIES[command_id]), 0)
    asked = esme.events()
    assert len(asked) == taken
    for event in asked:
        assert isinstance(event, Request)
        esme.respond(event.pdu, ESME_ROK, Answer())
    assert [pdu.command_status for pdu in sent(esme)] == [ESME_ROK if taken else ESME_RINVBNDSTS]


def test_a_silent_peer_is_doubted_and_asked() -> None:
    esme, smsc = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 1, BODIES[SUBMIT_SM])
    esme.data_to_send()
    esme.on_timeout(31)
    assert [type(event) for event in esme.events()] == [ResponseTimeout]
    assert (esme.doubted, esme.room) == (True, 0)
    (enquiry,) = sent(esme)
    assert enquiry.command_id == ENQUIRE_LINK
    smsc.receive_data(encode(ENQUIRE_LINK, 0, enquiry.sequence_number), 31)
    move(smsc, esme, 31)
    assert (esme.doubted, esme.room) == (False, 10)


def test_a_silent_peer_that_stays_silent_is_given_up() -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 1, BODIES[SUBMIT_SM])
    esme.on_timeout(31)
    esme.events()
    esme.on_timeout(esme.next_timeout())
    (closed,) = esme.events()
    assert isinstance(closed, Closed)


def test_a_peer_that_answers_others_is_not_doubted() -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 1, BODIES[SUBMIT_SM])
    other = esme.request(SUBMIT_SM, 2, BODIES[SUBMIT_SM])
    esme.receive_data(encode(SUBMIT_SM_RESP, 0, other, Answer("1")), 20)
    esme.data_to_send()
    esme.on_timeout(31)
    assert (esme.doubted, esme.room, esme.data_to_send()) == (False, 10, b"")


def test_octets_that_are_no_pdu_yet_are_no_sign_of_life() -> None:
    esme, _ = pair(State.BOUND_TRX)
    esme.request(SUBMIT_SM, 1, BODIES[SUBMIT_SM])
    esme.receive_data(struct.pack(">IIII", 60000, SUBMIT_SM_RESP, 0, 1), 20)
    esme.on_timeout(31)
    assert esme.doubted


def test_served() -> None:
    """By messages, not by binds and enquiries; either way round."""
    esme, smsc = pair(State.BOUND_TRX)
    esme.request(ENQUIRE_LINK, 0)
    move(esme, smsc)
    move(smsc, esme)
    assert (esme.served, smsc.served) == (False, False)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    (asked,) = move(esme, smsc)
    assert isinstance(asked, Request)
    smsc.respond(asked.pdu, ESME_ROK, Answer("1"))
    smsc.request(ENQUIRE_LINK, 0)
    move(smsc, esme)
    assert (esme.served, smsc.served) == (True, True)


def test_queries_and_the_like_take_their_place_in_the_window() -> None:
    esme, _ = pair(State.BOUND_TX)
    for number, command_id in enumerate((SUBMIT_MULTI, DATA_SM, QUERY_SM, CANCEL_SM, REPLACE_SM), 1):
        esme.request(command_id, 0, BODIES[command_id])
        assert esme.room == 10 - number


def test_outbind_where_nobody_is_bound() -> None:
    esme, smsc = pair()
    smsc.request(OUTBIND, 0, Outbind("smsc", "secret"))
    (asked,) = move(smsc, esme)
    assert isinstance(asked, Request)
    assert asked.pdu.body == Outbind("smsc", "secret")
    assert (smsc.outstanding, esme.data_to_send()) == (0, b"")
