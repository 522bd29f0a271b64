"""Both engines, and a house on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.peers.mariadb import MariaDb
from tests.store.rig import House
from voipsms.config import mysql_parameters
from voipsms.store import migrate
from voipsms.store.database import Database, Engine
from voipsms.store.mysql import MysqlEngine
from voipsms.store.sqlite import SqliteEngine

BUSY = 1.0


TABLES = (
    "tb_prices", "tb_packets", "tb_groups", "tb_user_options", "tb_numbers", "tb_ranges", "tb_keywords",
    "tb_number_options", "tb_conflicts", "tb_warned", "tb_users", "tb_nodes", "tb_optout",
    "tb_ingress", "tb_messages", "tb_options", "tb_queue", "tb_parts", "tb_spellings", "tb_receipts", "tb_cdrs",
    "tb_ledger", "tb_terms", "tb_charges", "tb_rules", "tb_advertisement",
    "tb_routes", "tb_quality", "tb_stops", "tb_stop_changes", "tb_confirmations", "tb_codes", "tb_reach", "tb_outbox",
    "tb_imdn", "tb_api", "tb_events", "tb_cancels", "tb_requests", "tb_inbound", "tb_joining", "tb_low", "tb_pincodes",
    "tb_claims", "tb_commands", "tb_calls", "tb_vouchers",
)  # fmt: skip


@pytest.fixture(scope="module")
def furnished_url(mariadb: MariaDb) -> Iterator[str]:
    """A MariaDB with the schema: making one for each test would take longer than the tests."""
    url = mariadb.new_database()
    db = Database(mariadb_engine(url))
    migrate.upgrade(db)
    db.close()
    yield url
    mariadb.drop_database(url)


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        yield SqliteEngine(tmp_path / "voipsms.db", BUSY)
        return
    engine = mariadb_engine(request.getfixturevalue("furnished_url"))
    yield engine
    with closing(engine.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 — one of the names above
        cursor.execute("COMMIT")


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
