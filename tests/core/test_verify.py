"""What was taken unverified is asked for again before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.core.stage import Carrier, Paper, queue, settle, until
from tests.core.world import message
from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.errors import GatewayDown, SubmitError, SubmitFailed, SubmitRefused
from voipsms.model import Message, State, Submitted
from voipsms.store.entries import Confirm, Entry, Fail, Take

FIRST = Submitted("m1", State.ACCEPTED, "OK", unverified=True)


class Asked(Carrier):
    """Takes everything unverified, and says later what `said` is."""

    def __init__(self, said: Submitted | SubmitError | None, delay: float = 0.0) -> None:
        super().__init__(lambda part: FIRST)
        self.said, self.verify_delay = said, delay
        self.asked: list[tuple[int, str]] = []

    async def verify(self, message: Message, provider_id: str) -> Submitted:
        self.asked.append((message.id, provider_id))
        if self.said is None:
            await asyncio.Event().wait()
        if isinstance(self.said, SubmitError):
            raise self.said
        assert self.said is not None
        return self.said


def line_of(carrier: Carrier) -> tuple[GatewayQueue, Paper, Outgoing]:
    paper, outgoing = Paper(), Outgoing(message())
    line = queue(carrier, paper)
    outgoing.answered = asyncio.get_running_loop().create_future()
    line.reserve(1)
    line.add(outgoing, reserved=True)
    return line, paper, outgoing


def confirmed(comment: str) -> Callable[[Entry], bool]:
    return lambda entry: (
        isinstance(entry, Confirm) and entry.submitted.comment == comment and not entry.submitted.unverified
    )


def failed(state: State) -> Callable[[Entry], bool]:
    return lambda entry: isinstance(entry, Fail) and entry.state is state


@pytest.mark.parametrize(
    "said, is_right, told",
    [
        (Submitted("m1", State.ENROUTE, "SENT"), confirmed("SENT"), None),
        (SubmitRefused("no such number"), failed(State.REJECTED), SubmitRefused),
        (SubmitFailed("HTTP 500"), confirmed("OK; not verified: HTTP 500"), None),
        (GatewayDown("refused"), confirmed("OK; not verified: refused"), None),
    ],
    ids=["sent", "not sent", "no clear answer", "no answer"],
)
async def test_the_second_answer(
    said: Submitted | SubmitError, is_right: Callable[[Entry], bool], told: type[SubmitError] | None
) -> None:
    carrier = Asked(said)
    line, paper, outgoing = line_of(carrier)
    assert outgoing.answered is not None
    answer = await outgoing.answered
    assert (type(answer) if answer else None) is told
    assert carrier.asked == [(1, "m1")]
    take, settled = paper.entries
    assert isinstance(take, Take)
    assert take.submitted.unverified
    assert is_right(settled)
    assert len(line) == 0


async def test_a_stop_leaves_it_to_the_next_process() -> None:
    carrier = Asked(None)
    line, paper, outgoing = line_of(carrier)
    await until(lambda: bool(carrier.asked))
    assert len(line) == 1
    assert await line.drain(1) == [outgoing]
    assert outgoing.unverified == FIRST
    assert [type(entry) for entry in paper.entries] == [Take]


async def test_one_that_another_process_has_now_is_left_alone() -> None:
    carrier = Asked(Submitted("m1"), delay=0.01)
    line, paper, _ = line_of(carrier)
    await settle()
    line.retain(set())
    await until(lambda: bool(carrier.asked))
    await settle()
    assert [type(entry) for entry in paper.entries] == [Take]


async def test_a_gateway_that_can_not_be_asked_any_more_confirms() -> None:
    paper, outgoing = Paper(), Outgoing(message())
    line = queue(Carrier(lambda part: FIRST), paper)
    line.verify(outgoing, FIRST)
    await settle()
    [entry] = paper.entries
    assert confirmed("OK; not verified: the gateway has no smsverifyurl any more")(entry)
