"""Routes by command, seen by the running server; another gateway where one is down; `explain` says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.rig import House, house, ledger_holds, settled
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand

SECOND = "36309990000"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, SmscCommand]]:
    """Two gateways: `default`, and `second` for numbers that begin with 3630."""
    folder = tmp_path_factory.mktemp("routes")
    with SmscCommand(folder) as other:
        second = f"SMPP;server=127.0.0.1;serverport={other.port};username=v;password=v;response=1"
        changes: dict[str, dict[str, object]] = {"gateway:second": {"smsurl": second}}
        with house(folder, changes=changes, level="info") as at:
            at.gateway.command("route", "add", "--gateway", "default", "--priority", "2")
            at.gateway.command("route", "add", "--gateway", "second", "--prefix", "3630")
            yield at, other


def test_listed(running: tuple[House, SmscCommand]) -> None:
    rows = running[0].gateway.table("route", "list")
    assert [(row["prefix"], row["priority"], row["gateway"]) for row in rows] == [
        ("", 2, "default"), ("3630", 1, "second"),
    ]  # fmt: skip


def test_the_longest_prefix_wins(running: tuple[House, SmscCommand]) -> None:
    at, other = running
    with Phone(at.gateway.sip_port) as phone:
        assert phone.send("36201112233").status == 202
        wait_until(lambda: phone.send(SECOND).status == 202 and bool(other.submits(SECOND)), "routes known", pause=0.2)
    at.smsc.saw(1, "36201112233")
    assert other.submits("36201112233") == []


def test_explained(running: tuple[House, SmscCommand]) -> None:
    rows = running[0].gateway.table("explain", "--user", "bench", "--to", SECOND, "Hello")
    steps = {row["step"]: row["result"] for row in rows}
    assert (steps["encoding"], steps["parts"], steps["gateway second"]) == ("GSM 03.38", "1", "chosen")
    assert sum("matches" in row["result"] for row in rows) == 2
    assert b"Hello".hex() in steps["request"].replace(" ", "").lower()


def test_a_gateway_that_is_down_is_gone_round(running: tuple[House, SmscCommand]) -> None:
    at, other = running
    other.kill()
    wait_until(lambda: '"second"' in at.gateway.get("/readyz")[1] or at.gateway.get("/readyz")[0] == 503, "noticed")
    with Phone(at.gateway.sip_port) as phone:
        assert phone.send("36301110001").status == 202
    at.smsc.saw(1, "36301110001")
    other.start()
    ledger_holds(at.gateway)


FAULTS = {
    "no such gateway": (("add", "--gateway", "nobody"), "there is no gateway 'nobody'"),
    "a user is no gateway": (("add", "--gateway", "bench"), "there is no gateway 'bench'"),
    "no such user": (("add", "--gateway", "second", "--user", "nobody"), "there is no user 'nobody'"),
    "prefix": (("add", "--gateway", "second", "--prefix", "+36"), "a prefix is up to 15 digits"),
    "pattern": (("add", "--gateway", "second", "--pattern", "("), "pattern: character"),
    "no such route": (("del", "7"), "there is no route 7"),
}


@pytest.mark.parametrize("words, fault", FAULTS.values(), ids=FAULTS)
def test_faults(running: tuple[House, SmscCommand], words: tuple[str, ...], fault: str) -> None:
    ran = running[0].gateway.run("route", *words)
    assert ran.returncode == 1
    assert fault in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_deleted(tmp_path: Path) -> None:
    with house(tmp_path) as at:
        added = at.gateway.command("route", "add", "--gateway", "default", "--prefix", "36").split()[1]
        at.gateway.command("route", "del", added)
        assert at.gateway.table("route", "list") == []
        with Phone(at.gateway.sip_port) as phone:
            assert phone.send("36201112233").status == 202
        settled(at.gateway, 1)
