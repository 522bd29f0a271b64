"""What commands share: the config that --config names, the database it names, and exits with one clear line."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from voipsms import config as configuration
from voipsms import log
from voipsms.config import Config
from voipsms.errors import StoreError
from voipsms.model import Millis, Receipt
from voipsms.store import migrate, node
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.open import engine_for, ensure

T = TypeVar("T")

LEASE = Millis(60_000)  # a command is done by then


def config_file(arguments: Namespace) -> Path:
    return Path(arguments.config or os.environ.get("VOIPSMS_CONFIG") or "config.ini")


def read_config(arguments: Namespace) -> Config:
    """Raises ConfigError."""
    config = configuration.load(config_file(arguments))
    log.configure(config.log, config.folder)
    return config


def run(work: Coroutine[Any, Any, T]) -> T:
    """On an event loop of its own, the fast one."""
    return uvloop.run(work)


@contextmanager
def database(config: Config) -> Iterator[Database]:
    """An open database with the newest schema. Raises StoreError."""
    db = Database(engine_for(config))
    try:
        migrate.upgrade(db)
        yield db
    finally:
        db.close()


@contextmanager
def writing(config: Config) -> Iterator[tuple[Database, IdSource]]:
    """As `database`, with a node number for the ids that are needed, given back at the end."""
    with database(config) as db:
        held = node.acquire(db, now_millis(), Millis(now_millis() + LEASE))
        try:
            ids = IdSource(held.number, held.mark)
            ensure(db, ids, config)
            yield db, ids
        finally:
            with db.transaction():
                db.write("renew_lease", node=held.number, holder=held.holder, lease=0, mark=ids.next())


class Nobody:
    """Takes nothing from a gateway that is only looked at."""

    async def receipt(self, receipt: Receipt) -> None:
        raise StoreError("only a check")

    async def inbound(self, gateway: str, source: str, target: str, text: str) -> None:
        raise StoreError("only a check")
