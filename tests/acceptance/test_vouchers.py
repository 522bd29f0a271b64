"""Vouchers, and routes and prices of calls, by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.gateway import Gateway
from voipsms.store.vouchers import plain


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Not running: the commands need the config and the database only."""
    return Gateway(tmp_path_factory.mktemp("vouchers"))


def test_made_listed_and_removed(gateway: Gateway) -> None:
    codes = gateway.command("voucher", "add", "--amount", "5.00", "--count", "3").split()
    codes += gateway.command("voucher", "add", "--amount", "1", "--code", "welcome7", "--expires", "2099-01-01").split()
    assert len({plain(code) for code in codes}) == 4
    rows = gateway.table("voucher", "list")
    assert [(row["code"], row["amount"], row["redeemed_by"]) for row in rows] == [
        *((f"…{code[-4:]}", 5.0, "") for code in codes[:3]), ("…", 1.0, ""),
    ]  # fmt: skip
    assert rows[3]["valid_to"] == "2099-01-01T00:00:00.000Z"
    (found,) = gateway.table("voucher", "list", "--code", codes[1].lower())
    assert found == rows[1]
    assert gateway.command("voucher", "del", found["id"]) == f"voucher {found['id']} removed\n"
    assert len(gateway.table("voucher", "list")) == 3


FAULTS = {
    "nothing": (("add", "--amount", "0"), "worth more than nothing"),
    "less than nothing": (("add", "--amount", "-5"), "worth more than nothing"),
    "no number": (("add", "--amount", "1", "--count", "0"), "no number from 1 to 10000"),
    "one code for many": (("add", "--amount", "1", "--count", "2", "--code", "ABCDEFG"), "not allowed with"),
    "no code": (("add", "--amount", "1", "--code", "A,B,C,D"), "6 to 32 letters and digits"),
    "over already": (("add", "--amount", "1", "--expires", "2020-01-01"), "it would never be valid"),
    "not there": (("del", "7"), "there is no voucher 7"),
}


@pytest.mark.parametrize("words, why", FAULTS.values(), ids=FAULTS)
def test_faults(gateway: Gateway, words: tuple[str, ...], why: str) -> None:
    assert why in gateway.run("voucher", *words).stderr


def test_routes_of_calls(gateway: Gateway, tmp_path: Path) -> None:
    name = gateway.table("gateway", "list")[0]["name"]
    gateway.command("route", "add", "--type", "CALL", "--prefix", "43", "--gateway", name)
    gateway.command("route", "add", "--prefix", "36", "--gateway", name)
    assert [(row["type"], row["prefix"]) for row in gateway.table("route", "list")] == [("SMS", "36"), ("CALL", "43")]
    assert [row["prefix"] for row in gateway.table("route", "list", "--type", "CALL")] == ["43"]
    file = tmp_path / "routes.csv"
    file.write_text(f"prefix,gateway,type\n44,{name},CALL\n45,{name},\n")
    assert "line 2: type: must be SMS" in gateway.run("route", "import", str(file)).stderr
    gateway.command("route", "import", "--type", "CALL", str(file))
    assert [(row["type"], row["prefix"]) for row in gateway.table("route", "list")] == [
        ("SMS", "36"), ("CALL", "44"), ("CALL", "45"),
    ]  # fmt: skip


def test_nothing_is_wrong(gateway: Gateway) -> None:
    assert "every call one a leg" in gateway.command("ledger", "check")
    assert gateway.table("cdr", "--type", "CALL") == []
