"""Intake, journal and dispatch on a real SQLite file, with a scripted carrier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.core.stage import Carrier, queue
from voipsms import telling
from voipsms.directory import Directory
from voipsms.dispatch import GatewayQueue
from voipsms.effects import Effects
from voipsms.errors import NodeLost, StoreError
from voipsms.intake import Intake
from voipsms.model import GatewayId, Micros, Millis, Submission, UserId, UserType
from voipsms.preparation import Preparation
from voipsms.settings import GlobalSettings, MailSettings
from voipsms.store import migrate, node
from voipsms.store.accounts import NewUser, add_user, ensure_gateways
from voipsms.store.database import Database, Row
from voipsms.store.entries import Entry
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.store.sqlite import SqliteEngine
from voipsms.upkeep import Accounts
from voipsms.ways import Ways

NUMBER = "36201234567"


@dataclass
class House:
    """Watches its own journal, as the gateway does."""

    db: Database
    directory: Directory
    queues: dict[GatewayId, GatewayQueue]
    journal: Journal
    intake: Intake
    ids: IdSource
    accounts: Accounts
    preparation: Preparation

    def rows(self, table: str, columns: str = "*") -> list[Row]:
        return list(self.db._connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1"))  # noqa: S608

    def balance(self) -> int:
        return int(self.db.read("user_by_name", username="alice")[0][1])


class Watch:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def balances(self, balances: dict[UserId, Micros]) -> None:
        self._directory.settle(balances)

    def lapsed(self, still_ours: set[int]) -> None: ...

    def up(self, problem: str) -> None: ...

    def lost(self, error: NodeLost) -> None: ...

    def dropped(self, entry: Entry, error: StoreError) -> None: ...

    def committed(self, entries: int, seconds: float) -> None: ...


@asynccontextmanager
async def house(folder: Path, carrier: Carrier, settings: GlobalSettings | None = None) -> AsyncIterator[House]:
    """`alice` has 1.00 and NUMBER; a message costs 0.05."""
    settings = settings or GlobalSettings()
    engine = SqliteEngine(folder / "house.db", 0.2)
    db = Database(engine)
    migrate.upgrade(db)
    held = node.acquire(db, now_millis(), Millis(now_millis() + 10_000))
    ids = IdSource(held.number, held.mark)
    with db.transaction():
        if not db.read("user_by_name", username="alice"):
            alice = NewUser("alice", UserType.ENDUSER, "EUR", numbers=(NUMBER,))
            add_user(db, ids, alice, Micros(1_000_000))
        gateway_id = ensure_gateways(db, ids, ["carrier"], "EUR")["carrier"]
    directory, reader = Directory(), Reader(engine)
    accounts = Accounts(reader, directory)
    await accounts.refresh()
    journal = Journal(engine, held, ids, Watch(directory), lease=10.0, refund=True)
    journal.start()
    line = queue(carrier, journal)  # type: ignore[arg-type]  # a real journal where the stage has paper
    line.gateway_id = gateway_id
    queues = {gateway_id: line}

    async def submit(submission: Submission) -> None:
        await intake.submit(submission)

    effects = Effects(submit, lambda: directory.rules.effects(), folder, MailSettings())
    preparation = Preparation(directory, settings, "", accounts.refresh_if_it_goes, effects.start)
    intake = Intake(
        directory,
        journal,
        queues,
        ids,
        Ways(directory, queues, settings),
        settings,
        "",
        accounts.refresh_if_it_goes,
        telling,
        preparation,
    )
    try:
        yield House(db, directory, queues, journal, intake, ids, accounts, preparation)
    finally:
        await effects.close()
        await line.drain(1)
        await journal.close()
        reader.close()
        db.close()
