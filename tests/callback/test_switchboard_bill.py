"""The switchboard with the real bill: whatever becomes of calls, balances are the sums of their ledgers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.callback.exchange import BUSY, Exchange
from tests.callback.script import CAMPAIGN
from tests.callback.test_billing import CREDIT, SECOND, TWO, desk
from tests.smpp.rig import until
from voipsms.callback import switchboard, wire
from voipsms.callback.plan import Plan
from voipsms.callback.switchboard import Switchboard
from voipsms.errors import NoCredit, NoPrice, Refused
from voipsms.model import Msisdn


async def test_calls_are_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One euro has room for seven pairs and a leg: what waits has its credit reserved, and gets it back."""
    monkeypatch.setattr(switchboard, "AGAIN", 0.01)
    async with AsyncExitStack() as stack:
        here = await desk(stack, tmp_path)
        here.config = replace(here.config, callback=replace(here.config.callback, calls_each=500))
        exchange = Exchange(0)
        board = Switchboard(exchange, here.billing, here.at.directory, lambda: here.config, CAMPAIGN)
        await board.call(here.plan(BUSY, None))
        plans = [here.plan(Msisdn(f"3630111000{number}"), Msisdn(f"3630222000{number}")) for number in range(10)]
        told = [await refusal(board, plan) for plan in plans]
        assert told == [None] * 7 + [NoCredit] * 3
        assert await refusal(board, here.plan(Msisdn("447771234567"), None)) is NoPrice
        assert here.at.balance() == 0
        exchange.free = 2
        await until(lambda: len(here.bill()) == 1 + 2 * 7)
        await board.close()
        assert here.proven()
        assert here.at.balance() >= CREDIT - 14 * SECOND
        assert sorted((row[-3], row[-2]) for row in here.bill())[-1] == ("UNDELIVERABLE", "busy")


async def refusal(board: Switchboard, plan: Plan) -> type[Refused] | None:
    try:
        await board.call(plan)
    except Refused as refused:
        return type(refused)
    return None


async def test_a_stop_in_the_middle(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        here = await desk(stack, tmp_path)
        exchange = Exchange(holds=True)
        board = Switchboard(exchange, here.billing, here.at.directory, lambda: here.config, CAMPAIGN)
        await board.call(here.plan())
        await until(lambda: exchange.rooms and isinstance(exchange.rooms[0].orders[-1], wire.Bridge))
        await board.close()
        assert here.proven()
        assert [row[-2] for row in here.bill()] == ["shutdown", "shutdown"]
        assert {row[4] for row in here.bill()} >= {TWO}
