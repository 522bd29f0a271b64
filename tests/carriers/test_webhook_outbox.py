"""The real outbox and a program that fails first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.carriers.hook import Hook
from tests.core import stage
from tests.core.test_outbox import Office, office
from voipsms import outbox as module
from voipsms.carriers.webhook import WebhookCarrier
from voipsms.model import Channel, Reach
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.replay import EVERYBODY, Lifetime, replay
from voipsms.store.sqlite import SqliteEngine


@pytest.fixture
async def at(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    """alice has a webhook with Routo's schedule."""
    monkeypatch.setattr(module, "LOOK", 0.01)
    async with office(tmp_path, {Channel.WEBHOOK: WebhookCarrier()}) as made:
        reached(made, hook, "routo")
        yield made


def reached(at: Office, hook: Hook, retry: str) -> None:
    at.house.directory.by_id[at.user].reach = Reach(hook=hook.url(), hook_retry=retry, hook_secret="s")


def replayed(path: Path) -> int:
    """As the command does it, by a connection of its own."""
    db = Database(SqliteEngine(path, 1.0))
    try:
        return replay(db, EVERYBODY, Lifetime(60_000, 60_000))
    finally:
        db.close()


async def test_one_that_fails_first_has_it_in_the_end(at: Office, hook: Hook) -> None:
    hook.answers = [(500, {}, ""), (404, {}, ""), (503, {"Retry-After": "0"}, "")]
    await at.post("one", channel=Channel.WEBHOOK)
    await at.gone()
    assert len({body for *_, body in hook.requests}) == 1
    assert len(hook.requests) == 4


async def test_what_is_given_up_is_replayed(at: Office, hook: Hook, tmp_path: Path) -> None:
    hook.answers = [(500, {}, "")] * 4
    await at.post("one", channel=Channel.WEBHOOK)
    await stage.until(lambda: [row[2:] for row in at.rows()] == [(1, 4, "HTTP 500")])
    assert len(hook.requests) == 4
    assert await asyncio.to_thread(replayed, tmp_path / "house.db") == 1
    await at.gone()
    assert len(hook.requests) == 5


async def test_clickatells_schedule_waits_in_the_table(at: Office, hook: Hook) -> None:
    reached(at, hook, "clickatell")
    hook.answers = [(500, {}, "down")]
    before = now_millis()
    await at.post("one", channel=Channel.WEBHOOK)
    await stage.until(lambda: [row[2:] for row in at.rows()] == [(0, 1, "HTTP 500: down")])
    ((due,),) = at.rows("due")
    assert before + 120_000 <= due <= now_millis() + 120_000


async def test_gone_is_given_up_at_once(at: Office, hook: Hook) -> None:
    hook.answers = [(410, {}, "")]
    await at.post("one", channel=Channel.WEBHOOK)
    await stage.until(lambda: [row[2:] for row in at.rows()] == [(1, 1, "HTTP 410")])
