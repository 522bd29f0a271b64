"""A gateway's fitness, and what its queue makes of it: paused, at its cap, taken out after faults and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.core.stage import Carrier, Paper, Script, Silence, queue, settle, until
from tests.core.test_reroute import FIRST, Lines
from tests.core.world import message
from voipsms import fitness as of_fitness
from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.fitness import PAUSES, Fitness
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import State, Submitted
from voipsms.store.entries import Fail, Postpone, Reroute, Start, Take

OK = Submitted("a")


def faulty(times: int, most: int = 3) -> Fitness:
    fitness = Fitness(most=most)
    for _ in range(times):
        fitness.fault(0.0, "busy")
    return fitness


# -- alone


def test_faults_in_a_row_take_it_out() -> None:
    assert faulty(2).barred == ""
    assert faulty(3).barred == "3 faults in a row, the last one: busy"
    assert faulty(100, most=0).barred == ""


def test_a_success_between_them() -> None:
    fitness = faulty(2)
    fitness.success()
    fitness.fault(0.0, "busy")
    assert (fitness.barred, fitness.faults) == ("", 1)


def test_it_is_tried_again_after_growing_pauses() -> None:
    fitness, now, pauses = faulty(3), 0.0, []
    for _ in range(12):
        assert not fitness.look(now)
        pauses.append(fitness.wait(now))
        now += pauses[-1]
        assert fitness.look(now)
        assert (fitness.trial, fitness.why.startswith("tried again after")) == (True, True)
        fitness.fault(now, "still")
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    fitness.look(now + PAUSES[1])
    fitness.success()
    assert (fitness.hindered, fitness.why, fitness.faults) == (False, "", 0)
    for _ in range(3):
        fitness.fault(now, "anew")
    assert fitness.wait(now) == PAUSES[0]


def test_what_was_under_way_does_not_lengthen_the_pause() -> None:
    fitness = faulty(3)
    fitness.fault(0.5, "late")
    assert fitness.wait(0.5) == 0.5


def test_pauses_by_hand_outlast_everything() -> None:
    fitness = faulty(3)
    fitness.pause(True)
    assert fitness.barred == "paused by hand"
    assert not fitness.look(1000.0)
    fitness.configure(0, 3)
    assert fitness.paused
    fitness.pause(False)
    assert fitness.barred == ""


def test_the_cap() -> None:
    fitness = Fitness(cap=5)
    fitness.count(1, 2)
    assert [fitness.spend(2), fitness.spend(2)] == [True, False]
    assert (fitness.barred, fitness.sent, fitness.capped) == ("the cap of 5 parts a day is reached", 4, True)
    fitness.refund(2)
    assert (fitness.barred, fitness.sent) == ("", 2)
    assert fitness.spend(3)
    assert fitness.barred, "it is known before another message comes"
    fitness.count(2, 0)
    assert (fitness.barred, fitness.sent) == ("", 0)


def test_others_reach_the_cap() -> None:
    fitness = Fitness(cap=5)
    fitness.count(1, 5)
    assert fitness.capped
    fitness.configure(6, 0)
    fitness.count(1, 5)
    assert not fitness.capped


def test_no_cap_counts_all_the_same() -> None:
    fitness = Fitness()
    assert all(fitness.spend(1000) for _ in range(3))
    assert (fitness.sent, fitness.barred) == (3000, "")


# -- with a queue


def always(error: Callable[[], SubmitError]) -> Script:
    return lambda part: error()


async def test_paused_it_keeps_what_waits() -> None:
    carrier, paper = Carrier(lambda part: OK), Paper()
    line = queue(carrier, paper)
    line.fitness.pause(True)
    assert (line.usable, line.reserve(1)) == (False, False)
    line.add(Outgoing(message()))
    await settle()
    assert (carrier.seen, paper.entries, len(line)) == ([], [], 1)
    line.fitness.pause(False)
    line.pump()
    await settle()
    assert (carrier.seen, len(line)) == ([(1, 1)], 0)


async def test_paused_it_finishes_what_has_begun() -> None:
    carrier, paper = Carrier(lambda part: None if part.number == 1 else OK, room=1, cut=2), Paper()
    line = queue(carrier, paper)
    line.add(Outgoing(message(1)))
    await settle()
    assert carrier.seen == [(1, 1)]
    line.fitness.pause(True)
    line.add(Outgoing(message(2)))
    carrier.open[1, 1].set_result(OK)
    await settle()
    assert carrier.seen == [(1, 1), (1, 2)]
    assert len(paper.of(Take)) == 2
    assert len(line) == 1


async def test_paused_it_takes_back_what_had_been_promised() -> None:
    carrier, paper = Carrier(lambda part: OK, room=5), Paper()
    line = queue(carrier, paper, settings={"cap": 10})
    assert line.reserve(1)
    line.fitness.pause(True)
    line.add(Outgoing(message()), reserved=True)
    await settle()
    assert carrier.seen == []
    assert [type(entry) for entry in paper.entries] == [Postpone], "no longer marked as started"
    assert line.fitness.spent == 0
    line.fitness.pause(False)
    line.pump()
    await settle()
    assert (carrier.seen, line.fitness.spent) == ([(1, 1)], 1)
    assert line.reserve(4)


async def test_a_pause_sends_what_waits_elsewhere() -> None:
    lines = Lines(lambda part: OK, room=0)
    lines.first.add(Outgoing(message(1)))
    lines.first.fitness.pause(True)
    lines.first.pump()
    await until(lambda: lines.second_carrier.seen == [(1, 1)])
    assert len(lines.first) == 0


async def test_what_waits_too_long_for_a_paused_gateway_expires() -> None:
    paper = Paper()
    line = queue(Carrier(lambda part: OK), paper, expire=-(10**15))
    line.fitness.pause(True)
    line.add(Outgoing(message()))
    await settle()
    (fail,) = paper.of(Fail)
    assert isinstance(fail, Fail)
    assert (fail.state, len(line)) == (State.EXPIRED, 0)


async def test_the_cap_holds_for_parts() -> None:
    carrier, paper = Carrier(lambda part: OK), Paper()
    line = queue(carrier, paper, settings={"cap": 3})
    line.add(Outgoing(message(1, parts=2)))
    line.add(Outgoing(message(2, parts=2)))
    await settle()
    assert (carrier.seen, line.usable, line.fitness.spent) == ([(1, 1)], False, 2)
    line.fitness.count(1, 0)  # the next day
    line.pump()
    await settle()
    assert carrier.seen == [(1, 1), (2, 1)]


async def test_at_the_cap_others_send() -> None:
    lines = Lines(lambda part: OK, cap=1)
    for number in (1, 2, 3):
        lines.first.add(Outgoing(message(number)))
    await until(lambda: len(lines.second_carrier.seen) == 2)
    assert lines.first_carrier.seen == [(1, 1)]
    assert len(lines.paper.of(Reroute)) == 2


async def test_what_was_refused_is_no_part_of_the_cap() -> None:
    carrier = Carrier(always(lambda: SubmitRefused("no")))
    line = queue(carrier, Paper(), settings={"cap": 2})
    for number in range(5):
        line.add(Outgoing(message(number)))
        await settle()
    assert (len(carrier.seen), line.fitness.spent) == (5, 0)


COUNTED = {
    "failed": (lambda: SubmitFailed("busy"), True),
    "no answer": (lambda: OutcomeUnknown("timed out"), True),
    "down": (lambda: GatewayDown("gone"), True),
    "refused": (lambda: SubmitRefused("no such number"), False),
    "throttled": (lambda: Throttled("slow", retry_after=0.0), False),
}


@pytest.mark.parametrize("error, counts", COUNTED.values(), ids=COUNTED)
async def test_what_is_a_fault(error: Callable[[], SubmitError], counts: bool) -> None:
    answers = [error()]
    carrier = Carrier(lambda part: answers.pop() if answers else OK)
    line = queue(carrier, Paper(), settings={"faults": 1, "on_unknown": "fail", "retries": 1})
    line.add(Outgoing(message()))
    await until(lambda: bool(carrier.seen) and not line._tasks)
    assert bool(line.fitness.barred) is counts
    await line.drain(0)


async def test_faults_of_a_connector_that_knows_itself_are_its_own() -> None:
    carrier = Carrier(lambda part: None)
    line = queue(carrier, Paper(), settings={"faults": 1, "on_unknown": "fail"})
    line.add(Outgoing(message()))
    await settle()
    carrier.ready = False
    carrier.open[1, 1].set_exception(OutcomeUnknown("the session ended"))
    await settle()
    assert line.fitness.barred == ""


async def test_out_and_tried_with_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten leave and fail at once; then one at a time tries the gateway, and when one is taken, all follow."""
    monkeypatch.setattr(of_fitness, "PAUSES", (0.05, 0.1))
    carrier = Carrier(lambda part: SubmitFailed("busy") if len(carrier.seen) <= 10 else None)
    line = queue(carrier, Paper(), settings={"faults": 3, "retries": 100, "retrydelay": 0.01})
    for number in range(1, 11):
        line.add(Outgoing(message(number)))
    for tried in (11, 12):
        await until(lambda: len(carrier.seen) == tried)  # noqa: B023
        await settle()
        assert (len(carrier.seen), line.fitness.trial, line.usable) == (tried, True, False)
        carrier.open.pop(carrier.seen[-1]).set_exception(SubmitFailed("still"))
        await settle()
        assert line.fitness.barred.startswith(f"{tried} faults in a row, the last one: temporary_failure: still")
    await until(lambda: len(carrier.seen) == 13)
    carrier.open.pop(carrier.seen[-1]).set_result(OK)
    await until(lambda: len(carrier.seen) == 22)
    assert (line.fitness.hindered, line.usable) == (False, True)
    for answer in carrier.open.values():
        answer.set_result(OK)
    await settle()
    assert len(line) == 0


async def test_out_it_passes_on_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_fitness, "PAUSES", (60.0, 60.0))
    lines = Lines(always(lambda: SubmitFailed("busy")), room=2, faults=2)
    for number in range(1, 6):
        lines.first.add(Outgoing(message(number)))
    await until(lambda: len(lines.second_carrier.seen) == 5)
    assert len(lines.first_carrier.seen) == 2
    assert not lines.first.usable


async def test_on_trial_it_is_promised_one_message() -> None:
    carrier = Carrier(lambda part: None)
    fitness = faulty(1, most=1)
    line = GatewayQueue(
        FIRST, GatewaySettings(name="first"), carrier, Paper(), Silence(), lambda: 10**15, fitness=fitness
    )
    assert not line.usable
    fitness.look(PAUSES[0])
    assert (line.usable, line.reserve(1), line.usable, line.reserve(1)) == (True, True, False, False)
    line.add(Outgoing(message(1)), reserved=True)
    line.add(Outgoing(message(2)))
    await settle()
    assert carrier.seen == [(1, 1)]
    carrier.open[1, 1].set_result(OK)
    await until(lambda: len(carrier.seen) == 2)
    carrier.open[2, 1].set_result(OK)
    await settle()
    assert len(line) == 0


async def test_a_refusal_on_trial_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.dispatch.TRIAL", 0.01)
    answers: list[Submitted | SubmitError] = [OK, SubmitRefused("no")]
    carrier = Carrier(lambda part: answers.pop())
    fitness = faulty(1, most=1)
    line = GatewayQueue(
        FIRST, GatewaySettings(name="first"), carrier, Paper(), Silence(), lambda: 10**15, fitness=fitness
    )
    line.add(Outgoing(message(1)))
    line.add(Outgoing(message(2)))
    fitness.look(PAUSES[0])
    line.pump()
    await until(lambda: len(carrier.seen) == 2)
    await settle()
    assert (fitness.hindered, len(line)) == (False, 0)


async def test_what_was_not_started_costs_nothing() -> None:
    carrier, paper = Carrier(lambda part: OK, room=1), Paper()
    line = queue(carrier, paper, settings={"cap": 9})
    assert line.reserve(1)
    line.release(1)
    assert line.fitness.spent == 0
    paper.held = True
    line.add(Outgoing(message()))
    assert (len(paper.of(Start)), line.fitness.spent) == (1, 1)
    paper.waiting[0].set_exception(OSError("no"))
    paper.waiting.clear()
    await asyncio.sleep(0)
    carrier.room = 0
    await settle()
    assert line.fitness.spent == len(paper.waiting)
