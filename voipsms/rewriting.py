"""`usesmsprefixsp`: the operator's procedure v_dialplansms says which number a message really goes to.

It is asked in threads and on connections of its own, and for a short time: who gets no answer keeps the number.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Final

from voipsms import metrics
from voipsms.errors import ConfigError, StoreError
from voipsms.log import get_logger
from voipsms.model import UserId
from voipsms.store.database import Busy, Engine
from voipsms.store.reader import Reader

NAME: Final = "v_dialplansms"
SECONDS: Final = 0.5  # that a message waits for it
AT_ONCE: Final = 4  # calls
MOST_WAITING: Final = 1000
LONGEST_FILE: Final = 65_536  # octets

_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")

log = get_logger("rewriting")


def procedure(engine: Engine, folder: Path) -> str:
    """What the engine is to call: the procedure's name, or on SQLite the query. Raises ConfigError."""
    if engine.name != "sqlite":
        return NAME
    file = folder / f"{NAME}.sql"
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"[global] usesmsprefixsp: {file}: {why}") from error
    if not text or len(text) > LONGEST_FILE:
        raise ConfigError(f"[global] usesmsprefixsp: {file}: must hold one query")
    return text


class DialPlan:
    def __init__(self, engine: Engine, procedure: str, seconds: float = SECONDS) -> None:
        self._procedure, self._seconds = procedure, seconds
        self._idle = [Reader(engine) for _ in range(AT_ONCE)]
        self._all = tuple(self._idle)
        self._free = asyncio.Semaphore(AT_ONCE)
        self._asked: set[asyncio.Task[str | None]] = set()
        self._told = ""

    async def rewrite(self, tonum: str, fromid: UserId, fromnum: str, clientip: str) -> str:
        """The number that the procedure gives, or `tonum`. Never raises, and is back after `seconds`."""
        if len(self._asked) >= MOST_WAITING:
            return self._left(tonum, "busy", "more numbers wait for it than are taken")
        values = {"tonum": tonum, "fromid": fromid, "fromnum": fromnum, "clientip": clientip}
        task = asyncio.get_running_loop().create_task(self._ask(values, time.monotonic() + self._seconds))
        self._asked.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait((task,), timeout=self._seconds)
        if not task.done():
            return self._left(tonum, "slow", f"gives no answer within {self._seconds:g} s")
        return self._judged(tonum, task)

    def _ended(self, task: asyncio.Task[str | None]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    def _judged(self, tonum: str, task: asyncio.Task[str | None]) -> str:
        try:
            found = (task.result() or "").strip()
        except Busy as error:
            return self._left(tonum, "slow", str(error))
        except StoreError as error:
            return self._left(tonum, "failed", str(error))
        if not found:
            return self._left(tonum, "failed", "gives no number")
        if not _NUMBER.fullmatch(found):
            return self._left(tonum, "unusable", f"gives {found[:40]!r}, which is no number")
        metrics.count("rewritings", "unchanged" if found == tonum else "changed")
        self._told = ""
        return found

    def _left(self, tonum: str, outcome: str, why: str) -> str:
        """As it is. Each trouble is told once, since it may come with every message."""
        metrics.count("rewritings", outcome)
        if outcome != self._told:
            self._told = outcome
            log.warning("v_dialplansms is of no use now; numbers stay as they are", outcome=outcome, why=why)
        return tonum

    async def _ask(self, values: dict[str, object], deadline: float) -> str | None:
        """Raises StoreError."""
        async with self._free:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                raise Busy("no connection came free in time")
            reader = self._idle.pop()
            try:
                row = await reader.run(lambda db: db.call(self._procedure, values, seconds))
            finally:
                self._idle.append(reader)
        return None if row is None or row[0] is None else str(row[0])

    async def close(self) -> None:
        if self._asked:
            await asyncio.wait(self._asked)
        for reader in self._all:
            reader.close()
