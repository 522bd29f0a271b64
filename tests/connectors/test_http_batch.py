from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from urllib.parse import parse_qsl

import pytest

from tests.connectors.http_rig import Connect, Traced, Wakes, submit
from tests.connectors.provider import Provider
from voipsms.errors import GatewayDown, OutcomeUnknown, SubmitError
from voipsms.model import Submitted

ONE, TWO, THREE = "36301111111", "36302222222", "36303333333"


async def together(*asked: Awaitable[Submitted]) -> list[str]:
    """Ids, or the names of what was raised."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    for one in found:
        assert isinstance(one, Submitted | SubmitError), one
    return [one.provider_id if isinstance(one, Submitted) else type(one).__name__ for one in found]


def numbers(provider: Provider) -> list[str]:
    return [dict(parse_qsl(path.partition("?")[2]))["to"] for _, path, _, _ in provider.requests]


async def test_one_request_for_several_and_an_id_for_each(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("each?to=[tonum]&text=[message]"), smsbatch=3, smsbatchwait=9.0)
    assert connector.free() == 60
    assert await together(*(submit(connector, "a&b", target=target) for target in (ONE, TWO, THREE))) == [
        f"i-{ONE}", f"i-{TWO}", f"i-{THREE}"
    ]  # fmt: skip
    assert numbers(provider) == [f"{ONE},{TWO},{THREE}"]
    assert connector.free() == 60


async def test_who_is_refused_alone(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("each?to=[tonum]"), smsbatch=2, smsbatchwait=9.0, smsbatchseparator=";")
    assert await together(submit(connector, target=ONE), submit(connector, target="36309999999")) == [
        f"i-{ONE}", "SubmitRefused"
    ]  # fmt: skip
    assert numbers(provider) == [f"{ONE};36309999999"]


async def test_only_what_says_the_same_is_put_together(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("each?to=[tonum]&from=[fromnum]&t=[message]"), smsbatch=2, smsbatchwait=0.02)
    await together(
        submit(connector, "x", target=ONE), submit(connector, "y", target=TWO), submit(connector, "x", target=THREE),
        submit(connector, "x", target=TWO, sender="Other"), submit(connector, "x", target=ONE),
    )  # fmt: skip
    assert sorted(numbers(provider)) == [ONE, f"{ONE},{THREE}", TWO, TWO]


async def test_a_request_that_names_each_message_takes_one(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("each?to=[tonum]&n=[smscounter]"), smsbatch=5, smsbatchwait=0.0)
    await together(submit(connector, target=ONE), submit(connector, target=TWO))
    assert sorted(numbers(provider)) == [ONE, TWO]


@pytest.mark.parametrize(
    "path, outcome", [("fail", "SubmitRefused"), ("busy", "Throttled"), ("broken", "SubmitFailed"), ("ok", "")]
)
async def test_what_tells_nobody_apart_is_said_of_all(
    provider: Provider, connect: Connect, path: str, outcome: str
) -> None:
    connector = connect(provider.url(f"{path}?to=[tonum]"), smsbatch=2, smsbatchwait=9.0)
    assert await together(submit(connector, target=ONE), submit(connector, target=TWO)) == [outcome] * 2
    assert len(provider.requests) == 1


async def test_an_answer_that_never_came_is_unknown_for_all(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("hang?to=[tonum]"), smsbatch=2, smsbatchwait=9.0, timeout=0.2)
    found = await together(submit(connector, target=ONE), submit(connector, target=TWO))
    assert found == [OutcomeUnknown.__name__] * 2
    assert len(provider.requests) == 1


async def test_a_gateway_that_is_down_is_so_for_all(provider: Provider, connect: Connect) -> None:
    connector = connect(provider.url("ok?to=[tonum]"), smsbatch=2, smsbatchwait=9.0)
    await provider.stop()
    found = await together(submit(connector, target=ONE), submit(connector, target=TWO))
    assert found == [GatewayDown.__name__] * 2
    assert (connector.ready, connector.free()) == (False, 0)


async def test_requests_at_once_are_bounded(provider: Provider, connect: Connect, wakes: Wakes) -> None:
    """Whatever the texts: two connections carry four messages that can't be put together, two at a time."""
    connector = connect(provider.url("[message]?to=[tonum]"), smsbatch=2, smsbatchwait=0.0, connections=2, timeout=5.0)
    hanging = [asyncio.ensure_future(submit(connector, f"{number}/hang", target=ONE)) for number in range(4)]
    while len(provider.requests) < 2:
        await provider.arrived.wait()
        await asyncio.sleep(0)
    assert connector.free() == 0
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(provider.requests) == 2
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert (connector.free(), wakes.count) == (4, 1)


async def test_a_batch_is_logged_without_whole_numbers(provider: Provider, connect: Connect) -> None:
    traced = Traced()
    connector = connect(provider.url("each?to=[tonum]"), smsbatch=2, smsbatchwait=9.0, options={"trace": traced})
    await together(submit(connector, target=ONE), submit(connector, target=TWO))
    assert not any(target in str(traced.fields) for target in (ONE, TWO))
    assert "i-3630*****11" in str(traced.fields["answer"])
