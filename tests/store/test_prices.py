"""Prices in the tables of both engines, and the packets that a running server makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.store.rig import House
from voipsms.directory import STATEMENTS, Directory
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Millis
from voipsms.rating import Price
from voipsms.settings import GlobalSettings
from voipsms.store import prices
from voipsms.store.accounts import AccountError, set_group, set_options
from voipsms.store.database import Unwritable
from voipsms.store.prices import PAGE, Key
from voipsms.store.reader import Reader
from voipsms.tariffs import Prices, cost, costs, price

GOLD: Key = ("gold", "SMS")
NOW = Millis(1_795_000_000_000)


def row(prefix: str, amount: int = 1, valid_from: int = 0, timetable: str = "", **fields: int) -> Price:
    return Price(prefix, valid_from, timetable, 0, amount, 0, 0)._replace(**fields)  # type: ignore[arg-type]


MANY = [row(f"{n:07d}", n) for n in range(2 * PAGE + 1)]


def write(
    house: House, key: Key, rows: list[Price], *, add: bool = False, progress: Callable[[int], None] = lambda done: None
) -> None:
    with prices.changing(house.db, key):
        if not add:
            prices.empty(house.db, key)
        prices.insert(house.db, key, rows, progress)


def stored(house: House, key: Key = GOLD) -> list[Price]:
    return list(prices.of_packet(house.db, key))


def revision(house: House) -> int:
    return int(house.db.read("setting", name="prices")[0][0])


# -- tables


WRITTEN: dict[str, list[Price]] = {
    "none": [],
    "one": [row("36", 50_000)],
    "every field": [Price("36", 1, "Mon-Fri 08:00-18:00 Europe/Budapest", NOW, 10**12, 2, 3)],
    "every number": [row("")],
    "several pages": MANY,
    "one prefix over a page's end": [*(row(f"{n:04d}") for n in range(995)), *(row("1", n, n) for n in range(20))],
    "one prefix, many hours": [row("1", 1, 0, f"Mon 00:00-00:{n:02d}") for n in range(1, 60)],
}


@pytest.mark.parametrize("rows", WRITTEN.values(), ids=WRITTEN)
def test_written_is_read(house: House, rows: list[Price]) -> None:
    write(house, GOLD, rows)
    assert stored(house) == sorted(rows)


def test_progress_is_told(house: House) -> None:
    done: list[int] = []
    with house.db.transaction():
        prices.insert(house.db, GOLD, MANY, done.append)
    assert done == [PAGE, 2 * PAGE, 2 * PAGE + 1]


def test_replaced_and_added(house: House) -> None:
    silver: Key = ("silver", "SMS")
    calls: Key = ("gold", "CALL")
    for key in (GOLD, silver, calls):
        write(house, key, [row("36"), row("44")])
    write(house, GOLD, [row("49", 2)])
    assert stored(house) == [row("49", 2)]
    write(house, GOLD, [row("33")], add=True)
    assert stored(house) == [row("33"), row("49", 2)]
    assert stored(house, silver) == stored(house, calls) == [row("36"), row("44")]


def test_more_than_one_statement_deletes(house: House) -> None:
    """MariaDB's deletes 20,000 rows at once."""
    write(house, GOLD, [row(str(n)) for n in range(20_500)])
    write(house, GOLD, [row("36")])
    assert stored(house) == [row("36")]


def test_cut_off_half_way_nothing_has_changed(house: House) -> None:
    write(house, GOLD, [row("36")])
    before = revision(house)

    def cut(done: int) -> None:
        if done > PAGE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(house, GOLD, MANY, progress=cut)
    assert (stored(house), revision(house)) == ([row("36")], before)


def test_the_same_price_twice_is_refused(house: House) -> None:
    write(house, GOLD, [row("36")])
    with pytest.raises(Unwritable):
        write(house, GOLD, [row("36", 2)], add=True)
    assert stored(house) == [row("36")]


def test_at_prefixes(house: House) -> None:
    write(house, GOLD, [*MANY, row("36", 1), row("36", 2, 5)])
    write(house, ("silver", "SMS"), [row("36", 3)])
    wanted = ["36", "44", *(one.prefix for one in MANY)]
    assert sorted(prices.at_prefixes(house.db, GOLD, wanted)) == sorted([*MANY, row("36", 1), row("36", 2, 5)])
    assert list(prices.at_prefixes(house.db, GOLD, [])) == []


def test_deleted(house: House) -> None:
    write(house, GOLD, [row("36", 1), row("36", 2, 5), row("362")])
    with house.db.transaction():
        assert prices.delete(house.db, GOLD, "36") == 2
        assert prices.delete(house.db, GOLD, "44") == 0
    assert stored(house) == [row("362")]


# -- the running server


class Server:
    """What it has in memory."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.directory = Directory()
        self.reader = Reader(house.engine)
        self.prices = Prices(self.reader, self.directory)
        self.reload()

    def reload(self) -> None:
        self.directory.load(*(self.house.db.read(name) for name in STATEMENTS))

    def amount(self, number: str, user: str = "alice", parts: int = 1, **settings: object) -> int:
        account = self.directory.by_name[user]
        return price(self.directory, GlobalSettings(**settings), account, number, parts, NOW).amount  # type: ignore[arg-type]


@pytest.fixture
def server(house: House) -> Iterator[Server]:
    server = Server(house)
    yield server
    server.reader.close()


def options(house: House, user: str, group: str | None = None, packet: str | None = None) -> tuple[str, str]:
    with house.db.transaction():
        return set_options(house.db, user, group, packet)


async def test_what_is_changed_is_read(server: Server) -> None:
    house = server.house
    write(house, GOLD, MANY)
    options(house, "alice", packet="gold")
    server.reload()
    assert await server.prices.refresh()
    assert [server.amount(f"{n:07d}99") for n in (0, 1, 2 * PAGE)] == [0, 1, 2 * PAGE]
    assert server.amount("99") == 50_000
    assert not await server.prices.refresh()
    write(house, GOLD, [row("99", 7)])
    assert await server.prices.refresh()
    assert (server.amount("99"), server.amount("0000001")) == (7, 50_000)


async def test_only_packets_that_have_changed_are_read(server: Server) -> None:
    house = server.house
    for name in ("gold", "silver", "tin"):
        write(house, (name, "SMS"), [row("36")])
    await server.prices.refresh()
    before = dict(server.directory.tariffs.packets)
    write(house, ("silver", "SMS"), [row("36", 2)])
    await server.prices.refresh()
    after = server.directory.tariffs.packets
    assert {name for (name, _), packet in after.items() if packet is not before[name, "SMS"]} == {"silver"}
    assert (len(before["silver", "SMS"]), len(after["gold", "SMS"])) == (0, 1)


async def test_a_user_is_added_without_reading_prices(server: Server) -> None:
    write(server.house, GOLD, [row("36")])
    await server.prices.refresh()
    server.house.db.write("bump_revision")
    assert not await server.prices.refresh()


async def test_prices_that_change_while_they_are_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first reading is a mixture, so it is not taken."""
    house, read = server.house, prices.next_page
    write(house, GOLD, [row(f"{n:07d}") for n in range(1500)])
    pages: list[int] = []

    def changing(*arguments: object) -> list[list[object]]:
        page = read(*arguments)  # type: ignore[arg-type]
        pages.append(len(page))
        if len(pages) == 1:
            write(house, GOLD, [row(f"{n:07d}", 2) for n in range(1500)])
        return page

    options(house, "alice", packet="gold")
    server.reload()
    monkeypatch.setattr(prices, "next_page", changing)
    assert await server.prices.refresh()
    assert {server.amount(f"{n:07d}") for n in range(1500)} == {2}
    assert pages == [1000, 500, 0, 1000, 500, 0]


# -- who pays by which packet


async def test_packets_of_users_and_groups(server: Server) -> None:
    house = server.house
    for name, amount in (("gold", 1), ("silver", 2), ("default", 3)):
        write(house, (name, "SMS"), [row("36", amount)])
    await server.prices.refresh()
    with house.db.transaction():
        set_group(house.db, "staff", "silver")
        set_group(house.db, "guests", "")

    def paid(group: str | None = None, packet: str | None = None) -> int:
        options(house, "alice", group, packet)
        server.reload()
        return server.amount("3620")

    assert paid() == 3
    assert paid(group="staff") == 2
    assert server.directory.by_name["alice"].group == "staff"
    assert paid(packet="gold") == 1
    assert paid(group="guests") == 1
    assert paid(packet="") == 3
    assert paid(group="", packet="nowhere") == 50_000
    assert paid(packet="") == 3
    assert server.amount("3620", "bob") == 3
    with house.db.transaction():
        set_group(house.db, "staff", "gold")
    assert paid(group="staff") == 1
    assert house.db.read("groups") == [("guests", "", 0), ("staff", "gold", 1)]


@pytest.mark.parametrize("user, group", [("mallory", None), ("alice", "nobody's")])
def test_no_such_user_or_group(house: House, user: str, group: str | None) -> None:
    with pytest.raises(AccountError, match="there is no"):
        options(house, user, group, "gold")


async def test_billing_by_part_and_what_gateways_cost(server: Server) -> None:
    house = server.house
    write(house, ("default", "SMS"), [row("36", 60_000, connect_fee=1)])
    write(house, ("carrier", "SMS"), [row("36", 20_000)])
    await server.prices.refresh()
    assert [server.amount("36", parts=3, smsbilling=how) for how in ("message", "part")] == [60_001, 180_003]
    assert [server.amount("44", parts=3, smsbilling=how) for how in ("message", "part")] == [50_000, 150_000]
    assert server.amount("36", smstime=30) == 30_001
    for how, owed in (("part", 60_000), ("message", 20_000)):
        settings = GatewaySettings(name="smsc", costpacket="carrier", costbilling=how)
        server.directory.costs = costs([settings, GatewaySettings(name="other")], {"smsc": house.gateway()})
        found = [
            cost(server.directory, GlobalSettings(), house.gateway(name), number, 3, NOW).amount
            for name, number in (("smsc", "36"), ("smsc", "44"), ("other", "36"))
        ]
        assert found == [owed, 0, 0]


def test_a_command_reads_what_one_number_needs(house: House) -> None:
    write(house, GOLD, [*MANY, row("36"), row("3620"), row("")])
    write(house, ("tin", "CALL"), [row("3", 5)])
    tariffs = prices.tariffs_for(house.db, "36201234567", lambda price, error: pytest.fail(str(error)))
    assert {key: len(packet) for key, packet in tariffs.packets.items()} == {GOLD: 3, ("tin", "CALL"): 1}
    found = tariffs.packets[GOLD].find("36201234567", NOW)
    assert found is not None
    assert found[0] == "3620"


async def test_a_timetable_that_this_machine_does_not_know(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    write(server.house, ("default", "SMS"), [row("36", 9, 0, "Mon-Sun Atlantis/City"), row("3", 4)])
    await server.prices.refresh()
    assert server.amount("3620") == 4
    assert "Atlantis/City" in capfd.readouterr().err
