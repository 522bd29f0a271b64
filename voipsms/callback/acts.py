"""What a conversation is told beside wire events, and what it wants to be done beside wire orders."""

from __future__ import annotations

from voipsms.callback import wire
from voipsms.callback.plan import LegEnd, Way
from voipsms.model import Millis, Msisdn
from voipsms.values import Value

# -- inputs


class Opened(Value, frozen=True):
    """Open is granted: seconds that the credit lasts, and how each number is called that wasn't yet."""

    seconds: int
    ways: tuple[Way, ...]


class Declined(Value, frozen=True):
    """Open is refused. `code`: of the Refused."""

    code: str
    comment: str = ""


class Extended(Value, frozen=True):
    seconds: int  # that were added; 0: no more


class Tick(Value, frozen=True):
    """It is `next_timeout`, or later."""


class Lost(Value, frozen=True):
    """The caller process has ended, and the calls with it."""


class Stop(Value, frozen=True):
    reason: str


Input = wire.Event | Opened | Declined | Extended | Tick | Lost | Stop

# -- acts


class Open(Value, frozen=True):
    """Credit for calls to all these numbers at once. Is answered by Opened or Declined."""

    numbers: tuple[Msisdn, ...]


class Extend(Value, frozen=True):
    """Is answered by Extended."""


class Answer(Value, frozen=True):
    """A leg was answered, from when on it costs."""

    number: Msisdn
    way: Way
    at: Millis


class Close(Value, frozen=True):
    """The last act."""

    legs: tuple[LegEnd, ...]


Order = wire.Dial | wire.Hangup | wire.Bridge | wire.Part | wire.Play | wire.Hush
Act = Order | Open | Extend | Answer | Close
