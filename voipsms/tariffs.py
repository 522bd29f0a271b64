"""What a message costs its user and us, by the packets in memory; and how those are kept true to the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from voipsms.directory import Account, Directory
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger
from voipsms.model import GatewayId, Micros, Millis
from voipsms.money import micros
from voipsms.rating import Cost, Packet, Price, Quote, Reading, Service, Tariffs
from voipsms.settings import GlobalSettings
from voipsms.store import prices
from voipsms.store.database import Database
from voipsms.store.reader import Reader
from voipsms.timetable import BadTimetable

POLL: Final = 0.5  # seconds between two looks at the revision
TRIES: Final = 3  # at a packet that changes while it is read
_FREE: Final = Quote(Micros(0), "")  # no packet

log = get_logger("prices")


def price(
    directory: Directory, settings: GlobalSettings, account: Account, target: str, parts: int, now: Millis
) -> Quote:
    """What the account pays for a message."""
    units = parts if settings.smsbilling == "part" else 1
    return directory.tariffs.quote(
        account.packet, Service.SMS, target, settings.smstime, units, now, micros(settings.smsprice)
    )


def cost(
    directory: Directory, settings: GlobalSettings, gateway: GatewayId, target: str, parts: int, now: Millis
) -> Quote:
    """What we pay for it."""
    charged = directory.costs.get(gateway)
    if charged is None:
        return _FREE
    units = parts if charged.by_part else 1
    return directory.tariffs.quote(charged.packet, Service.SMS, target, settings.smstime, units, now, Micros(0))


def costs(gateways: Iterable[GatewaySettings], ids: Mapping[str, GatewayId]) -> dict[GatewayId, Cost]:
    """Of the gateways that have a packet."""
    return {
        ids[settings.name]: Cost(settings.costpacket, settings.costbilling == "part")
        for settings in gateways if settings.costpacket
    }  # fmt: skip


def unusable(price: Price, error: BadTimetable) -> None:
    log.error("a price is left out: its timetable means nothing here", prefix=price.prefix, why=str(error))


class Prices:
    """Keeps a Directory's tariffs true to tb_prices. Packets are read page by page in the reader's thread, so that
    neither other readers nor the event loop wait; messages go by the old prices until all new ones are there."""

    def __init__(self, reader: Reader, directory: Directory) -> None:
        self._reader = reader
        self._directory = directory
        self._revision = ""
        self._known: dict[prices.Key, int] = {}  # packet → its revision

    async def run(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            try:
                await self.refresh()
            except StoreError as error:
                log.debug("prices can't be read now", why=str(error))

    async def refresh(self) -> bool:
        """Reads the packets that have changed; True: some have. Raises StoreError."""
        revision = (await self._reader.run(lambda db: db.read("setting", name="prices")))[0][0]
        if revision == self._revision:
            return False
        for _ in range(TRIES):
            wanted = await self._reader.run(prices.packets)
            read = await self._read([key for key in wanted if wanted[key] != self._known.get(key)])
            if await self._reader.run(prices.packets) == wanted:
                await self._take(revision, wanted, read)
                return True
            await self._discard(read.values())
        log.debug("prices change while they are read; once more later")
        return False

    async def _read(self, changed: Iterable[prices.Key]) -> dict[prices.Key, Packet]:
        found, reading = {}, Reading(unusable)
        for key in changed:
            packet = found[key] = Packet()
            after: Sequence[Any] = prices.BEFORE_ALL
            while last := await self._reader.run(lambda db: _read_page(db, key, packet, reading, after)):  # noqa: B023
                after = last
        return found

    async def _take(self, revision: str, wanted: dict[prices.Key, int], read: Mapping[prices.Key, Packet]) -> None:
        before = self._directory.tariffs.packets
        kept = {key: packet for key, packet in before.items() if key in wanted and key not in read}
        self._directory.tariffs = Tariffs({**kept, **read})
        self._revision, self._known = revision, wanted
        await self._discard(packet for key, packet in before.items() if key not in kept)

    async def _discard(self, packets: Iterable[Packet]) -> None:
        """In the thread, since so many objects take their time to go."""
        for packet in packets:
            await self._reader.run(lambda db: packet.discard())  # noqa: B023


def _read_page(
    db: Database, key: prices.Key, packet: Packet, reading: Reading, after: Sequence[Any]
) -> Sequence[Any] | None:
    """The place of the last row; None: that was the end."""
    rows = prices.next_page(db, key, after)
    reading.add(packet, rows)
    return max(rows) if rows else None
