"""What runs beside the messages: changed accounts are read anew, work that nobody does is taken over, old rows go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from voipsms import recovery, telling
from voipsms.connectors.port import Querier
from voipsms.directory import STATEMENTS, Directory
from voipsms.dispatch import GatewayQueue
from voipsms.errors import StoreError, SubmitError
from voipsms.log import get_logger
from voipsms.model import GatewayId, Message, Millis, State
from voipsms.outgoing import lifetime
from voipsms.recovery import Claimed
from voipsms.retention import Retention
from voipsms.rounds import Rounds
from voipsms.settings import DatabaseSettings
from voipsms.store.database import Database
from voipsms.store.entries import Fail, Hear
from voipsms.store.ids import first_id, now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader

POLL = 0.5  # seconds between two looks at the revision and at unowned work
SWEEP = 5.0  # seconds between two looks at what is overdue or unmatched
RECENT = 120_000  # milliseconds within which the answer to a submit comes, if ever
FORGET = 600.0  # seconds between two rounds of forgetting

log = get_logger("upkeep")


class Accounts:
    """Keeps a Directory true to the tables."""

    def __init__(self, reader: Reader, directory: Directory) -> None:
        self._reader = reader
        self._directory = directory
        self._revision = ""
        self._looked = 0.0
        self._lock = asyncio.Lock()

    async def refresh(self) -> bool:
        """Reads everything anew where another process has changed something; True: it has. Raises StoreError.

        Who asks while others look waits for a look that began later; so many ask, and few look.
        """
        asked, before = time.monotonic(), self._revision
        async with self._lock:
            if self._looked <= asked:
                self._looked = time.monotonic()
                await self._look()
            return self._revision != before

    async def _look(self) -> None:
        revision = (await self._reader.run(lambda db: db.read("setting", name="revision")))[0][0]
        if revision != self._revision:
            self._directory.load(*await self._reader.run(_accounts))
            self._revision = revision

    async def refresh_if_it_goes(self) -> bool:
        """As `refresh`; what is in memory has to do where the store doesn't answer."""
        try:
            return await self.refresh()
        except StoreError as error:
            log.debug("accounts can't be read now", why=str(error))
            return False


def _accounts(db: Database) -> tuple[list[tuple[object, ...]], ...]:
    return tuple(db.read(name) for name in STATEMENTS)


class Upkeep:
    """`run()` until cancelled."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        accounts: Accounts,
        queues: Mapping[GatewayId, GatewayQueue],
        node: int,
        room: Callable[[], bool],
        expire: Callable[[], int],
        keep: Callable[[], DatabaseSettings] = DatabaseSettings,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._accounts = accounts
        self._queues = queues
        self._node = node
        self._room = room  # whether more work can be taken over now
        self._expire = expire  # milliseconds
        self._heard_until = 0
        self._stranded: dict[int, Claimed] = {}  # their gateway is not configured any more
        self._rounds = Rounds(
            _put_off, (self._tidy, POLL), (self._look, POLL), (self.sweep, SWEEP), (self._forget, FORGET),
            (Retention(journal, keep).sweep, FORGET),
        )  # fmt: skip

    async def run(self) -> None:
        while True:
            await self._rounds.turn()
            await asyncio.sleep(POLL)

    async def _tidy(self) -> None:
        await self._reader.run(Database.tidy)

    async def _look(self) -> None:
        await self._accounts.refresh()
        await self.take_over()

    async def take_over(self) -> int:
        """Claims what no living process owns, as long as there is room; returns how many messages that was."""
        taken = after = 0
        while self._room():
            claimed = await self._journal.run(lambda db, after=after: recovery.claim(db, self._node, after))  # type: ignore[misc]
            if not claimed:
                break
            for one in claimed:
                if not recovery.resume(one, self._queues):
                    self.strand(one)
            taken += len(claimed)
            after = claimed[-1].message.id
        if taken:
            log.info("took over messages that nobody was sending", messages=taken)
        return taken

    def strand(self, claimed: Claimed) -> None:
        """Keeps a message for the day when its gateway is configured again, or it is too old."""
        log.warning("the gateway of a message is not configured; it waits", id=claimed.message.id)
        self._stranded[claimed.message.id] = claimed

    async def sweep(self) -> None:
        self._look_at_stranded()
        before = now_millis()
        await self._ask_providers(before)
        while await self._journal.run(lambda db: recovery.overdue(db, before, self._journal.finals())):
            pass
        await self._hear_orphans()

    async def _ask_providers(self, before: Millis) -> None:
        """Where a provider can be asked for what has become of a part, no receipt is the worst of its answers."""
        after = (0, 0)
        while found := await self._reader.run(lambda db, after=after: recovery.unsettled(db, before, after)):  # type: ignore[misc]
            message, part, _ = found[-1]
            after = (message.id, part)
            await asyncio.gather(*(self._ask_provider(message, provider_id) for message, _, provider_id in found))

    async def _ask_provider(self, message: Message, provider_id: str) -> None:
        queue = self._queues.get(message.gateway_id)
        if queue is None or not isinstance(queue.connector, Querier):
            return
        try:
            receipt = await queue.connector.query(message, provider_id)
        except SubmitError as error:
            log.debug("a provider can't be asked for a message", id=message.id, why=error.comment)
            return
        if receipt is not None:
            telling.receipt(receipt, await self._journal.append(Hear(receipt)))

    async def _hear_orphans(self) -> None:
        """Receipts that came before the answer to their submit, where that answer came to another process or run:
        all of them at first, then those for which it may still come."""
        after, self._heard_until = self._heard_until, first_id(Millis(now_millis() - RECENT))
        while found := await self._journal.run(lambda db, after=after: recovery.orphans(db, after)):  # type: ignore[misc]
            after = found[-1][0]
            heard = [self._journal.append(Hear(receipt, orphan)) for orphan, receipt in found]
            for (_, receipt), matched in zip(found, await asyncio.gather(*heard), strict=True):
                if matched:
                    telling.receipt(receipt, matched)

    def _look_at_stranded(self) -> None:
        now = now_millis()
        for message_id, claimed in list(self._stranded.items()):
            message = claimed.message
            if recovery.resume(claimed, self._queues):
                del self._stranded[message_id]
            elif now - max(message.created, message.due) > lifetime(self._expire(), message.valid):
                del self._stranded[message_id]
                comment = "Its gateway is not configured any more"
                self._journal.append(Fail(message, State.EXPIRED, "no_gateway", comment))

    async def _forget(self) -> None:
        while await self._journal.run(recovery.forget):
            pass


def _put_off(error: StoreError) -> None:
    log.debug("upkeep is put off", why=str(error))
