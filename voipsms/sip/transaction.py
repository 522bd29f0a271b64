"""Non-INVITE transactions, without a network or a clock. RFC 3261 §17.1.2 (client), §17.2.2 and §17.2.3 (server).

No transaction has a timer of its own: those that end after the same time stand in a queue in order, so the oldest is
always in front, and `next_timeout()` tells when to call again. Times are seconds of any monotonic clock.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from voipsms.sip.message import Request
from voipsms.sip.uri import Via, host_text

T1, T2, T4 = 0.5, 4.0, 5.0  # RFC 3261 table 4
TIMER_J = 64 * T1
COOKIE = "z9hG4bK"

# Answers kept at once, some 600 octets each. Timer J would keep 128,000 at 4,000 requests a second; a retransmission
# that comes after its answer fell out is answered by the ingress key that the database holds.
MAX_COMPLETED = 20_000
MAX_PENDING = 100_000


# -- server -------------------------------------------------------------------------------------------------------


def server_key(request: Request) -> str:
    """What a retransmission has in common with its request: RFC 3261 §17.2.3. Raises SipParseError."""
    via = request.via
    branch = via.branch
    get = request.headers.get
    if branch.startswith(COOKIE) and len(branch) > len(COOKIE):
        # Call-ID and CSeq tell apart the phones behind NATs that share a private address and count their branches.
        return f"{branch} {host_text(via.host, via.port)} {get('Call-ID')} {get('CSeq')}"
    # An RFC 2543 peer: everything that tells its requests apart.
    return "\n".join((request.method, request.uri, get("To"), get("From"), get("Call-ID"), get("CSeq"), str(via)))


class Arrival(Enum):
    NEW = auto()
    ABSORBED = auto()  # a retransmission of what has no answer yet
    ANSWERED = auto()  # a retransmission whose answer is to be sent again: `answer(key)`
    FULL = auto()  # too many requests wait for an answer; this one was not taken


class ServerTransactions:
    """Every server transaction of one endpoint."""

    def __init__(self, *, completed: int = MAX_COMPLETED, pending: int = MAX_PENDING) -> None:
        self._max_completed, self._max_pending = completed, pending
        self._pending: dict[str, float] = {}  # key → when it is given up, oldest first
        self._answers: dict[str, bytes] = {}  # key → the serialized response
        self._ends: deque[tuple[float, str]] = deque()  # timer J, one for each of the answers

    def __len__(self) -> int:
        return len(self._pending) + len(self._answers)

    def receive(self, key: str, now: float) -> Arrival:
        if key in self._answers:
            return Arrival.ANSWERED
        if key in self._pending:
            return Arrival.ABSORBED
        if len(self._pending) >= self._max_pending:
            return Arrival.FULL
        self._pending[key] = now + 2 * TIMER_J
        return Arrival.NEW

    def answer(self, key: str) -> bytes:
        return self._answers[key]

    def respond(self, key: str, response: bytes, now: float, *, reliable: bool) -> None:
        """The final response has left. Over a reliable transport timer J is 0: nothing is kept."""
        self._pending.pop(key, None)
        if reliable or key in self._answers:
            return
        if len(self._answers) >= self._max_completed:
            del self._answers[self._ends.popleft()[1]]
        self._answers[key] = response
        self._ends.append((now + TIMER_J, key))

    def expire(self, now: float) -> None:
        """Forgets what has timed out."""
        while self._ends and self._ends[0][0] <= now:
            del self._answers[self._ends.popleft()[1]]
        while self._pending:
            key, end = next(iter(self._pending.items()))
            if end > now:
                break
            del self._pending[key]

    def next_timeout(self) -> float | None:
        """When `expire` has something to do."""
        ends = [self._ends[0][0]] if self._ends else []
        ends += [next(iter(self._pending.values()))] if self._pending else []
        return min(ends, default=None)


# -- client -------------------------------------------------------------------------------------------------------


def client_key(via: Via, method: str) -> str:
    """RFC 3261 §17.1.3: a response belongs to the transaction of its top Via's branch and its CSeq's method."""
    return f"{via.branch} {method}"


class _Phase(Enum):
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()


@dataclass(slots=True)
class _Client:
    request: bytes
    reliable: bool
    interval: float  # timer E
    ends: float  # timer F, then timer K
    phase: _Phase = _Phase.TRYING


class Reply(Enum):
    PROVISIONAL = auto()
    FINAL = auto()
    REPEATED = auto()  # of a final one
    STRAY = auto()  # it belongs to no transaction


@dataclass(frozen=True, slots=True)
class Retransmit:
    """Timer E: send it again."""

    key: str
    request: bytes


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Timer F: no final response came."""

    key: str


class ClientTransactions:
    """Every client transaction of one endpoint."""

    def __init__(self, t1: float = T1) -> None:
        self._t1 = t1
        self._live: dict[str, _Client] = {}
        self._timers: list[tuple[float, str]] = []  # heap; a transaction has one entry, for whichever timer is next

    def __len__(self) -> int:
        return len(self._live)

    def start(self, key: str, request: bytes, now: float, *, reliable: bool) -> None:
        """The request has been sent."""
        client = self._live[key] = _Client(request, reliable, self._t1, now + 64 * self._t1)
        self._arm(key, client, now)

    def _arm(self, key: str, client: _Client, now: float) -> None:
        wake = client.ends
        if not client.reliable and client.phase is not _Phase.COMPLETED:
            wake = min(wake, now + client.interval)
        heapq.heappush(self._timers, (wake, key))

    def receive(self, key: str, status: int, now: float) -> Reply:
        client = self._live.get(key)
        if client is None:
            return Reply.STRAY
        if client.phase is _Phase.COMPLETED:
            return Reply.REPEATED
        if status < 200:
            client.phase = _Phase.PROCEEDING
            return Reply.PROVISIONAL
        if client.reliable:
            del self._live[key]
        else:  # timer K absorbs repeats
            client.phase, client.request, client.ends = _Phase.COMPLETED, b"", now + T4
        return Reply.FINAL

    def abandon(self, key: str) -> None:
        """The transport failed, or nobody waits any more."""
        self._live.pop(key, None)

    def expire(self, now: float) -> list[Retransmit | TimedOut]:
        """What the timers that have run out by now ask for."""
        events: list[Retransmit | TimedOut] = []
        while self._timers and self._timers[0][0] <= now:
            key = heapq.heappop(self._timers)[1]
            client = self._live.get(key)
            if client is None:
                continue
            if client.ends <= now:
                del self._live[key]
                if client.phase is not _Phase.COMPLETED:
                    events.append(TimedOut(key))
                continue
            if client.phase is not _Phase.COMPLETED and not client.reliable:
                events.append(Retransmit(key, client.request))
                client.interval = T2 if client.phase is _Phase.PROCEEDING else min(2 * client.interval, T2)
            self._arm(key, client, now)
        return events

    def next_timeout(self) -> float | None:
        """When `expire` may have something to do."""
        return self._timers[0][0] if self._timers else None
