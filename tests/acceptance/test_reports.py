"""`cdr`, `report` and `archive`, as operators and scripts use them, and the page as a browser shows it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.rig import ask, ledger_holds
from tests.peers.browser import Browser
from tests.peers.gateway import ROOT, Gateway
from tests.peers.mariadb import MariaDb
from tests.store.bulk import Months, at
from voipsms.cli import main
from voipsms.model import GatewayId, Micros, UserId, UserType
from voipsms.store.accounts import NewUser, add_user, ensure_gateways
from voipsms.store.archive import read
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, first_id
from voipsms.store.mysql import MysqlEngine
from voipsms.store.sqlite import SqliteEngine

ODD_USER = "<script>document.title='bad'</script>"
ODD_GATEWAY = "\"'><img src=x onerror=x>-without-any-place-to-break"
USERS = ("alice", ODD_USER)
GATEWAYS = ("default", ODD_GATEWAY)
KEYS = ["currency", "count", "delivered", "failed", "delivered_share", "parts", "minutes", "revenue", "cost", "margin"]
EUR, USD = 3100, 930  # messages of December 2025 and January 2026


@dataclass(frozen=True, slots=True)
class House:
    gateway: Gateway

    def report(self, *words: str) -> str:
        return self.gateway.command("report", *words)

    def rows(self, *words: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self.report(*words, "--format", "json"), parse_float=Decimal)
        return rows


def furnish(db: Database) -> None:
    ids = IdSource(1)
    with db.transaction():
        users = [
            add_user(db, ids, NewUser(name, UserType.ENDUSER, currency), Micros(10**10))
            for name, currency in zip(USERS, ("EUR", "USD"), strict=True)
        ]
        gateways = list(ensure_gateways(db, ids, GATEWAYS, "EUR").values())
    _months(users[:1], gateways, EUR, "EUR").furnish(db)
    _months(users[1:], gateways[1:], USD, "USD").furnish(db)


def _months(users: list[UserId], gateways: list[GatewayId], count: int, currency: str) -> Months:
    shift = 0 if currency == "EUR" else 1  # no id twice
    return Months(users, gateways, at("2025-12-01") + shift, at("2026-02-01") + shift, count, currency)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("reports")
    gateway = Gateway(folder)
    gateway.command("db", "upgrade")
    db = Database(SqliteEngine(folder / "voipsms.db", 2.0))
    furnish(db)
    db.close()
    return House(gateway)


# -- report ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["day", "hour", "user", "gateway", "prefix", "country", "reason"])
def test_every_report_adds_up_to_the_same(house: House, by: str) -> None:
    rows = house.rows("--by", by)
    assert all(list(row) == [by, *KEYS] for row in rows)
    for currency, count in (("EUR", EUR), ("USD", USD)):
        own = [row for row in rows if row["currency"] == currency]
        assert sum(row["count"] for row in own) == count  # type: ignore[misc]
        taken = sum(row["count"] - row["failed"] for row in own)  # type: ignore[operator]
        assert sum(Decimal(str(row["revenue"])) for row in own) == taken * Decimal("0.05")
        assert sum(Decimal(str(row["cost"])) for row in own) == taken * Decimal("0.03")
        assert sum(Decimal(str(row["margin"])) for row in own) == taken * Decimal("0.02")
        assert sum(Decimal(str(row["minutes"])) for row in own) == taken
    assert all(row["delivered_share"] == round(Decimal(row["delivered"]) / row["count"], 4) for row in rows)  # type: ignore[arg-type, operator]


def test_keys_are_names(house: House) -> None:
    assert [row["user"] for row in house.rows("--by", "user")] == sorted(USERS)
    assert {row["gateway"] for row in house.rows("--by", "gateway")} == set(GATEWAYS)
    assert {row["country"] for row in house.rows("--by", "country")} == {"HU", "DE", "JE", "GB", "US", "CA"}
    assert {row["prefix"] for row in house.rows("--by", "prefix", "--digits", "3")} == {
        "363",
        "491",
        "447",
        "121",
        "141",
    }
    assert {row["reason"] for row in house.rows("--by", "reason")} == {"", "undeliverable"}


@pytest.mark.parametrize("words, first, last, count", [
    ((), "2025-12-01", "2026-01-31", 62),
    (("--from", "2026-01-01"), "2026-01-01", "2026-01-31", 31),
    (("--from", "2026-01-01", "--to", "2026-01-03T12:00"), "2026-01-01", "2026-01-03", 3),
    (("--zone", "Asia/Tokyo"), "2025-12-01", "2026-02-01", 63),
    (("--zone", "Asia/Tokyo", "--from", "2026-01-02", "--to", "2026-01-03"), "2026-01-02", "2026-01-02", 1),
    (("--zone", "Asia/Tokyo", "--from", "2026-01-02T00Z", "--to", "2026-01-03T00Z"), "2026-01-02", "2026-01-03", 2),
])  # fmt: skip
def test_days(house: House, words: tuple[str, ...], first: str, last: str, count: int) -> None:
    rows = house.rows("--user", "alice", *words)
    assert [rows[0]["day"], rows[-1]["day"], len(rows)] == [first, last, count]


def test_filters(house: House) -> None:
    def count(*words: str) -> int:
        return sum(row["count"] for row in house.rows(*words))  # type: ignore[misc]

    assert count("--user", ODD_USER) == USD
    assert count("--gateway", "default") == EUR // 2
    assert count("--user", ODD_USER, "--gateway", "default") == 0
    assert (count("--type", "SMS"), count("--type", "CALL")) == (EUR + USD, 0)
    assert count("--to", "2000-01-01") == 0


def test_formats_agree(house: House) -> None:
    rows = house.rows("--by", "gateway")
    as_csv = list(csv.DictReader(io.StringIO(house.report("--by", "gateway", "--format", "csv"))))
    assert [list(row) for row in as_csv] == [["gateway", *KEYS]] * len(rows)
    assert [row["margin"] for row in as_csv] == [str(row["margin"]) for row in rows]
    head, *lines = house.report("--by", "gateway").splitlines()
    assert head.split() == ["gateway", *KEYS]
    assert [line.split()[-1] for line in lines] == [str(row["margin"]) for row in rows]


@pytest.mark.parametrize("words", ["--by moon", "--zone Mars/Base", "--from soon", "--digits 0", "--format pdf"])
def test_what_cannot_be_understood(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", *words.split()])
    assert ended.value.code == 2
    assert "usage: voipsms report" in capsys.readouterr().err


def test_an_unknown_account_is_one_line(house: House) -> None:
    ran = house.gateway.run("report", "--user", "bob")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "voipsms: there is no user or gateway 'bob'\n")


def test_cdrs_have_margin_and_ledger(house: House) -> None:
    rows = house.gateway.cdrs("--to", "2025-12-02", "--user", "alice", "--all-fields")
    assert {(row["price"], row["cost"], row["margin"]) for row in rows} == {
        (Decimal("0.05"), Decimal("0.03"), Decimal("0.02")), (0, 0, 0),
    }  # fmt: skip
    movements = {str(number): str(msgid) for number, msgid in ask(house.gateway, "SELECT id, msgid FROM tb_ledger")}
    for row in rows:
        booked = row["ledger"].split()
        assert len(booked) == (2 if row["reason"] else 1)
        assert {movements[number] for number in booked} == {row["msgid"]}


# -- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(house: House) -> str:
    return house.report("--by", "user", "--format", "html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(tmp_path_factory.mktemp("browser"))


def test_the_page_needs_nothing_else(page: str) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert all(word not in page for word in ("http://", "https://", "<script", "<img", "<link", "url(", "@import"))
    assert page.count('name="viewport"') == page.count('lang="en"') == 1
    assert "&lt;script&gt;" in page


def test_the_page_of_no_cdrs(house: House, browser: Browser) -> None:
    page = house.report("--to", "2000-01-01", "--format", "html")
    assert "no CDRs" in page
    assert browser.console(page) == []


def test_the_browser_says_nothing(page: str, browser: Browser) -> None:
    assert browser.console(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("by", ["user", "hour"])
def test_the_page_fits_and_can_be_read(house: House, browser: Browser, by: str, width: int, dark: bool) -> None:
    page = house.report("--by", by, "--format", "html", "--from", "2026-01-20")
    found = Browser(browser.folder, width, dark).measure(page)
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["outside"] == []
    assert found["dark"] is dark
    assert found["small"] >= 11.5
    assert found["text"][0] >= 4.5, found["text"]
    assert found["mark"][0] >= 3, found["mark"]
    assert (found["scripts"], found["images"], found["unnamed"], found["axes"]) == (0, 0, 0, 0)
    assert found["title"] == f"SMS report by {by}"


def test_charts_have_words(page: str, browser: Browser) -> None:
    pictures = browser.measure(page)["pictures"]
    assert {"Messages over time", "Delivered share over time"} < set(pictures)
    assert {f"Revenue, cost and margin in {currency}" for currency in ("EUR", "USD")} < set(pictures)
    assert any(name.startswith(ODD_GATEWAY) for name in pictures)
    assert any(name.startswith("HU: ") for name in pictures)


def test_the_page_can_be_printed(page: str, browser: Browser, tmp_path: Path) -> None:
    browser.pdf(page, tmp_path / "report.pdf")
    pdf = (tmp_path / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert 1 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page/") <= 4


# -- many rows ------------------------------------------------------------------------------------------------------

MANY = 300_000
NUMBERS = {  # one to MANY
    "sqlite": "(WITH RECURSIVE s (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s LIMIT 300000) SELECT seq FROM s)",
    "mariadb": "seq_1_to_300000",
}  # fmt: skip


@pytest.fixture(scope="module", params=NUMBERS)
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Ten days of 30,000 CDRs each."""
    url = "sqlite:///voipsms.db" if request.param == "sqlite" else request.getfixturevalue("mariadb").new_database()
    gateway = Gateway(tmp_path_factory.mktemp("crowded"), url=url)
    gateway.command("db", "upgrade")
    start, gap = at("2026-01-01"), 10 * 86_400_000 // MANY
    number = f"{first_id(start)} + (seq - 1) * {gap << 22}"
    insert = (
        "INSERT INTO tb_cdrs (id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts,"
        f" price, cost, currency, state, reason, comment) SELECT {number}, {number}, 'SMS', 'MT', 1, 2, '36201234567',"
        f" '36301112233', {start} + (seq - 1) * {gap}, 60, 1, 50000, 30000, 'EUR', 'DELIVERED', '', 'as it was said'"
    )
    ask(gateway, f"{insert} FROM {NUMBERS[request.param]} AS numbers")
    return gateway


def peak(gateway: Gateway, *words: str, into: Path) -> int:
    """The largest resident set of a command, in kilobytes."""
    command = [sys.executable, "-m", "voipsms", "--config", str(gateway.file), *words]
    with into.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss


@pytest.mark.parametrize("kind, lines", [("csv", 1), ("json", 2)])
def test_memory_does_not_grow_with_the_rows(crowded: Gateway, kind: str, lines: int, tmp_path: Path) -> None:
    few, all_ = tmp_path / "few", tmp_path / "all"
    small = peak(crowded, "cdr", "--to", "2026-01-01T02:00", "--format", kind, into=few)
    large = peak(crowded, "cdr", "--format", kind, into=all_)
    assert [file.read_bytes().count(b"\n") - lines for file in (few, all_)] == [2500, MANY]
    assert large < small + 4096


def test_a_report_of_many(crowded: Gateway) -> None:
    rows = crowded.table("report", "--by", "day")
    assert [row["count"] for row in rows] == [MANY // 10] * 10


def test_mariadb_reports_the_same(mariadb: MariaDb, mysql_url: str, tmp_path: Path, house: House) -> None:
    gateway = Gateway(tmp_path, url=mysql_url)
    gateway.command("db", "upgrade")
    name = mysql_url.rpartition("/")[2]
    engine = {"host": "127.0.0.1", "port": mariadb.port, "user": "voipsms", "password": "secret-1", "database": name}
    db = Database(MysqlEngine(engine, 2.0))
    furnish(db)
    db.close()
    for by in ("day", "user", "gateway", "prefix", "country", "reason"):
        assert gateway.command("report", "--by", by) == house.report("--by", by)
    assert [row["count"] for row in gateway.table("report", "--by", "user")] == [USD, EUR]


# -- archive --------------------------------------------------------------------------------------------------------


def test_archive(house: House, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    ask(house.gateway, "PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "voipsms.db").write_bytes((house.gateway.file.parent / "voipsms.db").read_bytes())
    planned = gateway.table("archive", "--before", "2026-02", "--dry-run")
    assert planned == [
        {"month": "2025-12", "cdrs": (EUR + USD) // 2, "left": 0},
        {"month": "2026-01", "cdrs": (EUR + USD) // 2, "left": 0},
    ]
    balance = gateway.balance("alice")
    (done,) = gateway.table("archive", "--before", "2026-01")
    assert (done["month"], done["cdrs"], done["left"]) == ("2025-12", (EUR + USD) // 2, 0)
    assert (tmp_path / "archive" / "cdrs-2025-12.csv.gz") == Path(done["file"])
    assert gateway.balance("alice") == balance
    ledger_holds(gateway)
    assert len(gateway.cdrs()) == (EUR + USD) // 2
    (done,) = gateway.table("archive", "--before", "2026-03", "--to", str(tmp_path / "other"))
    assert Path(done["file"]).parent == tmp_path / "other"
    assert gateway.cdrs() == gateway.table("archive", "--before", "2026-03") == []
    ledger_holds(gateway)


def test_archive_wants_a_month(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["archive", "--before", "2026"])
    assert ended.value.code == 2
    assert "no month such as 2026-01" in capsys.readouterr().err


def test_archive_is_killed_again_and_again(tmp_path: Path) -> None:
    """However often, every CDR is in one file, once, and the money adds up."""
    gateway = Gateway(tmp_path)
    gateway.command("db", "upgrade")
    db = Database(SqliteEngine(tmp_path / "voipsms.db", 2.0))
    furnish(db)
    db.close()
    wanted = sorted(row[0] for row in ask(gateway, "SELECT id FROM tb_cdrs"))
    command = [sys.executable, "-m", "voipsms", "--config", str(gateway.file), "archive", "--before", "2026-03"]
    for seconds in (0.45, 0.5, 0.55, 0.6, 0.7, 0.8):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
        ledger_holds(gateway)
    gateway.command("archive", "--before", "2026-03")
    ledger_holds(gateway)
    files = (tmp_path / "archive").glob("cdrs-*.csv.gz")
    assert sorted(int(row[0]) for file in files for row in read(file, "cdrs")) == wanted
    assert gateway.cdrs() == []
