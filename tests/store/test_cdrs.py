"""CDRs read by time: rows in pages, sums by key."""

from __future__ import annotations

import pytest

from tests.store.bulk import COST, PRICE, Months, at
from tests.store.rig import House
from voipsms.model import Millis
from voipsms.store.cdrs import Which, read_cdrs, span, sums, whole
from voipsms.store.database import load_queries
from voipsms.store.ids import first_id, id_time

COUNT = 3000  # more than a page
START, STOP = at("2026-01-01"), at("2026-01-31")
ALL = Which(Millis(0), Millis(1 << 62))


@pytest.fixture(scope="module")
def month(shared_house: House) -> House:
    house = shared_house
    users, gateways = [house.users["alice"], house.users["admin"]], [house.gateway(), house.gateway("other")]
    with house.db.transaction():
        house.db.write("credit_user", id=users[0], amount=10**12)
        house.db.write("insert_movement", id=1, user_id=users[0], kind="credit", amount=10**12, created=0, comment="")
    Months(users, gateways, START, STOP, COUNT).furnish(house.db)
    return house


def test_an_id_knows_its_time() -> None:
    assert id_time(first_id(START) + 77) == START


def test_the_span_has_all(month: House) -> None:
    first, stop = span(month.db)
    assert first == START
    assert STOP - 864_001 < stop <= STOP
    assert whole(month.db, Millis(0), Millis(1 << 62)) == (first, stop)
    assert whole(month.db, at("2026-01-03"), at("2026-01-04")) == (at("2026-01-03"), at("2026-01-04"))


def test_no_cdrs_are_no_span(house: House) -> None:
    assert span(house.db) == (0, 0)
    assert list(read_cdrs(house.db, ALL)) == []


def test_rows_come_once_in_order(month: House) -> None:
    ids = [row[0] for row in read_cdrs(month.db, ALL)]
    assert len(ids) == COUNT
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("start, stop", [
    ("2026-01-01", "2026-01-02"), ("2026-01-30T23:00", "2027-01-01"), ("2025-01-01", "2026-01-01T00:00:01"),
    ("2026-01-10T10:17:21.5", "2026-01-20T00:00:00.001"), ("2026-02-01", "2026-03-01"), ("2026-01-05", "2026-01-05"),
])  # fmt: skip
def test_a_time_is_a_range(month: House, start: str, stop: str) -> None:
    which = Which(at(start), at(stop))
    wanted = [row[0] for row in month.rows("SELECT start FROM tb_cdrs ORDER BY id")]
    assert [row[8] for row in read_cdrs(month.db, which)] == [t for t in wanted if at(start) <= t < at(stop)]


def test_a_row_says_who_and_what_for(month: House) -> None:
    row = next(read_cdrs(month.db, ALL))
    message_id, movements = month.rows("SELECT msgid, id FROM tb_ledger WHERE msgid IS NOT NULL ORDER BY id LIMIT 1")[0]
    assert (row[0], row[1], row[4], row[7]) == (message_id, message_id, "alice", "smsc")
    assert (row[9], row[10], row[11], row[12], row[17]) == (60, 1, PRICE, COST, str(movements))
    failed = next(row for row in read_cdrs(month.db, ALL) if row[14] == "UNDELIVERABLE")
    assert (failed[9], failed[11], len(failed[17].split(","))) == (0, 0, 2)


FILTERS = {
    "user": (lambda h: {"user_id": h.users["alice"]}, COUNT // 2),
    "gateway": (lambda h: {"gateway_id": h.gateway("other")}, COUNT // 2),
    "both": (lambda h: {"user_id": h.users["alice"], "gateway_id": h.gateway()}, COUNT // 4),
    "nobody": (lambda h: {"user_id": -1}, 0),
    "type": (lambda h: {"type": "SMS"}, COUNT),
    "other type": (lambda h: {"type": "CALL"}, 0),
}


@pytest.mark.parametrize("name", FILTERS)
def test_rows_and_sums_are_of_the_same_cdrs(month: House, name: str) -> None:
    filters, count = FILTERS[name]
    which = Which(Millis(0), Millis(1 << 62), **filters(month))  # type: ignore[no-untyped-call]
    assert sum(1 for _ in read_cdrs(month.db, which)) == count
    assert sum(figures.count for *_, figures in sums(month.db, "figures", which, START, STOP)) == count


KEYS = {
    "figures": {"": 3000},
    "figures_by_user": {"alice": 1500, "admin": 1500},
    "figures_by_gateway": {"smsc": 1500, "other": 1500},
    "figures_by_reason": {"": 2250, "undeliverable": 750},
    "figures_by_prefix": {"3630": 500, "4915": 500, "4477": 500, "4474": 500, "1212": 500, "1416": 500},
}


@pytest.mark.parametrize("name", KEYS)
def test_sums(month: House, name: str) -> None:
    names = {str(number): user for user, number in month.users.items()}
    found: dict[str, int] = {}
    for key, _, _, currency, figures in sums(month.db, name, ALL, START, STOP, 4):
        assert currency == "EUR"
        assert figures.seconds == 60 * (figures.count - figures.failed)
        assert figures.revenue == PRICE * (figures.count - figures.failed)
        assert (figures.cost, figures.delivered) == (COST * figures.delivered, figures.count - figures.failed)
        found[names.get(key, key)] = found.get(names.get(key, key), 0) + figures.count
    assert found == KEYS[name]


def test_slices_add_up_to_the_whole(month: House) -> None:
    middle = at("2026-01-17T03:04:05.678")
    parts = [
        figures.revenue
        for start, stop in ((START, middle), (middle, STOP))
        for *_, figures in sums(month.db, "figures_by_prefix_and_gateway", ALL, start, stop, 6)
    ]
    assert sum(parts) == sum(row[11] for row in read_cdrs(month.db, ALL))


READS = ("cdrs", *KEYS, "figures_by_prefix_and_gateway")


@pytest.mark.parametrize("name", READS)
def test_a_day_is_a_range_of_the_primary_key(month: House, name: str) -> None:
    """However many CDRs there are."""
    statement = getattr(load_queries(month.engine), name).sql
    parameters = {
        "after": first_id(START), "first": first_id(START), "before": first_id(at("2026-01-02")), "start": START,
        "stop": STOP, "user_id": 0, "gateway_id": 0, "type": "", "digits": 4,
    }  # fmt: skip
    connection = month.engine.connect()
    try:
        cursor = connection.cursor()
        if month.engine.name == "sqlite":
            plan = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            assert plan[0][3] == "SEARCH c USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
            assert all("SCAN" not in row[3] for row in plan)
        else:
            cursor.execute("ANALYZE TABLE tb_cdrs")
            cursor.execute(f"EXPLAIN {statement}", parameters)
            assert [(row[3], row[5]) for row in cursor.fetchall() if row[2] == "c"] == [("range", "PRIMARY")]
    finally:
        connection.close()
