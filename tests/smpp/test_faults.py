"""What each fault of the simulator sends, as an ESME's session sees it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.smpp.test_session import BODIES, TIMERS, move, sent
from voipsms.smpp.codec import Framer, decode
from voipsms.smpp.events import Closed, Request, Response
from voipsms.smpp.faults import FAULTS, PLACES, Dice, FaultySession, Place, Strike
from voipsms.smpp.pdu import (
    BIND_TRANSCEIVER,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    SUBMIT_SM,
    UNBIND,
    Bind,
    BindAnswer,
    Pdu,
    PduError,
)
from voipsms.smpp.session import Session
from voipsms.smpp.states import Side, State
from voipsms.smpp.status import ESME_RBINDFAIL, ESME_RINVBNDSTS, ESME_RINVCMDID, ESME_RINVMSGLEN, ESME_ROK, ESME_RSYSERR


def ends(*strikes: Strike) -> tuple[Session, FaultySession, Counter[str]]:
    counts: Counter[str] = Counter()
    dice = Dice(strikes, counts, random.Random(1))
    return Session(Side.ESME, 0, timers=TIMERS), FaultySession(Side.SMSC, 0, dice=dice, timers=TIMERS), counts


def bind(esme: Session, smsc: Session) -> None:
    esme.request(BIND_TRANSCEIVER, 0, Bind("me"))
    for event in move(esme, smsc):
        assert isinstance(event, Request)
        smsc.respond(event.pdu, ESME_ROK, BindAnswer("smsc"))


def bound(name: str) -> tuple[Session, FaultySession]:
    esme, smsc, _ = ends(Strike(name, most=1))
    bind(esme, smsc)
    move(smsc, esme)
    assert (esme.state, smsc.state) == (State.BOUND_TRX, State.BOUND_TRX)
    return esme, smsc


# What the ESME reads after a submit: names and statuses; and whether the simulator takes the submit.
SUBMITS: dict[str, tuple[list[tuple[str, int]], bool]] = {
    "black-hole": ([], False),
    "no-answer": ([], False),
    "nack": ([("generic_nack", ESME_RSYSERR)], False),
    "nack-without-sequence": ([("generic_nack", ESME_RINVCMDID)], False),
    "error": ([("submit_sm_resp", ESME_RSYSERR)], False),
    "unbind": ([("unbind", ESME_ROK)], False),
    "unknown-command": ([("command 0x00010200 is not understood, ESME_RINVCMDID", ESME_RINVCMDID)], True),
    "parse-error": ([("short_message is cut, ESME_RINVMSGLEN", ESME_RINVMSGLEN)], True),
    "deliver-then-unbind": ([("deliver_sm", ESME_ROK), ("unbind", ESME_ROK)], False),
    "submit-on-receiver": ([("submit_sm_resp", ESME_RINVBNDSTS)], False),
    "alert": ([("alert_notification", ESME_ROK)], True),
}


def read(octets: bytes) -> list[tuple[str, int]]:
    framer, found = Framer(), []
    framer.receive_data(octets)
    for frame in framer.frames():
        try:
            pdu = decode(frame)
            found.append((pdu.name, pdu.command_status))
        except PduError as error:
            found.append((str(error), error.command_status))
    return found


@pytest.mark.parametrize("name", SUBMITS)
def test_on_submit(name: str) -> None:
    expected, taken = SUBMITS[name]
    esme, smsc = bound(name)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    assert len(move(esme, smsc)) == taken
    assert read(smsc.data_to_send()) == expected


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.place is Place.SUBMIT])
def test_the_esme_stays_sane(name: str) -> None:
    """Whatever comes, in one piece or in many: nothing is raised, and a session that is over says so once."""
    for size in (1, 1000):
        esme, smsc = bound(name)
        esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context="mine")
        move(esme, smsc)
        octets = smsc.data_to_send()
        for at in range(0, len(octets), size):
            esme.receive_data(octets[at : at + size], 0)
        for due in (30, 60, 90, 120):
            esme.on_timeout(due)
        (closed,) = (event for event in esme.events() if isinstance(event, Closed))
        assert closed.reason == esme.end_reason


def test_too_short_a_length_ends_the_session() -> None:
    esme, smsc = bound("length-too-short")
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM], context="mine")
    move(esme, smsc)
    assert [type(event) for event in move(smsc, esme)] == [Closed]
    assert "command_length 12 is impossible" in esme.end_reason


def test_too_long_a_length_swallows_what_follows() -> None:
    esme, smsc = bound("length-too-long")
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    move(esme, smsc)
    smsc.request(ENQUIRE_LINK, 0)
    assert move(smsc, esme) == []
    assert sent(esme) == []


def test_a_black_hole_hears_nothing_more() -> None:
    esme, smsc = bound("black-hole")
    for command_id in (SUBMIT_SM, SUBMIT_SM, ENQUIRE_LINK, UNBIND):
        esme.request(command_id, 0, BODIES[command_id])
        assert move(esme, smsc) == []
    assert (smsc.data_to_send(), smsc.room, smsc.next_timeout()) == (b"", 0, float("inf"))


def test_unbind_without_answer() -> None:
    esme, smsc = bound("unbind-without-answer")
    esme.request(UNBIND, 0)
    assert move(esme, smsc) == []
    assert smsc.data_to_send() == b""


# What the ESME reads instead of, or before, the answer to its bind.
BINDS: dict[str, list[tuple[str, int]]] = {
    "bind-error": [("bind_transceiver_resp", ESME_RBINDFAIL)],
    "bind-nack": [("generic_nack", ESME_RINVCMDID)],
    "early-deliver": [("deliver_sm", ESME_ROK), ("bind_transceiver_resp", ESME_ROK)],
    "outbind": [("outbind", ESME_ROK), ("bind_transceiver_resp", ESME_ROK)],
}


@pytest.mark.parametrize("name", BINDS)
def test_on_bind(name: str) -> None:
    esme, smsc, counts = ends(Strike(name))
    bind(esme, smsc)
    octets = smsc.data_to_send()
    assert read(octets) == BINDS[name]
    assert counts == {f"fault {name}": 1}
    esme.receive_data(octets, 0)
    events = esme.events()
    assert (esme.state is State.BOUND_TRX) is FAULTS[name].taken
    answers = [event.pdu for event in events if isinstance(event, Response)]
    assert [pdu.command_id == GENERIC_NACK for pdu in answers] == [name == "bind-nack"]
    asked = [event.pdu.command_id for event in events if isinstance(event, Request)]
    assert (DELIVER_SM in asked) is (name == "early-deliver")


def test_every_fault_is_tested() -> None:
    others = {"length-too-short", "length-too-long", "unbind-without-answer"}
    assert {*SUBMITS, *BINDS, *others} == set(FAULTS)


# -- how often ------------------------------------------------------------------------------------------------------


def thrown(*strikes: Strike, command_id: int = SUBMIT_SM, times: int = 1000) -> Counter[str]:
    counts: Counter[str] = Counter()
    dice = Dice(strikes, counts, random.Random(1))
    struck = [dice.throw(command_id) is not None for _ in range(times)]
    assert sum(struck) == counts.total()
    return counts


def test_always() -> None:
    assert thrown(Strike("error")) == {"fault error": 1000}


def test_a_share() -> None:
    assert 200 < thrown(Strike("error", 0.25))["fault error"] < 300


def test_so_often_at_most_and_then_the_next() -> None:
    found = thrown(Strike("error", most=3), Strike("nack", most=2), Strike("alert", 1.0, 1))
    assert found == {"fault error": 3, "fault nack": 2, "fault alert": 1}


@pytest.mark.parametrize("command_id, name", [(UNBIND, "error"), (BIND_TRANSCEIVER, "error"), (SUBMIT_SM, "bind-nack")])
def test_only_where_it_strikes(command_id: int, name: str) -> None:
    assert PLACES[command_id] is not FAULTS[name].place
    assert thrown(Strike(name), command_id=command_id) == {}


def test_loaded_anew() -> None:
    counts: Counter[str] = Counter()
    dice = Dice((Strike("error", most=1),), counts, random.Random(1))
    assert dice.throw(SUBMIT_SM) is FAULTS["error"]
    assert dice.throw(SUBMIT_SM) is None
    dice.load((Strike("nack"),))
    assert dice.throw(SUBMIT_SM) is FAULTS["nack"]


def test_without_faults_it_is_a_session_like_any_other() -> None:
    esme, smsc, counts = ends()
    bind(esme, smsc)
    move(smsc, esme)
    esme.request(SUBMIT_SM, 0, BODIES[SUBMIT_SM])
    (asked,) = move(esme, smsc)
    assert isinstance(asked, Request)
    assert isinstance(asked.pdu, Pdu)
    assert counts == {}
