"""A gateway that can't send a message passes it on, where another one may send it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.stage import Carrier, Paper, Script, Silence, queue, settle, until
from tests.core.world import message
from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.errors import (
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Message, Part, Submitted
from voipsms.store.entries import Doubt, Fail, Postpone, Reroute, Start, Take
from voipsms.values import replace

FIRST, SECOND = GatewayId(50), GatewayId(51)


class Lines:
    """Two gateways; what the first can't send, the second may."""

    def __init__(self, script: Script, room: int = 10, cut: int = 1, **settings: object) -> None:
        self.paper = Paper()
        self.asked: list[frozenset[GatewayId]] = []
        self.first_carrier, self.second_carrier = Carrier(script, room, cut), Carrier(lambda part: Submitted("b"))
        self.second = queue(self.second_carrier, self.paper)
        made = GatewaySettings(name="first", retrydelay=0.01, **settings)  # type: ignore[arg-type]
        self.first = GatewayQueue(FIRST, made, self.first_carrier, self.paper, Silence(), lambda: 10**15, self.reroute)

    def reroute(self, outgoing: Outgoing) -> tuple[GatewayQueue, Message] | None:
        tried = outgoing.tried | {outgoing.message.gateway_id}
        self.asked.append(tried)
        return None if SECOND in tried else (self.second, replace(outgoing.message, gateway_id=SECOND))

    def wrote(self) -> list[str]:
        return [type(entry).__name__ for entry in self.paper.entries]


def always(error: Callable[[], SubmitError]) -> Script:
    return lambda part: error()


ELSEWHERE = {
    "refused here alone": (lambda: RefusedHere("no such sender"), ["Reroute", "Start", "Take"]),
    "down": (lambda: GatewayDown("refused"), ["Reroute", "Start", "Take"]),
    "fails twice": (lambda: SubmitFailed("busy"), ["Postpone", "Start", "Reroute", "Start", "Take"]),
}


@pytest.mark.parametrize("error, wrote", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_elsewhere(error: Callable[[], SubmitError], wrote: list[str]) -> None:
    lines = Lines(always(error), retries=2)
    assert lines.first.reserve(1)
    lines.first.add(Outgoing(message()), reserved=True)
    await until(lambda: bool(lines.second_carrier.seen))
    await settle()
    assert lines.wrote() == wrote
    take = lines.paper.entries[-1]
    assert isinstance(take, Take)
    assert take.message.gateway_id == SECOND
    assert (len(lines.first), len(lines.second)) == (0, 0)


HERE = {
    "refused for good": (lambda: SubmitRefused("no such number"), Fail),
    "no answer": (lambda: OutcomeUnknown("timed out"), Doubt),
    "throttled": (lambda: Throttled("slow", retry_after=60), Postpone),
}


@pytest.mark.parametrize("error, kind", HERE.values(), ids=HERE)
async def test_not_elsewhere(error: Callable[[], SubmitError], kind: type[Fail]) -> None:
    lines = Lines(always(error), on_unknown="wait")
    lines.first.reserve(1)
    lines.first.add(Outgoing(message()), reserved=True)
    await until(lambda: bool(lines.paper.of(kind)))
    assert lines.second_carrier.seen == []
    await lines.first.drain(0)


async def test_one_of_whose_parts_was_taken_stays() -> None:
    def script(part: Part) -> Submitted | SubmitError:
        return Submitted("a") if part.number == 1 else RefusedHere("no")

    lines = Lines(script, cut=2)
    lines.first.add(Outgoing(message()))
    await until(lambda: bool(lines.paper.of(Fail)))
    assert lines.asked == []


async def test_what_waits_for_a_gateway_that_is_down_goes_elsewhere() -> None:
    lines = Lines(always(lambda: GatewayDown("down")), room=0)
    lines.first.add(Outgoing(message(1)))
    assert lines.wrote() == []
    lines.first_carrier.ready = False
    lines.first.add(Outgoing(message(2)))
    await until(lambda: len(lines.second_carrier.seen) == 2)
    assert len(lines.first) == 0


async def test_what_was_about_to_leave_goes_elsewhere_too() -> None:
    lines = Lines(lambda part: None, room=1, tps=0.01)
    lines.first.add(Outgoing(message(1)))
    lines.first.add(Outgoing(message(2)))
    await until(lambda: len(lines.paper.of(Start)) == 1)
    lines.first_carrier.room, lines.first_carrier.ready = 5, False
    lines.first.pump()
    await until(lambda: lines.second_carrier.seen == [(2, 1)])
    assert isinstance(lines.paper.of(Reroute)[0], Reroute)


async def test_nowhere_to_go() -> None:
    lines = Lines(always(lambda: RefusedHere("no")))
    outgoing = Outgoing(message(), tried=frozenset({SECOND}))
    lines.first.add(outgoing)
    await until(lambda: bool(lines.paper.of(Fail)))
    assert lines.asked == [frozenset({FIRST, SECOND})]
