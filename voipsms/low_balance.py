"""Tells users once when their balance has gone below what they set (`reach.low`), and again only after it was above.

tb_low has who was told, so that neither another process nor a restart tells again. What the directory says of a balance
may be old where other processes spend: it only makes this look at the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from voipsms.directory import Account, Directory
from voipsms.errors import StoreError
from voipsms.log import get_logger
from voipsms.model import Delivery, UserId
from voipsms.money import decimal
from voipsms.store.database import Conflict, Database
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal
from voipsms.store.outbox import row_of
from voipsms.store.reader import Reader

LOOK = 2.0  # seconds

log = get_logger("low_balance")


class LowBalance:
    """`noticed`: the deliveries of a notice to an account. `run()` until cancelled."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        directory: Directory,
        ids: IdSource,
        noticed: Callable[[Account, str], Sequence[Delivery]],
        hand_over: Callable[[Iterable[Delivery]], None],
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._directory = directory
        self._ids = ids
        self._noticed = noticed
        self._hand_over = hand_over

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.debug("balances are looked at later", why=str(error))
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Raises StoreError."""
        watched = [account for account in self._directory.by_id.values() if account.reach.low]
        if not watched:
            return
        told = {UserId(row[0]) for row in await self._reader.run(lambda db: db.read("told_low"))}
        for account in watched:
            low = account.balance < account.reach.low
            if low and account.id not in told:
                await self._tell(account)
            elif not low and account.id in told:
                await self._journal.run(partial(_forget, account=account))

    async def _tell(self, account: Account) -> None:
        text = (
            f"Your balance is {decimal(account.balance)} {account.currency}, less than {decimal(account.reach.low)}. "
            "Texts from phones are held while it doesn't cover them."
        )
        deliveries = tuple(self._noticed(account, text))

        def tell(db: Database) -> bool:
            if not _is_low(db, account):
                return False
            db.write("insert_told", user_id=account.id, now=now_millis())
            if deliveries:
                db.write_batch("insert_outbox", [row_of(delivery, self._ids.node) for delivery in deliveries])
            return True

        try:
            if not await self._journal.run(tell):
                return
        except Conflict:
            return  # another process has told
        log.info("a user is told of a low balance", user=account.name, deliveries=len(deliveries))
        self._hand_over(deliveries)


def _is_low(db: Database, account: Account) -> bool:
    ((_, balance, *_),) = db.read_batch("lock_accounts", [(account.id,)])
    return bool(balance < account.reach.low)


def _forget(db: Database, account: Account) -> int:
    return 0 if _is_low(db, account) else db.write("forget_told", user_id=account.id)
