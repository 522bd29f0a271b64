"""What an SMSC's answers mean for a message: to submits, to query_sm, to cancel_sm and replace_sm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from voipsms.errors import (
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.model import GatewayId, Message, Receipt, State, Submitted
from voipsms.smpp.pdu import DistributionList, MultiAnswer, MultiMessage, Pdu, QueryAnswer
from voipsms.smpp.status import ESME_RINVCMDID, ESME_RINVMSGID, ESME_RQUERYFAIL, Verdict, status, verdict_of
from voipsms.sms.receipt import MESSAGE_STATES

_ERRORS: Final[dict[Verdict, Callable[[str], SubmitError]]] = {
    Verdict.WAIT: Throttled,
    Verdict.RETRY: SubmitFailed,
    Verdict.FAILOVER: RefusedHere,
    Verdict.REFUSE: SubmitRefused,
    Verdict.UNKNOWN: OutcomeUnknown,
    Verdict.FAULT: GatewayDown,
}
_NOT_KNOWN: Final = frozenset({ESME_RINVCMDID, ESME_RINVMSGID, ESME_RQUERYFAIL})


def submit_error(command_status: int, overrides: Iterable[tuple[int, str]] = ()) -> SubmitError:
    """What an answer's status means for the part; a status that nobody knows is worth another attempt."""
    return _ERRORS[verdict_of(command_status, overrides)](str(status(command_status)))


def refusal(command_status: int, overrides: Iterable[tuple[int, str]] = ()) -> SubmitError:
    """The same of cancel_sm and replace_sm, which an SMSC may not offer."""
    if command_status == ESME_RINVCMDID:
        return SubmitRefused(str(status(command_status)))
    return submit_error(command_status, overrides)


def submitted_to_several(answer: Pdu, sent: MultiMessage, state: State) -> Submitted:
    """Of submit_multi. Raises SubmitRefused where it was taken for none of the addresses; how many are behind a
    distribution list only the SMSC knows."""
    body = answer.body
    if not isinstance(body, MultiAnswer) or not body.unsuccess_sme:
        return Submitted(body.message_id if isinstance(body, MultiAnswer) else "", state)
    failed, addresses = len(body.unsuccess_sme), len(sent.dest_addresses)
    first = status(body.unsuccess_sme[0].error_status_code)
    has_lists = any(isinstance(to, DistributionList) for to in sent.dest_addresses)
    if failed >= addresses and not has_lists:
        raise SubmitRefused(f"none of {addresses} recipients was taken: {first}")
    of_all = "" if has_lists else f" of {addresses}"
    return Submitted(body.message_id, state, f"not taken for {failed}{of_all} recipients: {first}")


def queried(answer: Pdu, gateway_id: GatewayId, message: Message, provider_id: str) -> Receipt | None:
    """Of query_sm: §4.8.2, §5.2.28; None: no final state yet, or the SMSC doesn't know. Raises SubmitError."""
    if answer.command_status in _NOT_KNOWN:
        return None
    if answer.command_status:
        raise submit_error(answer.command_status)
    body = answer.body
    if not isinstance(body, QueryAnswer):
        return None
    state = MESSAGE_STATES.get(body.message_state, State.UNKNOWN)
    if state in (State.ENROUTE, State.UNKNOWN):
        return None
    error = str(body.error_code) if body.error_code else ""
    return Receipt(gateway_id, provider_id, state, error, "by query_sm", message.sender, message.target)
