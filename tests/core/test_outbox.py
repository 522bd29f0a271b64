"""The outbox on a real journal and SQLite file, with a carrier that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core import house, stage
from voipsms import outbox as module
from voipsms.carriers.port import Carrier, NotCarried, Recipient
from voipsms.held import Held
from voipsms.lanes import Lanes, line_of
from voipsms.model import Channel, Delivery, DeliveryId, Message, MessageId, Millis, Reach, State, Subject, UserId
from voipsms.outbox import Outbox
from voipsms.rate_guard import MINUTE, RateGuard
from voipsms.settings import GlobalSettings
from voipsms.store.entries import Fail, Post
from voipsms.store.ids import now_millis
from voipsms.store.outbox import row_of
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine

from .world import message, submission

HOUR = 3_600_000
LATER = 3600.0  # seconds


class Bearer:
    """`texts` are those that arrived; `says` is what becomes of one: words, a NotCarried, or an event to wait for."""

    def __init__(self, says: Callable[[Delivery], str | NotCarried | asyncio.Event] = lambda one: "200 OK") -> None:
        self.says = says
        self.texts: list[str] = []
        self.tried: list[Delivery] = []
        self.to: list[Recipient] = []
        self.pauses: list[float | None] = []  # after each attempt; 0 where there are no more
        self.closed = False

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        self.tried.append(delivery)
        self.to.append(to)
        said = self.says(delivery)
        if isinstance(said, asyncio.Event):
            await said.wait()
            said = "200 OK"
        if isinstance(said, NotCarried):
            raise said
        self.texts.append(delivery.text)
        return said

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        return self.pauses[delivery.attempt - 1] if delivery.attempt <= len(self.pauses) else 0.0

    async def close(self) -> None:
        self.closed = True


class Office:
    def __init__(self, own: house.House, reader: Reader, carriers: dict[Channel, Carrier], **limits: Any) -> None:
        self.house = own
        self.reader = reader
        self.user = own.directory.by_name["alice"].id
        self.outbox = Outbox(own.journal, reader, own.directory, own.ids.node, carriers, GlobalSettings, **limits)

    def delivery(self, text: str = "Hi", **fields: Any) -> Delivery:
        wanted: dict[str, Any] = {
            "id": DeliveryId(self.house.ids.next()), "message_id": MessageId(0), "user_id": self.user,
            "channel": Channel.CHAT, "subject": Subject.TEXT, "source": "36301112233", "target": house.NUMBER,
            "text": text, "created": now_millis(), "expires": Millis(now_millis() + HOUR),
        }  # fmt: skip
        return Delivery(**wanted | fields)

    async def post(self, *texts: str, **fields: Any) -> None:
        await self.outbox.post([self.delivery(text, **fields) for text in texts])

    def rows(self, columns: str = "text, node, stage, attempt, error") -> list[tuple[Any, ...]]:
        return self.house.rows("tb_outbox", columns)

    async def gone(self) -> None:
        """Waits until the table is empty."""
        await stage.until(lambda: not self.rows())


@asynccontextmanager
async def office(
    folder: Path, carriers: dict[Channel, Carrier], *, looks: bool = True, **limits: int
) -> AsyncIterator[Office]:
    """`looks`: what waits in the table is fetched, too."""
    async with house.house(folder, stage.Carrier(lambda part: None)) as own:
        reader = Reader(SqliteEngine(folder / "house.db", 0.2))
        made = Office(own, reader, carriers, **limits)
        running = asyncio.create_task(made.outbox.run()) if looks else None
        try:
            yield made
        finally:
            if running is not None:
                running.cancel()
                await asyncio.wait([running])
            await made.outbox.close()
            reader.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the table all the time."""
    for name, seconds in {"LOOK": 0.01, "HELD": 0.02, "REST": 0.01}.items():
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(module, "FULL", 20)


async def test_it_is_carried_at_once_and_leaves_the_table(tmp_path: Path) -> None:
    bearer = Bearer()
    async with office(tmp_path, {Channel.CHAT: bearer}, looks=False) as at:
        at.house.directory.by_id[at.user].reach = Reach(chat="alice-phone")
        await at.post("one")
        await at.gone()
        assert bearer.texts == ["one"]
        assert bearer.to == [Recipient("alice", Reach(chat="alice-phone"))]
        assert len(at.outbox) == 0
    assert bearer.closed


async def test_handed_over_twice_it_is_carried_once(tmp_path: Path) -> None:
    bearer = Bearer()
    async with office(tmp_path, {Channel.CHAT: bearer}, looks=False) as at:
        made = at.delivery()
        await at.house.journal.append(Post((made,)))
        at.outbox.hand_over([made, made])
        at.outbox.hand_over([made])
        await at.gone()
        assert bearer.texts == ["Hi"]


async def test_not_now_is_tried_again_and_counts(tmp_path: Path) -> None:
    answers: Iterator[str | NotCarried] = iter([NotCarried("480"), NotCarried("503"), "200 OK"])
    bearer = Bearer(lambda one: next(answers))
    bearer.pauses = [0.0, 0.0]
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        await at.post("one")
        await at.gone()
        assert [one.attempt for one in bearer.tried] == [0, 1, 2]


ENDS: dict[str, tuple[NotCarried, list[float | None], int, tuple[int, int, str]]] = {
    # the answer, pauses, milliseconds until it expires; stage, attempts, error
    "lasting": (NotCarried("403", lasting=True), [LATER], HOUR, (1, 1, "403")),
    "attempts are used up": (NotCarried("500"), [0.0, None], HOUR, (1, 2, "500")),
    "its time is over": (NotCarried("500"), [LATER], 60, (1, 1, "its time was over")),
    "to be tried later": (NotCarried("480"), [LATER], HOUR, (0, 1, "480")),
    "the other end asks for time": (NotCarried("503", after=LATER), [0.0], HOUR * 2, (0, 1, "503")),
    "the other end is in a hurry": (NotCarried("503", after=0.0), [LATER], HOUR * 2, (0, 1, "503")),
}


@pytest.mark.parametrize("answer, pauses, lasts, expected", ENDS.values(), ids=ENDS)
async def test_an_attempt_that_fails(
    tmp_path: Path, answer: NotCarried, pauses: list[float | None], lasts: int, expected: tuple[int, int, str]
) -> None:
    bearer = Bearer(lambda one: answer)
    bearer.pauses = pauses
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        await at.post("one", expires=Millis(now_millis() + lasts))
        await stage.until(lambda: at.rows("node, stage, attempt, error") == [(0, *expected)])


@pytest.mark.parametrize("answer", [NotCarried("404"), NotCarried("403", lasting=True)], ids=["in time", "for good"])
async def test_another_channel_has_it_then(tmp_path: Path, answer: NotCarried) -> None:
    chat, mail = Bearer(lambda one: answer), Bearer()
    chat.pauses = [None]
    async with office(tmp_path, {Channel.CHAT: chat, Channel.MAIL: mail}, looks=False) as at:
        await at.post("one", otherwise=Channel.MAIL)
        await at.gone()
        (carried,) = mail.tried
        assert (carried.channel, carried.otherwise, carried.attempt) == (Channel.MAIL, None, 0)
        assert carried.expires > now_millis() + HOUR // 2


async def test_a_channel_that_is_not_set_up(tmp_path: Path) -> None:
    mail = Bearer()
    async with office(tmp_path, {Channel.MAIL: mail}, looks=False) as at:
        await at.post("one", otherwise=Channel.MAIL)
        await at.post("two")
        await stage.until(lambda: mail.texts == ["one"] and len(at.rows()) == 1)
        assert at.rows() == [("two", 0, 1, 0, "chat is not set up here")]


async def test_a_user_who_is_no_more(tmp_path: Path) -> None:
    async with office(tmp_path, {Channel.CHAT: Bearer()}, looks=False) as at:
        await at.post("one", user_id=UserId(1))
        await stage.until(lambda: at.rows() == [("one", 0, 1, 0, "the user is no more")])


async def test_a_fault_of_ours_is_put_off(tmp_path: Path) -> None:
    def fault(one: Delivery) -> str:
        raise ZeroDivisionError

    async with office(tmp_path, {Channel.CHAT: Bearer(fault)}, looks=False) as at:
        await at.post("one")
        await stage.until(lambda: at.rows() == [("one", 0, 0, 0, "a fault of ours")])


async def test_what_can_not_go_holds_back_what_comes_after_it(tmp_path: Path) -> None:
    there = False
    bearer = Bearer(lambda one: "200 OK" if there or one.source != "1" else NotCarried("480"))
    bearer.pauses = [LATER]
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        await at.post("1a", "1b", source="1")
        await at.post("2a", source="2")
        await stage.until(lambda: [row[1] for row in at.rows()] == [0, 0])
        await at.post("1c", source="1")
        await stage.until(lambda: [row[1] for row in at.rows()] == [0, 0, 0])
        assert (bearer.texts, len(bearer.tried)) == (["2a"], 2)
        there = True
        at.outbox.wake(at.user)
        await at.gone()
        assert bearer.texts == ["2a", "1a", "1b", "1c"]


NAMES = {"name": "alice", "number": house.NUMBER, "with plus": f"+{house.NUMBER}", "chat address": "alice-phone"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_a_user_who_is_seen_gets_it_at_once(tmp_path: Path, name: str) -> None:
    answers = iter([NotCarried("480")])
    bearer = Bearer(lambda one: next(answers, "200 OK"))
    bearer.pauses = [LATER]
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        at.house.directory.by_id[at.user].reach = Reach(chat="alice-phone")
        await at.post("one")
        await stage.until(lambda: [row[1] for row in at.rows()] == [0])
        at.outbox.seen("bob")
        await stage.until(lambda: "alice-phone" in at.outbox._chats)
        at.outbox.seen(name)
        await at.gone()
        assert bearer.texts == ["one"]


async def test_a_user_who_is_seen_twice_gets_it_at_the_second_time(tmp_path: Path) -> None:
    """As a phone that writes, and registers before its rest is over."""
    answers = iter([NotCarried("404"), NotCarried("404")])
    bearer = Bearer(lambda one: next(answers, "200 OK"))
    bearer.pauses = [LATER, LATER]
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        await at.post("one")
        await stage.until(lambda: [row[1] for row in at.rows()] == [0])
        at.outbox.wake(at.user)
        at.outbox.wake(at.user)
        await at.gone()
        assert bearer.texts == ["one"]


async def test_a_user_who_is_seen_while_it_fails_gets_it_soon(tmp_path: Path) -> None:
    """As a phone that registers from another address, while nobody answers at the old one."""

    def answer(one: Delivery) -> str | NotCarried:
        if len(bearer.tried) > 1:
            return "200 OK"
        at.outbox.seen("alice-phone")
        return NotCarried("408")

    bearer = Bearer(answer)
    bearer.pauses = [LATER]
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        at.house.directory.by_id[at.user].reach = Reach(chat="alice-phone")
        await at.post("one")
        await at.gone()
        assert bearer.texts == ["one"]


async def test_mail_is_not_woken(tmp_path: Path) -> None:
    bearer = Bearer(lambda one: NotCarried("no"))
    bearer.pauses = [LATER]
    async with office(tmp_path, {Channel.MAIL: bearer}, looks=False) as at:
        await at.post("one", channel=Channel.MAIL)
        await stage.until(lambda: [row[1] for row in at.rows()] == [0])
        at.outbox.wake(at.user)
        await at.house.journal.run(lambda db: None)
        assert len(bearer.tried) == 1


@pytest.mark.parametrize(
    "channel, most",
    [(Channel.CHAT, 8), (Channel.MAIL, 8), (Channel.WEBHOOK, 64), (Channel.LOG, 64)],
    ids=lambda value: str(value),
)
async def test_a_slow_user_holds_up_nobody(tmp_path: Path, channel: Channel, most: int) -> None:
    event = asyncio.Event()
    bearer = Bearer(lambda one: event if one.user_id != 4711 else "200 OK")
    async with office(tmp_path, {channel: bearer}, looks=False) as at:
        other = at.house.directory.by_id[UserId(4711)] = at.house.directory.by_id[at.user]
        assert other is not None
        await at.outbox.post([at.delivery(f"slow {n}", source=str(n), channel=channel) for n in range(100)])
        await at.post("quick", user_id=UserId(4711), channel=channel)
        await stage.until(lambda: bearer.texts == ["quick"])
        assert len(bearer.tried) == most + 1
        event.set()
        await at.gone()


async def test_memory_is_bounded_and_the_rest_waits_in_the_table(tmp_path: Path) -> None:
    event = asyncio.Event()
    bearer = Bearer(lambda one: event)
    async with office(tmp_path, {Channel.CHAT: bearer}, most=5, most_each=4, a_minute=1000) as at:
        await at.post(*map(str, range(30)), source="1")
        await stage.until(lambda: sum(row[1] == 0 for row in at.rows()) == 26)
        event.set()
        await at.gone()
        assert len(bearer.texts) == len(set(bearer.texts)) == 30
        assert len(at.outbox) == 0


@pytest.mark.parametrize("channel", [Channel.CHAT, Channel.MAIL])
async def test_too_many_a_minute_to_people_wait(tmp_path: Path, channel: Channel) -> None:
    bearer = Bearer()
    async with office(tmp_path, {channel: bearer}, a_minute=3) as at:
        await at.post(*map(str, range(10)), source="1", channel=channel)
        await at.post("another", source="2", channel=channel)
        await stage.until(lambda: [row[1] for row in at.rows()] == [0] * 7)
        assert sorted(bearer.texts) == ["0", "1", "2", "another"]
        assert {row[4] for row in at.rows()} == {"too many a minute from there", "waits for an earlier one"}


@pytest.mark.parametrize("channel", [Channel.WEBHOOK, Channel.LOG])
async def test_programs_are_told_at_once(tmp_path: Path, channel: Channel) -> None:
    bearer = Bearer()
    async with office(tmp_path, {channel: bearer}, a_minute=3) as at:
        await at.post(*map(str, range(10)), source="1", channel=channel)
        await at.gone()
        assert bearer.texts == [*map(str, range(10))]


async def test_what_another_process_left_is_taken_over(tmp_path: Path) -> None:
    bearer = Bearer()
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:

        def leave(db: Any) -> int:
            db.write("insert_node", node=77, holder="dead", lease=1, mark=0)
            return int(db.write_batch("insert_outbox", [row_of(at.delivery("left"), 77)]))

        await at.house.journal.run(leave)
        await at.gone()
        assert bearer.texts == ["left"]


async def test_after_a_lapse_what_waits_is_left_to_the_table(tmp_path: Path) -> None:
    event = asyncio.Event()
    bearer = Bearer(lambda one: event)
    async with office(tmp_path, {Channel.CHAT: bearer}, looks=False) as at:
        await at.post("one", "two", source="1")
        await stage.settle()
        at.outbox.lapsed()
        assert len(at.outbox) == 1
        event.set()
        await stage.until(lambda: [row[0] for row in at.rows()] == ["two"])
        assert bearer.texts == ["one"]


async def test_nothing_is_carried_while_the_store_is_away(tmp_path: Path) -> None:
    bearer = Bearer()
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        made = at.delivery("one")
        await at.house.journal.append(Post((made,)))
        at.house.journal.problem = "the disk is full"
        at.outbox.hand_over([made])
        await stage.settle()
        assert bearer.tried == []
        at.house.journal.problem = ""
        await at.gone()
        assert bearer.texts == ["one"]


async def test_what_is_under_way_at_the_end_is_finished(tmp_path: Path) -> None:
    event = asyncio.Event()
    bearer = Bearer(lambda one: event)
    async with office(tmp_path, {Channel.CHAT: bearer}, looks=False) as at:
        await at.post("one", "two", source="1")
        closing = asyncio.create_task(at.outbox.close())
        await stage.settle()
        event.set()
        await closing
        await stage.until(lambda: [row[0] for row in at.rows()] == ["two"])
        assert bearer.texts == ["one"]


async def test_a_message_that_fails_is_told_to_its_phone(tmp_path: Path) -> None:
    bearer = Bearer()
    async with office(tmp_path, {Channel.CHAT: bearer}) as at:
        await stage.until(lambda: at.house.journal.asked is not None)
        await at.house.intake.submit(submission(door="sip", sender=house.NUMBER))
        (row,) = at.house.rows("tb_messages", "id, user_id, gateway_id")
        await at.house.journal.append(Fail(written(row), State.REJECTED, "rejected", ""))
        await stage.until(lambda: bool(bearer.texts))
        assert bearer.texts == ['Your message to +36201112233 was not delivered: it was refused: "Hi"']


def written(row: tuple[Any, ...]) -> Message:
    return message(row[0], user_id=row[1], gateway_id=row[2])


# -- who is next


def numbered(number: int, user: int = 1, source: str = "1") -> Delivery:
    return Delivery(
        id=DeliveryId(number), message_id=MessageId(0), user_id=UserId(user), channel=Channel.CHAT,
        subject=Subject.TEXT, source=source, target="2", text="", created=Millis(0), expires=Millis(1),
    )  # fmt: skip


def test_a_line_has_one_delivery_out() -> None:
    lanes = Lanes(10, 10)
    first, second = numbered(1), numbered(2)
    lanes.add(first)
    lanes.add(second)
    assert (lanes.next(), lanes.next()) == (first, None)
    lanes.done(line_of(first))
    assert (lanes.next(), lanes.next()) == (second, None)


def test_users_take_turns() -> None:
    lanes = Lanes(10, 2)
    for n in range(5):
        lanes.add(numbered(n, user=1, source=str(n)))
    lanes.add(numbered(9, user=2))
    out = [one for _ in range(6) if (one := lanes.next()) is not None]
    assert [one.id for one in out] == [0, 9, 1], "two of one user at a time"
    lanes.done(line_of(out[0]))
    following = lanes.next()
    assert following is not None
    assert following.id == 2


def test_only_so_many_at_once() -> None:
    lanes = Lanes(3, 3)
    made = [numbered(n, user=n) for n in range(5)]
    for one in made:
        lanes.add(one)
    assert [lanes.next() for _ in range(4)] == [*made[:3], None]
    lanes.done(line_of(made[1]))
    assert lanes.next() == made[3]


def test_what_waits_behind_can_be_taken_out() -> None:
    lanes = Lanes(3, 3)
    made = [numbered(n) for n in range(3)]
    for one in made:
        lanes.add(one)
    assert lanes.next() == made[0]
    assert lanes.clear(line_of(made[0])) == made[1:]
    lanes.done(line_of(made[0]))
    assert lanes.next() is None
    lanes.add(made[1])
    assert lanes.next() == made[1]


def test_all_that_waits_can_be_dropped() -> None:
    lanes = Lanes(2, 1)
    made = [numbered(1), numbered(2), numbered(3, source="2"), numbered(4, user=2)]
    for one in made:
        lanes.add(one)
    assert (lanes.next(), lanes.next()) == (made[0], made[3])
    assert lanes.drop() == made[1:3]
    for one in (made[0], made[3]):
        lanes.done(line_of(one))
    assert lanes.next() is None
    lanes.add(made[2])
    assert lanes.next() == made[2]


def test_the_guard_opens_again_after_a_minute() -> None:
    guard, pair = RateGuard(2), (UserId(1), "a")
    assert [guard.opens(pair, Millis(at)) for at in (1000, 1001, 1002, 1000 + MINUTE - 1)] == [1000, 1001] + [
        1000 + MINUTE
    ] * 2
    assert guard.opens((UserId(1), "b"), Millis(1003)) == 1003
    later = Millis(1005 + MINUTE)
    assert [guard.opens(pair, later) for _ in range(3)] == [later, later, later + MINUTE]


def test_the_guard_forgets_the_oldest() -> None:
    guard = RateGuard(1, pairs=2)
    for user in (1, 2, 3):
        assert guard.opens((UserId(user), "a"), Millis(10)) == 10
    assert guard.opens((UserId(1), "a"), Millis(10)) == 10
    assert guard.opens((UserId(3), "a"), Millis(10)) == 10 + MINUTE


# -- what waits in the table

CHAT_LINE, MAIL_LINE = (UserId(1), Channel.CHAT, "a"), (UserId(2), Channel.MAIL, "a")


def test_a_line_is_held_until_its_last_one_is_due() -> None:
    held = Held()
    held.hold(CHAT_LINE, Millis(50))
    held.release(CHAT_LINE, Millis(49))
    assert (held.until(CHAT_LINE), held.until(MAIL_LINE)) == (50, None)
    held.release(CHAT_LINE, Millis(50))
    assert held.until(CHAT_LINE) is None
    assert not held


def test_what_is_held_back_while_the_table_is_read_stays() -> None:
    held = Held()
    held.hold(CHAT_LINE, Millis(1))
    held.look()
    held.hold(MAIL_LINE, Millis(2))
    held.found({})
    assert (held.until(CHAT_LINE), held.until(MAIL_LINE), set(held.users)) == (None, 2, {UserId(2)})
    held.look()
    held.found({CHAT_LINE: Millis(3)})
    assert (held.until(CHAT_LINE), held.until(MAIL_LINE)) == (3, None)
    assert (held.has_chat(UserId(1)), held.has_chat(UserId(2)), held.has_chat(UserId(3))) == (True, False, False)


def test_what_is_released_while_the_table_is_read_is_not_new() -> None:
    held = Held()
    held.look()
    held.hold(CHAT_LINE, Millis(1))
    held.release(CHAT_LINE, Millis(1))
    held.found({})
    assert not held
