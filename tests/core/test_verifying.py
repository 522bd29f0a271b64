"""Codes for sign-up: few, short-lived, right once; on a real database, in two processes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.core.house import NUMBER, House, house
from tests.core.stage import Carrier, until
from tests.core.test_opting_out import Clock, taken
from voipsms.errors import ImpossibleNumber, NotVerifying, TooManyCodes, Unavailable, WrongCode
from voipsms.settings import GlobalSettings
from voipsms.verifying import HOUR, MINUTE, Started, Verifying

PHONE, ADDRESS = "36201112233", "192.0.2.7"
SETTINGS = GlobalSettings(uauthverify="alice")


@dataclass
class Desk:
    at: House
    verifying: Verifying
    clock: Clock

    async def start(self, number: str = PHONE, address: str = ADDRESS) -> Started:
        return await self.verifying.start(number, address)

    async def is_right(self, code: str, number: str = PHONE) -> bool:
        try:
            await self.verifying.check(number, code, ADDRESS)
        except WrongCode:
            return False
        return True

    def code(self) -> str:
        """As the newest SMS says it."""
        text = self.at.rows("tb_messages", "id, text")[-1][1]
        found = re.fullmatch(r"Your code is ([0-9]{6})", text)
        assert found
        return found[1]

    def wrong(self) -> str:
        return f"{(int(self.code()) + 1) % 1_000_000:06}"


@asynccontextmanager
async def process(folder: Path, clock: Clock, settings: GlobalSettings = SETTINGS) -> AsyncIterator[Desk]:
    async with house(folder, Carrier(taken, room=1000), settings) as at:
        yield Desk(at, Verifying(at.intake, at.journal, b"shared secret", lambda: settings, clock), clock)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with process(tmp_path, Clock()) as desk:
        yield desk


async def test_right_once(desk: Desk) -> None:
    started = await desk.start()
    assert desk.at.rows("tb_messages", "door, sender, target") == [("auto", NUMBER, PHONE)]
    assert (desk.at.balance(), started.expires) == (950_000, desk.clock.now + 10 * MINUTE)
    assert [await desk.is_right(desk.code()) for _ in range(2)] == [True, False]


async def test_only_a_hash_is_kept(desk: Desk) -> None:
    await desk.start()
    (row,) = desk.at.rows("tb_codes")
    assert all(desk.code() not in str(column) for column in row if len(str(column)) < 60)
    other = Verifying(desk.at.intake, desk.at.journal, b"another secret", lambda: SETTINGS, desk.clock)
    with pytest.raises(WrongCode):
        await other.check(PHONE, desk.code(), ADDRESS)


async def test_equal_codes_have_other_hashes(desk: Desk) -> None:
    assert len({desk.verifying._hash(name, "123456") for name in ("a", "b")}) == 2


async def test_by_its_id(desk: Desk) -> None:
    started = await desk.start()
    with pytest.raises(WrongCode):
        await desk.verifying.check_id("0" * 32, desk.code(), ADDRESS)
    assert await desk.verifying.check_id(started.id, f" {desk.code()}\n", ADDRESS) == PHONE


async def test_few_tries(desk: Desk) -> None:
    await desk.start()
    assert [await desk.is_right(desk.wrong()) for _ in range(4)] == [False] * 4
    assert await desk.is_right(desk.code())
    await desk.start()
    assert [await desk.is_right(desk.wrong()) for _ in range(5)] == [False] * 5
    assert not await desk.is_right(desk.code())


@pytest.mark.parametrize("minutes, right", [(9.9, True), (10, False)])
async def test_a_short_life(desk: Desk, minutes: float, right: bool) -> None:
    await desk.start()
    desk.clock.pass_(round(minutes * MINUTE))
    assert await desk.is_right(desk.code()) is right


async def test_a_new_code_makes_the_old_one_void(desk: Desk) -> None:
    first = await desk.start()
    old = desk.code()
    desk.clock.pass_(1)
    await desk.start()
    with pytest.raises(WrongCode):
        await desk.verifying.check_id(first.id, old, ADDRESS)
    assert await desk.is_right(desk.code())


async def test_few_for_a_number(desk: Desk) -> None:
    for n in range(5):
        await desk.start(address=f"192.0.2.{n}")
    for spelled in (PHONE, f"+{PHONE}", "+36 20 111-2233"):
        with pytest.raises(TooManyCodes) as caught:
            await desk.start(spelled, "192.0.2.99")
        assert caught.value.retry_after == 3600
    await desk.start("36201112244")
    desk.clock.pass_(HOUR)
    await desk.start()


async def test_few_for_an_address(tmp_path: Path) -> None:
    async with process(tmp_path, Clock(), GlobalSettings(uauthverify="alice", uauthverify_each=1)) as desk:
        for n in range(10):
            await desk.start(f"3620111224{n}")
        with pytest.raises(TooManyCodes):
            await desk.start("36201112250")
        await desk.start("36201112250", "192.0.2.8")


CODES = ["", "1", "１２３４５６", "\ud800", "0" * 10_000, "' OR 1=1 --", "00000\x00"]


@pytest.mark.parametrize("code", CODES, ids=[ascii(code)[:20] for code in CODES])
async def test_what_is_no_code(desk: Desk, code: str) -> None:
    started = await desk.start()
    assert not await desk.is_right(code)
    with pytest.raises(WrongCode):
        await desk.verifying.check_id(started.id, code, ADDRESS)
    with pytest.raises(WrongCode):
        await desk.verifying.check_id(code, code, ADDRESS)


@pytest.mark.parametrize("number", ["", "1234", "BANK", "12", "\ud800", "9" * 500])
async def test_what_is_no_phone(desk: Desk, number: str) -> None:
    with pytest.raises(ImpossibleNumber):
        await desk.start(number)
    with pytest.raises(ImpossibleNumber):
        await desk.verifying.check(number, "123456", ADDRESS)


async def test_off(tmp_path: Path) -> None:
    async with process(tmp_path, Clock(), GlobalSettings()) as desk:
        for ask in (desk.start(), desk.is_right("123456"), desk.verifying.check_id("0" * 32, "123456", ADDRESS)):
            with pytest.raises(NotVerifying):
                await ask


async def test_who_has_opted_out_is_not_told_of(desk: Desk) -> None:
    with desk.at.db.transaction():
        desk.at.db.write("insert_optout", number=PHONE, sender=NUMBER, created=1)
        desk.at.db.write("bump_revision")
    await desk.at.accounts.refresh()
    await desk.start()
    assert desk.at.rows("tb_messages") == []


async def test_it_can_not_be_sent_now(desk: Desk) -> None:
    desk.at.intake.draining = True
    with pytest.raises(Unavailable):
        await desk.start()
    desk.at.intake.draining = False
    desk.at.journal.problem = "gone"
    with pytest.raises(Unavailable):
        await desk.start()
    with pytest.raises(Unavailable):
        await desk.is_right("123456")
    desk.at.journal.problem = ""


async def test_two_processes_count_together(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as one, process(tmp_path, clock) as two:
        started = await asyncio.gather(*(desk.start() for desk in (one, two) * 5), return_exceptions=True)
        assert sum(isinstance(answer, Started) for answer in started) == 5
        assert sum(isinstance(answer, TooManyCodes) for answer in started) == 5
        clock.pass_(HOUR)
        await two.start()
        code, wrong = one.code(), one.wrong()
        right = await asyncio.gather(*(desk.is_right(code) for desk in (one, two, one, two)))
        assert right.count(True) == 1
        await one.start()
        assert not any(await asyncio.gather(*(desk.is_right(wrong) for desk in (one, two) * 3)))
        assert not await one.is_right(one.code())


async def test_what_counts_no_more_is_forgotten(desk: Desk) -> None:
    await desk.start()
    assert await desk.verifying.forget() == 0
    desk.clock.pass_(HOUR + 11 * MINUTE)
    assert await desk.verifying.forget() == 1


async def test_its_text_is_forgotten_with_it_when_it_has_left(desk: Desk) -> None:
    await desk.start()
    (sent,) = desk.at.rows("tb_messages", "id, text")
    assert desk.at.rows("tb_options", "message_id, valid") == [(sent[0], 600)]
    await until(lambda: desk.at.rows("tb_messages", "state") == [("ACCEPTED",)])
    assert await desk.verifying.forget() == 0
    assert desk.code() in sent[1]
    desk.clock.pass_(HOUR + 11 * MINUTE)
    await desk.verifying.forget()
    assert desk.at.rows("tb_messages", "id, text") == [(sent[0], "")]


async def test_what_may_still_be_sent_is_not_blanked(desk: Desk) -> None:
    await desk.start()
    (sent,) = desk.at.rows("tb_messages", "id, text")
    await until(lambda: desk.at.rows("tb_messages", "state") == [("ACCEPTED",)])
    desk.at.db._connection.execute("INSERT INTO tb_queue VALUES (?, 0, 0, 1, 0)", sent[:1])
    desk.clock.pass_(HOUR + 11 * MINUTE)
    await desk.verifying.forget()
    assert desk.at.rows("tb_messages", "id, text") == [sent]


async def test_the_api_entry(desk: Desk) -> None:
    entry = desk.verifying.entry
    assert re.fullmatch(r"OK [0-9a-f]{32}", await entry({"to": PHONE, "address": "2001:db8::7"}, ADDRESS))
    assert desk.at.rows("tb_codes", "address") == [("2001:db8::7",)]
    wrong = {"to": PHONE, "code": desk.wrong()}
    assert await entry(wrong, ADDRESS) == "ERROR wrong_code The code is wrong or not valid any more"
    assert await entry({"bnum": PHONE, "code": desk.code()}, ADDRESS) == "OK"
    assert await entry({}, ADDRESS) == "ERROR impossible_number Not a possible phone number"
    assert await entry({"to": "36201112299", "code": "123456"}, ADDRESS) == await entry(wrong, ADDRESS)
