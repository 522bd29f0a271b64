"""Which routes match, and in which order."""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.world import ALICE, MOBILE
from voipsms.model import GatewayId, Millis, Msisdn, UserId
from voipsms.routing import Asked, Route, Routes, gateways, shared
from voipsms.sms.numbers import Kind
from voipsms.values import replace

A, B, C = GatewayId(1), GatewayId(2), GatewayId(3)
ASKED = Asked(Msisdn(MOBILE), ALICE, UserId(1), "gold", "HU", Kind.MOBILE, Millis(1_800_000_000_000))


class Until:
    def __init__(self, end: int) -> None:
        self._end = end

    def holds(self, at: int) -> bool:
        return at < self._end


MATCHES: dict[str, tuple[dict[str, object], str]] = {
    "nothing asked": ({}, ""),
    "prefix": ({"prefix": MOBILE[:4]}, ""),
    "the whole number as a prefix": ({"prefix": MOBILE}, ""),
    "another prefix": ({"prefix": "44"}, "prefix"),
    "a longer prefix": ({"prefix": MOBILE + "0"}, "prefix"),
    "pattern": ({"pattern": re.compile(r"36(20|30|70)\d{7}")}, ""),
    "pattern of a part": ({"pattern": re.compile(r"36")}, "pattern"),
    "user": ({"user_id": UserId(1)}, ""),
    "another user": ({"user_id": UserId(2)}, "user"),
    "group": ({"group": "gold"}, ""),
    "another group": ({"group": "tin"}, "group"),
    "country": ({"country": "HU"}, ""),
    "another country": ({"country": "DE"}, "country"),
    "kind": ({"kind": Kind.MOBILE}, ""),
    "another kind": ({"kind": Kind.PHONE}, "kind"),
    "sender": ({"sender": re.compile(r"\d+")}, ""),
    "another sender": ({"sender": re.compile("[A-Z]+")}, "sender"),
    "in time": ({"table": Until(ASKED.now + 1)}, ""),
    "out of time": ({"table": Until(ASKED.now)}, "time"),
}


@pytest.mark.parametrize("conditions, differs", MATCHES.values(), ids=MATCHES)
def test_matching(conditions: dict[str, object], differs: str) -> None:
    route = Route(1, A, **conditions)  # type: ignore[arg-type]
    routes = Routes([route])
    assert routes.matching(ASKED) == ([] if differs else [[route]])
    assert list(routes.considered(ASKED)) == [(route, differs)]


def test_order() -> None:
    """Longest prefix, then priority, equals together in the order of their ids."""
    rows = [("", 1), ("36", 2), ("36", 1), (MOBILE[:4], 9), ("36", 2), (MOBILE[:3], 1), ("44", 1)]
    routes = Routes(Route(n, A, prefix=prefix, priority=priority) for n, (prefix, priority) in enumerate(rows))
    assert len(routes) == 7
    assert [[route.id for route in equals] for equals in routes.matching(ASKED)] == [[3], [5], [2], [1, 4], [0]]


def test_a_gateway_counts_once() -> None:
    first, again, other = Route(1, A, prefix="36"), Route(2, A), Route(3, B)
    found = gateways(Routes([other, again, first]).matching(ASKED), lambda gateway: 0, random.Random(1).random)
    assert list(found.items()) == [(A, first), (B, other)]


def shares(weights: dict[GatewayId, int], in_flight: dict[GatewayId, int]) -> Counter[GatewayId]:
    equals = [Route(gateway, gateway, weight=weight) for gateway, weight in weights.items()]
    draw = random.Random(7).random
    return Counter(shared(equals, lambda g: in_flight.get(g, 0), draw)[0].gateway_id for _ in range(8000))


@pytest.mark.parametrize(
    "weights, in_flight, expected",
    [
        ({A: 1, B: 1}, {}, {A: 4000, B: 4000}),
        ({A: 3, B: 1}, {}, {A: 6000, B: 2000}),
        ({A: 1, B: 1, C: 2}, {}, {A: 2000, B: 2000, C: 4000}),
        ({A: 1, B: 1}, {A: 2}, {A: 2000, B: 6000}),
        ({A: 3, B: 1}, {A: 2}, {A: 4000, B: 4000}),
    ],
)
def test_equals_share_by_weight_less_what_is_in_flight(
    weights: dict[GatewayId, int], in_flight: dict[GatewayId, int], expected: dict[GatewayId, int]
) -> None:
    found = shares(weights, in_flight)
    assert {gateway: abs(found[gateway] - wanted) < 200 for gateway, wanted in expected.items()} == dict.fromkeys(
        expected, True
    )


@given(
    st.lists(st.tuples(st.text("0123456789", max_size=5), st.integers(1, 3)), max_size=30),
    st.text("0123456789", max_size=8),
)
def test_the_index_agrees_with_a_look_at_each(rows: list[tuple[str, int]], target: str) -> None:
    numbers = count()
    routes = [Route(next(numbers), A, prefix=prefix, priority=priority) for prefix, priority in rows]
    asked = replace(ASKED, target=Msisdn(target))
    wanted = sorted(
        (route for route in routes if target.startswith(route.prefix)),
        key=lambda route: (-len(route.prefix), route.priority, route.id),
    )
    groups = Routes(routes).matching(asked)
    assert [route for equals in groups for route in equals] == wanted
    assert all(len({(route.prefix, route.priority) for route in equals}) == 1 for equals in groups)
