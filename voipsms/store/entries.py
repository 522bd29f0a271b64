"""What the journal can be asked to write. Each is one fact about one message; many go into one commit."""

from __future__ import annotations

from enum import IntEnum

from voipsms.model import (
    Belongs,
    Delivery,
    DeliveryId,
    GatewayId,
    Inbound,
    Incoming,
    Message,
    MessageId,
    Micros,
    Millis,
    Receipt,
    State,
    Submitted,
    UserId,
)
from voipsms.values import Value


class Stage(IntEnum):
    """Where a message that is not final stands in tb_queue."""

    WAITING = 0  # for a provider
    STARTED = 1  # a submit may be under way
    TAKEN = 2  # waits for its receipts
    DOUBT = 3  # may have been taken: waits for a receipt that has its numbers
    UNVERIFIED = 4  # taken, it seems: the provider is to be asked whether it is true


class Accept(Value, frozen=True):
    """A new message. Its price is reserved, or NoCredit is its result; a known ingress key gives a Repeat."""

    message: Message
    started: bool  # dispatch submits it as soon as this is committed
    ours: bool = True  # False: whoever is running shall send it
    credit: Micros = Micros(0)  # for the advertisement in it (smsadvvalue); its price is what is left to pay
    said: str = ""  # what rules have made of the submission; for its story


class Remember(Value, frozen=True):
    """The answer to a request that became no message; a known ingress key gives a Repeat."""

    ingress_key: bytes
    code: str
    text: str


class Amend(Value, frozen=True):
    """The final answer to a request whose sender waited for the provider."""

    ingress_key: bytes
    code: str
    text: str


class Start(Value, frozen=True):
    """Submits of these messages, with their attempts, may be under way from now on."""

    attempts: tuple[tuple[MessageId, int], ...]


class Reroute(Value, frozen=True):
    """Another gateway is to send the message: `message` names it, and what it costs there. `why`: for its story."""

    message: Message
    why: str = ""


class Postpone(Value, frozen=True):
    """No submit is under way; the next attempt is due then. `why`: how the last one failed; for its story."""

    message_id: MessageId
    attempt: int
    due: Millis
    why: str = ""


class Take(Value, frozen=True):
    """A provider took a part; `last`: all parts are taken now."""

    message: Message
    part: int
    total: int
    attempt: int
    submitted: Submitted
    last: bool
    expires: Millis


class Confirm(Value, frozen=True):
    """What was taken unverified is settled: `submitted` says how."""

    message: Message
    attempt: int
    submitted: Submitted
    expires: Millis


class Fail(Value, frozen=True):
    """The message will not be sent: refunded, CDR of 0 s and 0."""

    message: Message
    state: State
    reason: str
    comment: str


class Doubt(Value, frozen=True):
    """A submit got no answer, and no other will be made: charged, until a receipt or its time-out says more."""

    message: Message
    comment: str
    expires: Millis


class Hear(Value, frozen=True):
    """A provider's receipt; its result is whether it names a message. `orphan`: the row where it waits already."""

    receipt: Receipt
    orphan: int = 0


class Receive(Value, frozen=True):
    """A text from a phone, or a part of one, with numbers as tables have them; its result is a Received.

    A known key makes it a repeat. Parts wait for each other so long, and are known as repeats for as long; where
    `recall` is set so is a whole text. `again`: what has no key is never a repeat.
    """

    inbound: Inbound
    wait: Millis
    key: bytes = b""
    door: str = "smpp"
    again: bool = False
    recall: bool = False


class Arrival(Value, frozen=True):
    """A whole text that is not settled: a row of tb_inbound. `belongs`: of one that is held until it can be paid."""

    incoming: Incoming
    door: str
    belongs: Belongs | None = None


class Received(Value, frozen=True):
    """What came of a Receive: whether it was new, and the texts that are whole now."""

    fresh: bool
    arrivals: tuple[Arrival, ...] = ()


class Settle(Value, frozen=True):
    """What becomes of a text from a phone: a message of direction MO with its one CDR, paid, and on its way to a user.

    Its result is False where another process has settled it; NoCredit where it can't be paid, or others of its user
    that can't be paid come first (`hold`): then it is held as `arrival` says.
    """

    arrival: Arrival
    message: Message  # of the same id
    state: State = State.QUEUED
    reason: str = ""
    comment: str = ""
    deliveries: tuple[Delivery, ...] = ()
    hold: bool = False


class Post(Value, frozen=True):
    """New deliveries; whoever posts them hands them to the outbox afterwards."""

    deliveries: tuple[Delivery, ...]


class Defer(Value, frozen=True):
    """A delivery is to be tried then, by whichever process is free. `attempt`: that have failed."""

    delivery_id: DeliveryId
    attempt: int
    due: Millis
    why: str


class Divert(Value, frozen=True):
    """Another channel has the delivery now: the one that `delivery` names."""

    delivery: Delivery
    why: str


class Conclude(Value, frozen=True):
    """A delivery is over. `late`: its time was. The last one of a message from a phone settles that."""

    delivery: Delivery
    carried: bool
    why: str
    late: bool = False


Entry = (
    Accept | Remember | Amend | Start | Reroute | Postpone | Take | Confirm | Fail | Doubt | Hear | Receive | Settle
    | Post | Defer | Divert | Conclude
)  # fmt: skip


class Repeat(Value, frozen=True):
    """The request was answered before: this is what it was told."""

    message_id: MessageId | None
    code: str
    text: str


class Outcome(Value, frozen=True):
    """What a gateway has made of a message. `millis`: from its answer to the receipt; None: there is none."""

    gateway_id: GatewayId
    target: str
    delivered: bool
    millis: int | None = None


class Moved(Value, frozen=True):
    """What a piece of work gives back that has moved money outside of a commit: the balances now."""

    balances: dict[UserId, Micros]


class Written(Value, frozen=True):
    """What a commit did: the result of each entry in order (None, Repeat, bool or an exception), balances now, and what
    it has learned of the gateways; and receipts that it has put into tb_outbox."""

    results: list[object]
    balances: dict[UserId, Micros]
    outcomes: list[Outcome]
    told: list[Delivery]
