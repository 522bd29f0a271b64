from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.connectors.messages import message
from tests.connectors.rig import Traces, Wakes, submit
from voipsms.connectors.null import NullConnector
from voipsms.errors import ConfigError, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, State, Submitted


def connect(url: str, **fields: int) -> NullConnector:
    settings = GatewaySettings(smsurl=url, **fields)  # type: ignore[arg-type]
    return NullConnector(GatewayId(2), settings, Wakes())


async def test_everything_is_taken() -> None:
    connector = connect("null:")
    await connector.probe()
    assert [await submit(connector) for _ in range(2)] == [
        Submitted("null-1", State.ACCEPTED, "null: taken"),
        Submitted("null-2", State.ACCEPTED, "null: taken"),
    ]
    assert (connector.ready, connector.last_error, connector.free()) == (True, "", 20)


@pytest.mark.parametrize(
    "share, error", [("error", SubmitFailed), ("unknown", OutcomeUnknown), ("refuse", SubmitRefused)]
)
async def test_a_share_of_one_is_everything(share: str, error: type[SubmitError]) -> None:
    with pytest.raises(error) as caught:
        await submit(connect(f"null:{share}=1"))
    assert type(caught.value) is error


async def test_shares() -> None:
    connector = connect("null:error=0.2;unknown=0.1;refuse=0.3;seed=7")
    found: Counter[str] = Counter()
    for _ in range(2000):
        try:
            await submit(connector)
            found["taken"] += 1
        except SubmitError as error:
            found[error.reason] += 1
    shares = {"temporary_failure": 0.2, "no_answer": 0.1, "refused_by_provider": 0.3, "taken": 0.4}
    assert {kind: round(count / 2000, 1) for kind, count in found.items()} == shares


async def test_delay_and_room() -> None:
    connector, loop = connect("null:delay=50", connections=2), asyncio.get_running_loop()
    began = loop.time()
    waiting = [asyncio.ensure_future(submit(connector)) for _ in range(2)]
    await asyncio.sleep(0)
    assert connector.free() == 0
    await asyncio.gather(*waiting)
    assert loop.time() - began >= 0.049
    assert connector.free() == 2


@pytest.mark.parametrize(
    "url, fault",
    [
        ("null:delay=x", r"\[global\] smsurl: delay: must be a number, not 'x'"),
        ("null:dellay=1", r"\[global\] smsurl: dellay: unknown key; did you mean 'delay'\?"),
        ("null:error=1.5", r"\[global\] smsurl: error: must be at least 0 and at most 1, not '1.5'"),
        ("null:error=0.6;refuse=0.6", r"error, unknown and refuse must be 1 at most together"),
        ("null:50", r"\[global\] smsurl: must be key=value"),
    ],
)
async def test_faults_stop_the_start(url: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        connect(url)


async def test_described_and_traced() -> None:
    traces = Traces()
    connector = NullConnector(GatewayId(2), GatewaySettings(smsurl="null:"), Wakes(), trace=traces)
    assert await connector.describe(message("hi")) == ["nothing leaves; null: from 36301234567 to 36209876543: hi"]
    await submit(connector, "secret text")
    (line,) = traces.lines
    assert line["request"] == "nothing leaves; null: from 3630*****67 to 3620*****43: *** (11)"
    assert line["answer"] == "null: taken"
