"""Price and cost of a message at its acceptance, and on another way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.core.world import CARRIER, SETTINGS, directory, message, submission
from voipsms.accept import accept
from voipsms.directory import Directory
from voipsms.dispatch import Outgoing
from voipsms.errors import NoCredit
from voipsms.model import GatewayId, Message, MessageId, Millis
from voipsms.rating import Cost, Packet, Price, Reading, Tariffs
from voipsms.settings import GlobalSettings
from voipsms.ways import Idle, Ways

OTHER, THIRD = GatewayId(51), GatewayId(52)
NOW = Millis(1_795_000_000_000)
LONG = "x" * 400  # three parts
PRICES = {
    "default": [("36", 40_000), ("3620", 60_000), ("3630", 0)],
    "gold": [("36", 20_000)],
    "dear": [("36", 1_000_001)],
    "carrier": [("", 10_000), ("3630", 0)],
    "other": [("3620", 15_000)],
}
PART = replace(SETTINGS, smsbilling="part")


def packet(prices: Iterable[tuple[str, int]]) -> Packet:
    found = Packet()
    rows = [Price(prefix, 0, "", 0, amount, 0, 0) for prefix, amount in prices]
    Reading(lambda price, error: pytest.fail(str(error))).add(found, rows)
    return found


def world(user_packet: str = "") -> Directory:
    known = directory()
    if user_packet:
        known.by_name["alice"].packet = user_packet
    known.tariffs = Tariffs({(name, "SMS"): packet(prices) for name, prices in PRICES.items()})
    known.costs = {CARRIER: Cost("carrier"), OTHER: Cost("other", by_part=False)}
    return known


def decide(known: Directory, settings: GlobalSettings = SETTINGS, **changes: object) -> Message:
    ways = Ways(known, {CARRIER: Idle()}, settings)
    return accept(submission(**changes), known, settings, ways, "", MessageId(7), NOW)


CHARGED: dict[str, tuple[str, GlobalSettings, dict[str, object], int, int]] = {
    "the default packet": ("", SETTINGS, {}, 60_000, 10_000),
    "the user's own": ("gold", SETTINGS, {}, 20_000, 10_000),
    "a packet without prices": ("tin", SETTINGS, {}, 50_000, 10_000),
    "no price for it": ("other", SETTINGS, {"target": "36301112233"}, 50_000, 0),
    "a price of 0": ("", SETTINGS, {"target": "36301112233"}, 0, 0),
    "a long one, by message": ("", SETTINGS, {"text": LONG}, 60_000, 30_000),
    "a long one, by part": ("", PART, {"text": LONG}, 180_000, 30_000),
    "a long one at smsprice": ("tin", PART, {"text": LONG}, 150_000, 30_000),
    "half a minute": ("", replace(SETTINGS, smstime=30), {}, 30_000, 5_000),
    "another smsprice": ("tin", replace(SETTINGS, smsprice=Decimal("0.1")), {}, 100_000, 10_000),
}


@pytest.mark.parametrize("packet, settings, changes, price, cost", CHARGED.values(), ids=CHARGED)
def test_frozen(packet: str, settings: GlobalSettings, changes: dict[str, object], price: int, cost: int) -> None:
    found = decide(world(packet), settings, **changes)
    assert (found.price, found.cost) == (price, cost)


def test_refused_where_the_price_is_too_much() -> None:
    """alice has a million; with a millionth more she could."""
    known = world("dear")
    with pytest.raises(NoCredit):
        decide(known)
    known.by_name["alice"].credit_limit += 1  # type: ignore[assignment]
    assert decide(known).price == 1_000_001


@pytest.mark.parametrize("target, parts, cost", [("36201112233", 3, 15_000), ("36301112233", 3, 0)])
def test_another_way_has_its_own_cost(target: str, parts: int, cost: int) -> None:
    known = world()
    rows = [(1, "", "", "", "", None, "", "", "", priority, 1, gateway, None)
            for priority, gateway in ((1, CARRIER), (2, OTHER))]  # fmt: skip
    known.load([], [], [], rows)
    ways = Ways(known, {CARRIER: Idle(), OTHER: Idle()}, SETTINGS)
    moved = ways.elsewhere(Outgoing(message(target=target, parts=parts, cost=30_000)))
    assert moved is not None
    assert (moved.gateway_id, moved.cost, moved.price) == (OTHER, cost, 50_000)
