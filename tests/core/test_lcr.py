"""Least cost: what the candidates cost decides, floors and ceilings hold back, and nothing is sold below cost."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_ways import ASKED, A, B, C, Line, row
from tests.core.world import MOBILE, NUMBERS, OPTED_OUT, USERS, message, submission
from voipsms.accept import accept
from voipsms.directory import Directory
from voipsms.dispatch import Outgoing
from voipsms.errors import NoGateway
from voipsms.least_cost import BELOW_COST, UNKNOWN, cheapest_first, costs_of
from voipsms.model import GatewayId, MessageId, Micros
from voipsms.quality import Key
from voipsms.rating import Cost, Packet, Rate, Service, Tariffs
from voipsms.routing import Asked
from voipsms.settings import GlobalSettings
from voipsms.tariffs import cost
from voipsms.values import replace
from voipsms.ways import Ways

LCR = GlobalSettings(lcr=True, currency="EUR")
Bought = dict[GatewayId, int | None]  # what a message to Hungary costs; None: the price list lacks it
ROUTES = (row(1, A), row(2, B), row(3, C))


def directory(bought: Bought, *routes: tuple[object, ...], by_part: bool = True) -> Directory:
    found, packets = Directory(), {}
    found.load(USERS, NUMBERS, OPTED_OUT, routes)
    for gateway, amount in bought.items():
        packet = Packet()
        packet.add("99" if amount is None else "36", (Rate(Micros(amount or 1)),))
        packets[f"p{gateway}", str(Service.SMS)] = packet
    found.tariffs = Tariffs(packets)
    found.costs = {gateway: Cost(f"p{gateway}", by_part) for gateway in bought}
    return found


def ways(
    bought: Bought, *routes: tuple[object, ...], held: Collection[GatewayId] = (), out: Collection[GatewayId] = (),
    settings: GlobalSettings = LCR, by_part: bool = True,
) -> Ways:  # fmt: skip
    lines = {gateway: Line(usable=gateway not in out) for gateway in (A, B, C)}
    keys: set[Key] = {(gateway, MOBILE[:4]) for gateway in held}
    found = directory(bought, *routes, by_part=by_part)
    return Ways(found, lines, settings, draw=lambda: 0.5, held=keys)


def ceiling(route: tuple[object, ...], amount: int) -> tuple[object, ...]:
    return (*route[:-1], amount)


PRICES: Bought = {A: 30_000, B: 20_000, C: 10_000}
OFF = GlobalSettings()
CASES: dict[str, tuple[Ways, list[GatewayId]]] = {
    "by cost": (ways(PRICES, *ROUTES), [C, B, A]),
    "without lcr by the routes": (ways(PRICES, *ROUTES, settings=OFF), [A, B, C]),
    "whatever prefix and priority say": (
        ways(PRICES, row(1, A, prefix="3620"), row(2, B), row(3, C, priority=9)), [C, B, A],
    ),
    "who has no route is no candidate": (ways(PRICES, row(1, A), row(2, B)), [B, A]),
    "equals in the routes' order": (
        ways({A: 1, B: 1, C: 1}, row(1, C), row(2, B, priority=2), row(3, A, priority=3)), [C, B, A],
    ),
    "no price list costs nothing": (ways({A: 1, C: 2}, *ROUTES), [B, A, C]),
    "a number that the list lacks is behind": (ways({A: None, B: 2, C: 1}, *ROUTES), [C, B, A]),
    "held back": (ways(PRICES, *ROUTES, held=(C,)), [B, A, C]),
    "all held back": (ways(PRICES, *ROUTES, held=(A, B, C)), [C, B, A]),
    "held back, but the only one": (ways(PRICES, row(1, C), held=(C,)), [C]),
    "held back without lcr": (ways(PRICES, *ROUTES, held=(A,), settings=OFF), [A, B, C]),
    "held back, yet the only usable one": (ways(PRICES, *ROUTES, held=(C,), out=(A, B)), [C, B, A]),
    "one that is out comes last": (ways(PRICES, *ROUTES, out=(C,)), [B, A, C]),
    "no routes: every gateway": (ways(PRICES), [C, B, A]),
    "no routes, routes alone": (ways(PRICES, settings=GlobalSettings(lcr=True, smsrouting=1)), []),
    "the first gateway alone": (ways(PRICES, *ROUTES, settings=GlobalSettings(lcr=True, smsrouting=0)), [A]),
    "under the ceiling": (ways(PRICES, ceiling(row(1, A), 30_000), row(2, C), settings=OFF), [A, C]),
    "above the ceiling": (ways(PRICES, ceiling(row(1, A), 29_999), row(2, C), settings=OFF), [C]),
    "above the ceiling of one route of two": (
        ways(PRICES, ceiling(row(1, A), 29_999), row(2, C), row(3, A, priority=2), settings=OFF), [C, A],
    ),
    "a ceiling with lcr": (ways(PRICES, row(1, A), ceiling(row(2, C), 9_999)), [A]),
    "a ceiling holds where the cost isn't known": (
        ways({A: None}, ceiling(row(1, A), 10**6), row(2, B), settings=OFF), [B],
    ),
    "a ceiling where nothing is paid": (ways({}, ceiling(row(1, A), 0), settings=OFF), [A]),
}  # fmt: skip


@pytest.mark.parametrize("found, gateways", CASES.values(), ids=CASES)
def test_order(found: Ways, gateways: list[GatewayId]) -> None:
    assert list(found(ASKED)) == gateways


def test_held_back_for_one_prefix_only() -> None:
    found = ways(PRICES, *ROUTES, held=(C,))
    assert found(replace(ASKED, target="36301112233"))[0] == C


@pytest.mark.parametrize("by_part, first", [(True, A), (False, C)], ids=["each part", "the message"])
def test_a_ceiling_is_for_the_whole_message(by_part: bool, first: GatewayId) -> None:
    """Three parts at 0.01 each are above 0.02."""
    found = ways(PRICES, ceiling(row(1, C), 20_000), row(2, A, priority=2), settings=OFF, by_part=by_part)
    assert found(replace(ASKED, parts=3))[0] == first


AMOUNTS = st.one_of(st.none(), st.integers(0, 5))


@given(
    st.dictionaries(st.integers(1, 30).map(GatewayId), AMOUNTS, max_size=12),
    st.sets(st.integers(1, 30).map(GatewayId)),
    st.randoms(use_true_random=False),
)
def test_the_order_is_a_permutation_by_cost(bought: Bought, held: set[GatewayId], random: object) -> None:
    gateways = list(bought)
    random.shuffle(gateways)  # type: ignore[attr-defined]
    costs = costs_of(directory(bought), LCR, ASKED, gateways)
    ordered = cheapest_first(gateways, MOBILE, costs, {(gateway, MOBILE[:4]) for gateway in held})
    assert sorted(ordered) == sorted(gateways)
    places = [(gateway in held, costs[gateway], gateways.index(gateway)) for gateway in ordered]
    assert places == sorted(places), "held ones behind, then by cost, then as they were"


@given(st.dictionaries(st.integers(1, 30).map(GatewayId), AMOUNTS, max_size=5), st.integers(1, 9), st.booleans())
def test_costs_are_those_of_the_cdr(bought: Bought, parts: int, by_part: bool) -> None:
    at, asked = directory(bought, by_part=by_part), replace(ASKED, parts=parts)
    found = costs_of(at, LCR, asked, [*bought, GatewayId(99)])
    for gateway in found:
        billed = cost(at, LCR, gateway, asked.target, parts, asked.now).amount
        assert found[gateway] == (UNKNOWN if bought.get(gateway, 0) is None else billed)


# -- never below cost; a message costs alice 0.05


def taken(bought: Bought, *order: GatewayId, settings: GlobalSettings = LCR) -> tuple[GatewayId, int]:
    def found(asked: Asked) -> tuple[GatewayId, ...]:
        return order

    made = accept(submission(), directory(bought), settings, found, "", MessageId(1), ASKED.now)
    return made.gateway_id, made.cost


LOSS = GlobalSettings(lcr=True, currency="EUR", allow_loss=True)
FOREIGN = GlobalSettings(lcr=True, currency="USD")
WITHOUT_LCR = GlobalSettings(currency="EUR")
SOLD: dict[str, tuple[Bought, GlobalSettings, tuple[GatewayId, int]]] = {
    "at cost": ({A: 50_000}, LCR, (A, 50_000)),
    "the next one": ({A: 50_001, B: 50_000}, LCR, (B, 50_000)),
    "at a loss, if it may": ({A: 50_001, B: 50_000}, LOSS, (A, 50_001)),
    "without lcr neither": ({A: 50_001, B: 1}, WITHOUT_LCR, (B, 1)),
    "costs in another currency say nothing": ({A: 50_001, B: 1}, FOREIGN, (A, 50_001)),
    "a cost that isn't known is billed as none": ({A: None, B: 1}, LCR, (A, 0)),
}


@pytest.mark.parametrize("bought, settings, expected", SOLD.values(), ids=SOLD)
def test_sold(bought: Bought, settings: GlobalSettings, expected: tuple[GatewayId, int]) -> None:
    assert taken(bought, A, B, settings=settings) == expected


def test_nothing_is_left_that_pays() -> None:
    with pytest.raises(NoGateway) as refusal:
        taken({A: 50_001, B: 60_000}, A, B)
    assert (str(refusal.value), refusal.value.sip_code) == (BELOW_COST, 480)


def test_no_gateway_at_all() -> None:
    with pytest.raises(NoGateway, match="No gateway for this target"):
        taken({})


ELSEWHERE: dict[str, tuple[Bought, GlobalSettings, GatewayId | None]] = {
    "the cheapest of the others": ({A: 1, B: 40_000, C: 30_000}, LCR, C),
    "not below cost": ({A: 1, B: 40_000, C: 60_000}, LCR, B),
    "nowhere": ({A: 1, B: 60_000, C: 60_000}, LCR, None),
    "below cost, if it may": ({A: 1, B: 60_000, C: 70_000}, LOSS, B),
}


@pytest.mark.parametrize("bought, settings, gateway", ELSEWHERE.values(), ids=ELSEWHERE)
def test_failover(bought: Bought, settings: GlobalSettings, gateway: GatewayId | None) -> None:
    moved = ways(bought, *ROUTES, settings=settings).elsewhere(Outgoing(message()))
    assert (moved and (moved.gateway_id, moved.cost)) == (gateway and (gateway, bought[gateway]))
