"""From `[database] url` to an engine, and to a database that a process may work on."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from voipsms.config import Config, mysql_parameters
from voipsms.log import get_logger
from voipsms.model import GatewayId, Millis
from voipsms.store import migrate
from voipsms.store.accounts import ensure_admin, ensure_gateways, shared_secret
from voipsms.store.database import Database, Engine
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.mysql import MysqlEngine
from voipsms.store.node import Node, acquire
from voipsms.store.sqlite import SqliteEngine

log = get_logger("store")


def engine_for(config: Config) -> Engine:
    url, busy = config.database.url, config.database.busy
    if url.startswith("mysql"):
        return MysqlEngine(mysql_parameters(url), busy)
    return SqliteEngine(config.path(unquote(urlsplit(url).path).removeprefix("/") or "voipsms.db"), busy)


def prepare(db: Database, config: Config) -> tuple[Node, bytes]:
    """Migrates the schema, takes a node number and reads the shared secret. Raises StoreError."""
    for script in migrate.upgrade(db):
        log.info("schema upgraded", script=script)
    held = acquire(db, now_millis(), Millis(now_millis() + round(config.database.lease * 1000)))
    with db.transaction():
        return held, shared_secret(db)


def ensure(db: Database, ids: IdSource, config: Config) -> dict[str, GatewayId]:
    """Rows for the admin and for every gateway; the gateways' ids by name. Raises StoreError, AccountError."""
    with db.transaction():
        ensure_admin(db, ids, config.sms.currency)
        names = [gateway.name for gateway in config.gateways]
        return ensure_gateways(db, ids, names, config.sms.currency)
