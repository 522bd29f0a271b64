"""Redeeming through the journal: what other parts of the program see of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.core.house import House, house
from tests.core.stage import Carrier
from tests.store.rig import CREDIT
from tests.store.rig import House as Shop
from voipsms.errors import Unavailable, WrongVoucher
from voipsms.model import Micros, UserId
from voipsms.store import vouchers
from voipsms.store.ids import now_millis
from voipsms.store.sqlite import SqliteEngine
from voipsms.store.vouchers import Voucher
from voipsms.vouchers import Vouchers

SECRET, CODE, ONE = b"s" * 32, "ABCD-EFGH-JKMN-PQRS", Micros(1_000_000)
ROUNDS = 20
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[list[tuple[House, Vouchers]]]:
    """Two processes on one database."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            at = await stack.enter_async_context(house(tmp_path, Carrier(lambda part: None)))
            found.append((at, Vouchers(at.journal, at.ids, SECRET)))
        yield found


def made(at: House, code: str = CODE) -> None:
    with at.db.transaction():
        vouchers.add(at.db, at.ids, SECRET, code, Voucher(ONE, "EUR", now_millis()), now_millis())


def alice(at: House) -> UserId:
    return at.directory.by_name["alice"].id


async def test_the_balance_is_known_at_once(two: list[tuple[House, Vouchers]]) -> None:
    (at, ours), (there, _) = two
    made(at)
    assert await ours.redeem("abcdefghjkmnpqrs", alice(at)) == ONE
    assert at.directory.by_name["alice"].balance == at.balance() == 2 * ONE
    assert await there.accounts.refresh()
    assert there.directory.by_name["alice"].balance == 2 * ONE


@pytest.mark.parametrize("code", [CODE, "", "x", "ABCD EFGH", "' OR 1=1 --", "\ud800ABCDEF", "A" * 5000])
async def test_wrong_ones_are_told_alike(two: list[tuple[House, Vouchers]], code: str) -> None:
    (at, ours), _ = two
    with pytest.raises(WrongVoucher, match=r"^The voucher is not valid$"):
        await ours.redeem(code, alice(at))
    assert at.balance() == ONE


async def test_two_at_once(two: list[tuple[House, Vouchers]]) -> None:
    codes = [f"VOUCHER{n:03d}" for n in range(ROUNDS)]
    for code in codes:
        made(two[0][0], code)
    for code in codes:
        told = await asyncio.gather(*(ours.redeem(code, alice(at)) for at, ours in two), return_exceptions=True)
        assert sorted(map(str, told)) == [str(ONE), "The voucher is not valid"]
    assert two[0][0].balance() == (1 + ROUNDS) * ONE
    assert two[0][0].db.read("wrong_balances") == []


async def test_not_now(two: list[tuple[House, Vouchers]]) -> None:
    (at, ours), _ = two
    made(at)
    await at.journal.close()
    with pytest.raises(Unavailable):
        await ours.redeem(CODE, alice(at))
    assert at.balance() == ONE


def test_two_programs_at_once(tmp_path: Path) -> None:
    """Processes of their own, each told a code as soon as both have answered for the one before."""
    at = Shop(SqliteEngine(tmp_path / "voipsms.db", 10.0))
    hashes = [vouchers.digest(SECRET, f"VOUCHER{n:03d}") for n in range(50)]
    with at.db.transaction():
        for n in range(50):
            vouchers.add(at.db, at.ids, SECRET, f"VOUCHER{n:03d}", Voucher(ONE, "EUR", now_millis()), now_millis())
    programs = [program(tmp_path / "voipsms.db", node, at.users["alice"]) for node in (501, 502)]
    assert [answer(one) for one in programs] == ["ready"] * 2
    for hashed in hashes:
        for one in programs:
            say(one, hashed)
        assert sorted(map(answer, programs)) == ["lost", "won"]
    for one in programs:
        one.communicate(timeout=10)
    assert at.balance() == CREDIT + 50 * ONE
    at.check()
    at.close()


def program(file: Path, node: int, user: UserId) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.redeemer", str(file), str(node), str(user)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say(one: subprocess.Popen[str], line: str) -> None:
    assert one.stdin is not None
    one.stdin.write(line + "\n")
    one.stdin.flush()


def answer(one: subprocess.Popen[str]) -> str:
    assert one.stdout is not None
    return one.stdout.readline().strip()
