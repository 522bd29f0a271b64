"""Which way costs least, and which ways would cost more than they bring."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from voipsms.directory import Account, Directory
from voipsms.errors import NoGateway
from voipsms.model import GatewayId, Micros, Millis
from voipsms.quality import Key, prefix_of
from voipsms.rating import Service
from voipsms.routing import Asked, Route
from voipsms.settings import GlobalSettings
from voipsms.tariffs import cost

UNKNOWN: Final = Micros(1 << 62)  # the cost of a number that a gateway's price list lacks: more than any other
BELOW_COST: Final = "It would be sold below cost"

Costs = Mapping[GatewayId, int]  # millionths


def costs_of(directory: Directory, settings: GlobalSettings, asked: Asked, gateways: Iterable[GatewayId]) -> Costs:
    """What each gateway costs for this message: as tariffs.cost, at half its price, since it is asked for so many."""
    packets, bought, found = directory.tariffs.packets, directory.costs, dict.fromkeys(gateways, 0)
    target, now, seconds = asked.target, asked.now, settings.smstime
    for gateway in found:
        if (charged := bought.get(gateway)) is not None:
            packet = packets.get((charged.packet, Service.SMS))
            rate = packet.find(target, now) if packet is not None else None
            units = asked.parts if charged.by_part else 1
            found[gateway] = UNKNOWN if rate is None else rate[1].amount(seconds, units)
    return found


def within_ceilings(groups: Iterable[Sequence[Route]], costs: Costs) -> list[list[Route]]:
    """Without the routes that are not taken at such a cost."""
    return [[route for route in equals if not above_ceiling(route, costs)] for equals in groups]


def above_ceiling(route: Route, costs: Costs) -> bool:
    return route.ceiling is not None and costs[route.gateway_id] > route.ceiling


def cheapest_first(gateways: Iterable[GatewayId], target: str, costs: Costs, held: Collection[Key]) -> list[GatewayId]:
    """Those above the floors before those held back; equals keep their order."""
    ordered = sorted(gateways, key=costs.__getitem__)
    if held:
        prefix = prefix_of(target)
        ordered.sort(key=lambda gateway: (gateway, prefix) in held)
    return ordered


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
