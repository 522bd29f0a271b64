"""What a session tells whoever owns it."""

from __future__ import annotations

from dataclasses import dataclass

from voipsms.smpp.pdu import Pdu


@dataclass(frozen=True, slots=True)
class Request:
    """The peer asks; answer with `respond`. enquire_link and unbind are answered by the session itself."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one of our requests, a generic_nack included. `context` is what `request` was given."""

    pdu: Pdu
    command_id: int  # the request's
    context: object


@dataclass(frozen=True, slots=True)
class ResponseTimeout:
    sequence_number: int
    command_id: int
    context: object


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over. `unanswered`: command id and context of every request that got no answer."""

    reason: str
    unanswered: tuple[tuple[int, object], ...]


Event = Request | Response | ResponseTimeout | Closed
