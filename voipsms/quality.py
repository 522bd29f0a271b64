"""How gateways fare: messages delivered and failed, and how soon, over the last hour by gateway and prefix.

Pure, and bounded: outcomes and rows in, verdicts out. Counts lie in spans of five minutes, so that what is too old goes
by whole spans, and so that processes which share a database may add theirs up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from voipsms.model import GatewayId, Millis
from voipsms.store.entries import Outcome
from voipsms.values import Value

SPAN: Final = 300_000  # milliseconds
SPANS: Final = 12  # that are looked at
DIGITS: Final = 4  # of a number: its country, and often its network
MOST: Final = 10_000  # windows; those that nothing was heard of for longest go first
SLOWEST: Final = (
    600_000  # milliseconds that a message counts for at most: a phone that was off says nothing of a gateway
)

Key = tuple[GatewayId, str]  # a gateway and a prefix


class Floors(Value, frozen=True):
    """A gateway below one of them is held back. `share`: percent delivered; `seconds` to the receipt, 0: any;
    `least`: so few messages say nothing."""

    share: int = 0
    seconds: float = 0
    least: int = 1


@dataclass(slots=True)
class Tally:
    """Messages. `timed`: the delivered ones whose time is known, `millis`: the sum of it."""

    delivered: int = 0
    failed: int = 0
    timed: int = 0
    millis: int = 0

    def add(self, other: Tally, sign: int = 1) -> None:
        self.delivered += sign * other.delivered
        self.failed += sign * other.failed
        self.timed += sign * other.timed
        self.millis += sign * other.millis

    @property
    def count(self) -> int:
        return self.delivered + self.failed

    @property
    def share(self) -> float | None:
        """Percent delivered."""
        return 100 * self.delivered / self.count if self.count else None

    @property
    def seconds(self) -> float | None:
        """Mean time from the gateway's answer to the receipt."""
        return self.millis / self.timed / 1000 if self.timed else None

    def shortfall(self, floors: Floors) -> str:
        """Below which floor it is; '': none that is known."""
        if self.count < floors.least:
            return ""
        if self.delivered * 100 < floors.share * self.count:
            return "share"
        return "speed" if 0 < floors.seconds * 1000 * self.timed < self.millis else ""


@dataclass(slots=True)
class _Window:
    total: Tally = field(default_factory=Tally)
    spans: dict[int, Tally] = field(default_factory=dict)


def prefix_of(target: str) -> str:
    return target[:DIGITS]


def span_of(now: Millis) -> int:
    return now // SPAN


class Windows:
    """`held`: what is below a floor now, for a look without a call."""

    def __init__(self, floors: Floors = Floors()) -> None:  # noqa: B008 — immutable
        self.held: set[Key] = set()
        self._floors = floors
        self._windows: OrderedDict[Key, _Window] = OrderedDict()
        self._unsaved: dict[tuple[int, Key], Tally] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def measured(self, gateway: GatewayId, target: str) -> Tally:
        window = self._windows.get((gateway, prefix_of(target)))
        return window.total if window is not None else Tally()

    def configure(self, floors: Floors) -> None:
        self._floors = floors
        for key, window in self._windows.items():
            self._judge(key, window)

    # -- what is heard

    def note(self, outcomes: Iterable[Outcome], now: Millis) -> None:
        span = span_of(now)
        for outcome in outcomes:
            key = (outcome.gateway_id, prefix_of(outcome.target))
            one = Tally(delivered=1) if outcome.delivered else Tally(failed=1)
            if outcome.millis is not None:
                one.timed, one.millis = 1, min(outcome.millis, SLOWEST)
            window = self._window(key)
            window.total.add(one)
            window.spans.setdefault(span, Tally()).add(one)
            self._unsaved.setdefault((span, key), Tally()).add(one)
            self._judge(key, window)

    def roll(self, now: Millis) -> None:
        """What is older than the last hour goes, and what a clock that was wrong put into a later one."""
        first, last = known_spans(now)
        for key, window in list(self._windows.items()):
            for span in [span for span in window.spans if not first <= span <= last]:
                window.total.add(window.spans.pop(span), -1)
            if window.spans:
                self._judge(key, window)
            else:
                self._drop(key)
        self._unsaved = {place: tally for place, tally in self._unsaved.items() if first <= place[0] <= last}

    # -- what is shared: rows are (span, gateway, prefix, delivered, failed, timed, millis)

    def unsaved(self) -> list[tuple[Any, ...]]:
        """What has come since it was asked last, to be added to the table."""
        found, self._unsaved = self._unsaved, {}
        return sorted((span, *key, t.delivered, t.failed, t.timed, t.millis) for (span, key), t in found.items())

    def not_saved(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """They come again with the next."""
        for span, gateway, prefix, *counts in rows:
            self._unsaved.setdefault((span, (gateway, prefix)), Tally()).add(Tally(*counts))

    def take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """What the table says stands in for what was known of the same span; what is not there yet comes on top."""
        for span, gateway, prefix, *counts in rows:
            key, tally = (GatewayId(gateway), prefix), Tally(*counts)
            if (unsaved := self._unsaved.get((span, key))) is not None:
                tally.add(unsaved)
            window = self._window(key)
            if (before := window.spans.get(span)) is not None:
                window.total.add(before, -1)
            window.spans[span] = tally
            window.total.add(tally)
            self._judge(key, window)

    # -- inside

    def _window(self, key: Key) -> _Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window()
            if len(self._windows) > MOST:
                self._drop(next(iter(self._windows)))
        else:
            self._windows.move_to_end(key)
        return window

    def _drop(self, key: Key) -> None:
        del self._windows[key]
        self.held.discard(key)

    def _judge(self, key: Key, window: _Window) -> None:
        if window.total.shortfall(self._floors):
            self.held.add(key)
        else:
            self.held.discard(key)


def known_spans(now: Millis) -> tuple[int, int]:
    """The first and the last: other processes' clocks may be ahead."""
    span = span_of(now)
    return span - SPANS + 1, span + 1
