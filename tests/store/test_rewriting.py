"""v_dialplansms: the number it gives, and the number as it is where it gives none in time; on both engines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.rig import House
from voipsms import metrics
from voipsms.errors import ConfigError
from voipsms.model import UserId
from voipsms.rewriting import MOST_WAITING, NAME, DialPlan, procedure
from voipsms.store.database import Engine

Build = Callable[[str], str]

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
PARAMETERS = "tonum VARCHAR(256), fromid BIGINT, fromnum VARCHAR(64), clientip VARCHAR(64)"


@pytest.fixture
def build(house: House, engine: Engine) -> Iterator[Build]:
    """Makes the procedure that gives this expression, and returns what is called; `:name` is a parameter."""

    def make(expression: str) -> str:
        if engine.name == "sqlite":
            return f"SELECT {expression}"
        _run(engine, f"DROP PROCEDURE IF EXISTS {NAME}")
        _run(engine, f"CREATE PROCEDURE {NAME}({PARAMETERS}) BEGIN SELECT {expression.replace(':', '')}; END")
        return NAME

    yield make
    if engine.name == "mysql":
        _run(engine, f"DROP PROCEDURE IF EXISTS {NAME}")


def _run(engine: Engine, statement: str) -> None:
    connection = engine.connect()
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@asynccontextmanager
async def plan(engine: Engine, called: str, seconds: float = 1.0) -> AsyncIterator[DialPlan]:
    made = DialPlan(engine, called, seconds)
    yield made
    await made.close()


async def rewritten(plan: DialPlan, tonum: str = "36201112233") -> str:
    return await plan.rewrite(tonum, UserId(2**40), "36209998877", "192.0.2.1")


def counted(outcome: str) -> float:
    return metrics.registry.get_sample_value("voipsms_rewritings_total", {"outcome": outcome}) or 0.0


GIVEN = {
    "a prefix in front": ("CONCAT('+99', :tonum)", "+9936201112233", "changed"),
    "the number itself": (":tonum", "36201112233", "unchanged"),
    "by the account": (f"CASE WHEN :fromid = {2**40} THEN '361' ELSE '362' END", "361", "changed"),
    "by the sender": (":fromnum", "36209998877", "changed"),
    "by the address": ("CASE WHEN :clientip = '192.0.2.1' THEN '3630' ELSE '0' END", "3630", "changed"),
    "a number, not a text": ("36301112233", "36301112233", "changed"),
    "blanks around it": ("'  361 '", "361", "changed"),
    "nothing": ("NULL", "36201112233", "failed"),
    "an empty text": ("''", "36201112233", "failed"),
    "a text that is no number": ("'the other one'", "36201112233", "unusable"),
    "too many digits": (f"'{'1' * 33}'", "36201112233", "unusable"),
    "a column that there isn't": ("nothing_of_this_name", "36201112233", "failed"),
}


@pytest.mark.parametrize("expression, number, outcome", GIVEN.values(), ids=GIVEN)
async def test_what_it_gives(build: Build, engine: Engine, expression: str, number: str, outcome: str) -> None:
    if engine.name == "sqlite":
        expression = expression.replace("CONCAT('+99', :tonum)", "'+99' || :tonum")
    before = counted(outcome)
    async with plan(engine, build(expression)) as asked:
        assert await rewritten(asked) == number
        assert await rewritten(asked) == number, "its connection is still good"
    assert counted(outcome) == before + 2


async def test_without_the_procedure_numbers_stay(house: House, engine: Engine) -> None:
    before = counted("failed")
    async with plan(engine, "v_nothing" if engine.name == "mysql" else "SELECT 1 FROM tb_nothing") as asked:
        assert await rewritten(asked) == "36201112233"
    assert counted("failed") == before + 1


async def test_a_procedure_with_fromid_as_mizu_has_it(house: House, engine: Engine) -> None:
    """An INT holds no id of ours: it gets 0, and the rest of the procedure does what it did."""
    if engine.name == "sqlite":
        return
    _run(engine, f"DROP PROCEDURE IF EXISTS {NAME}")
    _run(engine, f"CREATE PROCEDURE {NAME}({PARAMETERS.replace('BIGINT', 'INT')}) SELECT CONCAT('+36', fromid, tonum)")
    async with plan(engine, NAME) as asked:
        assert await rewritten(asked, "1") == "+3601"
        assert await asked.rewrite("1", UserId(7), "", "") == "+3671"
    _run(engine, f"DROP PROCEDURE {NAME}")


async def test_one_that_sleeps_is_left_alone(build: Build, engine: Engine) -> None:
    """The event loop goes on meanwhile, many wait together, and the server is not left with what nobody waits for."""
    called = build("CASE WHEN :tonum = '1' THEN (SELECT SLEEP(30)) ELSE '361' END" if engine.name == "mysql"
                   else f"CASE WHEN :tonum = '1' THEN ({ENDLESS}) ELSE '361' END")  # fmt: skip
    before, began, ticks = counted("slow"), time.monotonic(), 0
    async with plan(engine, called, 0.2) as asked:
        waiting = asyncio.gather(*(rewritten(asked, "1") for _ in range(50)))
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert set(await waiting) == {"1"}
        assert time.monotonic() - began < 2
        assert ticks >= 5
        assert counted("slow") == before + 50
        while await rewritten(asked) != "361":  # as soon as its connections are free again
            assert time.monotonic() - began < 10
    if engine.name == "mysql":
        assert sleeping(engine) == 0


def sleeping(engine: Engine) -> int:
    connection = engine.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(30)%' "
                       "AND id <> CONNECTION_ID()")  # fmt: skip
        found = cursor.fetchone()
    connection.close()
    return int(found[0]) if found else 0


async def test_more_than_are_taken_are_not_made_to_wait(build: Build, engine: Engine) -> None:
    before = counted("busy")
    async with plan(engine, build("'361'"), 5.0) as asked:
        found = await asyncio.gather(*(rewritten(asked) for _ in range(MOST_WAITING + 10)))
    assert (found.count("361"), found.count("36201112233")) == (MOST_WAITING, 10)
    assert counted("busy") == before + 10


async def test_it_can_change_nothing_on_sqlite(house: House, engine: Engine) -> None:
    if engine.name == "mysql":  # there it is a procedure, which has the rights of who made it
        return
    async with plan(engine, "DELETE FROM tb_users WHERE :tonum = :tonum RETURNING '361'") as asked:
        assert await rewritten(asked) == "36201112233"
    assert house.balance() > 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tonum=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40))
async def test_values_stay_values(build: Build, engine: Engine, tonum: str) -> None:
    called = procedure_of_length(build, engine)
    async with plan(engine, called) as asked:
        assert await rewritten(asked, tonum) == str(len(tonum.rstrip(" ")) or tonum)


_made: dict[int, str] = {}


def procedure_of_length(build: Build, engine: Engine) -> str:
    if id(engine) not in _made:
        _made[id(engine)] = build("LENGTH(RTRIM(:tonum))" if engine.name == "sqlite" else "CHAR_LENGTH(RTRIM(:tonum))")
    return _made[id(engine)]


def test_the_query_of_sqlite_is_a_file(engine: Engine, tmp_path: Path) -> None:
    if engine.name == "mysql":
        assert procedure(engine, tmp_path) == NAME
        return
    with pytest.raises(ConfigError, match=r"usesmsprefixsp: .*v_dialplansms.sql: No such file"):
        procedure(engine, tmp_path)
    (tmp_path / "v_dialplansms.sql").write_text("\n")
    with pytest.raises(ConfigError, match="must hold one query"):
        procedure(engine, tmp_path)
    (tmp_path / "v_dialplansms.sql").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="utf-8"):
        procedure(engine, tmp_path)
    (tmp_path / "v_dialplansms.sql").write_text("SELECT '1' || :tonum\n")
    assert procedure(engine, tmp_path) == "SELECT '1' || :tonum"
