"""Two providers, the cheaper of which delivers nothing: traffic moves to the dearer one, `explain` says why, and a
restart forgets none of it. And routes by the file."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from time import monotonic

import pytest

from tests.acceptance.rig import House, house, ledger_holds, one
from tests.peers.gateway import Changes, Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand

HELD, OTHER, LOSS = (
    "3620111",
    "3670111",
    "491511234",
)  # prefixes: of the traffic, of another network, of what costs too much
LEAST = 5


def prices(gateway: Gateway, packet: str, price: str) -> None:
    gateway.command("price", "add", "36", price, "--packet", packet)
    gateway.command("price", "add", "49", "0.50", "--packet", packet)


def changes(dear: SmscCommand, **settings: object) -> Changes:
    second = f"SMPP;server=127.0.0.1;serverport={dear.port};username=v;password=v;response=1"
    return {
        "global": {"lcr": 1, "lcrleast": LEAST, "smsprice": "0.10", "costpacket": "cheap", **settings},
        "gateway:dear": {"smsurl": second, "costpacket": "dear"},
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, SmscCommand]]:
    """`default` costs 0.01 and fails every message, `dear` costs 0.02 and delivers them."""
    folder = tmp_path_factory.mktemp("lcr")

    def furnish(gateway: Gateway) -> None:
        gateway.add_user()
        prices(gateway, "cheap", "0.01")
        prices(gateway, "dear", "0.02")

    with (
        SmscCommand(folder) as dear,
        house(folder, smsc=("--state", "UNDELIV"), changes=changes(dear), users=furnish) as at,
    ):
        wait_until(
            lambda: {row["state"] for row in at.gateway.table("gateway", "list")} == {"up"}, "both up", pause=0.2
        )
        yield at, dear


def states(gateway: Gateway) -> set[str]:
    return {row["state"] for row in gateway.table("gateway", "list")}


def explained(gateway: Gateway, target: str) -> dict[str, str]:
    return {row["step"]: row["result"] for row in gateway.table("explain", "--user", "bench", "--to", target, "Hello")}


def test_the_cheaper_one_comes_first(running: tuple[House, SmscCommand]) -> None:
    steps = explained(running[0].gateway, f"{HELD}0000")
    assert steps["candidate 1"].startswith("default: costs 0.01 USD (packet cheap, prefix 36: 0.01 a minute)")
    assert steps["candidate 1"].endswith("; by its cost; chosen")
    assert steps["candidate 2"].startswith("dear: costs 0.02 USD")
    assert steps["candidate 2"].endswith("; by its cost")


def test_traffic_moves_to_the_better_one(running: tuple[House, SmscCommand]) -> None:
    """No sooner than `lcrleast` messages have failed, and for their prefix alone."""
    at, dear = running
    numbers = (f"{HELD}{n:04d}" for n in range(1100, 9999))
    with Phone(at.gateway.sip_port) as phone:

        def moved() -> bool:
            assert phone.send(next(numbers)).status == 202
            return len(dear.submits()) >= 3

        wait_until(moved, "traffic moved", pause=0.05)
        assert len(at.smsc.submits()) >= LEAST
        assert phone.send(f"{OTHER}1100").status == 202
        at.smsc.saw(1, f"{OTHER}1100")
    ledger_holds(at.gateway)


def test_explained(running: tuple[House, SmscCommand]) -> None:
    gateway = running[0].gateway
    wait_until(lambda: bool(one(gateway, "SELECT count(*) FROM tb_quality")), "measures in the table", pause=0.2)
    steps = explained(gateway, f"{HELD}0000")
    assert steps["candidate 1"].startswith("dear: costs 0.02 USD")
    assert "; delivered 100 % of " in steps["candidate 1"]
    assert " s on average; by its cost; chosen" in steps["candidate 1"]
    assert "; delivered 0 % of " in steps["candidate 2"]
    assert steps["candidate 2"].endswith("; held back: delivers less than lcrshare (50 %)")
    assert steps["gateway dear"] == "chosen"


def test_a_restart_forgets_nothing(running: tuple[House, SmscCommand]) -> None:
    at, dear = running
    at.gateway.stop()
    at.gateway.start()
    with Phone(at.gateway.sip_port) as phone:
        assert phone.send(f"{HELD}2200").status == 202
    dear.saw(1, f"{HELD}2200")
    assert at.smsc.submits(f"{HELD}2200") == []


def test_what_was_paid_stands_in_the_cdrs(running: tuple[House, SmscCommand]) -> None:
    gateway = running[0].gateway
    wait_until(lambda: any(row["to"] == f"{HELD}2200" for row in gateway.cdrs()), "its CDR")
    costs = {(row["gateway"], row["cost"]) for row in gateway.cdrs()}
    assert costs == {("default", Decimal("0.01")), ("dear", Decimal("0.02"))}


def test_never_below_cost(running: tuple[House, SmscCommand]) -> None:
    """0.10 for what costs 0.50; with allow_loss it goes."""
    at, dear = running
    ran = at.gateway.run("explain", "--user", "bench", "--to", f"{LOSS}1111", "Hello")
    assert ran.returncode == 1
    assert "left out: it would be sold below cost, for 0.10 USD" in ran.stdout
    assert "It would be sold below cost (no_gateway, SIP 480)" in ran.stdout
    with Phone(at.gateway.sip_port) as phone:
        refused = phone.send(f"{LOSS}1111")
        assert (refused.status, dear.submits(f"{LOSS}1111")) == (480, [])
        at.gateway.reconfigure(changes(dear, allow_loss=1))
        assert phone.send(f"{LOSS}1112").status == 202
    at.smsc.saw(1, f"{LOSS}1112")
    ledger_holds(at.gateway)


# -- routes by the file


@pytest.fixture
def idle(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def write(gateway: Gateway, text: str) -> str:
    file = gateway.file.parent / "routes.csv"
    file.write_text(text)
    return str(file)


def prefixes(gateway: Gateway) -> list[str]:
    return [row["prefix"] for row in gateway.table("route", "list")]


def test_import(idle: Gateway) -> None:
    idle.command("route", "add", "--gateway", "default", "--prefix", "1")
    printed = idle.command("route", "import", write(idle, "prefix,gateway,ceiling\n36,default,0.05\n44,default,\n"))
    assert printed == "routes imported: 2\n"
    assert prefixes(idle) == ["36", "44"]
    assert idle.table("route", "list")[0]["ceiling"] == Decimal("0.05")
    idle.command("route", "import", "--add", write(idle, "prefix,gateway\n49,default\n"))
    assert prefixes(idle) == ["36", "44", "49"]
    listed = idle.command("route", "list", "--format", "csv")
    idle.command("route", "import", write(idle, listed))
    assert prefixes(idle) == ["36", "44", "49"]


BAD = "prefix,gateway,ceiling\n36,default,\n44,gone,\n49,default,-1\n1,default\n"
SAID = [
    "line 3: gateway: there is no gateway 'gone'",
    "line 4: ceiling: must not be negative, not '-1'",
    "line 5: has 2 values, the header 3",
]


def test_nothing_is_applied_unless_all_is_good(idle: Gateway) -> None:
    idle.command("route", "add", "--gateway", "default", "--prefix", "1")
    file = write(idle, BAD)
    ran = idle.run("route", "import", file)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        *(f"{file}: {said}" for said in SAID), f"voipsms: {file}: nothing is imported: bad lines: 3",
    ]  # fmt: skip
    assert prefixes(idle) == ["1"]
    ran = idle.run("route", "import", "--skip-bad", file)
    assert (ran.returncode, ran.stdout) == (0, "routes imported: 1, bad lines left out: 3\n")
    assert prefixes(idle) == ["36"]


FAULTS = {
    "no such file": ((), None, "routes.csv: can't be read: No such file or directory"),
    "no line": ((), "prefix,gateway\n", "nothing is imported: there is no route in it"),
    "none good": (("--skip-bad",), "prefix,gateway\n1,gone\n", "nothing is imported: there is no route in it"),
    "no header": ((), "36,default\n", "line 1: there is no column '36'"),
}


@pytest.mark.parametrize("options, text, why", FAULTS.values(), ids=FAULTS)
def test_import_faults(idle: Gateway, options: tuple[str, ...], text: str | None, why: str) -> None:
    idle.command("route", "add", "--gateway", "default", "--prefix", "1")
    file = write(idle, text) if text is not None else str(idle.file.parent / "routes.csv")
    ran = idle.run("route", "import", file, *options)
    assert ran.returncode == 1
    assert why in ran.stderr.splitlines()[-1]
    assert prefixes(idle) == ["1"]


def test_five_thousand_routes(idle: Gateway) -> None:
    lines = (rf"{36000 + n},{36000 + n}\d+,default,0.05" for n in range(5000))
    file = write(idle, "prefix,pattern,gateway,ceiling\n" + "\n".join(lines))
    idle.command("db", "upgrade")
    began = monotonic()
    assert idle.command("route", "import", file) == "routes imported: 5000\n"
    assert monotonic() - began < 10
    assert len(prefixes(idle)) == 5000
