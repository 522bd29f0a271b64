"""Takes what a provider writes into a mo.log, as it comes.

The position is kept behind the texts: what a crash leaves between the two is read again, and known by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from voipsms import metrics
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound.call import Malformed
from voipsms.inbound.mo_files import Folder, FtpServer, Unreachable, place
from voipsms.inbound.mo_log import Piece, Position, read_line, scan
from voipsms.log import get_logger
from voipsms.model import GatewayId, Inbound
from voipsms.store.journal import Journal
from voipsms.store.positions import keep_position, position
from voipsms.store.reader import Reader

EVERY: Final = 1.0  # seconds between two looks into a folder
EVERY_FTP: Final = 30.0
LONGEST_WAIT: Final = 300.0  # seconds until a place that can't be read is tried again
AT_ONCE: Final = 200  # texts that are taken in one go

Take = Callable[[Inbound], Awaitable[object]]
"""Returns after the commit, also for a repeat. Raises StoreError."""

log = get_logger("mo")


class MoReader:
    """`run()` until cancelled. Raises ConfigError for an inbound_log that is no place."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        take: Take,
        reader: Reader,
        journal: Journal,
        *,
        folder: Path = Path(),
    ) -> None:
        self._gateway_id, self._name = gateway_id, settings.name
        self._place: Folder | FtpServer = place(settings.inbound_log, folder)
        self._every = EVERY_FTP if isinstance(self._place, FtpServer) else EVERY
        self._take, self._reader, self._journal = take, reader, journal
        self._trouble = ""

    async def run(self) -> None:
        wait = self._every
        while True:
            try:
                await self.look()
                wait = self._every
                self._tell("")
            except (Unreachable, StoreError) as error:
                wait = min(wait * 2, LONGEST_WAIT)
                self._tell(str(error))
            await asyncio.sleep(wait)

    async def look(self) -> int:
        """Takes all there is, and returns how many texts that were. Raises Unreachable, StoreError."""
        at = Position(*await self._reader.run(lambda db: position(db, self._gateway_id)))
        taken = 0
        while True:
            piece = await asyncio.to_thread(self._next, at)
            taken += await self._take_lines(piece)
            if piece.after == at:
                return taken
            at = piece.after
            await self._keep(at)

    def _next(self, at: Position) -> Piece:
        with self._place.session() as files:
            return scan(files, at)

    async def _keep(self, at: Position) -> None:
        await self._journal.run(lambda db: keep_position(db, self._gateway_id, at.file, at.offset))

    async def _take_lines(self, piece: Piece) -> int:
        texts = []
        for offset, line in piece.lines:
            try:
                texts.append(read_line(self._gateway_id, piece.at.file, offset, line))
            except Malformed as error:
                metrics.count("malformed", "mo_log")
                log.warning("a line of mo.log is skipped", gateway=self._name, at=offset, why=str(error))
        for first in range(0, len(texts), AT_ONCE):
            await self._take_all(texts[first : first + AT_ONCE])
        return len(texts)

    async def _take_all(self, texts: Sequence[Inbound]) -> None:
        """Raises StoreError when each has been tried."""
        for result in await asyncio.gather(*map(self._take, texts), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def _tell(self, trouble: str) -> None:
        """Once, and when it is over."""
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                log.warning("mo.log can't be read", gateway=self._name, why=trouble)
            else:
                log.info("mo.log can be read again", gateway=self._name)
