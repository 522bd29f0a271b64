"""Prices as an operator sets them, and what messages then cost: seen in CDRs, balances and the ledger."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds, one, settled
from tests.peers.gateway import ROOT, Changes, Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from voipsms.cli import main
from voipsms.config import mysql_parameters

MOBILE, FREE, ELSEWHERE = "36301112233", "36201112233", "436601234567"
POOR, POSTPAID = "36201110001", "36201110002"
LONG = "x" * 400  # three parts
MANY = 150_000  # prices


def write(folder: Path, text: str, name: str = "prices.csv") -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


def by_packet(gateway: Gateway, packet: str) -> dict[str, Decimal]:
    return {row["prefix"]: row["price"] for row in gateway.table("price", "list", "--packet", packet)}


# -- commands, without a server


@pytest.fixture
def idle(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.mark.parametrize("command", ["price", "price import", "price add", "price del", "price list", "price quote",
                                     "group", "group set", "group list", "user set"])  # fmt: skip
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert f"usage: voipsms {command}" in capsys.readouterr().out


BAD = """\
prefix,price,valid_from,timetable
36,0.05,,
37,-1,,
38,"1,5",,
39x,1,,
40,1,soon,
41,1,,Mon 25:00-26:00
36,2,,
42,1,,
"""


def test_bad_lines_are_all_named_and_nothing_is_applied(idle: Gateway, tmp_path: Path) -> None:
    idle.command("price", "add", "1", "0.01", "--packet", "gold")
    file = write(tmp_path, BAD)
    ran = idle.run("price", "import", file, "--packet", "gold")
    assert (ran.returncode, ran.stdout) == (1, "")
    said = ran.stderr.splitlines()
    assert said[:-1] == [
        f"{file}: line 3: price: must not be negative, not '-1'",
        f"{file}: line 4: price: must have a decimal point, no comma, not '1,5'",
        f"{file}: line 5: prefix: must be digits that numbers begin with, at most 15, not '39x'",
        f"{file}: line 6: valid_from: must be a time such as 2026-11-20 or 2026-11-20T18:00:00Z, not 'soon'",
        f"{file}: line 7: timetable: must be such as Mon-Fri 08:00-18:00 Europe/Budapest "
        "(column 5: '25:00-26:00' is not within 00:00-24:00), not 'Mon 25:00-26:00'",
        f"{file}: line 8: contradicts line 2: both are for the prefix 36 at the same time",
    ]
    assert said[-1] == f"voipsms: {file}: nothing is imported: bad lines: 6"
    assert by_packet(idle, "gold") == {"1": Decimal("0.01")}


def test_bad_lines_are_left_out_where_that_is_said(idle: Gateway, tmp_path: Path) -> None:
    idle.command("price", "add", "1", "0.01")
    said = idle.command("price", "import", write(tmp_path, BAD), "--skip-bad")
    assert said == "packet default, SMS: prices imported: 2, bad lines left out: 6\n"
    assert by_packet(idle, "default") == {"36": Decimal("0.05"), "42": Decimal("1.00")}


NO_FILES: dict[str, tuple[str | None, str]] = {
    "no file": (None, "can't be read: No such file or directory"),
    "no header": ("36,0.05\n", "line 1: there is no column '36'"),
    "a header alone": ("prefix,price\n", "nothing is imported: there is no price in it"),
    "bad lines alone": ("prefix,price\nx,1\n", "nothing is imported: there is no price in it"),
}


@pytest.mark.parametrize("text, why", NO_FILES.values(), ids=NO_FILES)
def test_files_that_are_none(idle: Gateway, tmp_path: Path, text: str | None, why: str) -> None:
    idle.command("price", "add", "1", "0.01")
    file = str(tmp_path / "none.csv") if text is None else write(tmp_path, text)
    ran = idle.run("price", "import", file, "--skip-bad")
    assert ran.returncode == 1
    assert f"voipsms: {file}: {why}" in ran.stderr.splitlines()[-1]
    assert by_packet(idle, "default") == {"1": Decimal("0.01")}


def test_import_replaces_and_adds(idle: Gateway, tmp_path: Path) -> None:
    first, second = (
        write(tmp_path, "prefix,price\n36,1\n37,1\n", "a"),
        write(tmp_path, "prefix,price\n37,2\n38,2\n", "b"),
    )
    assert idle.command("price", "import", first) == "packet default, SMS: prices imported: 2\n"
    ran = idle.run("price", "import", second, "--add")
    assert ran.stderr.splitlines() == [
        f"{second}: line 2: contradicts the 1.00 that is there already: both are for the prefix 37 at the same time",
        f"voipsms: {second}: nothing is imported: bad lines: 1",
    ]
    assert by_packet(idle, "default") == {"36": 1, "37": 1}
    idle.command("price", "import", second, "--add", "--skip-bad")
    assert by_packet(idle, "default") == {"36": 1, "37": 1, "38": 2}
    idle.command("price", "import", second, "--service", "CALL")
    idle.command("price", "import", second)
    assert by_packet(idle, "default") == {"37": 2, "38": 2}
    assert len(idle.table("price", "list")) == 4
    exported = write(tmp_path, idle.command("price", "list", "--service", "SMS", "--format", "csv"), "c")
    assert idle.command("price", "import", exported) == "packet default, SMS: prices imported: 2\n"


ADDED: dict[str, tuple[list[str], str]] = {
    "negative": (["36", "-1"], "voipsms: price: must not be negative, not '-1'"),
    "comma": (["36", "1,5"], "voipsms: price: must have a decimal point, no comma, not '1,5'"),
    "letters": (["3x", "1"], "must be digits that numbers begin with, at most 15, not '3x'"),
    "no such day": (["36", "1", "--valid-from", "2026-02-30"], "voipsms: valid_from: must be a time"),
    "over before it begins": (["36", "1", "--valid-from", "2027-01-01", "--valid-to", "2026-01-01"], "valid_to: "),
    "no timetable": (["36", "1", "--timetable", "nights"], "timetable: must be such as"),
    "a contradiction": (["1", "2"], "voipsms: the price contradicts the 0.01 that is there already: both are for"),
    "no packet": (["36", "1", "--packet", ""], "the name of a packet or group has 1 to 64 characters"),
    "no service": (["36", "1", "--service", "FAX"], "invalid choice: 'FAX'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    gateway = Gateway(tmp_path_factory.mktemp("priced"))
    gateway.command("price", "add", "1", "0.01")
    return gateway


@pytest.mark.parametrize("words, why", ADDED.values(), ids=ADDED)
def test_prices_that_are_none_are_not_added(priced: Gateway, words: list[str], why: str) -> None:
    ran = priced.run("price", "add", *words)
    assert ran.returncode in (1, 2)
    assert why in ran.stderr
    assert by_packet(priced, "default") == {"1": Decimal("0.01")}


def test_listed_with_everything(idle: Gateway) -> None:
    idle.command(
        "price", "add", "36", "0.05", "--connect-fee", "0.01", "--minimum", "0.02", "--valid-from", "2026-01-01",
        "--valid-to", "2027-01-01T00:00+01:00", "--timetable", "Mon-Fri 08:00-18:00 Europe/Budapest", "--packet", "p",
    )  # fmt: skip
    assert idle.table("price", "list") == [
        {
            "packet": "p", "service": "SMS", "prefix": "36", "price": Decimal("0.05"), "connect_fee": Decimal("0.01"),
            "minimum": Decimal("0.02"), "valid_from": "2026-01-01T00:00:00.000Z",
            "valid_to": "2026-12-31T23:00:00.000Z", "timetable": "Mon-Fri 08:00-18:00 Europe/Budapest",
        }
    ]  # fmt: skip
    idle.command("price", "del", "36", "--packet", "p")
    assert idle.table("price", "list") == []
    assert "has no price of prefix '36'" in idle.run("price", "del", "36", "--packet", "p").stderr


def test_quoted_and_explained(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, changes={"global": {"costpacket": "carrier", "smsbilling": "part"}})
    gateway.add_user("alice", "10", "36201234567", "--packet", "gold")
    for packet, prefix, price in (("gold", "36", "0.06"), ("gold", "3630", "0.07"), ("carrier", "", "0.02")):
        gateway.command("price", "add", prefix, price, "--packet", packet)
    rows = gateway.table("price", "quote", f"+{MOBILE}", "--user", "alice", "--parts", "3")
    assert [(row["of"], row["name"], row["prefix"], row["amount"], row["reason"]) for row in rows] == [
        ("user", "alice", "3630", Decimal("0.21"), "packet gold, prefix 3630: 0.07 a minute"),
        ("gateway", "default", "", Decimal("0.06"), "packet carrier, every prefix: 0.02 a minute"),
    ]
    rows = gateway.table("price", "quote", f"+{ELSEWHERE}", "--user", "alice")
    assert (rows[0]["amount"], rows[0]["reason"]) == (Decimal("0.01"), "packet gold has no price for it: smsprice")
    steps = {row["step"]: row["result"] for row in gateway.table("explain", "--user", "alice", "--to", MOBILE, LONG)}
    assert steps["price"] == "0.21 USD for 3 parts of 60 s (packet gold, prefix 3630: 0.07 a minute)"
    assert steps["cost"] == "0.06 USD (packet carrier, every prefix: 0.02 a minute)"
    assert "there is no user 'bob'" in gateway.run("price", "quote", MOBILE, "--user", "bob").stderr
    assert "Not a possible phone number" in gateway.run("price", "quote", "hello", "--user", "alice").stderr


def test_groups(idle: Gateway) -> None:
    idle.add_user("alice", "1", "")
    assert "there is no group 'staff'" in idle.run("user", "set", "alice", "--group", "staff").stderr
    idle.command("group", "set", "staff", "--packet", "gold")
    assert idle.command("user", "set", "alice", "--group", "staff") == (
        "user alice: group staff, packet that of the group, else default\n"
    )
    assert idle.table("group", "list") == [{"group": "staff", "packet": "gold", "users": 1}]
    rows = {row["name"]: (row["group"], row["packet"]) for row in idle.table("user", "list")}
    assert rows["alice"] == ("staff", "gold")
    assert "there is no user 'bob'" in idle.run("user", "set", "bob", "--packet", "gold").stderr


# -- an import that is cut off, and one that is watched


def big(folder: Path) -> str:
    return write(folder, "prefix,price\n" + "".join(f"{1_000_000 + n},0.07\n" for n in range(MANY)), "big.csv")


@contextmanager
def watched(gateway: Gateway) -> Iterator[Callable[[], bool]]:
    """What tells whether an import is writing."""
    if gateway.url.startswith("mysql"):
        with pymysql.connect(**mysql_parameters(gateway.url), autocommit=True, ssl_disabled=True) as connection:  # type: ignore[call-overload]
            yield lambda: _rows_changed(connection) > 5000
        return
    with closing(sqlite3.connect(gateway.file.parent / "voipsms.db", timeout=0, isolation_level=None)) as database:
        yield lambda: _is_locked(database)


def _rows_changed(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(MAX(trx_rows_modified), 0) FROM information_schema.innodb_trx")
        return int(cursor.fetchone()[0])


def _is_locked(database: sqlite3.Connection) -> bool:
    try:
        database.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError:
        return True
    database.execute("ROLLBACK").close()
    return False


@pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
def test_an_import_that_is_killed_changes_nothing(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = "sqlite:///voipsms.db" if engine == "sqlite" else request.getfixturevalue("mysql_url")
    gateway, file = Gateway(tmp_path, url=url), big(tmp_path)
    gateway.command("price", "add", "36", "0.05")
    command = [sys.executable, "-m", "voipsms", "--config", str(gateway.file), "price", "import", file]
    with (
        watched(gateway) as is_writing,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as importing,
    ):
        wait_until(is_writing, "the import writes", pause=0.12)  # InnoDB looks ten times a second at most
        importing.kill()
        said = importing.communicate()[0]
    assert (importing.returncode, said) == (-9, b"")
    assert by_packet(gateway, "default") == {"36": Decimal("0.05")}
    assert gateway.command("price", "import", file) == f"packet default, SMS: prices imported: {MANY}\n"
    assert one(gateway, "SELECT count(*) FROM tb_prices") == MANY


def test_a_progress_bar_on_a_terminal_only(idle: Gateway, tmp_path: Path) -> None:
    file = write(tmp_path, "prefix,price\n36,1\nx,1\n")
    assert "\r" not in idle.run("price", "import", file, "--skip-bad").stderr
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "voipsms", "--config", str(idle.file), "price", "import", file, "--skip-bad"]
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, check=True
        )
        os.close(theirs)
        shown = terminal.read(10_000).decode()
    assert f"\rreading [{'#' * 40}] 100%" in shown
    assert f"\rwriting [{'#' * 40}] 100%" in shown
    assert "\r\x1b[K" + file in shown, "a bad line has a line of its own"
    assert shown.endswith("\r\x1b[K")


# -- a running server


def _users(gateway: Gateway) -> None:
    gateway.add_user()
    gateway.add_user("poor", "0", POOR)
    gateway.add_user("postpaid", "0", POSTPAID, "--postpaid", "0.10")
    for packet, prefix, price in (
        ("default", "36", "0.05"), ("default", "3620", "0"), ("carrier", "36", "0.01"), ("carrier", "3620", "0"),
    ):  # fmt: skip
        gateway.command("price", "add", prefix, price, "--packet", packet)


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """`smsprice` is 0.01."""
    url = "sqlite:///voipsms.db"
    if request.param == "mariadb":
        url = request.getfixturevalue("mariadb").new_database()
    changes: Changes = {"global": {"costpacket": "carrier"}}
    with house(tmp_path_factory.mktemp("prices"), url, changes=changes, users=_users) as running:
        yield running
        ledger_holds(running.gateway)


def last(at: House) -> tuple[Decimal, Decimal, int]:
    """Price, cost and parts of the newest message, when all have their end."""
    settled(at.gateway, int(one(at.gateway, "SELECT count(*) FROM tb_messages")))
    row = at.gateway.cdrs()[-1]
    return row["price"], row["cost"], row["parts"]


SENT: dict[str, tuple[str, str, Decimal, Decimal, int]] = {
    "by the packet": (MOBILE, "Hello", Decimal("0.05"), Decimal("0.01"), 1),
    "a long one costs us its parts": (MOBILE, LONG, Decimal("0.05"), Decimal("0.03"), 3),
    "nothing found: smsprice": (ELSEWHERE, "Hello", Decimal("0.01"), Decimal(0), 1),
    "price 0": (FREE, "Hello", Decimal(0), Decimal(0), 1),
}


@pytest.mark.parametrize("target, text, price, cost, parts", SENT.values(), ids=SENT)
def test_priced(started: House, target: str, text: str, price: Decimal, cost: Decimal, parts: int) -> None:
    before = started.gateway.balance()
    with Phone(started.gateway.sip_port) as phone:
        assert phone.send(target, text).status == 202
    assert last(started) == (price, cost, parts)
    assert before - started.gateway.balance() == price
    ledger_holds(started.gateway)


def test_who_has_nothing_may_send_what_costs_nothing(started: House) -> None:
    with Phone(started.gateway.sip_port) as phone:
        assert phone.send(MOBILE, sender=POOR).status == 402
        assert phone.send(FREE, sender=POOR).status == 202
    assert last(started)[0] == 0
    assert started.gateway.balance("poor") == 0
    movements = "SELECT count(*) FROM tb_ledger AS l JOIN tb_users AS u ON u.id = l.user_id WHERE u.username = 'poor'"
    assert one(started.gateway, movements) == 0
    ledger_holds(started.gateway)


def test_postpaid_to_its_limit(started: House) -> None:
    with Phone(started.gateway.sip_port) as phone:
        assert [phone.send(MOBILE, sender=POSTPAID).status for _ in range(3)] == [202, 202, 402]
        assert phone.send(FREE, sender=POSTPAID).status == 202
    assert started.gateway.balance("postpaid") == Decimal("-0.10")
    ledger_holds(started.gateway)


def test_new_prices_are_for_new_messages(started: House, tmp_path: Path) -> None:
    """Imported while the server runs; what was sent before keeps its price."""
    gateway = started.gateway
    with Phone(gateway.sip_port) as phone:
        assert phone.send(MOBILE).status == 202
        was = last(started)[0]
        newer = was + Decimal("0.02")
        gateway.command("price", "import", write(tmp_path, f"prefix,price\n36,{newer}\n3620,0\n"))

        def is_newer() -> bool:
            assert phone.send(MOBILE).status == 202
            return last(started)[0] == newer

        wait_until(is_newer, "the new price")
        gateway.command("group", "set", "staff", "--packet", "staff")
        gateway.command("user", "set", "bench", "--group", "staff")
        gateway.command("price", "add", "36301112233", "0.015", "--packet", "staff")

        def is_staffs() -> bool:
            assert phone.send(MOBILE).status == 202
            return last(started)[0] == Decimal("0.015")

        wait_until(is_staffs, "the price of the group")
        gateway.command("user", "set", "bench", "--group", "")
        wait_until(lambda: phone.send(MOBILE).status == 202 and last(started)[0] == newer, "the old packet")
    prices = {row[0] for row in ask(gateway, "SELECT DISTINCT price FROM tb_cdrs WHERE target = '36301112233'")}
    assert {50_000, 15_000} <= prices
    ledger_holds(gateway)


def test_a_reload_bills_parts(started: House) -> None:
    gateway, packet = started.gateway, {"costpacket": "carrier"}
    with Phone(gateway.sip_port) as phone:
        assert phone.send(MOBILE, LONG).status == 202
        price = last(started)[0]
        gateway.reconfigure({"global": {**packet, "smsbilling": "part", "costbilling": "message"}})
        assert phone.send(MOBILE, LONG).status == 202
        assert last(started) == (3 * price, Decimal("0.01"), 3)
        assert phone.send(ELSEWHERE, LONG).status == 202
        assert last(started) == (Decimal("0.03"), Decimal(0), 3)
        gateway.reconfigure({"global": packet})
    ledger_holds(gateway)
