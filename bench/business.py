"""A gateway with a business on it: how much slower than an empty one."""

from __future__ import annotations

import random
from collections.abc import Callable

from bench import reports
from bench.measure import Figures
from bench.ours import OUTSTANDING, folder_of_its_own, started
from tests.acceptance.rig import ask
from tests.peers.gateway import Gateway
from tests.peers.mariadb import MariaDb
from voipsms.model import Millis
from voipsms.store.ids import first_id, now_millis

PRICES, ROUTES, RULES, USERS = 500_000, 5_000, 20, 10_000
STORED = 5_000_000  # messages
SPAN = 365 * 86_400_000  # milliseconds over which they came
_GROUP = 250_000  # rows a statement

_RULE = """[[rule]]
name = "rule {n}"
when = [{{ field = "text", has = "no text has this {n}" }}]
then = [{{ do = "refuse", text = "no" }}]
"""


def one_each(messages: int) -> Figures:
    """One price, one route, one rule, one user."""
    return _furnished("one_each", messages, 1, 1, 1, 1)


def furnished(messages: int) -> Figures:
    return _furnished("furnished", messages, PRICES, ROUTES, RULES, USERS)


def _furnished(name: str, messages: int, prices: int, routes: int, rules: int, users: int) -> Figures:
    def furnish(gateway: Gateway) -> None:
        _prices(gateway, prices)
        _routes(gateway, routes)
        _rules(gateway, rules)
        _users(gateway, users)

    with folder_of_its_own() as folder, started(folder, furnish=furnish) as running:
        return running.run(name, messages, OUTSTANDING)


def _prices(gateway: Gateway, count: int) -> None:
    """The users' packet: prefixes of up to seven digits, as numbering plans have them."""
    dice = random.Random(4)
    wanted = {"36"} | {str(n) for n in dice.sample(range(1_000_000, 9_999_999), count - 1)}
    file = gateway.file.parent / "prices.csv"
    file.write_text("prefix,price\n" + "".join(f"{prefix},0.{dice.randrange(1, 999):03d}\n" for prefix in wanted))
    gateway.command("price", "import", str(file))


def _routes(gateway: Gateway, count: int) -> None:
    gateway.command("route", "add", "--gateway", "default")
    dice = random.Random(5)
    prefixes = dice.sample(range(10_000, 99_999), count - 1)
    rows = ", ".join(
        f"({n}, 'SMS', '{prefix}', '', '', '', NULL, '', '', '', 1, 1, gateway, NULL)"
        for n, prefix in enumerate(prefixes, 1)
    )
    if rows:
        gateway_id = ask(gateway, "SELECT id FROM tb_users WHERE username = 'default'")[0][0]
        ask(gateway, f"INSERT INTO tb_routes VALUES {rows.replace('gateway', str(gateway_id))}")  # noqa: S608


def _rules(gateway: Gateway, count: int) -> None:
    file = gateway.file.parent / "rules.toml"
    file.write_text("\n".join(_RULE.format(n=n) for n in range(count)))
    gateway.command("rule", "import", str(file))


def _users(gateway: Gateway, count: int) -> None:
    columns = "id, username, type, balance, credit_limit, currency, created"
    for first in range(1, count, 1000):
        rows = ", ".join(f"({n}, 'user{n}', 'enduser', 0, 0, 'USD', 0)" for n in range(first, min(count, first + 1000)))
        ask(gateway, f"INSERT INTO tb_users ({columns}) VALUES {rows}")  # noqa: S608
    ask(gateway, "UPDATE tb_settings SET value = value + 1 WHERE name = 'revision'")


def stored_sqlite(messages: int) -> Figures:
    with folder_of_its_own() as folder, started(folder, furnish=store) as running:
        return running.run("stored_sqlite", messages, OUTSTANDING)


def stored_mariadb(messages: int) -> Figures:
    with folder_of_its_own() as folder:
        server = MariaDb(folder)
        server.install()
        with server, started(folder, server.new_database(), furnish=store) as running:
            return running.run("stored_mariadb", messages, OUTSTANDING)


# Each table's columns, and what they hold; {id} and {at} are the row's.
_TABLES = {
    "tb_messages": (
        "id, created, direction, door, user_id, gateway_id, sender, target, text, coding, parts, duration, price, cost,"
        " currency, client_ip, message_class, state, reason, comment, changed",
        "{id}, {at}, 'MT', 'sip', 1, 2, '36201234567', '36301112233', 'a text of a usual length, some 50 characters',"
        " 'gsm7', 1, 60, 10000, 0, 'USD', '192.0.2.1', NULL, 'DELIVERED', '', '', {at}",
    ),
    "tb_parts": (
        "message_id, part, total, attempt, gateway_id, provider_id, state", "{id}, 1, 1, 1, 2, {id}, 'DELIVERED'",
    ),
    "tb_cdrs": (
        "id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price, cost,"
        " currency, state, reason, comment",
        "{id}, {id}, 'SMS', 'MT', 1, 2, '36201234567', '36301112233', {at}, 60, 1, 10000, 0, 'USD', 'DELIVERED', '',"
        " ''",
    ),
    "tb_ledger": (
        "id, user_id, msgid, kind, amount, created, comment", "{id}, 1, {id}, 'reserve', -10000, {at}, ''",
    ),
}  # fmt: skip


def store(gateway: Gateway) -> None:
    """So many messages of the past year, with all that belongs to each."""
    numbers: Callable[[int], str] = _sqlite_numbers if gateway.url.startswith("sqlite") else _mariadb_numbers
    start = Millis(now_millis() - SPAN)
    step = (first_id(now_millis()) - first_id(start)) // (STORED + 1)
    for first in range(0, STORED, _GROUP):
        row = {"id": f"{first_id(start)} + n.seq * {step}", "at": f"{start} + n.seq * {SPAN // STORED}"}
        for table, (columns, values) in _TABLES.items():
            ask(gateway, f"INSERT INTO {table} ({columns}) SELECT {values.format(**row)} FROM {numbers(first)} AS n")  # noqa: S608


def _sqlite_numbers(first: int) -> str:
    last = first + _GROUP - 1
    counting = f"SELECT {first} UNION ALL SELECT seq + 1 FROM s WHERE seq < {last}"  # noqa: S608
    return f"(WITH RECURSIVE s (seq) AS ({counting}) SELECT seq FROM s)"  # noqa: S608


def _mariadb_numbers(first: int) -> str:
    return f"seq_{first}_to_{first + _GROUP - 1}"


def month_report(_: int) -> Figures:
    """A month's report by day over a million CDRs, as a command takes it; the median of three is p50."""
    with folder_of_its_own() as folder:
        gateway = Gateway(folder)
        gateway.command("db", "upgrade")
        reports.furnish(gateway, "sqlite", reports.CDRS)
        seconds = reports.measure(gateway, ("--by", "day"), 3)
    return Figures("report", reports.CDRS, reports.CDRS / seconds, 0.0, 0.0, seconds * 1000, seconds * 1000, {})


MEASUREMENTS: dict[str, Callable[[int], Figures]] = {
    "one_each": one_each, "furnished": furnished, "stored_sqlite": stored_sqlite, "stored_mariadb": stored_mariadb,
    "report": month_report,
}  # fmt: skip
