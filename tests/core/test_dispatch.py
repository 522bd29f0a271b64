import asyncio
from collections.abc import Callable

import pytest

from tests.core.stage import Carrier, Paper, Script, queue, settle, until
from tests.core.world import message
from voipsms.allowance import Allowance
from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused, Throttled
from voipsms.model import Part, State, Submitted
from voipsms.store.entries import Doubt, Entry, Fail, Postpone, Start, Take
from voipsms.store.ids import now_millis

OK = Submitted("abc")


def taken(part: Part) -> Submitted:
    return OK


def first(error: SubmitError, then: Script = taken) -> Script:
    """The error once for each part, then what `then` says."""
    met: set[tuple[int, int]] = set()

    def script(part: Part) -> Submitted | SubmitError | None:
        place = (part.message.id, part.number)
        if place in met:
            return then(part)
        met.add(place)
        return error

    return script


def always(error: Callable[[], SubmitError]) -> Script:
    return lambda part: error()


def shape(entries: list[Entry]) -> list[str]:
    return [type(entry).__name__ for entry in entries]


async def test_a_reserved_message_leaves_without_another_commit() -> None:
    carrier, paper = Carrier(taken), Paper()
    line = queue(carrier, paper)
    assert line.reserve(1)
    line.add(Outgoing(message()), reserved=True)
    await settle()
    assert carrier.seen == [(1, 1)]
    assert shape(paper.entries) == ["Take"]
    assert len(line) == 0


async def test_nothing_is_submitted_before_its_start_is_written() -> None:
    carrier, paper = Carrier(taken), Paper()
    paper.held = True
    line = queue(carrier, paper)
    line.add(Outgoing(message()))
    await settle()
    assert (carrier.seen, shape(paper.entries), len(line)) == ([], ["Start"], 1)
    paper.write()
    await settle()
    assert carrier.seen == [(1, 1)]


async def test_no_place_is_promised_twice() -> None:
    line = queue(Carrier(taken, room=3), Paper())
    assert [line.reserve(2), line.reserve(2), line.reserve(1)] == [True, False, True]
    line.release(2)
    assert line.reserve(2)


async def test_who_waits_already_goes_first() -> None:
    carrier, paper = Carrier(taken, room=0), Paper()
    line = queue(carrier, paper)
    line.add(Outgoing(message(1)))
    carrier.room = 5
    assert not line.reserve(1)
    line.pump()
    await settle()
    assert line.reserve(1)


async def test_oldest_first_within_the_window() -> None:
    carrier, paper = Carrier(lambda part: None, room=2), Paper()
    line = queue(carrier, paper)
    carrier.room = 0
    for number in (3, 1, 2):
        line.add(Outgoing(message(number)))
    carrier.room = 2
    line.pump()
    await settle()
    assert carrier.seen == [(1, 1), (2, 1)]
    carrier.open[1, 1].set_result(OK)
    await settle()
    assert carrier.seen == [(1, 1), (2, 1), (3, 1)]
    for place in ((2, 1), (3, 1)):
        carrier.open[place].set_result(OK)
    await settle()
    assert shape(paper.of(Take)) == ["Take"] * 3


async def test_all_parts_then_the_last_closes_the_message() -> None:
    carrier, paper = Carrier(taken, cut=3), Paper()
    queue(carrier, paper).add(Outgoing(message(parts=3)))
    await settle()
    assert [(e.part, e.total, e.last) for e in paper.entries if isinstance(e, Take)] == [
        (1, 3, False), (2, 3, False), (3, 3, True),
    ]  # fmt: skip


FINAL = [
    ("refused", always(lambda: SubmitRefused("bad number")), {}, State.REJECTED, "refused_by_provider", 1),
    ("temporary, once too often", always(lambda: SubmitFailed("busy")), {"retries": 1}, State.UNDELIVERABLE,
     "temporary_failure", 1),
    ("no answer, on_unknown=fail", always(lambda: OutcomeUnknown("lost")), {"on_unknown": "fail"}, State.UNKNOWN,
     "no_answer", 1),
]  # fmt: skip


@pytest.mark.parametrize("script, settings, state, reason, submits", [r[1:] for r in FINAL], ids=[r[0] for r in FINAL])
async def test_fails(script: Script, settings: dict[str, object], state: State, reason: str, submits: int) -> None:
    carrier, paper = Carrier(script), Paper()
    line = queue(carrier, paper, settings=settings)
    line.add(Outgoing(message()))
    await settle()
    assert len(carrier.seen) == submits
    assert [(e.state, e.reason) for e in paper.entries if isinstance(e, Fail)] == [(state, reason)]
    assert len(line) == 0


async def test_a_refused_part_keeps_the_others_here() -> None:
    carrier, paper = Carrier(lambda part: SubmitRefused("no") if part.number == 1 else None, room=2, cut=5), Paper()
    line = queue(carrier, paper)
    line.add(Outgoing(message(parts=5)))
    await settle()
    carrier.open[1, 2].set_result(OK)
    await settle()
    assert carrier.seen == [(1, 1), (1, 2)]
    assert shape(paper.entries) == ["Start", "Take", "Fail"]
    assert line._room() == 2


async def test_a_temporary_failure_is_tried_again_later() -> None:
    carrier, paper = Carrier(first(SubmitFailed("busy", retry_after=0.01))), Paper()
    line = queue(carrier, paper)
    line.add(Outgoing(message()))
    await settle()
    assert shape(paper.entries) == ["Start", "Postpone"]
    assert [e.attempt for e in paper.entries if isinstance(e, Postpone)] == [2]
    await until(lambda: bool(paper.of(Take)))
    assert shape(paper.entries) == ["Start", "Postpone", "Start", "Take"]
    assert [e.attempt for e in paper.of(Take)] == [2]  # type: ignore[union-attr]


async def test_a_throttled_gateway_rests_and_keeps_its_order() -> None:
    carrier, paper = Carrier(first(Throttled("slow down", retry_after=0.03)), room=1), Paper()
    line = queue(carrier, paper)
    for number in (1, 2):
        line.add(Outgoing(message(number)))
    await settle()
    assert carrier.seen == [(1, 1)]
    await until(lambda: len(paper.of(Take)) == 2)
    assert [number for number, _ in carrier.seen] == [1, 1, 2, 2]
    assert {e.attempt for e in paper.of(Take)} == {1}  # type: ignore[union-attr]


async def test_a_gateway_that_is_down_is_not_asked_again_at_once() -> None:
    carrier, paper = Carrier(always(lambda: GatewayDown("refused"))), Paper()
    line = queue(carrier, paper)
    line.add(Outgoing(message()))
    await settle()
    assert len(carrier.seen) == 1
    assert len(line) == 1
    assert shape(paper.entries) == ["Start", "Postpone"]
    await line.drain(0)


DOUBTS = [
    ("resend, once", "resend", 2, ["Start", "Postpone", "Start", "Doubt"]),
    ("wait", "wait", 1, ["Start", "Doubt"]),
]


@pytest.mark.parametrize("policy, submits, written", [r[1:] for r in DOUBTS], ids=[r[0] for r in DOUBTS])
async def test_without_an_answer(policy: str, submits: int, written: list[str]) -> None:
    carrier, paper = Carrier(always(lambda: OutcomeUnknown("silence"))), Paper()
    line = queue(carrier, paper, settings={"on_unknown": policy})
    line.add(Outgoing(message()))
    await settle()
    assert len(carrier.seen) == submits
    assert shape(paper.entries) == written
    assert len(line) == 0


async def test_found_in_doubt_after_a_crash() -> None:
    carrier, paper = Carrier(taken), Paper()
    queue(carrier, paper, settings={"on_unknown": "resend"}).in_doubt(Outgoing(message()))
    queue(carrier, paper, settings={"on_unknown": "wait"}).in_doubt(Outgoing(message(2)))
    await settle()
    assert carrier.seen == [(1, 1)]
    assert [e.message.id for e in paper.of(Doubt)] == [2]  # type: ignore[union-attr]


async def test_too_old_to_be_sent() -> None:
    carrier, paper = Carrier(taken), Paper()
    queue(carrier, paper, expire=0).add(Outgoing(message(created=1)))
    await settle()
    assert carrier.seen == []
    assert [(e.state, e.reason) for e in paper.entries if isinstance(e, Fail)] == [(State.EXPIRED, "expired")]


@pytest.mark.parametrize(
    ("age", "valid", "sent"),
    [(30, 60, True), (90, 60, False), (90, 86_400, True), (400, 86_400, False), (90, 0, True)],
    ids=["within its time", "after its time", "more than others", "no more than others", "no time of its own"],
)
async def test_a_time_of_its_own(age: int, valid: int, sent: bool) -> None:
    """Others have 300 s."""
    carrier, paper = Carrier(taken), Paper()
    queue(carrier, paper, expire=300_000).add(Outgoing(message(created=now_millis() - age * 1000, valid=valid)))
    await settle()
    assert (carrier.seen != []) is sent
    assert [e.reason for e in paper.entries if isinstance(e, Fail)] == ["expired"] * (not sent)


@pytest.mark.parametrize(
    ("valid", "seconds"), [(0, 7200), (60, 660), (86_400, 7200)], ids=["none", "its own", "no more than others"]
)
async def test_how_long_a_receipt_is_waited_for(valid: int, seconds: int) -> None:
    """Ten minutes after the message's own time, two hours at the most."""
    paper = Paper()
    queue(Carrier(taken), paper, expire=7_200_000).add(Outgoing(message(created=now_millis(), valid=valid)))
    await settle()
    (take,) = [entry for entry in paper.entries if isinstance(entry, Take)]
    assert abs(take.expires - now_millis() - seconds * 1000) < 5000


async def test_rests_while_the_store_is_away() -> None:
    carrier, paper = Carrier(taken), Paper()
    paper.works = False
    line = queue(carrier, paper)
    line.add(Outgoing(message()))
    await settle()
    assert (carrier.seen, paper.entries) == ([], [])
    paper.works = True
    line.pump()
    await settle()
    assert carrier.seen == [(1, 1)]
    await line.drain(0)


async def test_drain_gives_back_what_has_not_left() -> None:
    carrier, paper = Carrier(lambda part: None, room=1), Paper()
    line = queue(carrier, paper)
    for number in (1, 2, 3):
        line.add(Outgoing(message(number)))
    await settle()
    stop = asyncio.create_task(line.drain(5))
    await settle()
    carrier.open[1, 1].set_result(OK)
    left = await stop
    assert sorted(outgoing.message.id for outgoing in left) == [2, 3]
    assert carrier.seen == [(1, 1)]
    assert shape(paper.of(Take)) == ["Take"]


async def test_what_comes_after_the_end_goes_on() -> None:
    carrier, paper, moved = Carrier(taken), Paper(), list[Outgoing]()
    line = queue(carrier, paper)
    assert await line.drain(0, moved.append) == []
    late = Outgoing(message())
    line.add(late, reserved=True)
    await settle()
    assert (moved, carrier.seen) == ([late], [])


async def test_lapse_leaves_only_what_is_still_ours() -> None:
    carrier, paper = Carrier(taken, room=0), Paper()
    line = queue(carrier, paper)
    for number in (1, 2, 3):
        line.add(Outgoing(message(number)))
    line.resume_later(Outgoing(message(4)), message(4).created)
    line.retain({2})
    carrier.room = 5
    line.pump()
    await settle()
    assert carrier.seen == [(2, 1)]
    assert len(line) == 0


async def waiting_sender(line: GatewayQueue) -> Outgoing:
    outgoing = Outgoing(message(), answered=asyncio.get_running_loop().create_future())
    line.add(outgoing)
    await settle()
    return outgoing


NOT_NOW = [
    ("throttled", lambda: Throttled("full")),
    ("down", lambda: GatewayDown("gone")),
    ("busy", lambda: SubmitFailed("busy")),
]


@pytest.mark.parametrize("error", [r[1] for r in NOT_NOW], ids=[r[0] for r in NOT_NOW])
async def test_whose_sender_waits_is_not_sent_later(error: Callable[[], SubmitError]) -> None:
    carrier, paper = Carrier(first(error())), Paper()
    line = queue(carrier, paper)
    outgoing = await waiting_sender(line)
    assert outgoing.answered is not None
    assert isinstance(outgoing.answered.result(), type(error()))
    assert shape(paper.entries) == ["Start", "Fail"]
    assert len(line) == 0
    await line.drain(0)


async def test_withdrawn_before_it_left() -> None:
    carrier, paper = Carrier(taken, room=0), Paper()
    line = queue(carrier, paper)
    outgoing = await waiting_sender(line)
    assert line.withdraw(outgoing)
    assert not line.withdraw(outgoing)
    carrier.room = 1
    line.pump()
    await settle()
    assert carrier.seen == []
    assert shape(paper.entries) == ["Fail"]


async def test_a_started_message_is_written_once() -> None:
    carrier, paper = Carrier(taken), Paper()
    queue(carrier, paper).add(Outgoing(message()))
    await settle()
    assert [e.attempts for e in paper.entries if isinstance(e, Start)] == [((1, 1),)]


RATES = [(0.0, 10, 10), (1.0, 10, 1), (10.0, 10, 1)]  # a second, asked at once, allowed


@pytest.mark.parametrize("tps, asked, allowed", RATES)
def test_rate(tps: float, asked: int, allowed: int) -> None:
    allowance = Allowance(tps)
    assert sum(allowance.take(100.0) for _ in range(asked)) == allowed
    assert tps == 0 or 0 < allowance.wait(100.0) <= 1 / tps


def test_rate_over_time() -> None:
    allowance = Allowance(50)
    assert sum(allowance.take(100 + n / 1000) for n in range(2000)) == pytest.approx(100, abs=2)


async def test_a_connector_that_fails_by_its_own_fault_fails_its_message_alone() -> None:
    def script(part: Part) -> Submitted:
        if part.message.id == 1:
            raise ZeroDivisionError
        return OK

    paper = Paper()
    line = queue(Carrier(script), paper, settings={"on_unknown": "fail"})
    line.add(Outgoing(message(1)))
    line.add(Outgoing(message(2)))
    await settle()
    [fail], [take] = paper.of(Fail), paper.of(Take)
    assert isinstance(fail, Fail)
    assert isinstance(take, Take)
    assert (fail.message.id, fail.state, fail.comment) == (1, State.UNKNOWN, "A fault of this program")
    assert take.message.id == 2
