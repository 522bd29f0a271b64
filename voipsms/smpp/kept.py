"""The messages that an SMSC simulator has taken, for query_sm, cancel_sm and replace_sm."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from voipsms.smpp.deliveries import MESSAGE_STATES
from voipsms.smpp.pdu import Cancel, Query, QueryAnswer, Replace, ShortMessage
from voipsms.smpp.status import (
    ESME_RCANCELFAIL,
    ESME_RINVMSGID,
    ESME_ROK,
    ESME_RREPLACEFAIL,
)
from voipsms.values import replace

MOST: Final = 100_000  # messages; the oldest are forgotten first


@dataclass(slots=True)
class KeptMessage:
    """On its way until `ends` (of any steady clock), then in the state `word`, as receipts spell it."""

    number: int  # its id
    message: ShortMessage
    ends: float
    word: str
    done: str = ""  # final_date, where it was cancelled

    def state(self, now: float) -> str:
        return "ENROUTE" if now < self.ends else self.word

    @property
    def cancelled(self) -> bool:
        return self.done != ""


class Kept:
    """Ids are the answers' own: lower-case hexadecimal."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._messages: dict[int, KeptMessage] = {}  # in the order of their coming
        self._order: deque[int] = deque()

    def add(self, number: int, message: ShortMessage, ends: float, word: str) -> KeptMessage:
        if len(self._order) >= self._most:
            del self._messages[self._order.popleft()]
        self._order.append(number)
        kept = self._messages[number] = KeptMessage(number, message, ends, word)
        return kept

    def query(self, asked: Query, now: float) -> tuple[int, QueryAnswer | None]:
        """§4.8.2: the final date is there when the state is final."""
        kept = self._find(asked.message_id, asked.source_addr)
        if kept is None:
            return ESME_RINVMSGID, None
        word = kept.state(now)
        final = "" if word == "ENROUTE" else kept.done or _absolute(time.time())
        return ESME_ROK, QueryAnswer(asked.message_id, final, MESSAGE_STATES.get(word, MESSAGE_STATES["UNKNOWN"]))

    def cancel(self, asked: Cancel, now: float) -> tuple[int, tuple[KeptMessage, ...]]:
        """The status, and which ones were cancelled: without an id every message between the two addresses."""
        if asked.message_id:
            one = self._find(asked.message_id, asked.source_addr)
            if one is None:
                return ESME_RINVMSGID, ()
            wanted = [one]
        else:
            ends = asked.source_addr, asked.destination_addr
            wanted = [
                kept
                for kept in self._messages.values()
                if (kept.message.source_addr, kept.message.destination_addr) == ends
            ]
        stopped = tuple(kept for kept in wanted if kept.state(now) == "ENROUTE")
        for kept in stopped:
            kept.ends, kept.word, kept.done = now, "DELETED", _absolute(time.time())
        return ESME_ROK if stopped else ESME_RCANCELFAIL, stopped

    def replace(self, asked: Replace, now: float) -> int:
        kept = self._find(asked.message_id, asked.source_addr)
        if kept is None:
            return ESME_RINVMSGID
        if kept.state(now) != "ENROUTE":
            return ESME_RREPLACEFAIL
        kept.message = replace(kept.message, short_message=asked.short_message)
        return ESME_ROK

    def _find(self, message_id: str, source: str) -> KeptMessage | None:
        """Only for whom submitted it, where it says who it is."""
        try:
            kept = self._messages.get(int(message_id, 16))
        except ValueError:
            return None
        return kept if kept is not None and source in ("", kept.message.source_addr) else None


def _absolute(moment: float) -> str:
    """§7.1.1: YYMMDDhhmmsstnnp, in UTC."""
    return time.strftime("%y%m%d%H%M%S", time.gmtime(moment)) + "000+"
