"""No statement of the hot path reads a whole table, however the optimizer feels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import mariadb_engine
from tests.store.rig import House, takes
from voipsms.model import Receipt, State, UserType
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.database import load_queries
from voipsms.store.entries import Accept, Hear
from voipsms.store.sqlite import SqliteEngine

SQL = Path(__file__).parents[2] / "sql"
PARAMETERS = {
    "rows": "[[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]]", "after": 0, "before": 1, "node": 99, "now": 1, "holder": "",
    "lease": 1, "mark": 1, "part": 0, "packet": "p", "service": "SMS", "prefix": "", "valid_from": 0, "timetable": "",
    "first": 1, "sender": "", "target": "", "state": "", "direction": "", "everyone": 0,
    "user_id": 1, "channel": "chat", "room": 1, "type": "CALL",
    "number": "", "keyword": "stop", "created": 1, "text_id": 1, "due": 1,
}  # fmt: skip
SHARED = ["renew_lease", "owned", "disown", "orphans", "unsettled", "undelivered", "warned"]
TINY = {"tb_nodes"}  # one row a process


def names(engine: str) -> list[str]:
    return SHARED + re.findall(r"^-- name: (\w+)", (SQL / f"queries.{engine}.sql").read_text(), re.MULTILINE)


def tables(statement: str) -> dict[str, str]:
    """By alias."""
    found = re.findall(r"\b(tb_\w+)(?:\s+AS\s+(\w+))?", statement)
    return {alias or table: table for table, alias in found} | {table: table for table, _ in found}


@pytest.fixture(scope="module")
def sqlite_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from furnished(House(SqliteEngine(tmp_path_factory.mktemp("plans") / "voipsms.db", 1.0)))


@pytest.fixture(scope="module")
def mariadb_house(request: pytest.FixtureRequest) -> Iterator[House]:
    yield from furnished(House(mariadb_engine(request.getfixturevalue("mariadb").new_database())))


def furnished(house: House) -> Iterator[House]:
    """With some rows, since an optimizer reads small tables whole."""
    with house.db.transaction():
        for n in range(300):
            add_user(house.db, house.ids, NewUser(f"user {n}", UserType.ENDUSER, "EUR"))
    messages = [house.message("admin", ingress_key=n.to_bytes(16, "big"), valid=60) for n in range(1000)]
    house.commit(*(Accept(message, started=True) for message in messages))
    house.commit(*(take for n, message in enumerate(messages[:500]) for take in takes(message, f"ID{n}")))
    house.commit(*(Hear(Receipt(house.gateway(), f"orphan {n}", State.DELIVERED)) for n in range(300)))
    house.db.write_batch("claim_requests", [(n, f"{n:032x}", "", "") for n in range(1000)])
    if house.engine.name == "mysql":
        house.rows(
            "ANALYZE TABLE tb_requests, tb_users, tb_ingress, tb_messages, tb_options, tb_queue, tb_parts, "
            "tb_spellings, tb_receipts, tb_cdrs"
        )
    yield house
    house.close()


def explained(house: House, name: str, explain: str) -> tuple[str, list[tuple[Any, ...]]]:
    statement = getattr(load_queries(house.engine), name).sql
    connection = house.engine.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(f"{explain} {statement}", PARAMETERS)
        return statement, list(cursor.fetchall())
    finally:
        connection.close()


@pytest.mark.parametrize("name", names("sqlite"))
def test_sqlite_searches(sqlite_house: House, name: str) -> None:
    statement, plan = explained(sqlite_house, name, "EXPLAIN QUERY PLAN")
    steps = [row[3] for row in plan]
    aliases = tables(statement)
    scanned = {aliases.get(step.split()[1], "") for step in steps if step.startswith("SCAN")} - {""} - TINY
    assert not scanned, steps
    assert not [step for step in steps if "AUTOMATIC" in step]
    assert any(step.startswith(("SEARCH", "SCAN")) for step in steps) or "VALUES" in statement


@pytest.mark.parametrize("name", names("mysql"))
def test_mariadb_searches(mariadb_house: House, name: str) -> None:
    statement, plan = explained(mariadb_house, name, "EXPLAIN")
    aliases = tables(statement)
    read = {aliases.get(row[2], ""): row[3] for row in plan if row[1] != "INSERT"}
    read.pop("", None)
    assert not {table for table, how in read.items() if how in ("ALL", "index")} - TINY, plan
