"""What commands share: the config that --config names, the database it names, and exits with one clear line."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from voipsms import config as configuration
from voipsms import log
from voipsms.config import Config
from voipsms.directory import STATEMENTS, Directory
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Inbound, Millis, Receipt
from voipsms.sms.numbers import read_number
from voipsms.store import migrate, node, prices
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.open import engine_for, ensure
from voipsms.tariffs import costs, unusable

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


def gateways_by_id(db: Database, config: Config) -> dict[GatewayId, GatewaySettings]:
    """In the order of the file; one that has never run has no row, so a negative id stands for it."""
    found = {}
    for place, settings in enumerate(config.gateways, 1):
        rows = db.read("user_by_name", username=settings.name)
        found[GatewayId(rows[0][0] if rows else -place)] = settings
    return found


def directory_for(db: Database, config: Config, target: str, gateways: Mapping[str, GatewayId]) -> Directory:
    """Everything that decides on a message to one target; prices for others are not read."""
    directory = Directory()
    directory.load(*(db.read(name) for name in STATEMENTS))
    directory.tariffs = prices.tariffs_for(db, read_number(target, config.sms.country).digits, unusable)
    directory.costs = costs(config.gateways, gateways)
    return directory


class Nobody:
    """Takes nothing from a gateway that is only looked at."""

    async def receipt(self, receipt: Receipt) -> None:
        raise StoreError("only a check")

    async def inbound(self, inbound: Inbound) -> None:
        raise StoreError("only a check")
