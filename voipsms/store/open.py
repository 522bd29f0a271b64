"""From `[database] url` to an engine."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from voipsms.config import Config, mysql_parameters
from voipsms.store.database import Engine
from voipsms.store.mysql import MysqlEngine
from voipsms.store.sqlite import SqliteEngine


def engine_for(config: Config) -> Engine:
    url, busy = config.database.url, config.database.busy
    if url.startswith("mysql"):
        return MysqlEngine(mysql_parameters(url), busy)
    return SqliteEngine(config.path(unquote(urlsplit(url).path).removeprefix("/") or "voipsms.db"), busy)
