"""Messages that don't arrive: half-way their sender is warned, and at the end told, with the text.

tb_warned has a message from its warning until its end is told. A row is made, and removed, in the transaction that puts
the notice into tb_outbox: so there is one of each, whatever process looks, and after whatever crash.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

from voipsms import alerts, automatic
from voipsms.addressing import noticed
from voipsms.directory import Account, Directory
from voipsms.errors import StoreError
from voipsms.log import get_logger
from voipsms.model import FAILED, FINAL, NOWHERE, Channel, Delivery, MessageId, Millis, State, UserId, UserType
from voipsms.outgoing import lifetime
from voipsms.rules import COPIES
from voipsms.settings import GlobalSettings
from voipsms.store.database import Database, Row
from voipsms.store.ids import IdSource, first_id, id_time, now_millis
from voipsms.store.journal import Journal
from voipsms.store.outbox import row_of
from voipsms.store.reader import Reader

LOOK: Final = 15.0  # seconds between two looks
PAGES: Final = 20  # of tb_warned that one look goes through
AT_ONCE: Final = 100  # messages a transaction
MOST: Final = 100_000  # messages with a time of their own that are in memory
LATE: Final = 60_000  # milliseconds in which a message can be committed after its id was made
_HALF: Final = 50  # percent: where no warning is wanted, the end is still told of what is so old
_MINUTE: Final = 60_000
_NOBODY_WROTE: Final = frozenset({COPIES, automatic.DOOR, alerts.DOOR})  # doors: no user has sent what came by them

_ENDS: Final[Mapping[State, str]] = {
    State.EXPIRED: "was not delivered in time",
    State.UNKNOWN: "may not have been delivered: no receipt has come",
    **dict.fromkeys((State.DELETED, State.UNDELIVERABLE, State.REJECTED), "was not delivered"),
}

log = get_logger("expiry")


class _Sent(NamedTuple):
    """A message as tb_messages has it."""

    id: MessageId
    created: Millis
    door: str
    user_id: UserId
    sender: str
    target: str
    text: str
    state: State

    @classmethod
    def of(cls, row: Row) -> _Sent:
        """Of the statement messages_of."""
        return cls(MessageId(row[0]), row[1], row[3], UserId(row[4]), row[6], row[7], row[8], State(row[17]))


Notices = Mapping[MessageId, Sequence[Delivery]]


class Expiry:
    """`run()` until cancelled."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        directory: Directory,
        ids: IdSource,
        settings: Callable[[], GlobalSettings],
        clock: Callable[[], Millis] = now_millis,
        phones: Callable[[], bool] = lambda: True,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._directory = directory
        self._ids = ids
        self._settings = settings
        self._clock = clock
        self._phones = phones  # whether chat goes anywhere
        self._looked_until = 0  # the id before which every message with the common time was looked at
        self._apart_until = 0  # the last id with a time of its own that was looked at
        self._apart: list[tuple[float, int, int]] = []  # heap: (when to warn, message, when it ends)
        self._waiting: set[int] = set()  # the messages in it
        self._ended_until = 0

    async def run(self) -> None:
        while True:
            try:
                await self.sweep()
            except StoreError as error:
                log.debug("warnings are put off", why=str(error))
            await asyncio.sleep(LOOK)

    async def sweep(self) -> None:
        """Raises StoreError."""
        await self._warn_common()
        await self._look_apart()
        await self._warn_apart()
        await self._tell_ends()

    # -- half-way

    @property
    def _share(self) -> float:
        return (self._settings().smswarn or _HALF) / 100

    @property
    def _expire(self) -> int:
        return self._settings().smsexpire * _MINUTE

    async def _warn_common(self) -> None:
        """Those that have no time of their own: their ids tell how old they are."""
        before = first_id(Millis(max(round(self._clock() - self._expire * self._share), 0)))
        while found := await self._reader.run(partial(_undelivered, after=self._looked_until, before=before)):
            await self._warn({message_id: Millis(id_time(message_id) + self._expire) for message_id in found})
            self._looked_until = found[-1]
        self._looked_until = max(self._looked_until, before - 1)

    async def _look_apart(self) -> None:
        """Those that have; they are few, and wait in memory for their warning."""
        after = min(self._apart_until, first_id(Millis(max(self._clock() - LATE, 0))))
        while len(self._apart) < MOST:
            page = await self._reader.run(lambda db, after=after: db.read("undelivered_apart", after=after))  # type: ignore[misc]
            if not page:
                break
            for message_id, due, valid in page:
                self._wait(message_id, due, valid)
            after = page[-1][0]
        self._apart_until = max(self._apart_until, after)

    def _wait(self, message_id: int, due: int, valid: int) -> None:
        if message_id not in self._waiting:
            begins, lasts = max(id_time(message_id), due), lifetime(self._expire, valid)
            heapq.heappush(self._apart, (begins + lasts * self._share, message_id, begins + lasts))
            self._waiting.add(message_id)

    async def _warn_apart(self) -> None:
        now = self._clock()
        while self._apart and self._apart[0][0] <= now:
            page = [one for one in heapq.nsmallest(AT_ONCE, self._apart) if one[0] <= now]
            await self._warn({message_id: Millis(ends) for _, message_id, ends in page})
            for _ in page:
                self._waiting.discard(heapq.heappop(self._apart)[1])

    async def _warn(self, ends: Mapping[int, Millis]) -> None:
        """`ends`: when each message does. Nothing is kept of those that are final, or of which nobody can be told."""
        wanted = self._settings().smswarn > 0
        notices: dict[MessageId, Sequence[Delivery]] = {}
        for sent in await self._sent(ends):
            if sent.state in FINAL and sent.state is not State.UNKNOWN:
                continue
            if deliveries := self._noticed(sent, "warning", _warning(sent, ends[sent.id])):
                notices[sent.id] = deliveries if wanted else ()
        await self._write(_warn, notices, "a sender is warned")

    # -- at the end

    async def _tell_ends(self) -> None:
        for _ in range(PAGES):
            page = await self._reader.run(lambda db: db.read("warned", after=self._ended_until))
            self._ended_until = page[-1][0] if page else 0
            if not page:
                break
            await self._end([message_id for message_id, final in page if final])

    async def _end(self, message_ids: Sequence[int]) -> None:
        notices: dict[MessageId, Sequence[Delivery]] = {MessageId(message_id): () for message_id in message_ids}
        for sent in await self._sent(message_ids):
            if end := _ENDS.get(sent.state):
                said = f"Your message to {_shown(sent.target)} {end}."
                notices[sent.id] = [
                    delivery
                    for delivery in self._noticed(sent, "end", _with_text(said, sent.text))
                    if not self._hears(sent, delivery.channel)
                ]
        await self._write(_tell_end, notices, "a sender is told of the end")

    def _hears(self, sent: _Sent, channel: Channel) -> bool:
        """Whether the sender is told by this channel anyhow, as everybody is whose message fails: see store/told.py."""
        reach = self._directory.by_id[sent.user_id].reach
        if channel is Channel.WEBHOOK:
            return reach.receipts
        wanted = reach.notify or self._settings().smsnotify
        told = wanted == "all" or (wanted == "fail" and sent.state in FAILED)
        return channel is Channel.CHAT and sent.door == "sip" and told

    # -- both

    async def _sent(self, message_ids: Iterable[int]) -> list[_Sent]:
        rows = [(message_id,) for message_id in message_ids]
        found = await self._reader.run(lambda db: db.read_batch("messages_of", rows)) if rows else []
        return [_Sent.of(row) for row in found if row[2] == "MT"]

    def _noticed(self, sent: _Sent, what: str, text: str) -> tuple[Delivery, ...]:
        account = self._directory.by_id.get(sent.user_id)
        if account is None or sent.door in _NOBODY_WROTE or _unreachable(account):
            return ()
        fields = (("notice", what), ("state", str(sent.state)), ("sender", sent.sender))
        return noticed(
            account, text, self._settings(), self._ids.next, self._clock(), chat=self._phones(),
            message_id=sent.id, target=sent.target, fields=fields,
        )  # fmt: skip

    async def _write(self, work: Callable[[Database, Notices], int], notices: Notices, what: str) -> None:
        items = list(notices.items())
        for begin in range(0, len(items), AT_ONCE):
            page = dict(items[begin : begin + AT_ONCE])
            if count := await self._journal.run(lambda db, page=page: work(db, page)):  # type: ignore[misc]
                log.info(what, messages=count)


def _unreachable(account: Account) -> bool:
    """The operator's own account has no phone."""
    return account.type is UserType.ADMIN and account.reach == NOWHERE


def _undelivered(db: Database, after: int, before: int) -> list[int]:
    return [row[0] for row in db.read("undelivered", after=after, before=before)]


def _warn(db: Database, notices: Notices) -> int:
    """How many were not warned of before."""
    new = [message_id for message_id in notices if db.write_batch("warn", [(message_id,)])]
    return _post(db, notices, new)


def _tell_end(db: Database, notices: Notices) -> int:
    """How many no other process had told of."""
    ours = [message_id for message_id in notices if db.write("delete_warned", message_id=message_id)]
    return _post(db, notices, ours)


def _post(db: Database, notices: Notices, message_ids: Sequence[MessageId]) -> int:
    if rows := [row_of(delivery, 0) for message_id in message_ids for delivery in notices[message_id]]:
        db.write_batch("insert_outbox", rows)
    return len(message_ids)


def _warning(sent: _Sent, ends: Millis) -> str:
    until = datetime.fromtimestamp(ends / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    said = f"Your message to {_shown(sent.target)} is not delivered yet. It is tried until {until}."
    return _with_text(said, sent.text)


def _with_text(said: str, text: str) -> str:
    return f"{said}\n\n{text}" if text else said


def _shown(target: str) -> str:
    return f"+{target}" if target.isdigit() and len(target) > 6 else target
