"""Routes as an operator writes them, and the gateways that they come to."""

from __future__ import annotations

import pytest

from tests.core.world import ALICE, BOB, CARRIER, MOBILE, NUMBERS, OPTED_OUT, USERS, message
from voipsms.directory import Directory
from voipsms.dispatch import Outgoing
from voipsms.model import GatewayId, Millis, Msisdn, UserId
from voipsms.routebook import check, compile_route
from voipsms.routing import Asked
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import Kind
from voipsms.store.routes import NewRoute, RouteError
from voipsms.values import replace
from voipsms.ways import Ways

A, B, C = CARRIER, GatewayId(51), GatewayId(52)
ASKED = Asked(Msisdn(MOBILE), ALICE, UserId(1), "", "HU", Kind.MOBILE, Millis(1_800_000_000_000))


class Line:
    def __init__(self, waiting: int = 0, usable: bool = True) -> None:
        self.waiting, self.usable = waiting, usable

    def __len__(self) -> int:
        return self.waiting


def row(route_id: int, gateway: GatewayId, **conditions: object) -> tuple[object, ...]:
    usual: dict[str, object] = {
        "prefix": "", "pattern": "", "country": "", "kind": "", "user_id": None, "user_group": "", "sender": "",
        "timetable": "", "priority": 1, "weight": 1,
    }  # fmt: skip
    return (route_id, *(usual | conditions).values(), gateway, None)


def ways(*rows: tuple[object, ...], mode: int = -1, out: tuple[GatewayId, ...] = ()) -> Ways:
    directory = Directory()
    directory.load(USERS, NUMBERS, OPTED_OUT, rows)
    lines = {gateway: Line(usable=gateway not in out) for gateway in (A, B, C)}
    return Ways(directory, lines, GlobalSettings(smsrouting=mode), draw=lambda: 0.5)


TO_B = row(1, B, prefix="36")
CASES: dict[str, tuple[Ways, list[GatewayId]]] = {
    "guess without routes": (ways(), [A]),
    "guess with routes": (ways(TO_B), [B]),
    "the first gateway alone": (ways(TO_B, mode=0), [A]),
    "routes alone": (ways(mode=1), []),
    "none matches": (ways(row(1, B, prefix="44")), []),
    "in order": (ways(row(1, C), TO_B, row(2, A, prefix="36", priority=2)), [B, A, C]),
    "of a gateway that is gone": (ways(row(1, GatewayId(99)), row(2, B)), [B]),
    "one that is out comes last": (ways(TO_B, row(2, A, prefix="36", priority=2), out=(B,)), [A, B]),
    "by the clock": (ways(row(1, B, timetable="Fri 08:00-08:01 UTC"), row(2, C)), [B, C]),
    "at another time": (ways(row(1, B, timetable="Fri 08:01-08:02 UTC"), row(2, C)), [C]),
    "one that can't be read is left out": (ways(row(1, B, pattern="("), row(2, C, kind="planet"), row(3, A)), [A]),
    "a pattern": (ways(row(1, B, pattern=r"3630.*"), row(2, C, pattern=r"36\d+", sender=ALICE)), [C]),
    "a pattern that never ends": (ways(row(1, B, sender=r"((\d+)+)+x"), row(2, C)), [C]),
}


@pytest.mark.parametrize("found, gateways", CASES.values(), ids=CASES)
def test_gateways(found: Ways, gateways: list[GatewayId]) -> None:
    assert list(found(ASKED)) == gateways


ELSEWHERE: dict[str, tuple[Ways, frozenset[GatewayId], GatewayId | None]] = {
    "no routes": (ways(), frozenset(), None),
    "the next": (ways(row(1, A), row(2, B, priority=2), row(3, C, priority=3)), frozenset(), B),
    "the next but one": (ways(row(1, A), row(2, B, priority=2), row(3, C, priority=3)), frozenset({B}), C),
    "that is usable": (ways(row(1, A), row(2, B, priority=2), row(3, C, priority=3), out=(B,)), frozenset(), C),
    "none is left": (ways(row(1, A), row(2, B)), frozenset({B}), None),
}


@pytest.mark.parametrize("found, tried, gateway", ELSEWHERE.values(), ids=ELSEWHERE)
def test_elsewhere(found: Ways, tried: frozenset[GatewayId], gateway: GatewayId | None) -> None:
    moved = found.elsewhere(Outgoing(message(), tried=tried))
    assert moved == (None if gateway is None else replace(message(), gateway_id=gateway))


FAULTS = {
    "letters": (NewRoute("a", prefix="+36"), "a prefix is up to 15 digits"),
    "too long": (NewRoute("a", prefix="1" * 16), "a prefix is up to 15 digits"),
    "country": (NewRoute("a", country="HUN"), "a country is two letters"),
    "pattern": (NewRoute("a", pattern="("), r"pattern: character 1"),
    "brackets that only fit ours": (NewRoute("a", pattern="a)|(b"), "pattern"),
    "sender": (NewRoute("a", sender="*"), "sender"),
    "longest": (NewRoute("a", sender="a" * 256), "255 characters"),
    "time": (NewRoute("a", time="Someday"), "time: column 1"),
}


@pytest.mark.parametrize("route, fault", FAULTS.values(), ids=FAULTS)
def test_faults(route: NewRoute, fault: str) -> None:
    with pytest.raises(RouteError, match=fault):
        check(route)


def test_whole() -> None:
    route = compile_route(
        row(7, B, prefix="36", country="HU", kind="mobile", user_id=1, user_group="g", sender=BOB, weight=3)
    )
    assert (route.id, route.gateway_id, route.kind, route.user_id, route.group) == (7, B, Kind.MOBILE, 1, "g")
    assert (route.priority, route.weight, route.ceiling) == (1, 3, None)


def test_a_route_that_is_as_it_was_is_not_compiled_again() -> None:
    """Else each change of an account would stop everything until thousands of patterns are."""
    whole = row(7, B, pattern=r"36\d+")
    assert compile_route(whole) is compile_route((*whole,))
    assert compile_route(whole) is not compile_route(row(7, B, pattern=r"36\d*"))
