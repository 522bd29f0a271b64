"""Lines of `explain` on the ways: each route, and each gateway that may take the message, with why it stands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from voipsms.commands.prices import reason
from voipsms.config import Config
from voipsms.directory import Directory
from voipsms.gateway_settings import GatewaySettings
from voipsms.least_cost import UNKNOWN, above_ceiling, costs_of, loses
from voipsms.measures import floors
from voipsms.model import GatewayId, Micros
from voipsms.money import decimal
from voipsms.quality import Windows, known_spans
from voipsms.routing import Asked, Route
from voipsms.settings import GlobalSettings
from voipsms.store import quality
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.tariffs import cost, price

Line = tuple[str, str]  # a step, and what it comes to
_BELOW = {
    "share": "delivers less than lcrshare ({0.lcrshare} %)",
    "speed": "takes longer than lcrseconds ({0.lcrseconds})",
}


def measured(db: Database, config: Config) -> Windows:
    """What all processes have measured."""
    windows = Windows(floors(config.sms))
    if config.sms.lcr:
        windows.take(quality.read(db, *known_spans(now_millis())))
    return windows


@dataclass(frozen=True, slots=True)
class Candidates:
    directory: Directory
    settings: GlobalSettings
    known: Mapping[GatewayId, GatewaySettings]
    windows: Windows
    by_rule: GatewayId | None = None  # that a rule has chosen

    def routes(self, asked: Asked) -> Iterator[Line]:
        """Every route, the matching ones first in their order, each with why it is or isn't taken."""
        matching, place = [route for equals in self.directory.routes.matching(asked) for route in equals], 0
        costs = costs_of(self.directory, self.settings, asked, (route.gateway_id for route in matching))
        for route in matching:
            if above_ceiling(route, costs):
                yield f"route {route.id}", f"matches, but it costs more than the ceiling: {self._route(route)}"
                continue
            place += 1
            yield f"route {route.id}", f"matches, place {place}: {self._route(route)}"
        for route, differs in self.directory.routes.considered(asked):
            if differs:
                yield f"route {route.id}", f"not this {differs}: {self._route(route)}"

    def _route(self, route: Route) -> str:
        gateway = self.known[route.gateway_id].name if route.gateway_id in self.known else "that is not configured"
        ceiling = "" if route.ceiling is None else f", ceiling {decimal(route.ceiling)}"
        prefix = route.prefix or "any"
        return f"prefix {prefix}, priority {route.priority}, weight {route.weight}{ceiling}, gateway {gateway}"

    def in_order(self, asked: Asked, order: Sequence[GatewayId], chosen: GatewayId | None) -> Iterator[Line]:
        """The gateways that may take it, in the order in which they are tried."""
        for place, gateway in enumerate(order, 1):
            words = [self._cost(asked, gateway), *self._measured(asked, gateway), *self._why(asked, gateway)]
            words += ["chosen"] if gateway == chosen else []
            yield f"candidate {place}", f"{self.known[gateway].name}: {'; '.join(words)}"

    def _cost(self, asked: Asked, gateway: GatewayId) -> str:
        owed = cost(self.directory, self.settings, gateway, asked.target, asked.parts, asked.now)
        return f"costs {decimal(owed.amount)} {self.settings.currency} ({reason(owed, 'nothing')})"

    def _measured(self, asked: Asked, gateway: GatewayId) -> Iterator[str]:
        tally = self.windows.measured(gateway, asked.target)
        if tally.share is None:
            return
        yield f"delivered {tally.share:.0f} % of {tally.count} in the last hour"
        if tally.seconds is not None:
            yield f"{tally.seconds:.1f} s on average"

    def _why(self, asked: Asked, gateway: GatewayId) -> Iterator[str]:
        settings = self.settings
        account = self.directory.by_id[asked.user_id]
        if gateway == self.by_rule:
            yield "by a rule"
        elif gateway == account.gateway:
            yield "the account's own"
        elif not settings.lcr:
            yield "in the routes' order"
        elif short := self.windows.measured(gateway, asked.target).shortfall(floors(settings)):
            yield f"held back: {_BELOW[short].format(settings)}"
        elif costs_of(self.directory, settings, asked, (gateway,))[gateway] == UNKNOWN:
            yield "behind those whose cost is known"
        else:
            yield "by its cost"
        paid = price(self.directory, settings, account, asked.target, asked.parts, asked.now).amount
        owed = cost(self.directory, settings, gateway, asked.target, asked.parts, asked.now).amount
        if loses(settings, Micros(paid), account.currency, owed):
            yield f"left out: it would be sold below cost, for {decimal(paid)} {account.currency}"
