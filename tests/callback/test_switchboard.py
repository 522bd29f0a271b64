"""The switchboard: what it refuses, whose turn it is, and that every call it took is closed once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.callback.exchange import (
    BUSY,
    FORBIDDEN,
    HER,
    HIM,
    SILENT,
    TALKS,
    Bill,
    Exchange,
    directory,
    plan,
    settings,
)
from tests.callback.script import CAMPAIGN
from tests.peers.ports import free_port
from tests.smpp.rig import until
from voipsms import metrics
from voipsms.callback import switchboard as module
from voipsms.callback import wire
from voipsms.callback.callers import Callers
from voipsms.callback.pair import Lines
from voipsms.callback.plan import Plan, Way
from voipsms.callback.switchboard import Switchboard
from voipsms.errors import (
    CalledJustNow,
    CallingAlready,
    NoCredit,
    NotCalled,
    Refused,
    StoreError,
    TooManyCalls,
    Unavailable,
)
from voipsms.settings import CallbackSettings


@asynccontextmanager
async def board(lines: Lines, bill: Bill, **values: object) -> AsyncIterator[Switchboard]:
    config = settings(**values)
    made = Switchboard(lines, bill, directory(), lambda: config, CAMPAIGN)
    try:
        yield made
    finally:
        await made.close()
        assert (made.running(), made.waiting()) == (0, 0)


# -- single calls


@pytest.mark.parametrize(
    ("first", "second", "reasons"),
    [
        (HER, HIM, f"{HER}, {HIM}"),
        (BUSY, HIM, f"{BUSY} busy"),
        (HER, BUSY, f"{HER}, {BUSY} busy"),
    ],
    ids=["talk", "first busy", "second busy"],
)
async def test_phone_to_phone(first: str, second: str, reasons: str) -> None:
    exchange, bill = Exchange(), Bill()
    async with board(exchange, bill) as made:
        await made.call(plan(1, first, second))
        if second == BUSY:
            await until(lambda: exchange.rooms and isinstance(exchange.rooms[0].orders[-1], wire.Play))
            await until(lambda: "goodbye" in exchange.rooms[0].orders[-1].files)  # type: ignore[union-attr]
            exchange.rooms[0].tell(wire.Played(1, exchange.rooms[0].orders[-1].token))  # type: ignore[union-attr]
        await until(lambda: bill.closed)
        assert bill.reasons() == {1: reasons}
        assert exchange.rooms[0].released
        await until(lambda: made.running() == 0)
    assert bill.opened[0][1] == (first, second)


async def test_the_menu() -> None:
    exchange, bill = Exchange(), Bill()
    async with board(exchange, bill) as made:
        await made.call(plan(second=None))
        await until(lambda: exchange.rooms and exchange.rooms[0].orders[1:])
        room = exchange.rooms[0]
        for digit in f"00{HIM}#":
            room.tell(wire.Digit(1, digit, "rfc4733"))
        await until(lambda: isinstance(room.orders[-1], wire.Play) and "another_number" in room.orders[-1].files)
        for digit in f"00{FORBIDDEN}#":
            room.tell(wire.Digit(1, digit, "rfc4733"))
        await until(lambda: isinstance(room.orders[-1], wire.Play) and "not_allowed" in room.orders[-1].files)
        room.end(1)
        await until(lambda: bill.closed)
    assert [numbers for _, numbers in bill.opened] == [(HER,), (HER, HIM)]
    assert bill.heard == [HER, HIM]
    assert bill.reasons() == {1: f"{HER}, {HIM}"}


async def test_credit_that_cannot_be_prolonged() -> None:
    class Poor(Bill):
        async def extend(self, plan: Plan) -> int:
            raise StoreError

    exchange, bill = Exchange(holds=True), Poor(seconds=0)
    async with board(exchange, bill) as made:
        await made.call(plan())
        await until(lambda: bill.closed)
    assert bill.reasons() == {1: f"{HER} no_credit, {HIM} no_credit"}


async def test_metrics() -> None:
    def counted(outcome: str) -> float:
        return metrics.registry.get_sample_value("voipsms_calls_total", {"outcome": outcome}) or 0.0

    before, bill = counted("busy"), Bill()
    async with board(Exchange(), bill) as made:
        await made.call(plan(1, BUSY))
        await until(lambda: bill.closed)
    assert counted("busy") == before + 1
    assert metrics.registry.get_sample_value("voipsms_calls_now") == 0


# -- what is refused


async def test_a_number_that_is_called_already() -> None:
    exchange, bill = Exchange(holds=True), Bill()
    async with board(exchange, bill) as made:
        await made.call(plan(1))
        for first, second in ((HER, None), (TALKS, HER), (TALKS, HIM), (TALKS, TALKS)):
            with pytest.raises(CallingAlready):
                await made.call(plan(2, first, second, user=2))
    assert list(bill.closed) == [1]


async def test_two_at_the_same_moment() -> None:
    bill = Bill()
    async with board(Exchange(), bill) as made:
        told = await asyncio.gather(made.call(plan(1)), made.call(plan(2)), return_exceptions=True)
        assert [type(one) for one in told] == [type(None), CallingAlready]


async def test_a_number_that_was_called_just_now() -> None:
    bill = Bill()
    async with board(Exchange(), bill, cooldown=60.0) as made:
        await made.call(plan(1))
        await until(lambda: bill.closed)
        with pytest.raises(CalledJustNow) as raised:
            await made.call(plan(2, TALKS, HIM))
        assert raised.value.retry_after in (60, 61)


async def test_numbers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COOLING", 4)
    bill = Bill()
    async with board(Exchange(), bill, cooldown=3600.0) as made:
        for number in range(10):
            await made.call(plan(number, f"3630100000{number}", f"3630200000{number}"))
            await until(lambda: number in bill.closed)  # noqa: B023 — it is waited for in the same turn
        with pytest.raises(CalledJustNow):
            await made.call(plan(10, "36301000009", None))
        await made.call(plan(10, "36301000001", None))


async def test_calls_of_one_user() -> None:
    exchange = Exchange(holds=True)
    async with board(exchange, Bill(), calls_each=2) as made:
        for number in range(2):
            await made.call(plan(number, f"3630100000{number}", None))
        with pytest.raises(TooManyCalls):
            await made.call(plan(3))
        await made.call(plan(4, user=2))


@pytest.mark.parametrize(
    ("first", "second", "refusal", "told"),
    [(FORBIDDEN, None, None, NotCalled), (HER, FORBIDDEN, None, NotCalled), (HER, HIM, NoCredit(), NoCredit)],
    ids=["first", "second", "no credit"],
)
async def test_what_the_bill_refuses(
    first: str, second: str | None, refusal: Refused | None, told: type[Refused]
) -> None:
    bill = Bill(refusal=refusal)
    async with board(Exchange(), bill, calls_each=1) as made:
        for _ in range(2):  # nothing of the first is left
            with pytest.raises(told):
                await made.call(plan(1, first, second))
        bill.refusal = None
        await made.call(plan(2))
    assert list(bill.closed) == [2]


# -- waiting


async def test_no_line() -> None:
    bill = Bill()
    async with board(Exchange(0), bill, wait=0.01) as made:
        await made.call(plan())
        await until(lambda: bill.closed)
    assert bill.reasons() == {1: f"{HER} no_line"}
    assert bill.closed[1][0][0].way == Way(f"sip:{HER}")


async def test_no_turn() -> None:
    exchange, bill = Exchange(holds=True), Bill()
    async with board(exchange, bill, calls=1, wait=0.05) as made:
        await made.call(plan(1))
        await made.call(plan(2, "36301000001", None))
        assert made.waiting() <= 1
        await until(lambda: bill.closed)
        assert bill.reasons() == {2: "36301000001 no_line"}
        assert exchange.dialled == [f"sip:{HER}", f"sip:{HIM}"]


async def test_a_line_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.01)
    exchange, bill = Exchange(0), Bill()
    async with board(exchange, bill) as made:
        await made.call(plan())
        await until(lambda: made.running())
        exchange.free = 1
        await until(lambda: bill.closed)
    assert bill.reasons() == {1: f"{HER}, {HIM}"}


async def test_a_thousand_texts() -> None:
    """Of ten users, of whom one has written nine hundred, before all others: nobody waits for all of those."""
    exchange, bill = Exchange(), Bill()
    users = [1] * 900 + [2 + number % 10 for number in range(100)]
    async with board(exchange, bill, calls=5, calls_each=1000) as made:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, user in enumerate(users):
            await made.call(plan(number, f"3630{user:02}{number:05}", f"3620{user:02}{number:05}", user=user))
        await until(lambda: len(bill.closed) == 1000)
        assert loop.time() - began < 5
    order = [int(uri[8:10]) for uri in exchange.dialled if uri.startswith("sip:3630")]
    last_of_others = max(place for place, user in enumerate(order) if user != 1)
    at_once = len([user for user in order[: order.index(2)] if user == 1])  # before the others had written
    assert last_of_others - at_once < 250
    assert exchange.least >= 1000 - 5
    assert set(bill.reasons()) == set(range(1000))
    assert all(room.released for room in exchange.rooms)


async def test_more_than_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    async with board(Exchange(0), Bill()) as made:
        for number in range(3):
            await made.call(plan(number, f"3630100000{number}", None))
        with pytest.raises(Unavailable):
            await made.call(plan(4))


# -- ends that nobody wants


async def test_closing() -> None:
    exchange, bill = Exchange(1, holds=True), Bill()
    async with board(exchange, bill, calls=2) as made:
        await made.call(plan(1))  # talks
        await until(lambda: exchange.rooms and isinstance(exchange.rooms[0].orders[-1], wire.Bridge))
        await made.call(plan(2, "36301000002", None))  # waits for a line
        await until(lambda: made.running() == 2)
        await made.call(plan(3, "36301000003", None))  # waits for its turn
    assert bill.reasons() == {
        1: f"{HER} shutdown, {HIM} shutdown", 2: "36301000002 shutdown", 3: "36301000003 shutdown",
    }  # fmt: skip
    with pytest.raises(Unavailable):
        await made.call(plan(4))


async def test_calls_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation gives them up by itself."""
    monkeypatch.setattr("voipsms.callback.conversation.GRACE", 0.01)
    exchange, bill = Exchange(holds=True), Bill()
    async with board(exchange, bill) as made:
        await made.call(plan(1, SILENT))
        await until(lambda: exchange.dialled)
        exchange.rooms[0].there.clear()
    assert bill.reasons() == {1: f"{SILENT} shutdown"}


async def test_a_bill_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the gateway closes, what is asked is not waited for for ever."""
    monkeypatch.setattr(module, "END", 0.05)

    class Stuck(Bill):
        async def extend(self, plan: Plan) -> int:
            await asyncio.Event().wait()
            return 0

    exchange, bill = Exchange(holds=True), Stuck(seconds=30)
    async with board(exchange, bill) as made:
        await made.call(plan(1))
        await until(lambda: exchange.rooms and isinstance(exchange.rooms[0].orders[-1], wire.Bridge))
    assert bill.reasons() == {1: f"{HER} shutdown, {HIM} shutdown"}


async def test_a_fault_of_ours(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(Bill):
        async def extend(self, plan: Plan) -> int:
            raise RuntimeError("broken")

    exchange, bill = Exchange(holds=True), Broken(seconds=30)
    async with board(exchange, bill) as made:
        await made.call(plan(1))
        await until(lambda: exchange.rooms and isinstance(exchange.rooms[0].orders[-1], wire.Bridge))
        exchange.rooms[0].there.clear()  # the room is given back with its calls
        await until(lambda: bill.closed)
    assert bill.reasons() == {1: f"{HER}, {HIM}"}
    assert "a call has failed" in capfd.readouterr().err


# -- with real caller processes


@asynccontextmanager
async def callers() -> AsyncIterator[Callers]:
    made = Callers(CallbackSettings(rtp="30000-30999"), {}, bound="127.0.0.1")
    try:
        yield made
    finally:
        await made.close()


class Nowhere(Bill):
    """Every number leads where nobody listens, and that is said at once; or where nobody says anything."""

    def way(self, plan: Plan, number: str) -> Way:
        transport = "udp" if number == SILENT else "tcp"
        return Way(f"sip:{number}@127.0.0.1:{free_port()};transport={transport}")


async def test_nobody_listens() -> None:
    bill = Nowhere()
    async with callers() as lines, board(lines, bill) as made:
        await made.call(plan(1))
        await made.call(plan(2, "36301000002", None))
        await until(lambda: len(bill.closed) == 2)
    assert bill.reasons() == {1: f"{HER} failed", 2: "36301000002 failed"}
    assert bill.closed[1][0][0].code // 100 == 5


async def test_a_caller_that_dies() -> None:
    bill = Nowhere()
    async with callers() as lines, board(lines, bill) as made:
        await made.call(plan(1, SILENT))
        await until(lambda: lines.pids and made.running())
        await until(lambda: any(process.lines for process in lines._processes.values()))
        os.kill(lines.pids[0], signal.SIGKILL)
        await until(lambda: bill.closed)
        await made.call(plan(2))  # by another process
        await until(lambda: len(bill.closed) == 2)
    assert bill.reasons() == {1: f"{SILENT} caller_lost", 2: f"{HER} failed"}


async def test_closing_hangs_up() -> None:
    bill = Nowhere()
    async with callers() as lines:
        async with board(lines, bill) as made:
            await made.call(plan(1, SILENT))
            await until(lambda: any(process.lines for process in lines._processes.values()))
        assert bill.reasons() == {1: f"{SILENT} shutdown"}
