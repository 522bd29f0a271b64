"""What the outbox asks of a carrier."""

from __future__ import annotations

from typing import Protocol

from voipsms.errors import VoipSmsError
from voipsms.model import Delivery, Reach
from voipsms.values import Value


class Recipient(Value, frozen=True):
    """The user that a delivery is for: the account's name, and how it is reached."""

    name: str
    reach: Reach


class NotCarried(VoipSmsError):
    """The user does not have it. `lasting`: and never will, this way; `after`: seconds that the other end asks for."""

    def __init__(self, why: str, *, lasting: bool = False, after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.lasting = lasting
        self.after = after


class Carrier(Protocol):
    """One channel's code. Every method runs on the event loop."""

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        """Returns what the other end said, for the record, when it has it. Raises NotCarried."""
        ...

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        """Seconds until the next attempt, when `delivery.attempt` have failed; None: there is none."""
        ...

    async def close(self) -> None: ...
