"""What bodies of /api/v1 look like, for validation and for OpenAPI. The only importer of pydantic."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voipsms.model import State

MOST = 1000  # messages in one request
_YEAR = 366 * 86_400  # seconds


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("no time such as 2026-11-20T18:00:00Z") from None
    return text


def _octets(text: str) -> str:
    if len(text) % 2:
        raise ValueError("half an octet is left over")
    return text


def millis(text: str) -> int:
    """Of what `Time` let through; without a zone it is UTC."""
    value = datetime.fromisoformat(text)
    return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)


Time = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"format": "date-time"}, description="ISO 8601; UTC where it has no zone"),
    AfterValidator(_time),
]
Octets = Annotated[str, Field(pattern="^[0-9A-Fa-f]*$", max_length=71_400), AfterValidator(_octets)]
Number = Annotated[str, Field(min_length=1, max_length=64, description="A phone number, international or national")]
Money = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]{2,6})?$", description="An exact decimal number")]
Id = Annotated[str, Field(pattern="^[0-9]{1,19}$", description="64 bits; ids sort by time")]
VerificationId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Direction = Literal["MT", "MO"]


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)


class Text(_Asked):
    """One text, or binary message, without its targets."""

    sender: Annotated[str, Field(alias="from", max_length=64, description="Default: the account's own number")] = ""
    text: Annotated[str | None, Field(max_length=20_000)] = None
    octets: Annotated[Octets | None, Field(description="A binary message, hexadecimal, instead of a text")] = None
    udh: Annotated[
        Octets | None, Field(description="A binary message's user data header with its length octet, hexadecimal")
    ] = None
    message_class: Annotated[int | None, Field(alias="class", ge=0, le=3, description="3GPP TS 23.038 §4")] = None
    flash: Annotated[bool, Field(description="Shown at once and not stored: class 0")] = False
    send_at: Annotated[Time | None, Field(description="Not to be sent before, at most a year ahead")] = None
    valid_for: Annotated[
        int | None, Field(ge=1, le=63_072_000, description="Seconds after which the provider shall give up")
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Text:
        if (self.text is None) == (self.octets is None):
            raise ValueError("either text or octets")
        if self.udh is not None and self.octets is None:
            raise ValueError("udh belongs to octets")
        if self.flash and self.message_class not in (None, 0):
            raise ValueError("flash is class 0")
        if self.send_at is not None and millis(self.send_at) > (datetime.now(UTC).timestamp() + _YEAR) * 1000:
            raise ValueError("send_at is more than a year ahead")
        return self


class Message(Text):
    to: Number


class Messages(Text):
    """The same to one target, or to several."""

    to: Number | Annotated[list[Number], Field(min_length=1, max_length=MOST)]


class Batch(_Asked):
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST)]


class SignUp(_Asked):
    """Somebody who says that this is their number."""

    number: Number
    address: Annotated[
        str, Field(max_length=64, description="Where the person comes from, e.g. an IP address; default: the caller's")
    ] = ""


class Code(_Asked):
    code: Annotated[str, Field(max_length=64, description="As the person has typed it")]
    address: Annotated[str, Field(max_length=64, description="As in the first request, for the log")] = ""


class Started(BaseModel):
    id: VerificationId
    expires: Time


class Verified(BaseModel):
    number: Annotated[str, Field(description="E.164 digits without +")]


class Accepted(BaseModel):
    id: Id
    to: str
    sent: Annotated[bool, Field(description="Its provider has taken it, too (smsthread=0)")]


class Problem(BaseModel):
    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str
    code: str


class Verdict(BaseModel):
    """`status`: as if the message had come alone. Either an id, or a problem."""

    to: str
    status: int
    id: Id | None = None
    sent: bool | None = None
    problem: Problem | None = None


class Verdicts(BaseModel):
    accepted: int
    refused: int
    messages: list[Verdict]


class Listed(BaseModel):
    id: Id
    created: Time
    direction: Direction
    user: str | None
    sender: Annotated[str, Field(alias="from")]
    to: str
    gateway: str | None
    text: str
    coding: str
    parts: int
    price: Money
    cost: Annotated[Money | None, Field(description="For admins")]
    currency: str
    state: State
    reason: str
    comment: str
    changed: Time


class ListedMessages(BaseModel):
    messages: list[Listed]
    next: Annotated[Id | None, Field(description="`cursor` of the next page; a page may be short; null: the last")]


class Cdr(BaseModel):
    id: Id
    msgid: Id
    type: Literal["SMS", "CALL"]
    direction: str
    user: str | None
    sender: Annotated[str, Field(alias="from")]
    to: str
    gateway: str | None
    start: Time
    duration: int
    parts: int
    price: Money
    cost: Annotated[Money | None, Field(description="For admins")]
    currency: str
    state: State
    reason: str
    comment: str


class ListedCdrs(BaseModel):
    cdrs: list[Cdr]
    next: Id | None


class Event(BaseModel):
    at: Time
    kind: Annotated[str, Field(description="A state in capitals, or what happened")]
    detail: str


class Events(BaseModel):
    events: list[Event]


class Whole(Listed):
    """A message with its story."""

    message_class: Annotated[int | None, Field(alias="class")]
    octets: str | None
    udh: str | None
    send_at: Time | None
    valid_for: int | None
    door: str
    waits: Annotated[str | None, Field(description="For what; null: it is over")]
    cdr: Cdr | None
    events: list[Event]


class Cancelled(BaseModel):
    id: Id
    state: Annotated[State | None, Field(description="null: another process has been asked, and has not said yet")]


class Balance(BaseModel):
    user: str
    balance: Money
    credit_limit: Money
    currency: str


class Quote(BaseModel):
    to: str
    sender: Annotated[str, Field(alias="from")]
    coding: str
    parts: int
    price: Money
    cost: Annotated[Money | None, Field(description="For admins")]
    currency: str
    gateway: str


def faults(errors: Any) -> list[dict[str, str]]:
    """Of a RequestValidationError: where, and what; never what was sent."""
    return [{"at": ".".join(map(str, error["loc"])), "what": str(error["msg"])} for error in errors][:20]
