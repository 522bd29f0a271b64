"""A pair of calls that is to be made, and what its legs come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voipsms.model import GatewayId, MessageId, Millis, Msisdn, UserId
from voipsms.values import Value


class Plan(Value, frozen=True):
    """`id` connects the CDRs of both legs. `second` empty: prompts ask the first one for it."""

    id: MessageId
    user_id: UserId
    first: Msisdn
    second: Msisdn | None = None
    door: str = "sms"  # how it was asked for: sms, chat, http
    asked: Millis = Millis(0)
    message_id: MessageId = MessageId(0)  # the text that asked; 0: none is kept


class Way(Value, frozen=True):
    """How a number is called: a SIP URI, from an account of ours or none; `gateway_id` stands on the CDR. `caller`: a
    SIP URI, too; empty: the account's own."""

    uri: str
    account: str = ""
    caller: str = ""
    srtp: str = "no"
    gateway_id: GatewayId = GatewayId(0)


class LegEnd(Value, frozen=True):
    """What became of one leg. `seconds`: from its answer to its end, 0 of one that was not answered."""

    number: Msisdn
    way: Way
    started: Millis
    seconds: int
    code: int  # SIP status; 200 of one that was answered, 0 where nothing was heard
    reason: str = ""  # of the CDR: busy, no_answer, declined, no_audio, no_credit, caller_lost, …
    comment: str = ""


class Billing(Protocol):
    """The money of calls. What is refused raises Refused (NoCredit, Blocked …) and has moved nothing."""

    def way(self, plan: Plan, number: str) -> Way:
        """How it would be called. Raises Refused where it must not be."""
        ...

    async def open(self, plan: Plan, numbers: Sequence[Msisdn]) -> int:
        """Before the first leg, and again when a second number is known: reserves credit for both. Returns the
        seconds that it lasts, from the answer of the last leg."""
        ...

    def answered(self, plan: Plan, number: Msisdn, way: Way, at: Millis) -> None:
        """A leg has been answered: known even if this process dies. Between `open` and `close`."""
        ...

    async def extend(self, plan: Plan) -> int:
        """Some time before they are over: reserves more and returns the seconds that have been added; 0: no more."""
        ...

    async def close(self, plan: Plan, legs: Sequence[LegEnd]) -> None:
        """Once, at the end: a CDR for each leg, and the ledger is settled. It is kept until it is written."""
        ...
