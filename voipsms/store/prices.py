"""Price packets in the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from voipsms.errors import VoipSmsError
from voipsms.rating import Packet, Price, Reading, Tariffs
from voipsms.store.database import Database, as_rows
from voipsms.timetable import BadTimetable
from voipsms.values import from_json

PAGE = 2000  # rows a statement: with the longest timetables half a megabyte, which every max_allowed_packet holds
Key = tuple[str, str]  # packet and service
BEFORE_ALL = Price("", -1, "", 0, 0, 0, 0)


class PriceError(VoipSmsError):
    """A price that contradicts another one, or a group that there is not."""


def _pages(prices: Iterable[Price]) -> Iterator[list[Price]]:
    prices = iter(prices)
    while page := list(islice(prices, PAGE)):
        yield page


@contextmanager
def changing(db: Database, key: Key) -> Iterator[None]:
    """A transaction that changes a packet: others who change the same one wait, those who change another don't."""
    packet, service = key
    with db.transaction():
        if not db.write("bump_packet", packet=packet, service=service):
            db.write("insert_packet", packet=packet, service=service)
        yield
        db.write("bump_prices")


def empty(db: Database, key: Key) -> None:
    packet, service = key
    while db.write("delete_prices", packet=packet, service=service):
        pass


def delete(db: Database, key: Key, prefix: str) -> int:
    """How many prices the prefix had."""
    packet, service = key
    return db.write("delete_prefix", packet=packet, service=service, prefix=prefix)


def insert(db: Database, key: Key, prices: Iterable[Price], progress: Callable[[int], None]) -> None:
    """`progress` is told how many are written. Raises Unwritable where one is there already."""
    packet, service = key
    written = 0
    for page in _pages(prices):
        db.write("insert_prices", packet=packet, service=service, rows=as_rows(page))
        written += len(page)
        progress(written)


def at_prefixes(db: Database, key: Key, prefixes: Iterable[str]) -> Iterator[Price]:
    """The prices that these prefixes have."""
    wanted = iter(prefixes)
    while page := [(*key, prefix) for prefix in islice(wanted, PAGE)]:
        yield from (Price(*row[2:]) for row in db.read_batch("prices_at", page))


def packets(db: Database) -> dict[Key, int]:
    """Their revisions."""
    return {(packet, service): revision for packet, service, revision in db.read("packets")}


def next_page(db: Database, key: Key, after: Sequence[Any] = BEFORE_ALL) -> list[list[Any]]:
    """Rows as Price says, in no order; none: there are no more. `after`: the greatest one of the page before."""
    packet, service = key
    rows: list[list[Any]] | None = from_json(
        db.read("price_page", packet=packet, service=service, prefix=after[0], valid_from=after[1], timetable=after[2])[
            0
        ][0]
        or "[]"
    )
    return rows or []


def of_packet(db: Database, key: Key) -> Iterator[Price]:
    """In the order of their prefixes."""
    after: Sequence[Any] = BEFORE_ALL
    while rows := sorted(next_page(db, key, after)):
        yield from (Price(*row) for row in rows)
        after = rows[-1]


def tariffs_for(db: Database, number: str, fault: Callable[[Price, BadTimetable], None]) -> Tariffs:
    """What every packet has for one number."""
    found: dict[Key, Packet] = {key: Packet() for key in packets(db)}
    reading = Reading(fault)
    wanted = [(*key, number[:length]) for key in found for length in range(len(number) + 1)]
    for begin in range(0, len(wanted), PAGE):
        for packet, service, *row in db.read_batch("prices_at", wanted[begin : begin + PAGE]):
            reading.add(found[packet, service], [row])
    return Tariffs(found)
