from __future__ import annotations

import pytest

from tests.connectors.messages import message
from voipsms.connectors.smpp_answer import queried, refusal, submit_error, submitted_to_several
from voipsms.errors import (
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.model import GatewayId, Receipt, State, Submitted
from voipsms.smpp.pdu import (
    NOTHING,
    Destination,
    DistributionList,
    MultiAnswer,
    MultiMessage,
    Pdu,
    QueryAnswer,
    Unsuccess,
)

STATUSES: dict[int, type[SubmitError]] = {
    0x58: Throttled, 0x14: Throttled, 0x08: SubmitFailed, 0x45: SubmitFailed, 0xFF: SubmitFailed, 0x417: SubmitFailed,
    0x0B: SubmitRefused, 0x66: SubmitRefused, 0x0A: RefusedHere, 0x04: GatewayDown, 0x0E: GatewayDown,
}  # fmt: skip


@pytest.mark.parametrize("command_status, kind", STATUSES.items())
def test_submit_error(command_status: int, kind: type[SubmitError]) -> None:
    error = submit_error(command_status)
    assert type(error) is kind
    assert f"{command_status:#010x}" in error.comment
    if isinstance(error, Throttled):
        assert error.retry_after == 1.0


VERDICTS: dict[str, type[SubmitError]] = {
    "retry": SubmitFailed, "wait": Throttled, "failover": RefusedHere, "refuse": SubmitRefused,
    "unknown": OutcomeUnknown,
}  # fmt: skip


@pytest.mark.parametrize("verdict, kind", VERDICTS.items())
@pytest.mark.parametrize("command_status", [0x0B, 0x58, 0x413])
def test_overrides(command_status: int, verdict: str, kind: type[SubmitError]) -> None:
    assert type(submit_error(command_status, ((0x999, "retry"), (command_status, verdict)))) is kind


def test_a_command_that_the_smsc_does_not_offer() -> None:
    assert type(refusal(0x03)) is SubmitRefused
    assert type(refusal(0x11)) is SubmitRefused
    assert type(refusal(0x08)) is SubmitFailed


# -- submit_multi -------------------------------------------------------------------------------------------------

TO = (Destination(1, 1, "361"), Destination(1, 1, "362"), Destination(1, 1, "363"))
FAILED = tuple(Unsuccess(1, 1, to.destination_addr, 0x0B) for to in TO)
DESTINATION = "ESME_RINVDSTADR (0x0000000b): destination address not valid"


def answer(*unsuccess: Unsuccess) -> Pdu:
    return Pdu(0x80000021, 0, 1, MultiAnswer("a1", unsuccess))


@pytest.mark.parametrize("failed, comment", [
    (0, ""), (1, f"not taken for 1 of 3 recipients: {DESTINATION}"),
    (2, f"not taken for 2 of 3 recipients: {DESTINATION}"),
])  # fmt: skip
def test_taken_for_some(failed: int, comment: str) -> None:
    taken = submitted_to_several(answer(*FAILED[:failed]), MultiMessage(dest_addresses=TO), State.ENROUTE)
    assert taken == Submitted("a1", State.ENROUTE, comment)


def test_taken_for_none() -> None:
    with pytest.raises(SubmitRefused) as raised:
        submitted_to_several(answer(*FAILED), MultiMessage(dest_addresses=TO), State.ENROUTE)
    assert raised.value.comment == f"none of 3 recipients was taken: {DESTINATION}"


def test_nobody_knows_how_many_a_list_has() -> None:
    sent = MultiMessage(dest_addresses=(DistributionList("friends"),))
    taken = submitted_to_several(answer(*FAILED), sent, State.ACCEPTED)
    assert taken == Submitted("a1", State.ACCEPTED, f"not taken for 3 recipients: {DESTINATION}")


def test_an_answer_without_a_body() -> None:
    taken = submitted_to_several(Pdu(0x80000021, 0, 1, NOTHING), MultiMessage(dest_addresses=TO), State.ENROUTE)
    assert taken == Submitted("", State.ENROUTE)


# -- query_sm -----------------------------------------------------------------------------------------------------

FINAL = {
    2: State.DELIVERED, 3: State.EXPIRED, 4: State.DELETED, 5: State.UNDELIVERABLE, 6: State.ACCEPTED,
    8: State.REJECTED, 9: State.UNDELIVERABLE,
}  # fmt: skip


@pytest.mark.parametrize("message_state, state", FINAL.items())
def test_queried(message_state: int, state: State) -> None:
    pdu = Pdu(0x80000003, 0, 1, QueryAnswer("a1", "", message_state, 21))
    assert queried(pdu, GatewayId(7), message(), "a1") == Receipt(
        GatewayId(7), "a1", state, "21", "by query_sm", "36301234567", "36209876543"
    )


@pytest.mark.parametrize("message_state", [0, 1, 7, 99])
def test_not_final(message_state: int) -> None:
    pdu = Pdu(0x80000003, 0, 1, QueryAnswer("a1", "", message_state, 0))
    assert queried(pdu, GatewayId(7), message(), "a1") is None


@pytest.mark.parametrize("command_status", [0x03, 0x0C, 0x67])
def test_the_smsc_does_not_know(command_status: int) -> None:
    assert queried(Pdu(0x80000003, command_status, 1), GatewayId(7), message(), "a1") is None


def test_query_fails() -> None:
    with pytest.raises(SubmitFailed):
        queried(Pdu(0x80000003, 0x08, 1), GatewayId(7), message(), "a1")
    assert queried(Pdu(0x80000003, 0, 1, NOTHING), GatewayId(7), message(), "a1") is None
