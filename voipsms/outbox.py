"""Brings deliveries to users: at once from memory, later from tb_outbox, until they have them or time is up.

A row is one process's while that has it in memory, else anybody's when it is due. A crash may deliver twice, never not
at all. Of one source to one user by one channel the order is kept: what can't go now holds back what comes after it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from voipsms import metrics
from voipsms.carriers.port import Carrier, NotCarried, Recipient
from voipsms.directory import Directory
from voipsms.errors import StoreError
from voipsms.held import Held
from voipsms.lanes import Lanes, line_of
from voipsms.log import get_logger
from voipsms.model import Channel, Delivery, DeliveryId, Millis, UserId
from voipsms.rate_guard import RateGuard
from voipsms.rounds import Rounds
from voipsms.settings import GlobalSettings
from voipsms.store import outbox as table
from voipsms.store.database import Database
from voipsms.store.entries import Conclude, Defer, Divert, Post
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.outbox import PAGE
from voipsms.store.reader import Reader
from voipsms.store.told import Asked
from voipsms.values import replace

MOST = 5000  # deliveries in memory, all users
MOST_EACH = 1000  # and of one user: who is slow must not fill it
AT_ONCE, AT_ONCE_EACH = 256, 8  # that are being carried by one channel, of all users and of one
AT_ONCE_TO_PROGRAMS = 64  # of one user
A_MINUTE = 60  # of one source to one user: people write slower, and what a loop costs is bounded
_TO_PROGRAMS = frozenset({Channel.WEBHOOK, Channel.LOG})
_TO_PEOPLE = frozenset({Channel.CHAT, Channel.MAIL})  # whose programs may answer
FULL = 2000  # milliseconds that each thousand of a user's deliveries wait which found no room
FAULT = 60.0  # seconds after a fault of ours
LONGEST_WISH = 3600.0  # seconds that the other end can make us wait
LOOK, HELD, STRAYS, FORGET = 0.5, 5.0, 60.0, 600.0  # seconds between two looks at each
REST = 1.0  # seconds between two wakes of one user
FOR_EVER = Millis(1 << 62)
DRAIN = 5.0  # seconds that a stop waits for carriers

log = get_logger("outbox")


class Outbox:
    """`run()` until cancelled, then `close()`. Nothing is lost in between: it is in the table."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        directory: Directory,
        node: int,
        carriers: Mapping[Channel, Carrier],
        settings: Callable[[], GlobalSettings] = GlobalSettings,
        phones: Callable[[], bool] = lambda: True,
        *,
        most: int = MOST,
        most_each: int = MOST_EACH,
        at_once: int = AT_ONCE,
        a_minute: int = A_MINUTE,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._directory = directory
        self._node = node
        self._carriers = carriers
        self._settings = settings
        self._phones = phones  # whether chat goes anywhere
        journal.told = self.hand_over
        self._most, self._most_each = most, most_each
        self._lanes = {channel: Lanes(at_once, _at_once_each(channel)) for channel in carriers}
        self._guard = RateGuard(a_minute)
        self._known: set[DeliveryId] = set()  # ours in the table, until a commit has settled them
        self._of_user: Counter[UserId] = Counter()
        self._crowd: Counter[UserId] = Counter()  # those of a user that found no room lately
        self._held = Held()
        self._chats: dict[str, UserId] = {}  # who something is for, by the user parts of their SIP addresses
        self._woken: set[UserId] = set()
        self._again: set[UserId] = set()  # of the woken: once more after their rest
        self._seen_at: dict[UserId, float] = {}  # of those who have something in memory
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked_of: tuple[object, ...] = (None, None, None)
        self._claiming = asyncio.Lock()  # whoever looks for what nobody knows of must know of all that is claimed
        self._closing = False
        self._rounds = Rounds(
            _put_off, (self._look, LOOK), (self._look_at_held, HELD), (self._look_for_strays, STRAYS),
            (self._forget, FORGET),
        )  # fmt: skip

    def __len__(self) -> int:
        """Deliveries in memory."""
        return len(self._known)

    # -- in

    async def post(self, deliveries: Sequence[Delivery]) -> None:
        """Returns after the commit. Raises StoreError."""
        await self._journal.append(Post(tuple(deliveries)))
        self.hand_over(deliveries)

    def hand_over(self, deliveries: Iterable[Delivery]) -> None:
        """Deliveries that a commit of this process has posted: each is carried at once where nothing is before it."""
        for delivery in deliveries:
            if delivery.id in self._known:
                continue
            if (until := self._held.until(line_of(delivery))) is not None:
                self._defer(delivery, max(until, now_millis()), "waits for an earlier one")
            else:
                self._take(delivery)
        self._pump()

    def wake(self, user_id: UserId) -> None:
        """This user's phone is there now: it gets at once what it could not be given, and soon what it can't be just
        now, which may be on its way to where the phone was before."""
        if self._of_user[user_id]:
            self._seen_at[user_id] = time.monotonic()
        if self._closing or not self._held.has_chat(user_id):
            return
        if user_id in self._woken:
            self._again.add(user_id)
            return
        self._woken.add(user_id)
        asyncio.get_running_loop().call_later(REST, self._rested, user_id)
        self._start(self._fetch_for(user_id))

    def _rested(self, user_id: UserId) -> None:
        self._woken.discard(user_id)
        if user_id in self._again:
            self._again.discard(user_id)
            self.wake(user_id)

    def seen(self, name: str) -> None:
        """As `wake`, by the account's name, one of its numbers, or the user part of its SIP address."""
        if not (self._held or self._known):
            return
        account = self._directory.by_name.get(name) or self._directory.by_number.get(name.removeprefix("+"))
        if account is not None:
            return self.wake(account.id)
        if (user_id := self._chats.get(name)) is not None:
            self.wake(user_id)

    def _take(self, delivery: Delivery) -> None:
        """Into memory, or back into the table where there is no room."""
        if delivery.channel not in self._lanes:
            self._over(delivery, f"{delivery.channel} is not set up here")
        elif len(self._known) >= self._most or self._of_user[delivery.user_id] >= self._most_each:
            self._turn_away(delivery)
        else:
            self._know(delivery)
            self._lanes[delivery.channel].add(delivery)

    def _turn_away(self, delivery: Delivery) -> None:
        """A long queue comes back little by little, so that it isn't read and put back over and over."""
        crowd = self._crowd[delivery.user_id]
        self._crowd[delivery.user_id] += 1
        due = Millis(now_millis() + FULL * (1 + crowd // self._most_each))
        self._held.hold(line_of(delivery), due)
        self._defer(delivery, due, "waits for earlier ones")

    def lapsed(self) -> None:
        """The lease had run out, so that others may have taken over what waits here: it is left to the table."""
        for lanes in self._lanes.values():
            for delivery in lanes.drop():
                self._forget_one(delivery)

    # -- carrying

    def _pump(self) -> None:
        if self._closing or not self._journal.may_work():
            return
        for lanes in self._lanes.values():
            while (delivery := lanes.next()) is not None:
                self._start(self._serve(delivery, lanes))

    async def _serve(self, delivery: Delivery, lanes: Lanes) -> None:
        try:
            await self._try(delivery, lanes)
        except Exception:  # a task's root
            log.exception("a delivery has failed by a fault of ours", id=delivery.id, channel=delivery.channel)
            self._put_off(delivery, lanes, "a fault of ours", FAULT)
        lanes.done(line_of(delivery))
        self._pump()

    async def _try(self, delivery: Delivery, lanes: Lanes) -> None:
        now = now_millis()
        account = self._directory.by_id.get(delivery.user_id)
        if account is None:
            return self._over(delivery, "the user is no more")
        if delivery.expires <= now:
            return self._over(delivery, "its time was over", late=True)
        if delivery.channel in _TO_PEOPLE:
            opens = self._guard.opens((delivery.user_id, delivery.source), now)
            if opens > now:
                metrics.count("deliveries", delivery.channel, "too_many")
                return self._hold_back(delivery, lanes, opens, "too many a minute from there")
        to, began = Recipient(account.name, account.reach), time.monotonic()
        if delivery.channel is Channel.CHAT:
            self._chats[account.reach.chat or account.name] = account.id
        try:
            said = await self._carriers[delivery.channel].carry(delivery, to)
        except NotCarried as error:
            failed = replace(delivery, attempt=delivery.attempt + 1)
            return self._put_off(failed, lanes, error.why, self._pause(failed, to, error, began))
        metrics.count("deliveries", delivery.channel, "carried")
        log.debug("carried", id=delivery.id, user=account.name, channel=delivery.channel, said=said)
        self._settle(delivery, Conclude(delivery, True, said))

    def _pause(self, failed: Delivery, to: Recipient, error: NotCarried, began: float) -> float | None:
        """Seconds until the next attempt; None: there is none."""
        pause = None if error.lasting else self._carriers[failed.channel].pause(failed, to)
        if pause is None:
            return None
        if failed.channel is Channel.CHAT and self._seen_at.get(failed.user_id, 0.0) > began:
            pause = min(pause, REST)
        return pause if error.after is None else max(pause, min(error.after, LONGEST_WISH))

    def _put_off(self, delivery: Delivery, lanes: Lanes, why: str, pause: float | None) -> None:
        """For so many seconds; None: for good."""
        if pause is None:
            return self._over(delivery, why)
        metrics.count("deliveries", delivery.channel, "deferred")
        log.debug("deferred", id=delivery.id, channel=delivery.channel, seconds=pause, why=why)
        due = min(now_millis() + round(pause * 1000), delivery.expires)
        return self._hold_back(delivery, lanes, Millis(due), why)

    def _hold_back(self, delivery: Delivery, lanes: Lanes, due: Millis, why: str) -> None:
        """This one and all behind it go into the table until then."""
        line = line_of(delivery)
        self._held.hold(line, due)
        self._defer(delivery, due, why)
        for behind in lanes.clear(line):
            self._defer(behind, due, "waits for an earlier one")

    def _over(self, delivery: Delivery, why: str, *, late: bool = False) -> None:
        """This way it is over: another channel has it now, or none."""
        if delivery.otherwise is None:
            metrics.count("deliveries", delivery.channel, "given_up")
            log.info("given up", id=delivery.id, user=delivery.user_id, channel=delivery.channel, why=why)
            return self._settle(delivery, Conclude(delivery, False, why, late))
        metrics.count("deliveries", delivery.channel, "diverted")
        expires = Millis(now_millis() + delivery.expires - delivery.created)
        other = replace(delivery, channel=delivery.otherwise, otherwise=None, attempt=0, expires=expires)
        return self._start(self._divert(other, why))

    async def _divert(self, delivery: Delivery, why: str) -> None:
        self._know(delivery)
        try:
            await self._journal.append(Divert(delivery, why))
        except StoreError as error:
            log.error("a delivery stays with its channel", id=delivery.id, why=error)
        finally:
            self._forget_one(delivery)
        self.hand_over((delivery,))

    # -- the table

    def _defer(self, delivery: Delivery, due: Millis, why: str) -> None:
        self._settle(delivery, Defer(delivery.id, delivery.attempt, due, why))

    def _settle(self, delivery: Delivery, entry: Conclude | Defer) -> None:
        """Writes what has become of it; until then it counts as ours."""
        self._know(delivery)
        self._journal.append(entry).add_done_callback(partial(self._settled, delivery))

    def _settled(self, delivery: Delivery, written: asyncio.Future[None]) -> None:
        self._forget_one(delivery)
        if not written.cancelled() and (error := written.exception()) is not None:
            log.error("what has become of a delivery can't be written", id=delivery.id, why=error)

    def _know(self, delivery: Delivery) -> None:
        if delivery.id not in self._known:
            self._known.add(delivery.id)
            self._of_user[delivery.user_id] += 1

    def _forget_one(self, delivery: Delivery) -> None:
        self._known.discard(delivery.id)
        self._of_user[delivery.user_id] -= 1
        if not self._of_user[delivery.user_id]:
            del self._of_user[delivery.user_id]
            self._crowd.pop(delivery.user_id, None)
            self._seen_at.pop(delivery.user_id, None)

    async def run(self) -> None:
        while True:
            await self._rounds.turn()
            await asyncio.sleep(LOOK)

    async def _look(self) -> None:
        """Takes what is due, as long as there is room."""
        self._ask()
        self._pump()
        metrics.measure("outbox", len(self._known))
        while self._journal.may_work() and (room := self._most - len(self._known)) > 0:
            taken = await self._fetch(lambda db, room=room: table.claim(db, self._node, room))  # type: ignore[misc]
            if taken < PAGE:
                break

    async def _fetch(self, claim: Callable[[Database], list[Delivery]], until: Millis | None = None) -> int:
        """`until`: lines whose last one is due by then, now if None, are all here."""
        async with self._claiming:
            found = await self._journal.run(claim)
            for delivery in found:
                self._held.release(line_of(delivery), now_millis() if until is None else until)
            for delivery in found:
                self._take(delivery)
        self._pump()
        return len(found)

    async def _fetch_for(self, user_id: UserId) -> None:
        await self._rounds.attempt(partial(self._fetch_all, user_id))

    async def _fetch_all(self, user_id: UserId) -> None:
        await self._fetch(lambda db: table.claim_of(db, self._node, user_id, Channel.CHAT), FOR_EVER)

    async def _look_at_held(self) -> None:
        await self._journal.run(lambda db: table.disown(db, self._node))
        self._held.look()
        self._held.found(await self._reader.run(table.held))
        users = {*self._held.users, *self._of_user}
        accounts = (account for user_id in users if (account := self._directory.by_id.get(user_id)))
        self._chats = {account.reach.chat: account.id for account in accounts if account.reach.chat}

    async def _look_for_strays(self) -> None:
        """What a caller posted and did not hand over, since it was cut off in between."""
        before = Millis(now_millis() - round(STRAYS * 1000))
        async with self._claiming:
            known = frozenset(self._known)
            await self._journal.run(lambda db: table.free(db, self._node, known, before))

    async def _forget(self) -> None:
        while await self._journal.run(table.forget):
            pass

    def _ask(self) -> None:
        """Tells the journal who wants to hear of messages, where that has changed."""
        accounts, settings = self._directory.by_id, self._settings()
        phones = Channel.CHAT in self._carriers and self._phones()
        asked_of = (accounts, settings, phones)
        if all(new is known for new, known in zip(asked_of, self._asked_of, strict=True)):
            return
        self._asked_of = asked_of
        reaches = [(user_id, account.reach) for user_id, account in accounts.items()]
        hold = Millis(settings.smsreceive_hold * 60_000)
        self._journal.asked = Asked.of(reaches, settings.smsnotify, phones, hold)

    # -- tasks

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """What is being carried is waited for a while; the rest stays in the table."""
        self._closing = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for carrier in self._carriers.values():
            await carrier.close()


def _at_once_each(channel: Channel) -> int:
    return AT_ONCE_TO_PROGRAMS if channel in _TO_PROGRAMS else AT_ONCE_EACH


def _put_off(error: StoreError) -> None:
    log.debug("the outbox can't be read now", why=str(error))
