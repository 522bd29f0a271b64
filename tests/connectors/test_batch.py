from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from voipsms.connectors.batch import Batches
from voipsms.errors import OutcomeUnknown, SubmitError, SubmitRefused
from voipsms.model import Submitted

LONG = 60.0  # seconds: no test waits for it


class Sent:
    """Takes what is sent: numbers; odd ones are refused. `hold`: until it is released."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def __call__(self, items: Sequence[int]) -> list[Submitted | SubmitError]:
        self.batches.append(list(items))
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        return [SubmitRefused(f"no {item}") if item % 2 else Submitted(f"id-{item}") for item in items]


async def outcomes(*asked: Awaitable[Submitted]) -> list[str]:
    found = await asyncio.gather(*asked, return_exceptions=True)
    return [one.provider_id if isinstance(one, Submitted) else str(one) for one in found]


async def test_a_full_batch_leaves_at_once_and_each_gets_its_own() -> None:
    sent = Sent()
    batches = Batches(3, LONG, sent)
    found = await outcomes(*(batches.submit("k", str(number), number) for number in range(6)))
    assert sent.batches == [[0, 1, 2], [3, 4, 5]]
    assert found == ["id-0", "no 1", "id-2", "no 3", "id-4", "no 5"]


async def test_a_batch_waits_no_longer_than_it_may() -> None:
    sent = Sent()
    batches = Batches(100, 0.02, sent)
    began = asyncio.get_running_loop().time()
    assert await outcomes(batches.submit("k", "0", 0), batches.submit("k", "2", 2)) == ["id-0", "id-2"]
    assert asyncio.get_running_loop().time() - began >= 0.015
    assert sent.batches == [[0, 2]]
    assert await outcomes(batches.submit("k", "4", 4)) == ["id-4"]


async def test_without_a_wait_what_comes_at_once_goes_together() -> None:
    sent = Sent()
    batches = Batches(100, 0.0, sent)
    await outcomes(*(batches.submit("k", str(number), number) for number in range(3)))
    assert sent.batches == [[0, 1, 2]]


async def test_different_requests_are_not_mixed() -> None:
    sent = Sent()
    batches = Batches(2, LONG, sent)
    asked = [batches.submit(number % 2, str(number), number) for number in range(4)]
    await outcomes(*asked)
    assert sorted(sent.batches) == [[0, 2], [1, 3]]


async def test_one_target_is_in_a_request_once() -> None:
    sent = Sent()
    batches = Batches(3, LONG, sent)
    asked = [batches.submit("k", target, number) for number, target in enumerate(["a", "b", "a", "b", "c"])]
    assert await outcomes(*asked) == ["id-0", "no 1", "id-2", "no 3", "id-4"]
    assert sent.batches == [[0, 1], [2, 3, 4]]


async def test_a_fault_is_everybody_s() -> None:
    async def fail(items: Sequence[int]) -> list[Submitted | SubmitError]:
        raise OutcomeUnknown("gone")

    batches = Batches(2, LONG, fail)
    assert await outcomes(*(batches.submit("k", str(number), number) for number in range(2))) == ["gone", "gone"]


async def test_who_gives_up_stops_no_other() -> None:
    sent = Sent()
    sent.hold = asyncio.Event()
    batches = Batches(2, LONG, sent)
    first, second = (asyncio.create_task(batches.submit("k", str(number), number)) for number in (0, 2))
    await sent.began.wait()
    first.cancel()
    await asyncio.wait([first])
    sent.hold.set()
    assert (await second).provider_id == "id-2"


async def test_closing_ends_what_is_left() -> None:
    sent = Sent()
    batches = Batches(2, LONG, sent)
    waiting = asyncio.create_task(batches.submit("k", "0", 0))
    await asyncio.sleep(0)
    await batches.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sent.batches == []
