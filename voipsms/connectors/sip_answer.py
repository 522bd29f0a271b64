"""What a SIP trunk's answer to a MESSAGE means. Pure; the table is that of docs/connectors.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from voipsms.connectors.verdict import LONGEST_COMMENT, LONGEST_PAUSE
from voipsms.errors import OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.model import State, Submitted
from voipsms.sip.message import Response


class Meaning(Enum):
    TAKEN = auto()
    REFUSED = auto()
    TEMPORARY = auto()
    UNKNOWN = auto()


# RFC 3261 §21. Statuses that mean something else than the rest of their hundred.
_SINGLE: Final = {
    408: Meaning.UNKNOWN,  # whoever was to take it behind the trunk has not answered
    480: Meaning.TEMPORARY,
    486: Meaning.TEMPORARY,
    491: Meaning.TEMPORARY,
    501: Meaning.REFUSED,
    504: Meaning.UNKNOWN,  # as 408
    505: Meaning.REFUSED,
    513: Meaning.REFUSED,  # Message Too Large
}
_HUNDREDS: Final = {2: Meaning.TAKEN, 3: Meaning.REFUSED, 4: Meaning.REFUSED, 5: Meaning.TEMPORARY, 6: Meaning.REFUSED}
_SECONDS: Final = re.compile(r"\s*(\d{1,9})\s*(?:[;(]|\Z)", re.ASCII)


def meaning(status: int) -> Meaning:
    return _SINGLE.get(status) or _HUNDREDS[status // 100]


def retry_after(value: str) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 3261 §20.33), bounded; None: nothing usable."""
    found = _SECONDS.match(value)
    return min(float(found[1]), LONGEST_PAUSE) if found else None


def comment(response: Response) -> str:
    """`SIP 480 Temporarily Unavailable: …` with the text of a Reason (RFC 3326) or Warning header, on one line."""
    told = response.headers.get("Reason") or response.headers.get("Warning")
    text = f"SIP {response.status} {response.reason}" + (f": {told}" if told else "")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_COMMENT]


def submitted(response: Response, call_id: str) -> Submitted:
    """`call_id`: what the trunk knows the message by. Raises SubmitError."""
    found = meaning(response.status)
    if found is Meaning.TAKEN:
        return Submitted(call_id, State.ACCEPTED, comment(response))
    raise _ERRORS[found](response)


def _temporary(response: Response) -> SubmitError:
    pause = retry_after(response.headers.get("Retry-After"))
    if response.status == 503 and pause is not None:
        return Throttled(comment(response), retry_after=pause)
    return SubmitFailed(comment(response), retry_after=pause)


_ERRORS: Final[dict[Meaning, Callable[[Response], SubmitError]]] = {
    Meaning.REFUSED: lambda response: SubmitRefused(comment(response)),
    Meaning.UNKNOWN: lambda response: OutcomeUnknown(comment(response)),
    Meaning.TEMPORARY: _temporary,
}
