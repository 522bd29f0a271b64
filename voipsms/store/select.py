"""`{SELECT …}` of templates: one read-only statement at a time, in a thread and on a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence

from voipsms.errors import StoreError, SubmitFailed, SubmitRefused
from voipsms.store.database import Engine, Misstated
from voipsms.store.reader import Reader

SECONDS = 2.0  # that a statement may take


class DatabaseSelector:
    """What connectors.port.Selector asks for."""

    def __init__(self, engine: Engine, seconds: float = SECONDS) -> None:
        self._reader = Reader(engine)
        self._seconds = seconds

    async def select(self, sql: str, values: Sequence[str]) -> str:
        try:
            row = await self._reader.run(lambda db: db.select(sql, values, self._seconds))
        except Misstated as error:
            raise SubmitRefused(f"the template's {{SELECT …}} fails: {error}") from error
        except StoreError as error:
            raise SubmitFailed(f"the template's {{SELECT …}} gets no answer: {error}") from error
        if row is None or row[0] is None:
            raise SubmitRefused("the template's {SELECT …} finds no row")
        return row[0].decode("utf-8", "replace") if isinstance(row[0], bytes) else str(row[0])

    def close(self) -> None:
        self._reader.close()
