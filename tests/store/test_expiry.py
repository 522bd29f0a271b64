"""Messages that don't arrive: one warning and one word of the end, on both engines, whatever process looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.store.diary import keeping
from tests.store.rig import House, failure, takes
from voipsms.directory import STATEMENTS, Directory
from voipsms.errors import StoreError
from voipsms.expiry import AT_ONCE, Expiry
from voipsms.model import Message, Millis, State
from voipsms.recovery import overdue
from voipsms.settings import GlobalSettings
from voipsms.store.entries import Accept
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.reach import change_reach
from voipsms.store.reader import Reader

MINUTE, HOUR = 60_000, 3_600_000
SETTINGS = GlobalSettings(smsexpire=120)  # so the warning comes after an hour
MAIL: dict[str, object] = {"mail": "alice@example.com"}


@dataclass
class Clock:
    ahead: int = 0  # milliseconds

    def __call__(self) -> Millis:
        return Millis(now_millis() + self.ahead)


@dataclass
class Watch:
    """One process that looks."""

    house: House
    journal: Journal
    reader: Reader
    clock: Clock
    settings: GlobalSettings

    def expiry(self) -> Expiry:
        directory = Directory()
        directory.load(*(self.house.db.read(name) for name in STATEMENTS))
        return Expiry(self.journal, self.reader, directory, self.house.ids, lambda: self.settings, self.clock)

    def told(self) -> list[tuple[str, str, str]]:
        """(channel, what, text)"""
        rows = self.house.rows("SELECT channel, fields, text FROM tb_outbox ORDER BY id")
        return [(channel, dict(json.loads(fields))["notice"], text) for channel, fields, text in rows]


@asynccontextmanager
async def watching(
    house: House, settings: GlobalSettings = SETTINGS, reach: dict[str, object] | None = None
) -> AsyncIterator[Watch]:
    with house.db.transaction():
        change_reach(house.db, "alice", MAIL if reach is None else reach)
    reader = Reader(house.engine)
    async with keeping(house) as (journal, _):
        try:
            yield Watch(house, journal, reader, Clock(), settings)
        finally:
            reader.close()


def lapse(house: House) -> None:
    with house.db.transaction():
        overdue(house.db, Millis(5_000_000_000_000))


async def test_a_warning_half_way_and_a_word_at_the_end(house: House) -> None:
    async with watching(house) as at:
        message, expiry = house.taken("1"), at.expiry()
        at.clock.ahead = HOUR - MINUTE
        await expiry.sweep()
        assert at.told() == []
        at.clock.ahead = HOUR + MINUTE
        for _ in range(3):
            await expiry.sweep()
        ((channel, what, text),) = at.told()
        assert (channel, what) == ("mail", "warning")
        assert text.startswith("Your message to +36301112233 is not delivered yet. It is tried until 2")
        assert text.endswith(" UTC.\n\nHello")
        lapse(house)
        for _ in range(3):
            await expiry.sweep()
        assert at.told()[1:] == [
            ("mail", "end", "Your message to +36301112233 may not have been delivered: no receipt has come.\n\nHello")
        ]
        assert house.rows("SELECT * FROM tb_warned") == []
        assert house.rows("SELECT message_id, user_id, source, target, node FROM tb_outbox")[1] == (
            message.id, house.users["alice"], "voipsms", "36301112233", 0,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "said"),
    [(State.EXPIRED, "was not delivered in time"), (State.UNDELIVERABLE, "was not delivered"),
     (State.REJECTED, "was not delivered"), (State.DELIVERED, "")],
)  # fmt: skip
async def test_ends(house: House, state: State, said: str) -> None:
    async with watching(house) as at:
        house.taken("1")
        expiry = at.expiry()
        at.clock.ahead = HOUR + MINUTE
        await expiry.sweep()
        house.hear("1", state)
        await expiry.sweep()
        ends = [text for _, what, text in at.told() if what == "end"]
        assert ends == ([f"Your message to +36301112233 {said}.\n\nHello"] if said else [])
        assert house.rows("SELECT * FROM tb_warned") == []


async def test_of_what_waits_for_a_provider_too(house: House) -> None:
    async with watching(house) as at:
        message, expiry = house.accepted(text=""), at.expiry()
        at.clock.ahead = HOUR + MINUTE
        await expiry.sweep()
        house.commit(failure(message, State.EXPIRED))
        await expiry.sweep()
        assert [what for _, what, _ in at.told()] == ["warning", "end"]
        assert at.told()[1][2] == "Your message to +36301112233 was not delivered in time."


async def test_what_arrives_in_time_is_not_spoken_of(house: House) -> None:
    async with watching(house) as at:
        house.taken("1")
        expiry = at.expiry()
        await expiry.sweep()
        house.hear("1")
        at.clock.ahead = 3 * HOUR
        await expiry.sweep()
        assert at.told() == []


async def test_once_across_processes_and_restarts(house: House) -> None:
    async with watching(house) as at:
        messages = [house.message() for _ in range(10)]
        house.commit(*(Accept(message, started=True) for message in messages))
        at.clock.ahead = HOUR + MINUTE
        await asyncio.gather(*(at.expiry().sweep() for _ in range(4)))
        await at.expiry().sweep()
        assert [what for _, what, _ in at.told()] == ["warning"] * 10
        house.commit(*(failure(message, State.EXPIRED) for message in messages))
        await asyncio.gather(*(at.expiry().sweep() for _ in range(4)))
        await at.expiry().sweep()
        assert [what for _, what, _ in at.told()] == ["warning"] * 10 + ["end"] * 10


async def test_many(house: House) -> None:
    count = 5 * AT_ONCE + 50
    async with watching(house, reach={"mail": "a@b.example", "route": 2}) as at:
        messages = [house.message(price=0) for _ in range(count)]
        house.commit(*(Accept(message, started=True) for message in messages))
        at.clock.ahead = HOUR + MINUTE
        expiry = at.expiry()
        await expiry.sweep()
        house.commit(*(failure(message, State.EXPIRED) for message in messages))
        await expiry.sweep()
        whats = [what for _, what, _ in at.told()]
        assert (whats.count("warning"), whats.count("end")) == (count, count)


# -- times of their own


def later(minutes: int) -> Millis:
    return Millis(now_millis() + minutes * MINUTE)


OWN: dict[str, tuple[dict[str, int], int, bool]] = {  # fields, minutes later, whether it is warned of
    "not half of its time": ({"valid": 600}, 4, False),
    "half of its time": ({"valid": 600}, 6, True),
    "more than others have": ({"valid": 86_400}, 59, False),
    "no more than others": ({"valid": 86_400}, 61, True),
    "for later": ({"due": 60}, 119, False),
    "half of the time after that": ({"due": 60}, 121, True),
    "for later, with a time": ({"due": 60, "valid": 600}, 64, False),
    "half of that": ({"due": 60, "valid": 600}, 66, True),
}


@pytest.mark.parametrize(("fields", "minutes", "warned"), OWN.values(), ids=OWN)
async def test_times_of_their_own(house: House, fields: dict[str, int], minutes: int, warned: bool) -> None:
    async with watching(house) as at:
        due = later(fields["due"]) if "due" in fields else 0
        house.accepted(due=due, valid=fields.get("valid", 0))
        expiry = at.expiry()
        await expiry.sweep()
        at.clock.ahead = minutes * MINUTE
        for _ in range(2):
            await expiry.sweep()
        assert [what for _, what, _ in at.told()] == ["warning"] * warned
        await at.expiry().sweep()
        assert len(at.told()) == warned


async def test_a_binary_message_has_the_common_time(house: House) -> None:
    async with watching(house) as at:
        house.accepted(text="", octets=b"\1\2")
        at.clock.ahead = HOUR + MINUTE
        await at.expiry().sweep()
        assert len(at.told()) == 1


async def test_a_store_that_is_away_meanwhile(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not written is tried again."""
    async with watching(house) as at:
        house.accepted()
        house.accepted(valid=600)
        at.clock.ahead = HOUR + MINUTE
        expiry = at.expiry()

        async def away(work: object) -> None:
            raise StoreError("away")

        with monkeypatch.context() as patched:
            patched.setattr(at.journal, "run", away)
            for _ in range(2):
                with pytest.raises(StoreError):
                    await expiry.sweep()
        await expiry.sweep()
        assert len(at.told()) == 2


# -- to whom


async def test_no_warning_is_wanted(house: House) -> None:
    async with watching(house, GlobalSettings(smsexpire=120, smswarn=0)) as at:
        message, expiry = house.accepted(), at.expiry()
        at.clock.ahead = HOUR + MINUTE
        await expiry.sweep()
        assert at.told() == []
        house.commit(failure(message, State.EXPIRED))
        await expiry.sweep()
        assert [what for _, what, _ in at.told()] == ["end"]


TOLD: dict[str, tuple[dict[str, object], State, list[str], list[str]]] = {  # reach, end, warned and told by
    "mail": (MAIL, State.EXPIRED, ["mail"], ["mail"]),
    "a phone, which hears of failures anyhow": ({}, State.EXPIRED, ["chat"], []),
    "a phone, of what nobody knows": ({}, State.UNKNOWN, ["chat"], ["chat"]),
    "a phone that hears of everything": ({"notify": "all"}, State.UNKNOWN, ["chat"], []),
    "a phone that wants to hear of nothing": ({"notify": "none"}, State.EXPIRED, [], []),
    "a program": ({"hook": "http://a.example/", "notify": "none"}, State.EXPIRED, ["webhook"], ["webhook"]),
    "a program that gets receipts": (
        {"hook": "http://a.example/", "notify": "none", "receipts": True}, State.EXPIRED, ["webhook"], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("reach", "state", "warned", "ended"), TOLD.values(), ids=TOLD)
async def test_who_is_told(
    house: House, reach: dict[str, object], state: State, warned: list[str], ended: list[str]
) -> None:
    async with watching(house, reach=reach) as at:
        message = house.accepted()
        expiry = at.expiry()
        at.clock.ahead = HOUR + MINUTE
        await expiry.sweep()
        _finish(house, message, state)
        await expiry.sweep()
        assert [channel for channel, what, _ in at.told() if what == "warning"] == warned
        assert [channel for channel, what, _ in at.told() if what == "end"] == ended


def _finish(house: House, message: Message, state: State) -> None:
    if state is State.UNKNOWN:
        house.commit(*takes(message, "1"))
        lapse(house)
    else:
        house.commit(failure(message, state))


@pytest.mark.parametrize(("user", "door"), [("admin", "sip"), ("alice", "rule"), ("alice", "auto"), ("alice", "alert")])
async def test_nobody_wrote_it(house: House, user: str, door: str) -> None:
    async with watching(house) as at:
        house.accepted(user, door=door)
        at.clock.ahead = HOUR + MINUTE
        await at.expiry().sweep()
        assert at.told() == []
        assert house.rows("SELECT * FROM tb_warned") == []
