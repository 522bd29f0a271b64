"""A message on its way out, and whom its way is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from voipsms.errors import (
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.model import GatewayId, Message, Part, Submitted
from voipsms.store.entries import Entry

ELSEWHERE = (GatewayDown, RefusedHere)  # at once; after its retries SubmitFailed, too
FAULTS = (GatewayDown, SubmitFailed, OutcomeUnknown)  # of the gateway rather than of the message

# Which setback of several parts decides what becomes of the message.
_WORST = (GatewayDown, Throttled, SubmitFailed, OutcomeUnknown, RefusedHere, SubmitRefused)


RECEIPT = 600_000  # milliseconds after a message's own time that a receipt is waited for


def lifetime(expire: int, valid: int) -> int:
    """Milliseconds that a message is tried, of those that all are (smsexpire) and its own seconds; 0: it has none."""
    return min(expire, valid * 1000) if valid else expire


class Log(Protocol):
    """What the operator hears of each message."""

    def outcome(self, message: Message, gateway: str, outcome: str, detail: str) -> None: ...


class Writer(Protocol):
    """The part of the journal that dispatch needs."""

    def append(self, entry: Entry) -> asyncio.Future[None]: ...

    def may_work(self) -> bool: ...


@dataclass(slots=True, eq=False)
class Outgoing:
    """One message on its way through one gateway."""

    message: Message
    attempt: int = 1
    parts: Sequence[Part] = ()
    left: dict[int, Part] = field(default_factory=dict)  # by number: those that no provider has taken
    todo: list[Part] = field(default_factory=list)  # those of them still to be submitted in this attempt, last first
    under_way: int = 0
    setback: SubmitError | None = None  # the worst of this attempt
    doubts: int = 0
    tried: frozenset[GatewayId] = frozenset()  # gateways that could not send it
    unverified: Submitted | None = None  # taken, it seems: the provider is to be asked
    answered: asyncio.Future[SubmitError | None] | None = None  # for a sender who waits (smsthread=0)

    def cut(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.left = {part.number: part for part in parts}

    def prepare(self) -> None:
        """For the next attempt."""
        self.todo = list(reversed(self.left.values()))
        self.setback = None

    @property
    def begun(self) -> bool:
        """Whether some of its parts were taken, or may be now."""
        return self.under_way > 0 or len(self.left) < len(self.parts)

    @property
    def air_parts(self) -> int:
        """Of those that are left; a connector that leaves cutting to its provider has one for all of them."""
        return len(self.left) if len(self.parts) > 1 else self.message.parts

    def meet(self, error: SubmitError) -> None:
        if self.setback is None or _WORST.index(type(error)) > _WORST.index(type(self.setback)):
            self.setback = error

    @property
    def failure(self) -> str:
        """How this attempt failed, for the message's story; '': it has not."""
        return "" if self.setback is None else f": {self.setback.reason}: {self.setback.comment}"

    def moved_to(self, message: Message) -> Outgoing:
        """The same message, on its way through another gateway."""
        return Outgoing(message, tried=self.tried | {self.message.gateway_id}, answered=self.answered)

    def tell(self, setback: SubmitError | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(setback)


def air_parts(part: Part) -> int:
    """How many a connector sends at once that leaves cutting to its provider."""
    return part.message.parts if part.total == 1 else 1


def ignore(future: asyncio.Future[None]) -> None:
    """Of an entry that nobody waits for."""
    if not future.cancelled():
        future.exception()
