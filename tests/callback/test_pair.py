"""Whole conversations with the shipped campaign, caller processes and telephones; money is in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.callback.exchange import BUSY, HER, HIM, Bill, directory, plan, settings
from tests.callback.rig import pool
from tests.peers.telephone import TONES, Scripted, Telephone, loudest
from tests.smpp.rig import until
from voipsms.callback.campaign import read_campaign
from voipsms.callback.plan import Plan, Way
from voipsms.callback.switchboard import Switchboard

SAID_BY_HER, SAID_BY_HIM = 440, 1000
RINGBACK, BEEP = 425, 850


class Book(Bill):
    """Numbers are telephones."""

    def __init__(self, uris: dict[str, str], seconds: int = 600) -> None:
        super().__init__(seconds)
        self.uris = uris

    def way(self, plan: Plan, number: str) -> Way:
        return Way(self.uris[number])

    @property
    def times(self) -> list[int]:
        return [leg.seconds for leg in self.closed[1][0]]


@pytest.fixture
def her(tmp_path: Path) -> Iterator[Telephone]:
    with Telephone(tmp_path, "her", SAID_BY_HER) as telephone:
        yield telephone


@asynccontextmanager
async def calling(bill: Book, tmp_path: Path, second: str | None) -> AsyncIterator[None]:
    """One plan is carried out."""
    config = settings()
    async with pool() as lines:
        board = Switchboard(lines, bill, directory(), lambda: config, read_campaign("default", tmp_path))
        try:
            await board.call(plan(1, HER, second))
            yield
        finally:
            await board.close()


def hears(telephone: Telephone, frequency: int) -> bool:
    """A tone of the campaign, now."""
    return loudest(telephone.ear()[-1600:], (*TONES, frequency)) == frequency


async def hear_each_other(her: Telephone, him: Telephone) -> None:
    await until(lambda: (her.hears(), him.hears()) == (SAID_BY_HIM, SAID_BY_HER))


async def test_phone_to_phone(her: Telephone, tmp_path: Path) -> None:
    with Telephone(tmp_path, "him", SAID_BY_HIM, answers="manual") as him:
        bill = Book({HER: her.uri(), HIM: him.uri()})
        async with calling(bill, tmp_path, HIM):
            await until(lambda: him.told("CALL_INCOMING"))
            await until(lambda: hears(her, RINGBACK))
            him.answer()
            await hear_each_other(her, him)
            him.hang_up()
            await until(lambda: her.told("CALL_CLOSED"))
            await until(lambda: bill.closed)
        assert bill.reasons() == {1: f"{HER}, {HIM}"}
        assert bill.times[0] >= bill.times[1] >= 1


async def test_the_menu(her: Telephone, tmp_path: Path) -> None:
    with Telephone(tmp_path, "him", SAID_BY_HIM) as him, Scripted(tmp_path, "telephone-refuses", status=486) as busy:
        bill = Book({HER: her.uri(), HIM: him.uri(), BUSY: busy.uri()})
        async with calling(bill, tmp_path, None):
            await until(lambda: bill.heard == [HER])
            her.press(f"00{BUSY}#")
            await until(lambda: len(bill.opened) == 2)
            her.press(f"00{HIM}#")  # stops "The number is busy"
            await hear_each_other(her, him)
            him.hang_up()
            await until(lambda: him.told("CALL_CLOSED"))
            her.hang_up()
            await until(lambda: bill.closed)
    assert bill.reasons() == {1: f"{HER}, {BUSY} busy, {HIM}"}
    assert bill.heard == [HER, HIM]


async def test_a_warning(her: Telephone, tmp_path: Path) -> None:
    with Telephone(tmp_path, "him", SAID_BY_HIM) as him:
        bill = Book({HER: her.uri(), HIM: him.uri()}, seconds=31)
        async with calling(bill, tmp_path, HIM):
            await hear_each_other(her, him)
            await until(lambda: hears(her, BEEP))
            await hear_each_other(her, him)
        assert bill.reasons() == {1: f"{HER} shutdown, {HIM} shutdown"}
