"""Texts and messages that were kept for as long as the operator wants go, a page at a time; never those of messages
that are not final. CDRs and the ledger stay: `voipsms archive` takes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial

from voipsms.model import Millis
from voipsms.settings import DatabaseSettings
from voipsms.store.database import Database
from voipsms.store.ids import first_id, now_millis
from voipsms.store.journal import Journal

_REST = 0.05  # seconds between two pages, for the messages that want to be committed
_DAY = 86_400_000  # milliseconds
_NOTE = "blanked"  # in tb_settings: [the id up to which texts are gone, those before it that were not final]
_OF_MESSAGES = (
    "delete_parts", "delete_spellings", "delete_options", "delete_events", "delete_imdn", "forget_outbox_of",
    "delete_messages",
)  # fmt: skip
_MOST = 2000  # not final and so old; beyond, the rest waits


class Retention:
    """`sweep()` every now and then."""

    def __init__(self, journal: Journal, settings: Callable[[], DatabaseSettings]) -> None:
        self._journal = journal
        self._settings = settings

    async def sweep(self) -> None:
        """Raises StoreError."""
        settings = self._settings()
        for days, some in ((settings.keep_rows, drop_rows), (settings.keep_text, blank_texts)):
            before = first_id(Millis(now_millis() - days * _DAY))
            if days:
                await self._all(partial(some, before=before))

    async def _all(self, some: Callable[[Database], int]) -> None:
        while True:
            if not await self._journal.run(some):
                return
            await asyncio.sleep(_REST)


def drop_rows(db: Database, before: int) -> int:
    """Final messages older than this id, with their parts, receipts and options: so many went."""
    found = db.read("final_messages", before=before)
    for name in _OF_MESSAGES if found else ():
        db.write_batch(name, found)
    return len(found)


def blank_texts(db: Database, before: int) -> int:
    """Texts and octets of final messages older than this id; 0: there is nothing more to do."""
    rows = db.read("setting", name=_NOTE)
    after, waiting = json.loads(rows[0][0]) if rows else (0, [])
    still = [row[0] for row in db.read_batch("still_waiting", [(i,) for i in waiting])] if waiting else []
    page = db.read("text_page", after=after, before=before) if len(still) < _MOST else []
    final = [i for i in waiting if i not in set(still)] + [i for i, open_ in page if not open_]
    if not page and not final:
        return 0
    for name in ("blank_texts", "delete_options", "forget_outbox_of") if final else ():
        db.write_batch(name, [(i,) for i in final])
    note = [page[-1][0] if page else after, still + [i for i, open_ in page if open_]]
    db.write("delete_setting", name=_NOTE)
    db.write("insert_setting", name=_NOTE, value=json.dumps(note))
    return len(final) + len(page)
