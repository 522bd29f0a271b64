"""Which gateways of this process may take a message now, in order: routes, `smsrouting`, and how each gateway fares."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from voipsms.directory import Directory
from voipsms.dispatch import Outgoing
from voipsms.least_cost import cheapest_first, costs_of, loses, within_ceilings
from voipsms.model import GatewayId, Message
from voipsms.quality import Key
from voipsms.routing import Asked, gateways
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import read_number
from voipsms.store.ids import now_millis
from voipsms.tariffs import cost
from voipsms.values import replace


class Line(Protocol):
    """What waits for a gateway, and whether that takes anything now."""

    @property
    def usable(self) -> bool: ...

    def __len__(self) -> int: ...


class Idle:
    """Of a gateway that this process doesn't run."""

    def __init__(self, usable: bool = True) -> None:
        self.usable = usable

    def __len__(self) -> int:
        return 0


class Ways:
    """Called with what is asked, it returns the gateways; usable ones come first, the others may be so again."""

    def __init__(
        self,
        directory: Directory,
        queues: Mapping[GatewayId, Line],
        settings: GlobalSettings,
        draw: Callable[[], float] = random.random,
        held: Collection[Key] = (),
    ) -> None:
        self._directory = directory
        self._queues = queues
        self._draw = draw
        self._held = held  # by lcr's floors
        self.settings = settings

    def __call__(self, asked: Asked) -> Sequence[GatewayId]:
        account = self._directory.by_id.get(asked.user_id)
        own = account.gateway if account is not None else None
        if own is not None and own in self._queues:
            return sorted((own, *(other for other in self._found(asked) if other != own)), key=self._is_out)
        return self._found(asked)

    def _found(self, asked: Asked) -> Sequence[GatewayId]:
        lcr, routes = self.settings.lcr, self._directory.routes
        if not self._by_routes():
            return self._cheapest_of_all(asked) if lcr and self.settings.smsrouting else tuple(self._queues)[:1]
        if lcr or routes.have_ceilings:
            return self._by_cost(asked)
        found = gateways(routes.matching(asked), self._in_flight, self._draw)
        return sorted((gateway for gateway in found if gateway in self._queues), key=self._is_out)

    def _by_cost(self, asked: Asked) -> list[GatewayId]:
        groups = self._directory.routes.matching(asked)
        named = (route.gateway_id for equals in groups for route in equals)
        costs = costs_of(self._directory, self.settings, asked, named)
        if self._directory.routes.have_ceilings:
            groups = within_ceilings(groups, costs)
        found = [gateway for gateway in gateways(groups, self._in_flight, self._draw) if gateway in self._queues]
        if self.settings.lcr:
            found = cheapest_first(found, asked.target, costs, self._held)
        return sorted(found, key=self._is_out)

    def _cheapest_of_all(self, asked: Asked) -> list[GatewayId]:
        """There are no routes to choose from."""
        costs = costs_of(self._directory, self.settings, asked, self._queues)
        return sorted(cheapest_first(self._queues, asked.target, costs, self._held), key=self._is_out)

    def _by_routes(self) -> bool:
        """-1 guesses: by routes where there are any."""
        mode = self.settings.smsrouting
        return mode == 1 or (mode == -1 and len(self._directory.routes) > 0)

    def _in_flight(self, gateway: GatewayId) -> int:
        return len(self._queues[gateway]) if gateway in self._queues else 0

    def _is_out(self, gateway: GatewayId) -> bool:
        return not self._queues[gateway].usable

    def elsewhere(self, outgoing: Outgoing) -> Message | None:
        """A message that its gateway could not send, as it goes by another; None: there is none."""
        message, tried = outgoing.message, outgoing.tried | {outgoing.message.gateway_id}
        for gateway in self(self._asked(message)):
            if gateway not in tried and self._queues[gateway].usable:
                paid = cost(self._directory, self.settings, gateway, message.target, message.parts, message.created)
                if not loses(self.settings, message.price, message.currency, paid.amount):
                    return replace(message, gateway_id=gateway, cost=paid.amount)
        return None

    def _asked(self, message: Message) -> Asked:
        number = read_number(f"+{message.target}", self.settings.country)
        account = self._directory.by_id.get(message.user_id)
        group = account.group if account else ""
        return Asked(message.target, message.sender, message.user_id, group, number.region, number.kind, now_millis(),
            message.parts)  # fmt: skip
