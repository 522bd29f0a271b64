"""What CDRs add up to. Amounts of different currencies never meet: a row is of one key and one currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from voipsms.model import FAILED, State
from voipsms.money import decimal

COLUMNS = (
    "currency", "count", "delivered", "failed", "delivered_share", "parts", "minutes", "revenue", "cost", "margin",
)  # fmt: skip

_CENT = Decimal("0.01")
_SHARE = Decimal("0.0001")


@dataclass(slots=True)
class Figures:
    """`seconds`: billed. `revenue` and `cost`: millionths of one currency."""

    count: int = 0
    delivered: int = 0
    failed: int = 0
    parts: int = 0
    seconds: int = 0
    revenue: int = 0
    cost: int = 0

    def add(self, other: Figures) -> None:
        self.count += other.count
        self.delivered += other.delivered
        self.failed += other.failed
        self.parts += other.parts
        self.seconds += other.seconds
        self.revenue += other.revenue
        self.cost += other.cost

    @property
    def margin(self) -> int:
        return self.revenue - self.cost

    @property
    def share(self) -> Decimal:
        """Delivered of all, from 0 to 1; those that are still under way are not delivered."""
        return (Decimal(self.delivered) / (self.count or 1)).quantize(_SHARE)

    @property
    def minutes(self) -> Decimal:
        return (Decimal(self.seconds) / 60).quantize(_CENT)

    def row(self, currency: str) -> tuple[object, ...]:
        """As COLUMNS names them."""
        return (
            currency, self.count, self.delivered, self.failed, self.share, self.parts, self.minutes,
            decimal(self.revenue), decimal(self.cost), decimal(self.margin),
        )  # fmt: skip


def figures(state: str, count: int, parts: int, seconds: int, revenue: int, cost: int) -> Figures:
    """Of `count` CDRs of one state."""
    return Figures(
        count, count * (state == State.DELIVERED), count * (state in FAILED), parts, seconds, revenue, cost
    )  # fmt: skip


class Tally:
    """Figures by key and currency."""

    def __init__(self) -> None:
        self._found: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)

    def add(self, key: str, currency: str, more: Figures) -> None:
        self._found[key, currency].add(more)

    def rows(self, order: Iterable[str] = ()) -> Iterator[tuple[str, str, Figures]]:
        """Key, currency and figures: sorted by key, or in the given order of keys where one is given."""
        place = {key: n for n, key in enumerate(order)}
        for key, currency in sorted(self._found, key=lambda pair: (place.get(pair[0], -1), pair)):
            yield key, currency, self._found[key, currency]

    def by_key(self, keys: Iterable[str] = ()) -> dict[str, Figures]:
        """Without currencies, so what they count, not what they cost; those `keys` first that have nothing, too."""
        whole = {key: Figures() for key in keys}
        for (key, _), more in sorted(self._found.items()):
            whole.setdefault(key, Figures()).add(more)
        return whole

    def of(self, currency: str, keys: Iterable[str] = ()) -> dict[str, Figures]:
        """Of one currency, as by_key."""
        whole = {key: Figures() for key in keys}
        whole |= {key: more for (key, held), more in sorted(self._found.items()) if held == currency}
        return whole

    def totals(self) -> dict[str, Figures]:
        """By currency."""
        whole: defaultdict[str, Figures] = defaultdict(Figures)
        for (_, currency), more in sorted(self._found.items()):
            whole[currency].add(more)
        return dict(whole)
