"""What an SMSC simulator delivers: it waits for a session that receives, and comes again where it wasn't taken."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from voipsms.smpp.behaviour import Options
from voipsms.smpp.kept import KeptMessage
from voipsms.smpp.link import Link
from voipsms.smpp.pdu import DELIVER_SM, Pdu, ShortMessage, Tlvs
from voipsms.smpp.status import ESME_RMSGQFUL, ESME_ROK, ESME_RTHROTTLED, ESME_RX_T_APPN

MOST: Final = 100_000  # deliveries that may wait
_AGAIN: Final = frozenset({ESME_RX_T_APPN, ESME_RMSGQFUL, ESME_RTHROTTLED})  # a deliver_sm_resp that asks for a repeat


@dataclass(frozen=True, slots=True)
class Delivery:
    """`origin`: the session of the submit that it is a receipt for; `of`: what was submitted, None for MO."""

    message: ShortMessage
    tlvs: Tlvs
    origin: Link | None
    of: KeptMessage | None = None


class Outbox:
    """`links` are the simulator's own, and change as they come and go."""

    def __init__(self, options: Options, counts: Counter[str], links: list[Link]) -> None:
        self._options = options
        self._counts = counts
        self._links = links
        self._delayed = 0  # deliveries whose time has not come
        self._waiting: deque[Delivery] = deque()
        self._turn = 0

    def add(self, delivery: Delivery, delay: float = 0.0) -> None:
        if len(self._waiting) + self._delayed >= MOST:
            self._counts["lost"] += 1
        elif delay:
            self._delayed += 1
            asyncio.get_running_loop().call_later(delay, self._add_now, delivery)
        else:
            self._waiting.append(delivery)
            self.drain()

    def drain(self) -> None:
        while self._waiting:
            link = self._receiver(self._waiting[0].origin)
            if link is None:
                return
            delivery = self._waiting.popleft()
            link.request(DELIVER_SM, delivery.message, delivery.tlvs, delivery)

    def answered(self, pdu: Pdu, delivery: Delivery) -> None:
        if pdu.command_status == ESME_ROK:
            self._counts["delivered"] += 1
        elif pdu.command_status in _AGAIN:
            self._counts["delivered_later"] += 1
            self.add(delivery, self._options.redeliver)
        else:
            self._counts["delivery_refused"] += 1
        self.drain()

    def _add_now(self, delivery: Delivery) -> None:
        self._delayed -= 1
        if delivery.of is None or not delivery.of.cancelled:
            self.add(delivery)

    def _receiver(self, origin: Link | None) -> Link | None:
        """The session for a delivery: the submit's own, or the others in turn."""
        if origin is not None and origin.room and not self._options.elsewhere:
            return origin
        links = [link for link in self._links if link.room]
        if self._options.elsewhere and len(links) > 1:
            links = [link for link in links if link is not origin]
        self._turn += 1
        return links[self._turn % len(links)] if links else None
