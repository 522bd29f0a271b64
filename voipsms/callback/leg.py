"""One call of a conversation: when it was what, and why it ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voipsms.callback import wire
from voipsms.callback.plan import LegEnd, Way
from voipsms.model import Millis, Msisdn

OK, TERMINATED = 200, 487  # RFC 3261 §21
COMMENT: Final = 100  # characters of what the other side gives as its reason
REASONS: Final = {
    OK: "", 486: "busy", 600: "busy", 408: "no_answer", 480: "no_answer", TERMINATED: "no_answer", 603: "declined",
    607: "declined", 488: "no_codec", 606: "no_codec", 404: "not_found", 410: "not_found", 484: "not_found",
    604: "not_found",
}  # fmt: skip  # else failed; 607: RFC 8197


@dataclass(slots=True, eq=False)
class Leg:
    """Times are seconds of the conversation's clock."""

    call: int  # as the caller knows it
    number: Msisdn
    way: Way
    started: float
    answered: float | None = None
    ended: float | None = None  # when it hung up, or was told to
    there: bool = False  # the caller has such a call
    code: int = 0
    reason: str = ""
    comment: str = ""

    def answer(self, now: float) -> bool:
        """False: it is told again, or too late."""
        if self.answered is not None or self.ended is not None:
            return False
        self.answered, self.code = now, OK
        return True

    def hung_up(self, now: float, reason: str) -> None:
        """By us."""
        self.ended, self.reason = now, reason or ("" if self.answered is not None else "cancelled")

    def gone(self, now: float, reason: str, code: int = 0, comment: str = "") -> None:
        """The caller has no such call any more. What we have hung up keeps our reason."""
        self.there = False
        if self.ended is None:
            self.ended, self.reason, self.comment = now, reason, comment[:COMMENT]
            self.code = self.code or code

    def told(self, event: wire.Ended, now: float) -> None:
        # The caller gives up what nobody answers, whatever the code says then.
        code = TERMINATED if event.by_us and self.answered is None else event.code
        self.gone(now, REASONS.get(code, "failed"), code, "" if code == OK else event.reason)

    def end(self, moment: Callable[[float], Millis], now: float) -> LegEnd:
        """What has not ended ends now. `moment`: what time a time is."""
        seconds, ended = 0.0, now if self.ended is None else self.ended
        if self.answered is not None:
            seconds = round(ended - self.answered, 3)  # a float's last digit is no second
        return LegEnd(
            self.number, self.way, moment(self.started), math.ceil(seconds), self.code, self.reason, self.comment
        )
