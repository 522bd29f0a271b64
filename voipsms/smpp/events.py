"""What a session tells whoever owns it."""

from __future__ import annotations

from voipsms.smpp.pdu import Pdu
from voipsms.values import Value


class Request(Value, frozen=True):
    """The peer asks; answer with `respond`. enquire_link and unbind are answered by the session itself."""

    pdu: Pdu


class Response(Value, frozen=True):
    """The answer to one of our requests, a generic_nack included. `context` is what `request` was given."""

    pdu: Pdu
    command_id: int  # the request's
    context: object


class ResponseTimeout(Value, frozen=True):
    sequence_number: int
    command_id: int
    context: object


class Closed(Value, frozen=True):
    """The session is over. `unanswered`: command id and context of every request that got no answer."""

    reason: str
    unanswered: tuple[tuple[int, object], ...]


Event = Request | Response | ResponseTimeout | Closed
