"""What a message or a call costs: the price of the longest prefix in a packet that is valid now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from sys import intern
from typing import Any, Final, NamedTuple

from voipsms.model import Micros, Millis
from voipsms.timetable import BadTimetable, Timetable, parse
from voipsms.values import Value

MINUTE: Final = 60  # seconds that a price is for
DEFAULT_PACKET: Final = "default"  # of users for whom neither they nor their group name one
_HEAD: Final = 3  # digits by which a packet's prefixes are parted
_SHARED: Final = 50_000  # different prices among which equal ones are looked for


class Service(StrEnum):
    __hash__ = str.__hash__  # see model.State

    SMS = "SMS"
    CALL = "CALL"


class Rate(Value, frozen=True):
    """A price without its prefix. `price`: for a minute. Valid from `valid_from` until before `valid_to` (0: open
    end), in the hours of `timetable` (None: always)."""

    price: Micros
    connect_fee: Micros = Micros(0)
    minimum: Micros = Micros(0)
    valid_from: Millis = Millis(0)
    valid_to: Millis = Millis(0)
    timetable: Timetable | None = None

    def holds(self, now: Millis) -> bool:
        if self.valid_from > now or 0 < self.valid_to <= now:
            return False
        return self.timetable is None or self.timetable.holds(now)

    def contradicts(self, other: Rate) -> bool:
        """Whether there may be a time at which both hold."""
        if 0 < self.valid_to <= other.valid_from or 0 < other.valid_to <= self.valid_from:
            return False
        return self.timetable is None or other.timetable is None or self.timetable.overlaps(other.timetable)

    def amount(self, seconds: int, units: int) -> Micros:
        """Of `units` messages or parts of so many seconds. The minute's share is rounded to the nearest millionth,
        half a one up; then comes the fee, then the minimum, for each unit."""
        share = (self.price * seconds * 2 + MINUTE) // (2 * MINUTE)
        return Micros(max(share + self.connect_fee, self.minimum) * units)


class Quote(Value, frozen=True):
    """What somebody pays and why. `rate` None: the packet has no price for the number."""

    amount: Micros
    packet: str
    prefix: str = ""
    rate: Rate | None = None


class Cost(Value, frozen=True):
    """What a gateway costs us: the packet, and whether each part counts."""

    packet: str
    by_part: bool = True


class Price(NamedTuple):
    """A row of tb_prices, without its packet and service. `timetable` '': always; the rest as in Rate."""

    prefix: str
    valid_from: int
    timetable: str
    valid_to: int
    price: int
    connect_fee: int
    minimum: int

    def rate(self) -> Rate:
        """Raises BadTimetable."""
        return Rate(
            Micros(self.price), Micros(self.connect_fee), Micros(self.minimum), Millis(self.valid_from),
            Millis(self.valid_to), parse(self.timetable) if self.timetable else None,
        )  # fmt: skip


class Packet:
    """The prices of one packet and service.

    By the first digits of a prefix and then by the rest of it: so no dict grows so large that its growth or its end
    would stop the event loop, and packets share the rests.
    """

    def __init__(self) -> None:
        self._rests: dict[str, dict[str, tuple[Rate, ...]]] = {}
        self._lengths: list[int] = []  # of the rests, longest first

    def __len__(self) -> int:
        return sum(map(len, self._rests.values()))

    def add(self, prefix: str, rates: tuple[Rate, ...]) -> None:
        """Further to those that the prefix has; `rates` may be shared among prefixes."""
        head, rest = prefix[:_HEAD], intern(prefix[_HEAD:])
        rests = self._rests.setdefault(head, {})
        known = rests.get(rest)
        rests[rest] = rates if known is None else known + rates
        if len(rest) not in self._lengths:
            self._lengths = sorted({*self._lengths, len(rest)}, reverse=True)

    def find(self, number: str, now: Millis) -> tuple[str, Rate] | None:
        """The longest prefix of the number with a price that holds now, and that price."""
        rests = self._rests.get(number[:_HEAD])
        if rests is not None:
            rest = number[_HEAD:]
            for length in self._lengths:
                if length <= len(rest) and (rates := rests.get(rest[:length])):
                    for rate in rates:
                        if rate.holds(now):
                            return number[: _HEAD + length], rate
        return self._find_short(number, now)

    def _find_short(self, number: str, now: Millis) -> tuple[str, Rate] | None:
        for length in range(min(_HEAD, len(number) + 1) - 1, -1, -1):
            if rests := self._rests.get(number[:length]):
                for rate in rests[""]:
                    if rate.holds(now):
                        return number[:length], rate
        return None

    def discard(self) -> None:
        """Gives its memory back bit by bit: a thread may do it without stopping the others."""
        while self._rests:
            self._rests.popitem()


class Reading:
    """Makes packets of rows; equal prices become one object, whatever packets they are in."""

    def __init__(self, fault: Callable[[Price, BadTimetable], None]) -> None:
        """`fault` hears of prices whose timetable means nothing here; they are left out."""
        self._fault = fault
        self._rates: dict[tuple[Any, ...], tuple[Rate, ...]] = {}

    def add(self, packet: Packet, rows: Iterable[Sequence[Any]]) -> None:
        """Rows are as Price says."""
        if len(self._rates) > _SHARED:
            self._rates = {}
        for row in rows:
            key = tuple(row[1:])
            if (rates := self._rates.get(key)) is None:
                try:
                    rates = self._rates[key] = (Price(*row).rate(),)
                except BadTimetable as error:
                    self._fault(Price(*row), error)
                    continue
            packet.add(row[0], rates)


class Tariffs:
    """Every packet."""

    def __init__(self, packets: Mapping[tuple[str, str], Packet] | None = None) -> None:
        self.packets = packets or {}

    def quote(
        self, packet: str, service: Service, number: str, seconds: int, units: int, now: Millis, otherwise: Micros
    ) -> Quote:
        """`otherwise`: what a unit costs where no price is found."""
        prices = self.packets.get((packet, service))
        found = prices.find(number, now) if prices is not None else None
        if found is None:
            return Quote(Micros(otherwise * units), packet)
        prefix, rate = found
        return Quote(rate.amount(seconds, units), packet, prefix, rate)
