"""What the journal can be asked to write. Each is one fact about one message; many go into one commit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from voipsms.model import Message, MessageId, Micros, Millis, Receipt, State, Submitted, UserId


class Stage(IntEnum):
    """Where a message that is not final stands in tb_queue."""

    WAITING = 0  # for a provider
    STARTED = 1  # a submit may be under way
    TAKEN = 2  # waits for its receipts


@dataclass(frozen=True, slots=True)
class Accept:
    """A new message. Its price is reserved, or NoCredit is its result; a known ingress key gives a Repeat."""

    message: Message
    started: bool  # dispatch submits it as soon as this is committed
    ours: bool = True  # False: whoever is running shall send it


@dataclass(frozen=True, slots=True)
class Remember:
    """The answer to a request that became no message; a known ingress key gives a Repeat."""

    ingress_key: bytes
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Amend:
    """The final answer to a request whose sender waited for the provider."""

    ingress_key: bytes
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """Submits may be under way from now on."""

    message_id: MessageId
    attempt: int


@dataclass(frozen=True, slots=True)
class Postpone:
    """No submit is under way; the next attempt is due then."""

    message_id: MessageId
    attempt: int
    due: Millis


@dataclass(frozen=True, slots=True)
class Take:
    """A provider took a part; `last`: all parts are taken now."""

    message: Message
    part: int
    total: int
    attempt: int
    submitted: Submitted
    last: bool
    expires: Millis


@dataclass(frozen=True, slots=True)
class Fail:
    """The message will not be sent: refunded, CDR of 0 s and 0."""

    message: Message
    state: State
    reason: str
    comment: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A submit got no answer, and no other will be made: charged, until a receipt or its time-out says more."""

    message: Message
    comment: str
    expires: Millis


@dataclass(frozen=True, slots=True)
class Hear:
    """A provider's receipt; its result is whether it names a message. `orphan`: the row where it waits already."""

    receipt: Receipt
    orphan: int = 0


Entry = Accept | Remember | Amend | Start | Postpone | Take | Fail | Doubt | Hear


@dataclass(frozen=True, slots=True)
class Repeat:
    """The request was answered before: this is what it was told."""

    message_id: MessageId | None
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit did: the result of each entry in order (None, Repeat, bool or an exception), balances now."""

    results: list[object]
    balances: dict[UserId, Micros]
