"""The rounds of upkeep see to it that nothing is kept for longer than the settings say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.core.house import house
from tests.core.stage import Carrier, until
from tests.store.bulk import Months
from voipsms.model import Millis, State, Submitted
from voipsms.settings import DatabaseSettings
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.upkeep import Upkeep

_DAY = 86_400_000

KEPT = {
    "all": (DatabaseSettings(), 600, 600),
    "texts for a week": (DatabaseSettings(keep_text=7), 600, 420),
    "rows for a week": (DatabaseSettings(keep_rows=7), 420, 420),
    "texts for a day, rows for a week": (DatabaseSettings(keep_text=1, keep_rows=7), 420, 60),
}


@pytest.mark.parametrize("settings, messages, texts", KEPT.values(), ids=KEPT)
async def test_nothing_is_kept_for_longer(
    tmp_path: Path, settings: DatabaseSettings, messages: int, texts: int
) -> None:
    async with house(tmp_path, Carrier(lambda part: Submitted("m", State.ACCEPTED))) as at:
        users = [row[0] for row in at.rows("tb_users", "id")]
        now = now_millis()
        old = Months(users[:1], users[:1], Millis(now - 10 * _DAY), Millis(now - 1000), 600)
        await asyncio.get_running_loop().run_in_executor(None, old.furnish, at.db)
        reader = Reader(at.db.engine)
        upkeep = Upkeep(
            at.journal,
            reader,
            at.accounts,
            at.queues,
            at.ids.node,
            lambda: True,
            lambda: Millis(10**9),
            lambda: settings,
        )
        running = asyncio.create_task(upkeep.run())
        try:
            await until(lambda: abs(len(at.rows("tb_messages")) - messages) <= 1)
            await until(lambda: abs(sum(row[0] != "" for row in at.rows("tb_messages", "text")) - texts) <= 1)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            reader.close()
        assert len(at.rows("tb_cdrs")) == 600
