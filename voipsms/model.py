"""The words that every layer shares. Values only: frozen, slotted, in need of no network or clock."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from voipsms.values import Value

UserId = NewType("UserId", int)
GatewayId = NewType("GatewayId", int)
MessageId = NewType("MessageId", int)  # 64 bits, time-ordered, see store/ids.py
Msisdn = NewType("Msisdn", str)  # E.164 digits without '+'; a short code as it is
Micros = NewType("Micros", int)  # money in millionths of the account's currency
Millis = NewType("Millis", int)  # UTC milliseconds since 1970, as the database keeps every time


class State(StrEnum):
    """A message's or a part's state, in the words of SMPP 3.4 §5.2.28."""

    __hash__ = str.__hash__  # Enum's own is written in Python, and asked for many times a message

    QUEUED = "QUEUED"  # ours: accepted, no provider has taken it yet
    ENROUTE = "ENROUTE"  # a provider took it and will say more
    ACCEPTED = "ACCEPTED"  # a provider took it and says no more
    DELIVERED = "DELIVERED"
    EXPIRED = "EXPIRED"
    DELETED = "DELETED"
    UNDELIVERABLE = "UNDELIVERABLE"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"  # a submit got no answer, or the provider itself doesn't know


FINAL = frozenset(State) - {State.QUEUED, State.ENROUTE}
FAILED = frozenset({State.EXPIRED, State.DELETED, State.UNDELIVERABLE, State.REJECTED})


class Coding(StrEnum):
    """How the characters of a part are coded, whatever number a protocol gives to it."""

    __hash__ = str.__hash__  # see State

    GSM7 = "gsm7"  # 3GPP TS 23.038 §6.2.1, one septet an octet (unpacked)
    LATIN1 = "latin1"
    UCS2 = "ucs2"  # UTF-16, big-endian
    BINARY = "binary"  # octets


class UserType(StrEnum):
    ENDUSER = "enduser"
    ADMIN = "admin"
    SMSGW = "smsgw"
    RESELLER = "reseller"


class Submission(Value, frozen=True):
    """One request to send one text to one target, as a door understood it.

    `payers` are the names and numbers that the door vouches for, best first; accept matches them to an account.
    `ingress_key` identifies the request itself, so that its repeat gets the first answer; empty: never repeated.
    """

    door: str
    payers: tuple[str, ...]
    sender: str
    target: str
    text: str
    ingress_key: bytes = b""
    client_ip: str = ""
    message_class: int | None = None
    octets: bytes = b""  # of a binary message, which has no text
    udh: bytes = b""  # a binary message's own user data header, with its length octet
    due: Millis = Millis(0)  # not to be sent before; 0: at once
    valid: int = 0  # seconds after which the provider shall give up; 0: as long as it keeps messages
    free_sender: bool = False  # a rule of the operator wrote the sender: it need not be a number of the payer


class Message(Value, frozen=True):
    """An accepted text: priced, routed, about to be written. Nothing in here ever changes again."""

    id: MessageId
    created: Millis
    door: str
    user_id: UserId
    gateway_id: GatewayId
    sender: str
    target: Msisdn
    text: str
    coding: Coding
    parts: int
    duration: int  # seconds on the CDR when a provider takes it
    price: Micros
    cost: Micros
    currency: str
    client_ip: str = ""
    message_class: int | None = None
    ingress_key: bytes = b""
    octets: bytes = b""  # see Submission
    udh: bytes = b""
    due: Millis = Millis(0)
    valid: int = 0
    charges: tuple[tuple[UserId, Micros], ...] = ()  # of its user's resellers, nearest first; for the commit only
    counted: tuple[UserId, ...] = ()  # accounts with a monthly limit that it counts for; for the commit only


class Part(Value, frozen=True):
    """One user-data unit on the air (or, for providers that cut texts themselves, the whole text)."""

    message: Message
    number: int  # from 1
    total: int
    user_data: bytes = b""  # coded text, without the header
    udh: bytes = b""  # user data header with its length octet, 3GPP TS 23.040 §9.2.3.24; empty: none


class Submitted(Value, frozen=True):
    """A provider took a part. `state` is ENROUTE where a receipt will follow, else ACCEPTED.

    `unverified`: the connector's `verify` is to be asked whether that is true.
    """

    provider_id: str
    state: State = State.ENROUTE
    comment: str = ""
    unverified: bool = False


class Receipt(Value, frozen=True):
    """A provider's word on a part that it took."""

    gateway_id: GatewayId
    provider_id: str
    state: State
    error: str = ""  # the provider's own code, "" or "000": none
    comment: str = ""
    sender: str = ""  # of the message, as the receipt says it; "": it doesn't
    target: str = ""
