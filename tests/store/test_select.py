"""An operator's `{SELECT …}`: bound values, nothing but reading, bounded in time, clear reasons."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.rig import House
from voipsms.errors import SubmitFailed, SubmitRefused
from voipsms.store.database import Engine
from voipsms.store.select import DatabaseSelector


@pytest.fixture
async def selector(house: House, engine: Engine) -> AsyncIterator[DatabaseSelector]:
    selector = DatabaseSelector(engine, 0.5)
    yield selector
    selector.close()


FOUND = {
    "a value": ("SELECT username FROM tb_users WHERE username = ?", ["alice"], "alice"),
    "a number": ("SELECT COUNT(*) FROM tb_users WHERE username = ?", ["alice"], "1"),
    "the first column of the first row": (
        "SELECT username, id FROM tb_users WHERE type = 'enduser' ORDER BY username", [], "alice",
    ),
    "several values": ("SELECT CONCAT(?, ?)", ["a'b", 'c"d'], "a'bc\"d"),
    "marks in quotes": ("SELECT CONCAT('?', ?, '%s %')", ["x"], "?x%s %"),
    "an empty text": ("SELECT ?", [""], ""),
}  # fmt: skip


@pytest.mark.parametrize("sql, values, found", FOUND.values(), ids=FOUND)
async def test_found(selector: DatabaseSelector, engine: Engine, sql: str, values: list[str], found: str) -> None:
    if engine.name == "sqlite":
        sql = re.sub(r"CONCAT\((.*)\)", lambda inner: " || ".join(re.split(r", (?=[?'])", inner[1])), sql)
    assert await selector.select(sql, values) == found


FAULTS = {
    "no row": ("SELECT username FROM tb_users WHERE username = 'nobody'", SubmitRefused, "finds no row"),
    "NULL": ("SELECT NULL", SubmitRefused, "finds no row"),
    "no such table": ("SELECT a FROM tb_nothing", SubmitRefused, "tb_nothing"),
    "no statement": ("SELEKT 1", SubmitRefused, "SELEKT"),
    "writes": ("DELETE FROM tb_users", SubmitRefused, "(?i)read.?only"),
}


@pytest.mark.parametrize("sql, error, reason", FAULTS.values(), ids=FAULTS)
async def test_faults(selector: DatabaseSelector, house: House, sql: str, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        await selector.select(sql, [])
    assert await selector.select("SELECT username FROM tb_users WHERE username = ?", ["bob"]) == "bob"


ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n",
    "mysql": f"SELECT COUNT(*) FROM {', '.join(f'information_schema.columns AS {alias}' for alias in 'abc')}",  # noqa: S608 — fixed names
}


async def test_one_that_takes_too_long_is_stopped(selector: DatabaseSelector, engine: Engine) -> None:
    with pytest.raises(SubmitFailed, match="gets no answer"):
        await selector.select(ENDLESS[engine.name], [])
    assert await selector.select("SELECT ?", ["still there"]) == "still there"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
async def test_values_stay_values(selector: DatabaseSelector, value: str) -> None:
    assert await selector.select("SELECT ?", [value]) == value
