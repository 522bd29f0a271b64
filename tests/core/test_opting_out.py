"""STOP and what becomes of it, in one process and in two, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.core.house import NUMBER, House, house
from tests.core.stage import Carrier, until
from tests.core.world import message
from voipsms.automatic import Automatic
from voipsms.errors import NoCredit, OptedOut, StoreError
from voipsms.model import (
    Belongs,
    GatewayId,
    Incoming,
    MessageId,
    Micros,
    Millis,
    Msisdn,
    Part,
    State,
    Submission,
    Submitted,
    UserId,
    UserType,
)
from voipsms.opting_out import AGAIN, HOUR, OptingOut
from voipsms.settings import GlobalSettings
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.values import replace

PHONE, OTHER_PHONE, SECOND, CODE = "36201112233", "36201112244", "36201234568", "1234"
HOURS = 6 * HOUR
CONFIRMED = f"You will no longer receive messages from {NUMBER}."


@dataclass
class Clock:
    now: Millis = field(default_factory=now_millis)

    def __call__(self) -> Millis:
        return self.now

    def pass_(self, millis: int) -> None:
        self.now = Millis(self.now + millis)


@dataclass
class Desk:
    """One process. `say` is a phone, `write` an account."""

    at: House
    opting_out: OptingOut
    clock: Clock

    def user(self, name: str = "alice") -> UserId:
        return self.at.directory.by_name[name].id

    def heard(self, text: str, target: str = NUMBER, source: str = PHONE) -> Incoming:
        return Incoming(
            MessageId(self.at.ids.next()), self.clock.now, GatewayId(1), Msisdn(source), Msisdn(target), text
        )  # fmt: skip

    def own(self, number: str = NUMBER, user: str = "alice", keyword: str = "") -> Belongs:
        return Belongs(self.user(user), number, keyword)

    async def say(
        self, text: str, target: str = NUMBER, *, belongs: Belongs | None = None, source: str = PHONE
    ) -> None:
        await self.opting_out.take(self.heard(text, target, source), belongs or self.own(target))

    async def write(self, sender: str = NUMBER, user: str = "alice", target: str = PHONE, text: str = "Hi") -> None:
        """Raises Refused."""
        await self.at.intake.submit(Submission("test", (user,), sender, target, text))

    async def is_refused(self, sender: str = NUMBER, user: str = "alice", target: str = PHONE) -> bool:
        try:
            await self.write(sender, user, target)
        except OptedOut:
            return True
        return False

    def sent(self, door: str = "auto") -> list[tuple[str, str, str]]:
        rows = self.at.rows("tb_messages", "id, door, sender, target, text")
        return [(sender, target, text) for _, by, sender, target, text in rows if by == door]

    def waiting(self) -> int:
        return len(self.at.rows("tb_confirmations", "number"))


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ACCEPTED)


@asynccontextmanager
async def process(
    folder: Path, clock: Clock, settings: GlobalSettings | None = None, carrier: Carrier | None = None
) -> AsyncIterator[Desk]:
    """bob, who has no number, writes from what he says; alice has a second one."""
    settings = settings or GlobalSettings()
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(house(folder, carrier or Carrier(taken, room=1000), settings))
        if "bob" not in at.directory.by_name:
            with at.db.transaction():
                add_user(at.db, at.ids, NewUser("bob", UserType.ENDUSER, "EUR"), Micros(1_000_000))
                at.db.write("insert_number", number=SECOND, user_id=at.directory.by_name["alice"].id)
                at.db.write("bump_revision")
            await at.accounts.refresh()
        reader = Reader(at.db.engine)
        stack.callback(reader.close)
        automatic = Automatic(at.intake, at.directory, lambda: settings, clock=clock)
        opting_out = OptingOut(at.directory, at.journal, reader, automatic, at.ids, lambda: settings, clock)
        await opting_out.look()
        at.intake.confirms = opting_out.confirms
        yield Desk(at, opting_out, clock)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with process(tmp_path, Clock()) as desk:
        yield desk


# -- what is stopped


async def test_stop_and_what_is_still_sent(desk: Desk) -> None:
    await desk.say("Stop!")
    assert desk.at.rows("tb_optout", "number, sender") == [(PHONE, NUMBER)]
    await desk.write(text="You are off the list")  # the confirmation
    assert await desk.is_refused()
    assert not await desk.is_refused(target=OTHER_PHONE)
    assert not await desk.is_refused(SECOND)
    assert not await desk.is_refused("36205551234", "bob")


async def test_an_own_number_sends_nothing_whoever_uses_it(desk: Desk) -> None:
    await desk.say("STOP")
    assert await desk.is_refused(NUMBER, "bob")


async def test_a_number_that_several_use_is_stopped_for_one(desk: Desk) -> None:
    """Known by the reply window: alice was the last to write."""
    by_window = Belongs(desk.user(), "")
    desk.opting_out._settings = lambda: GlobalSettings(smsstop_confirm=0)
    await desk.say("STOP", CODE, belongs=by_window)
    with desk.at.db.transaction():
        desk.at.db.write("insert_number", number=CODE, user_id=desk.user())
        desk.at.db.write("bump_revision")
    await desk.at.accounts.refresh()
    assert desk.at.rows("tb_stops", "number, user_id, sender, keyword") == [(PHONE, desk.user(), CODE, "")]
    assert await desk.is_refused(CODE)
    assert not await desk.is_refused(CODE, "bob")
    await desk.say("hello", CODE, belongs=Belongs(desk.user("bob"), ""))
    assert await desk.is_refused(CODE), "it is bob whom that text welcomes"
    await desk.say("hello", CODE, belongs=Belongs(None))
    assert not await desk.is_refused(CODE), "since alice couldn't write, the window has passed"


@pytest.mark.parametrize("word", ["STOP ALL", "stop stop"])
async def test_all_numbers_of_an_account(desk: Desk, word: str) -> None:
    await desk.say(word)
    assert await desk.is_refused(SECOND)
    await desk.write()  # the confirmation, from the number that it was sent to
    assert await desk.is_refused()
    assert not await desk.is_refused("36205551234", "bob")
    await desk.say("I'm back", SECOND)
    assert not await desk.is_refused(SECOND)
    assert await desk.is_refused(), "which was stopped on its own"


async def test_nobodys_number(desk: Desk) -> None:
    await desk.say("STOP", "36205550000", belongs=Belongs(None))
    assert await desk.is_refused("36205550000", "bob")
    assert desk.waiting() == 0, "nobody to confirm it, or to pay for that"
    await desk.say("hello", "36205550000", belongs=Belongs(None))
    assert not await desk.is_refused("36205550000", "bob")


async def test_a_tagged_range_is_one_number(desk: Desk) -> None:
    belongs = Belongs(desk.user("bob"), "447771234567[0-99]")
    await desk.say("STOP", "44777123456712", belongs=belongs)
    assert desk.at.rows("tb_optout", "sender") == [("447771234567[0-99]",)]
    refused = desk.at.directory.is_opted_out
    senders = ("447771234567", "4477712345679", "44777123456799", "447771234567999", "44777123456", "447771234568")
    assert [refused(PHONE, sender, desk.user("bob")) for sender in senders] == [True, True, True, False, False, False]
    await desk.say("hi", "4477712345671", belongs=belongs)
    assert not refused(PHONE, "447771234567", desk.user("bob"))
    desk.clock.pass_(HOURS)
    await desk.opting_out.sweep()
    assert (desk.sent(), desk.waiting()) == ([], 0), "it was another number of the range that STOP went to"


SHARED: list[tuple[str, str, str, bool]] = [  # said with it, by keyword, and whether alice's are still refused
    ("its keyword", "fun hello", "fun", False),
    ("its keyword and STOP", "fun please stop", "fun", True),
    ("another keyword", "win hello", "win", True),
    ("no keyword", "hello", "", True),
]


@pytest.mark.parametrize("text, keyword, refused", [row[1:] for row in SHARED], ids=[row[0] for row in SHARED])
async def test_a_shared_code(desk: Desk, text: str, keyword: str, refused: bool) -> None:
    await desk.say("STOP fun", CODE, belongs=desk.own(CODE, keyword="fun"))
    assert desk.at.directory.is_opted_out(PHONE, CODE, desk.user())
    assert not desk.at.directory.is_opted_out(PHONE, CODE, desk.user("bob"))
    belongs = desk.own(CODE, "alice" if keyword else "bob", keyword)
    await desk.say(text, CODE, belongs=belongs)
    assert desk.at.directory.is_opted_out(PHONE, CODE, desk.user()) is refused


LIFTING = [
    ("hello", True),
    ("START", True),
    ("unstop", True),
    ("help", True),
    ("please stop that", False),
    ("See you at the end", False),
    ("QUIT", False),
    ("Undeliverable: Hi", False),
    (CONFIRMED, False),
]


@pytest.mark.parametrize("text, lifted", LIFTING, ids=[text for text, _ in LIFTING])
async def test_any_other_word_lifts_it(desk: Desk, text: str, lifted: bool) -> None:
    await desk.say("STOP")
    await desk.say("hello", source=OTHER_PHONE)
    assert desk.at.directory.is_opted_out(PHONE, NUMBER, desk.user())
    await desk.say(text)
    assert desk.at.directory.is_opted_out(PHONE, NUMBER, desk.user()) is not lifted
    assert desk.waiting() == int(not lifted)


async def test_what_the_operator_forbids_stays_forbidden(desk: Desk) -> None:
    with desk.at.db.transaction():
        desk.at.db.write("insert_optout", number=PHONE, sender="", created=1)
        desk.at.db.write("bump_revision")
    await desk.at.accounts.refresh()
    await desk.say("START")
    assert await desk.is_refused()
    assert desk.sent() == []


async def test_what_says_nothing_of_it(desk: Desk) -> None:
    await desk.say("stop", source="BANK")
    await desk.say("stop", source=CODE)
    await desk.say("")
    await desk.opting_out.take(replace(desk.heard("stop"), text="", octets=b"stop"), desk.own())
    assert desk.at.rows("tb_optout") == desk.at.rows("tb_stop_changes") == []


async def test_off(tmp_path: Path) -> None:
    async with process(tmp_path, Clock(), GlobalSettings(smsstop=False)) as desk:
        for text in ("STOP", "HELP", "START"):
            await desk.say(text)
        assert not await desk.is_refused()
        assert desk.sent() == []


async def test_nothing_is_known_that_is_not_written(desk: Desk) -> None:
    desk.at.journal.problem = "gone"
    with pytest.raises(StoreError):
        await desk.say("STOP")
    desk.at.journal.problem = ""
    assert not await desk.is_refused()


# -- the confirmation


async def test_ours_after_six_hours(desk: Desk) -> None:
    await desk.say("STOP")
    desk.clock.pass_(HOURS - 1)
    await desk.opting_out.sweep()
    assert desk.sent() == []
    desk.clock.pass_(1)
    for _ in range(3):
        await desk.opting_out.sweep()
    assert desk.sent() == [(NUMBER, PHONE, CONFIRMED)]
    assert (desk.waiting(), desk.at.balance()) == (0, 950_000)
    assert await desk.is_refused()


async def test_the_users_own_is_enough(desk: Desk) -> None:
    await desk.say("STOP")
    assert await desk.is_refused(SECOND) is False, "from another number it is no confirmation"
    await desk.write(text="Bye")
    desk.clock.pass_(HOURS)
    await desk.opting_out.sweep()
    assert desk.sent() == []
    assert (desk.waiting(), await desk.is_refused()) == (0, True)


async def test_one_of_many_at_once_confirms(desk: Desk) -> None:
    await desk.say("STOP")
    refused = await asyncio.gather(*(desk.is_refused() for _ in range(10)))
    assert refused.count(False) == 1


async def test_a_confirmation_that_came_to_nothing(desk: Desk) -> None:
    def credit(amount: int) -> None:
        desk.at.db.write("credit_user", id=desk.user(), amount=amount)

    await desk.say("STOP")
    credit(-1_000_000)
    with pytest.raises(NoCredit):  # as the commit finds
        await desk.write()
    credit(1_000_000)
    desk.at.db.write("bump_revision")
    assert await desk.is_refused(), "it may yet be under way"
    desk.clock.pass_(61_000)
    assert [await desk.is_refused() for _ in range(2)] == [False, True]


async def test_a_quote_is_no_confirmation(desk: Desk) -> None:
    await desk.say("STOP")
    with pytest.raises(OptedOut):
        await desk.at.intake.quote(Submission("test", ("alice",), NUMBER, PHONE, "Hi"))
    assert not await desk.is_refused()


async def test_too_late(desk: Desk) -> None:
    await desk.say("STOP")
    desk.clock.pass_(HOURS + 1)
    assert await desk.is_refused()


async def test_said_again_it_is_confirmed_once(desk: Desk) -> None:
    for text in ("STOP", "stop", "END"):
        await desk.say(text)
    desk.clock.pass_(HOURS)
    await desk.opting_out.sweep()
    await desk.say("STOP")
    desk.clock.pass_(HOURS)
    await desk.opting_out.sweep()
    assert len(desk.sent()) == 1


async def test_who_is_back_is_not_told_of_the_end(desk: Desk) -> None:
    await desk.say("STOP ALL")
    await desk.say("hello")
    desk.clock.pass_(HOURS)
    await desk.opting_out.sweep()
    assert desk.sent() == []
    for n in range(2):
        await desk.say("STOP")
        desk.clock.pass_(HOURS)
        await desk.opting_out.sweep()
        assert len(desk.sent()) == n + 1
        await desk.say("hello")


async def test_the_users_own_is_under_way_when_ours_is_due(desk: Desk) -> None:
    await desk.say("STOP")
    desk.clock.pass_(HOURS - 1)
    under_way = message(target=PHONE, sender=NUMBER, user_id=desk.user())
    assert await desk.opting_out.confirms(under_way)
    desk.clock.pass_(1)
    await desk.opting_out.sweep()
    assert (desk.sent(), desk.waiting()) == ([], 1)
    desk.clock.pass_(HOUR)  # it came to nothing
    await desk.opting_out.sweep()
    assert (len(desk.sent()), desk.waiting()) == (1, 0)


async def test_who_has_no_money_hears_of_the_opt_out(desk: Desk) -> None:
    await desk.say("STOP")
    desk.at.directory.by_name["alice"].balance = Micros(0)
    assert await desk.is_refused()


async def test_no_time_for_it(tmp_path: Path) -> None:
    async with process(tmp_path, Clock(), GlobalSettings(smsstop_confirm=0)) as desk:
        await desk.say("STOP")
        assert await desk.is_refused()
        assert desk.waiting() == 0


async def test_it_is_tried_again(desk: Desk) -> None:
    await desk.say("STOP")
    desk.clock.pass_(HOURS)
    desk.at.intake.draining = True
    await desk.opting_out.sweep()
    assert (desk.sent(), desk.waiting()) == ([], 1)
    desk.at.intake.draining = False
    desk.clock.pass_(AGAIN)
    await desk.opting_out.sweep()
    assert (len(desk.sent()), desk.waiting()) == (1, 0)


async def test_in_the_end_it_is_given_up(desk: Desk) -> None:
    await desk.say("STOP")
    desk.clock.pass_(HOURS)
    desk.at.intake.draining = True
    for _ in range(6):
        await desk.opting_out.sweep()
        desk.clock.pass_(AGAIN)
    assert (desk.sent(), desk.waiting()) == ([], 0)


# -- answers


async def test_start_and_help(desk: Desk) -> None:
    await desk.say("START")
    assert desk.sent() == [], "nothing was stopped"
    await desk.say("STOP")
    await desk.say("START")
    await desk.say("HELP")
    assert desk.sent() == [
        (NUMBER, PHONE, f"You will receive messages from {NUMBER} again. Send STOP to end them."),
        (NUMBER, PHONE, f"Messages from {NUMBER}: send STOP to end them, START to get them again."),
    ]
    assert not await desk.is_refused()


async def test_nobody_waits_for_the_provider_of_an_answer(tmp_path: Path) -> None:
    settings = GlobalSettings(smsthread=0, smstimeout=60)
    carrier = Carrier(lambda part: None)
    async with process(tmp_path, Clock(), settings, carrier) as desk, asyncio.timeout(5):
        await desk.say("HELP")
        assert len(desk.sent()) == 1
        await until(lambda: bool(carrier.open))
        for answer in carrier.open.values():
            answer.set_result(Submitted("p", State.ACCEPTED))


async def test_an_answer_that_comes_back_is_not_answered(desk: Desk) -> None:
    await desk.say("HELP")
    (_, _, answer), *_ = desk.sent()
    for text in (answer, f"Fwd: {answer}", "HELP", "HELP", "INFO"):
        await desk.say(text)
    assert len(desk.sent()) == 1


async def test_two_gateways_that_ask_each_other_for_help_stop(desk: Desk) -> None:
    """A peer that answers each of our texts with one of these words."""
    for n in range(20):
        await desk.say(("HELP", "STOP", "START")[n % 3])
        desk.clock.pass_(60_000)
    assert len(desk.sent()) <= 3


async def test_the_same_text_told_twice(desk: Desk) -> None:
    await desk.say("STOP")
    start = desk.heard("START")
    for _ in range(2):
        await desk.opting_out.take(start, desk.own())
    assert len(desk.sent()) == 1


# -- several processes


async def test_two_processes_confirm_once(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as one, process(tmp_path, clock) as two:
        for n in range(5):
            await one.say("STOP", source=f"3620111224{n}")
        clock.pass_(HOURS)
        await asyncio.gather(one.opting_out.sweep(), two.opting_out.sweep())
        assert sorted(target for _, target, _ in one.sent()) == [f"3620111224{n}" for n in range(5)]
        assert one.waiting() == 0


async def test_two_processes_take_one_confirmation_of_the_user(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as one, process(tmp_path, clock) as two:
        await one.say("STOP")
        await two.opting_out.look()
        refused = await asyncio.gather(*(desk.is_refused() for desk in (one, two, one, two)))
        assert refused.count(False) == 1


async def test_the_other_process_knows(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock, GlobalSettings(smsstop_confirm=0)) as one, process(tmp_path, clock) as two:
        await one.say("STOP")
        await two.opting_out.look()
        assert await two.is_refused()
        await two.say("hello")
        await one.opting_out.look()
        assert not await one.is_refused()


async def test_what_is_committed_late_is_seen(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as one, process(tmp_path, clock) as two:
        clock.pass_(5000)
        await two.opting_out.look()
        await one.say("STOP")  # its ids are 5 s older than that look
        await two.opting_out.look()
        assert two.at.directory.is_opted_out(PHONE, NUMBER, two.user())


async def test_a_stop_amid_a_look(desk: Desk) -> None:
    """What the look has read of that phone is old by then."""
    await desk.say("STOP")
    await desk.say("hello")
    read = desk.opting_out._reader.run

    async def slow(work: Callable[[Database], object]) -> object:
        found = await read(work)
        await desk.say("STOP")
        return found

    desk.opting_out._reader.run = slow  # type: ignore[assignment, method-assign]
    await desk.opting_out.look()
    assert desk.at.directory.is_opted_out(PHONE, NUMBER, desk.user())


async def test_a_process_that_ends_amid_a_confirmation(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as one:
        await one.say("STOP")
        clock.pass_(HOURS)
        finish = one.opting_out._journal.run
        calls = 0

        async def cut(work: object) -> object:
            nonlocal calls
            calls += 1
            if calls == 2:  # it was sent, and that isn't written down
                raise StoreError("cut off")
            return await finish(work)  # type: ignore[arg-type]

        one.opting_out._journal.run = cut  # type: ignore[assignment, method-assign]
        with pytest.raises(StoreError):
            await one.opting_out.sweep()
        assert (len(one.sent()), one.waiting()) == (1, 1)
    clock.pass_(HOUR)
    async with process(tmp_path, clock) as two:
        await two.opting_out.sweep()
        assert (len(two.sent()), two.waiting()) == (1, 0)


async def test_run(desk: Desk) -> None:
    await desk.say("STOP")
    desk.clock.pass_(HOURS)
    task = asyncio.create_task(desk.opting_out.run())
    async with asyncio.timeout(5):
        while desk.waiting():  # noqa: ASYNC110 — no event tells of it
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(desk.sent()) == 1
