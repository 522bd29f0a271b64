"""Both engines, and a house on each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.rig import House
from voipsms.config import mysql_parameters
from voipsms.store.database import Engine
from voipsms.store.mysql import MysqlEngine
from voipsms.store.sqlite import SqliteEngine

BUSY = 1.0


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "sqlite":
        return SqliteEngine(tmp_path / "voipsms.db", BUSY)
    return mariadb_engine(request.getfixturevalue("mysql_url"))


def mariadb_engine(url: str) -> MysqlEngine:
    """Without TLS, since PyMySQL reads all the machine's certificates for each connection."""
    return MysqlEngine({**mysql_parameters(url), "ssl_disabled": True}, BUSY)


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def shared_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for a whole table of cases."""
    engine: Engine = SqliteEngine(tmp_path_factory.mktemp("house") / "voipsms.db", BUSY)
    if request.param == "mariadb":
        engine = mariadb_engine(request.getfixturevalue("mariadb").new_database())
    house = House(engine)
    yield house
    house.check()
    house.close()


@pytest.fixture
def house(engine: Engine) -> Iterator[House]:
    """Its tables agree at the end of every test."""
    house = House(engine)
    yield house
    house.check()
    house.close()
