"""Which way costs least, and which ways would cost more than they bring."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from voipsms.config import GlobalSettings
from voipsms.directory import Account, Directory
from voipsms.errors import NoGateway
from voipsms.model import GatewayId, Micros, Millis
from voipsms.quality import Key, prefix_of
from voipsms.routing import Asked, Route
from voipsms.tariffs import cost

UNKNOWN: Final = Micros(1 << 62)  # the cost of a number that a gateway's price list lacks: more than any other
BELOW_COST: Final = "It would be sold below cost"

Costs = Callable[[GatewayId], Micros]


def costs_of(directory: Directory, settings: GlobalSettings, asked: Asked) -> Costs:
    """What each gateway costs for this message."""
    known: dict[GatewayId, Micros] = {}

    def cost_of(gateway: GatewayId) -> Micros:
        if (found := known.get(gateway)) is None:
            owed = cost(directory, settings, gateway, asked.target, asked.parts, asked.now)
            found = known[gateway] = UNKNOWN if owed.packet and owed.rate is None else owed.amount
        return found

    return cost_of


def within_ceilings(groups: Iterable[Sequence[Route]], cost_of: Costs) -> list[list[Route]]:
    """Without the routes that are not taken at such a cost."""
    return [[route for route in equals if not above_ceiling(route, cost_of)] for equals in groups]


def above_ceiling(route: Route, cost_of: Costs) -> bool:
    return route.ceiling is not None and cost_of(route.gateway_id) > route.ceiling


def cheapest_first(
    gateways: Iterable[GatewayId], target: str, cost_of: Costs, held: Collection[Key]
) -> list[GatewayId]:
    """Those above the floors before those held back; equals keep their order."""
    if not held:
        return sorted(gateways, key=cost_of)
    prefix = prefix_of(target)
    return sorted(gateways, key=lambda gateway: ((gateway, prefix) in held, cost_of(gateway)))


def loses(settings: GlobalSettings, price: Micros, currency: str, owed: Micros) -> bool:
    """Whether it would be sold below cost. Costs are in the settings' currency; another one can't be compared."""
    return owed > price and not settings.allow_loss and currency == settings.currency


def first_that_pays(
    directory: Directory, settings: GlobalSettings, gateways: Sequence[GatewayId], account: Account, price: Micros,
    target: str, parts: int, now: Millis,
) -> tuple[GatewayId, Micros]:  # fmt: skip
    """The first gateway that costs no more than the message brings, and what it costs. Raises NoGateway."""
    if not gateways:
        raise NoGateway
    for gateway in gateways:
        owed = cost(directory, settings, gateway, target, parts, now).amount
        if not loses(settings, price, account.currency, owed):
            return gateway, owed
    raise NoGateway(BELOW_COST)
