"""The words that every layer shares. Values only: frozen, slotted, in need of no network or clock."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from voipsms.values import Value

UserId = NewType("UserId", int)
GatewayId = NewType("GatewayId", int)
MessageId = NewType("MessageId", int)  # 64 bits, time-ordered, see store/ids.py
Msisdn = NewType("Msisdn", str)  # E.164 digits without '+'; a short code as it is
DeliveryId = NewType("DeliveryId", int)
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


class Imdn(Value, frozen=True):
    """What a phone wants to hear of its message (RFC 5438): of delivery, of failure. `id` and `sent` are its words."""

    id: str
    sent: str
    delivered: bool
    failed: bool


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
    exempt: bool = False  # sent although its target has opted out: an answer of ours, or the expected confirmation
    imdn: Imdn | None = None


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
    imdn: Imdn | None = None  # for the commit only


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


class Inbound(Value, frozen=True):
    """A message from a phone (MO) as a provider tells it: a whole one, or one part of it.

    `text` may have halves of surrogate pairs at its ends where a part was cut between them, and an escape (U+001B) at
    the end where that was in a pair of the GSM alphabet: see sms/joining.py. `provider_id` is what
    makes a repeat the same one again; empty: the provider gives none.
    """

    gateway_id: GatewayId
    source: str
    target: str
    text: str = ""
    octets: bytes = b""  # of a binary message, which has no text
    udh: bytes = b""  # with its length octet, without the element of concatenation
    reference: int = 0  # of its parts where there are several
    total: int = 1
    number: int = 1  # from 1
    provider_id: str = ""
    sent: Millis = Millis(0)  # when the provider got it; 0: it doesn't say


class Incoming(Value, frozen=True):
    """A whole message from a phone, of which all that will come has come. `complete`: no part is missing."""

    id: MessageId
    created: Millis
    gateway_id: GatewayId
    source: Msisdn  # as digits where it is a number, else as it was told
    target: Msisdn
    text: str
    octets: bytes = b""
    udh: bytes = b""
    parts: int = 1
    complete: bool = True
    sent: Millis = Millis(0)
    provider_id: str = ""


class Belongs(Value, frozen=True):
    """Whose a message from a phone is. `user_id` None: nobody's; `rivals`: more than one wrote to that phone."""

    user_id: UserId | None
    number: str = ""  # the number, range or short code of ours that it came to
    keyword: str = ""  # by which a shared short code told whose it is
    callback: bool = False  # the number is one of SMS callback
    rivals: tuple[UserId, ...] = ()
    recipient: str = ""  # of `#user@host#` in the text: mail for another address than the account's own


class Channel(StrEnum):
    """How something reaches a user."""

    __hash__ = str.__hash__  # see State

    CHAT = "chat"  # SIP MESSAGE
    MAIL = "mail"
    WEBHOOK = "webhook"
    LOG = "log"  # a line in mo.log
    COMMAND = "command"  # of SMS callback: to nobody, it is carried out


class Subject(StrEnum):
    """What a delivery says."""

    __hash__ = str.__hash__  # see State

    TEXT = "text"  # what a phone has written
    RECEIPT = "receipt"  # what has become of a message of the user
    NOTICE = "notice"  # what the gateway itself has to say; never answered automatically


class Delivery(Value, frozen=True):
    """Something for a user, kept until the phone, mailbox or program of the user has it. A row of tb_outbox."""

    id: DeliveryId
    message_id: MessageId  # that it is about; 0: none
    user_id: UserId
    channel: Channel
    subject: Subject
    source: str  # who it is from: a number, or the gateway's own name
    target: str  # the number of ours that it came to; of a receipt, the number that the message went to
    text: str
    created: Millis
    expires: Millis
    attempt: int = 0  # that have failed
    otherwise: Channel | None = None  # gets it when this one hasn't in time
    address: str = ""  # another than the user's own, e.g. a mail address
    fields: tuple[tuple[str, str], ...] = ()  # what formats show besides: state, udh, provider id, IMDN's message id


class Reach(Value, frozen=True):
    """How a user is reached: a row of tb_reach."""

    route: int = -1  # as [global] smsreceive_route; -1: as that says
    chat: str = ""  # user part of the SIP address; empty: the account's name
    mail: str = ""
    hook: str = ""  # URL of the webhook
    hook_format: str = "json"  # get, post, json, xml, soap
    hook_retry: str = "clickatell"  # 2, 4, 8, 16, 25 minutes; routo: 3 more times at once
    hook_secret: str = ""  # of the HMAC that signs JSON
    log: str = ""  # folder or ftp:// URL of mo.log
    receipts: bool = False  # the webhook hears of receipts, too
    notify: str = ""  # fail, all, none; empty: as [global] smsnotify
    low: Micros = Micros(0)  # told when the balance goes below it; 0: never


NOWHERE = Reach()
