"""A telephone exchange without telephones: lines whose calls end as their numbers say, and a bill in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from voipsms.callback import wire
from voipsms.callback.plan import LegEnd, Plan, Way
from voipsms.config import Config
from voipsms.directory import Account, Directory
from voipsms.errors import NotCalled, Refused
from voipsms.model import MessageId, Micros, Millis, Msisdn, UserId, UserType
from voipsms.settings import CallbackSettings

HER, HIM = Msisdn("36301234567"), Msisdn("36209876543")
BUSY, SILENT, FORBIDDEN = Msisdn("36301111111"), Msisdn("36304444444"), Msisdn("36305555555")
TALKS = Msisdn("36303333333")


def directory() -> Directory:
    her = Account(UserId(1), "her", UserType.ENDUSER, True, Micros(12_500_000), Micros(0), "USD")
    return Directory(by_id={her.id: her})


def settings(**values: object) -> Config:
    callback = CallbackSettings(cooldown=0.0, calls_each=500)
    return Config(Path(), callback=replace(callback, **values))  # type: ignore[arg-type]


def plan(id: int = 1, first: str = HER, second: str | None = HIM, user: int = 1) -> Plan:
    return Plan(MessageId(id), UserId(user), Msisdn(first), None if second is None else Msisdn(second), asked=Millis(1))


class Room:
    """Calls to BUSY and SILENT end or ring as those names say; others are answered, and the second one hangs up."""

    def __init__(self, exchange: Exchange, told: Callable[[wire.Event], None], lost: Callable[[], None]) -> None:
        self._exchange, self._told, self.lost = exchange, told, lost
        self.orders: list[wire.Order] = []
        self.there: set[int] = set()
        self.released = False

    def tell(self, event: wire.Event) -> None:
        asyncio.get_running_loop().call_soon(self._told, event)

    def end(self, call: int, code: int = 200) -> None:
        if call in self.there:
            self.there.remove(call)
            self.tell(wire.Ended(call, code))

    def send(self, order: wire.Order) -> None:
        self.orders.append(order)
        match order:
            case wire.Dial():
                self._exchange.dialled.append(order.uri)
                self._dial(order, order.uri.removeprefix("sip:").partition("@")[0])
            case wire.Hangup():
                self.end(order.call)
            case wire.Bridge():
                if not self._exchange.holds:
                    self.end(order.two)

    def _dial(self, order: wire.Dial, number: str) -> None:
        self.there.add(order.call)
        if number == BUSY:
            self.end(order.call, 486)
        elif number != SILENT:
            self.tell(wire.Answered(order.call, "PCMA"))

    def release(self) -> None:
        assert not self.released
        assert not self.there, "a call was left there"
        self.released = True
        self._exchange.free += 1


class Exchange:
    """callers.Callers. `holds`: bridged calls go on until they are ended."""

    def __init__(self, free: int = 1000, *, holds: bool = False) -> None:
        self.free, self.holds = free, holds
        self.least = free
        self.rooms: list[Room] = []
        self.dialled: list[str] = []

    async def line(self, told: Callable[[wire.Event], None], lost: Callable[[], None]) -> Room | None:
        await asyncio.sleep(0)
        if not self.free:
            return None
        self.free -= 1
        self.least = min(self.least, self.free)
        self.rooms.append(Room(self, told, lost))
        return self.rooms[-1]


@dataclass
class Bill:
    """plan.Billing."""

    seconds: int = 600
    refusal: Refused | None = None
    opened: list[tuple[Plan, Sequence[Msisdn]]] = field(default_factory=list)
    heard: list[Msisdn] = field(default_factory=list)
    closed: dict[int, list[Sequence[LegEnd]]] = field(default_factory=dict)

    def way(self, plan: Plan, number: str) -> Way:
        if number == FORBIDDEN:
            raise NotCalled
        return Way(f"sip:{number}")

    async def open(self, plan: Plan, numbers: Sequence[Msisdn]) -> int:
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        self.opened.append((plan, numbers))
        return self.seconds

    def answered(self, plan: Plan, number: Msisdn, way: Way, at: Millis) -> None:
        self.heard.append(number)

    async def extend(self, plan: Plan) -> int:
        return 0

    async def close(self, plan: Plan, legs: Sequence[LegEnd]) -> None:
        self.closed.setdefault(plan.id, []).append(legs)

    def reasons(self) -> dict[int, str]:
        """`number reason, number reason` by plan; each is closed once."""
        assert all(len(times) == 1 for times in self.closed.values())
        return {
            plan: ", ".join(f"{leg.number} {leg.reason}".strip() for leg in legs)
            for plan, (legs,) in self.closed.items()
        }
