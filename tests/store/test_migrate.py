"""From nothing to the newest schema, once, by any number of processes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.store.conftest import mariadb_engine
from voipsms.cli import main
from voipsms.errors import StoreError
from voipsms.store import migrate
from voipsms.store.database import Database, Engine
from voipsms.store.sqlite import SqliteEngine

ROOT = Path(__file__).parents[2]
BUSY = 0.2
SCRIPTS = [script.name for script in migrate.scripts("sqlite")]


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An empty one."""
    if request.param == "sqlite":
        return SqliteEngine(tmp_path / "voipsms.db", BUSY)
    return mariadb_engine(request.getfixturevalue("mysql_url"))


@pytest.fixture
def db(engine: Engine) -> Database:
    return Database(engine)


def test_an_empty_database_gets_the_newest_schema(db: Database) -> None:
    assert migrate.version(db) == 0
    assert migrate.upgrade(db) == SCRIPTS
    assert migrate.version(db) == migrate.newest(db.engine.name)
    assert db.read("setting", name="revision") == [("1",)]
    assert migrate.upgrade(db) == []
    db.close()


def test_both_engines_have_the_same_migrations() -> None:
    names = [[script.name for script in migrate.scripts(engine)] for engine in ("sqlite", "mysql")]
    assert names[0] == names[1]


def test_both_engines_have_the_same_statements() -> None:
    """But for what only one of them needs, which is nothing."""
    names = [
        [line for line in (ROOT / f"sql/queries.{engine}.sql").read_text().splitlines() if line.startswith("-- name:")]
        for engine in ("sqlite", "mysql")
    ]
    assert names[0] == names[1]


def test_a_newer_schema_is_refused(db: Database) -> None:
    migrate.upgrade(db)
    db.write("delete_setting", name="schema")
    db.write("insert_setting", name="schema", value="9999")
    with pytest.raises(StoreError, match="schema 9999"):
        migrate.upgrade(db)
    assert migrate.version(db) == 9999
    db.close()


def test_a_schema_that_was_cut_off_in_the_middle_is_finished(db: Database) -> None:
    text = migrate.scripts(db.engine.name)[0].read_text()
    db.script(text[: text.index("CREATE TABLE IF NOT EXISTS tb_queue")])
    assert migrate.upgrade(db) == SCRIPTS
    assert db.read("owned", node=1) == []
    db.close()


def test_a_script_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """On SQLite; MySQL has no transactions for schemas."""
    db = Database(SqliteEngine(tmp_path / "voipsms.db", BUSY))
    with pytest.raises(StoreError, match="no such table"):
        db.script("CREATE TABLE tb_settings (name, value); DROP TABLE tb_nothing;")
    assert migrate.upgrade(db) == SCRIPTS
    db.close()


def test_several_processes_at_once(engine: Engine) -> None:
    def upgrade(_: int) -> str:
        db = Database(engine)
        try:
            migrate.upgrade(db)
        except StoreError as error:
            return str(error)
        finally:
            db.close()
        return ""

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(upgrade, range(4)))
    db = Database(engine)
    assert migrate.upgrade(db) == []
    assert (db.read("setting", name="schema"), db.read("setting", name="revision")) == (
        [(str(len(SCRIPTS)),)],
        [("1",)],
    )
    db.close()


def test_a_locked_database_is_not_an_empty_one(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "voipsms.db", BUSY)
    db = Database(engine)
    migrate.upgrade(db)
    db.close()
    connection = engine.connect()
    connection.execute("PRAGMA journal_mode = DELETE").close()
    connection.execute("BEGIN EXCLUSIVE").close()
    with pytest.raises(StoreError, match="locked"):
        migrate.version(db)
    connection.close()
    db.close()


def test_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.ini").write_text("[global]\nsmsurl =\n")

    def voipsms(*words: str) -> str:
        assert main(["--config", str(tmp_path / "config.ini"), *words]) == 0
        return capsys.readouterr().out

    newest = migrate.newest("sqlite")
    assert json.loads(voipsms("db", "status", "--format", "json")) == [
        {"engine": "sqlite", "schema": 0, "newest": newest}
    ]
    assert voipsms("db", "upgrade") == "".join(f"ran {name}\n" for name in SCRIPTS)
    assert voipsms("db", "upgrade") == "nothing to do\n"
    assert json.loads(voipsms("db", "status", "--format", "json")) == [
        {"engine": "sqlite", "schema": newest, "newest": newest}
    ]


SCHEMA = {
    "sqlite": "SELECT m.name, p.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p"
    " WHERE m.type = 'table'",
    "mysql": "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()",
}
INDEXES = {
    "sqlite": "SELECT m.tbl_name, p.name FROM sqlite_master AS m JOIN pragma_index_info(m.name) AS p"
    " WHERE m.type = 'index' AND m.name LIKE 'ix_%'",
    "mysql": "SELECT table_name, column_name FROM information_schema.statistics WHERE table_schema = DATABASE()"
    " AND index_name LIKE 'ix_%'",
}


def _told(engine: Engine, statement: str) -> set[tuple[str, str]]:
    connection = engine.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return {(str(table), str(column)) for table, column in cursor.fetchall()}
    finally:
        connection.close()


@pytest.mark.parametrize("statements", [SCHEMA, INDEXES], ids=["columns", "indexes"])
def test_both_engines_come_to_the_same_schema(tmp_path: Path, mysql_url: str, statements: dict[str, str]) -> None:
    found = []
    for engine in (SqliteEngine(tmp_path / "voipsms.db", BUSY), mariadb_engine(mysql_url)):
        db = Database(engine)
        migrate.upgrade(db)
        db.close()
        found.append(_told(engine, statements[engine.name]))
    assert found[0] == found[1]
    assert len(found[0]) >= 5
