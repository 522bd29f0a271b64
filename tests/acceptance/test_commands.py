"""The commands of contract.md, as operators and scripts use them."""

from __future__ import annotations

import csv
import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds, messages, settled, taken_at_last
from tests.peers.gateway import NUMBER, ROOT, Changes, Gateway
from tests.peers.phone import Phone
from tests.peers.ports import free_port
from tests.peers.smsc import SmscCommand
from voipsms.cli import main

CDR_KEYS = [
    "id", "msgid", "type", "direction", "user", "from", "to", "gateway", "start", "duration", "parts", "price", "cost",
    "currency", "state", "reason", "comment",
]  # fmt: skip
COMMANDS = (
    "", "run", "check", "db", "db upgrade", "db status", "user", "user add", "user list", "user set", "user credit",
    "send", "explain", "cdr", "report", "archive", "route", "route add", "route list", "route del", "route import",
    "rule", "rule list", "rule import", "rule export", "rule enable", "rule disable", "advert", "advert add",
    "advert list", "advert del", "optout", "optout add", "optout list", "optout del", "gateway", "gateway list",
    "gateway pause", "gateway resume", "price", "price import",
    "price add", "price list", "price quote", "group set", "group list", "user reach", "outbox", "outbox list",
    "outbox replay", "number", "number add", "number list", "number del", "ledger", "ledger check", "message", "smsc",
    "demo",
)  # fmt: skip


def voipsms(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Without a config file of its own."""
    command = [sys.executable, "-m", "voipsms", *words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hundred messages of two users have gone."""
    with house(tmp_path_factory.mktemp("commands")) as running:
        running.gateway.add_user("alice", "5", "36201110001")
        with Phone(running.gateway.sip_port) as softswitch:
            assert softswitch.send("36301112201", "=1+1 is a formula").status == 202
            assert softswitch.send("36301112202", sender="36201110001").status == 202
            assert softswitch.send("36301110001").status == 202
        settled(running.gateway, 3)
        yield running


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Gateway]:
    """A config and an SMSC, and no server."""
    with SmscCommand(tmp_path) as smsc:
        yield Gateway(tmp_path, smsc.port)


# -- help and faults of the command line --------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: voipsms {command}".rstrip())


@pytest.mark.parametrize("words", ["", "fly", "send", "cdr --format xml", "cdr --from yesterday", "user credit a 1e99"])
def test_what_cannot_be_understood(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert "usage: voipsms" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "check", "cdr", "db status", "send --from A --to B x"])
def test_without_a_config_file_every_command_says_so(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VOIPSMS_CONFIG", raising=False)
    assert main(command.split()) == 1
    assert capsys.readouterr().err == "voipsms: config.ini: can't be read: No such file or directory\n"


def test_the_config_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "other.ini").write_text("[database]\nurl = sqlite:///other.db\n")
    command = [sys.executable, "-m", "voipsms", "db", "upgrade"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "VOIPSMS_CONFIG": str(tmp_path / "other.ini")}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=30)
    assert (tmp_path / "other.db").exists()


WRONG: dict[str, tuple[Changes, list[str]]] = {
    "unknown key": ({"sip": {"lisen": "x"}}, ["[sip] lisen: "]),
    "two faults": (
        {"global": {"smsthread": 7, "smsprice": "cheap"}},
        ["[global] smsthread: must be at least 0 and at most 1", "[global] smsprice: must be a decimal number"],
    ),
    "unknown section": ({"sipp": {"listen": "x"}}, ["[sipp] section: "]),
    "bad listener": ({"sip": {"listen": "quic:1.2.3.4:5"}}, ["[sip] listen: "]),
    "no way to send": ({"global": {"smsurl": "ftp://127.0.0.1/"}}, ["[global] smsurl: must be http(s)://…"]),
}


@pytest.mark.parametrize("changes, faults", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_config_is_one_line_a_fault(
    changes: Changes, faults: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Gateway(tmp_path, changes=changes)
    assert main(["--config", str(gateway.file), "run"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == len(faults)
    assert all(fault in said for fault in faults)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_template_that_cannot_be_used_is_one_line(command: str, tmp_path: Path) -> None:
    changes = {"global": {"smsurl": "http://127.0.0.1:1/", "smssendheader": "no colon"}}
    ran = Gateway(tmp_path, changes=changes).run(command)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1), ran.stderr
    assert "[global] smssendheader: " in ran.stderr


# -- run and check ------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_one_line(idle: Gateway) -> None:
    for kind, port in ((socket.SOCK_DGRAM, idle.sip_port), (socket.SOCK_STREAM, idle.http_port)):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", port))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            ran = idle.run("run")
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1), ran.stderr
        assert str(port) in ran.stderr
        assert "in use" in ran.stderr


def test_an_unreachable_database_is_one_line(tmp_path: Path) -> None:
    port = free_port()
    for url, named in (
        (f"mysql://u:secret@127.0.0.1:{port}/x", str(port)),
        ("sqlite:///no/such/folder/x.db", "no/such"),
    ):
        for command in ("run", "db status"):
            ran = Gateway(tmp_path, 1, url).run(*command.split())
            lines = [line for line in ran.stderr.splitlines() if "gateway default" not in line]  # nor is there an SMSC
            assert (ran.returncode, len(lines)) == (1, 1), ran.stderr
            assert named in lines[0]
            assert "secret" not in ran.stderr


def test_check(idle: Gateway) -> None:
    ran = idle.run("check")
    assert (ran.returncode, ran.stderr) == (0, "")
    idle.configure({"gateway:away": {"smsurl": f"SMPP;server=127.0.0.1;serverport={free_port()}"},
                    "gateway:web": {"smsurl": f"http://127.0.0.1:{free_port()}/x"}})  # fmt: skip
    ran = idle.run("check")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert [line.partition(":")[0] for line in ran.stderr.splitlines()] == ["gateway away", "gateway web"]


def test_check_says_that_the_smsc_refuses_the_password(tmp_path: Path) -> None:
    with SmscCommand(tmp_path, "--password", "other") as smsc:
        ran = Gateway(tmp_path, smsc.port).run("check")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "ESME_RINVPASWD" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_with_0(number: signal.Signals, idle: Gateway) -> None:
    idle.start()
    idle.process.send_signal(number)
    assert idle.process.wait(10) == 0
    assert "Traceback" not in idle.said()


# -- the database and accounts ------------------------------------------------------------------------------------


def test_db(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    (before,) = gateway.table("db", "status")
    assert gateway.command("db", "upgrade").startswith("ran 0001")
    assert gateway.command("db", "upgrade") == "nothing to do\n"
    (after,) = gateway.table("db", "status")
    assert (before["engine"], before["schema"], after["schema"]) == ("sqlite", 0, after["newest"])


def test_users(idle: Gateway) -> None:
    idle.add_user("alice", "10.50", "+36 20 111 0001", "--number", "36201110002", "--postpaid", "2.5")
    assert idle.command("user", "credit", "alice", "-0.25") == "user alice: balance 10.25\n"
    rows = {row["name"]: row for row in idle.table("user", "list")}
    assert list(rows["alice"]) == [
        "id", "name", "type", "enabled", "balance", "limit", "currency", "numbers", "created", "group", "packet",
        "reseller", "expires", "monthly", "sent", "previous", "lastsent", "gateway",
    ]  # fmt: skip
    assert (rows["alice"]["balance"], rows["alice"]["limit"]) == (Decimal("10.25"), Decimal("2.5"))
    assert (rows["alice"]["numbers"], rows["admin"]["type"]) == ("36201110001 36201110002", "admin")
    ledger_holds(idle)


@pytest.mark.parametrize("words, fault", [
    (("add", "bench", "--password", "p"), "the name 'bench' is taken"),
    (("add", "bob", "--password", "p", "--number", NUMBER), f"the number {NUMBER} belongs to another user"),
    (("add", "bob", "--password", "p", "--number", "12"), "'12' is not a possible phone number"),
    (("credit", "nobody", "1"), "there is no user 'nobody'"),
])  # fmt: skip
def test_a_wrong_account_is_one_line(words: tuple[str, ...], fault: str, started: House) -> None:
    ran = started.gateway.run("user", *words)
    assert (ran.returncode, ran.stderr) == (1, f"voipsms: {fault}\n")


def test_a_running_server_learns_of_a_new_account_at_once(started: House) -> None:
    with Phone(started.gateway.sip_port) as softswitch:
        assert softswitch.send("36301112201", sender="newcomer").status == 403
        started.gateway.add_user("newcomer", "1", "")
        taken_at_last(softswitch, "36301112201", "newcomer")
    settled(started.gateway, messages(started.gateway))


# -- CDRs and the ledger ------------------------------------------------------------------------------------------


def test_cdrs_have_the_keys_of_the_contract(started: House) -> None:
    first, second, refused = started.gateway.cdrs()[:3]
    assert list(first) == CDR_KEYS
    assert (first["type"], first["direction"], first["user"], first["from"]) == ("SMS", "MT", "bench", NUMBER)
    assert (first["to"], first["gateway"], first["currency"]) == ("36301112201", "default", "USD")
    assert (first["duration"], first["parts"], first["price"], first["cost"]) == (60, 1, Decimal("0.01"), 0)
    assert (first["state"], first["reason"], first["comment"]) == ("DELIVERED", "", "")
    assert (second["user"], second["from"]) == ("alice", "36201110001")
    assert (refused["state"], refused["duration"], refused["price"]) == ("REJECTED", 0, 0)
    assert (refused["reason"], "ESME_RINVDSTADR" in refused["comment"]) == ("refused_by_provider", True)
    assert first["id"] < second["id"] < refused["id"]


@pytest.mark.parametrize("words, targets", [
    (("--user", "alice"), ["36301112202"]),
    (("--user", "nobody"), []),
    (("--gateway", "default", "--user", "alice"), ["36301112202"]),
    (("--gateway", "other"), []),
    (("--type", "CALL"), []),
    (("--to", "2000-01-01"), []),
    (("--from", "2100-01-01T00:00:00Z"), []),
    (("--from", "2000-01-01", "--to", "2100-01-01T00:00:00+02:00", "--user", "alice"), ["36301112202"]),
])  # fmt: skip
def test_cdr_filters(words: tuple[str, ...], targets: list[str], started: House) -> None:
    assert [cdr["to"] for cdr in started.gateway.cdrs(*words)] == targets


def test_cdr_formats_agree(started: House) -> None:
    gateway = started.gateway
    as_json = json.loads(gateway.command("cdr", "--format", "json"))
    as_csv = list(csv.DictReader(io.StringIO(gateway.command("cdr", "--format", "csv"))))
    assert [list(row) for row in as_csv] == [CDR_KEYS] * len(as_json)
    assert [row["msgid"] for row in as_csv] == [row["msgid"] for row in as_json]
    head, *lines = gateway.command("cdr").splitlines()
    assert head.split() == CDR_KEYS
    assert [line.split()[1] for line in lines] == [row["msgid"] for row in as_json]


TAMPERING = {
    "a balance": ("UPDATE tb_users SET balance = balance + 1 WHERE username = 'alice'", "balance", "alice"),
    "a ledger row": ("UPDATE tb_ledger SET amount = 5000001 WHERE amount = 5000000", "balance", "alice"),
    "a price": ("UPDATE tb_cdrs SET price = 1 WHERE target = '36301112202'", "charge", ""),
    "a CDR gone": ("DELETE FROM tb_cdrs WHERE target = '36301112202'", "charge", ""),
}  # fmt: skip


@pytest.mark.parametrize("statement, fault, of", TAMPERING.values(), ids=TAMPERING.keys())
def test_ledger_check_finds_tampering(statement: str, fault: str, of: str, started: House, tmp_path: Path) -> None:
    copy = Gateway(tmp_path)
    source = started.gateway.file.parent / "voipsms.db"
    ask(started.gateway, "PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "voipsms.db").write_bytes(source.read_bytes())
    ask(copy, statement)
    ran = copy.run("ledger", "check", "--format", "json")
    rows = json.loads(ran.stdout)
    assert (ran.returncode, rows[0]["fault"]) == (1, fault)
    assert of in rows[0]["of"]


def test_ledger_check_tells_that_all_is_right(started: House) -> None:
    assert started.gateway.command("ledger", "check").startswith("every balance is the sum of its ledger")
    assert started.gateway.table("ledger", "check") == []


# -- send ---------------------------------------------------------------------------------------------------------


def test_send_through_a_running_server(started: House) -> None:
    gateway = started.gateway
    printed = gateway.command("send", "--from", "Shop", "--to", "+36301113301", "--wait", "Hello – ✓").split()
    assert printed[1:] == ["DELIVERED"]
    (submit,) = started.smsc.submits("36301113301")
    assert (submit["source"], bytes.fromhex(submit["user_data"]).decode("utf-16-be")) == ("Shop", "Hello – ✓")
    cdr = gateway.cdrs("--user", "admin")[-1]
    assert (cdr["msgid"], cdr["user"], cdr["price"]) == (printed[0], "admin", Decimal("0.01"))
    ledger_holds(gateway)


def test_send_that_fails(started: House) -> None:
    ran = started.gateway.run("send", "--from", "Shop", "--to", "36301110001", "--wait", "Hello")
    assert ran.returncode == 1
    assert "REJECTED" in ran.stdout
    assert "ESME_RINVDSTADR" in ran.stdout


@pytest.mark.parametrize(
    "to, fault", [("3612345678", "not sent as SMS"), ("99912345678901", "Not a possible phone number")]
)
def test_send_that_is_refused_is_one_line(to: str, fault: str, started: House) -> None:
    ran = started.gateway.run("send", "--from", "Shop", "--to", to, "Hello")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert fault in ran.stderr


def test_send_without_a_server(idle: Gateway) -> None:
    printed = idle.command("send", "--from", "Shop", "--to", "36301113302", "--wait", "Hello").split()
    assert printed[1:] == ["DELIVERED"]
    assert idle.command("send", "--from", "Shop", "--to", "36301113303", "Hello").split()[1] in ("ENROUTE", "DELIVERED")
    ledger_holds(idle)


# -- the simulator and the demonstration --------------------------------------------------------------------------


def test_smsc_prints_where_it_listens_and_what_it_counted(tmp_path: Path) -> None:
    with SmscCommand(tmp_path) as smsc:
        assert smsc.said() == f"listening on 127.0.0.1:{smsc.port}\n"
        assert smsc.stop() == 0
        counts = json.loads(smsc.said().splitlines()[1])
    assert counts["connections"] >= 1  # our look whether it listens


def test_smsc_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = voipsms("smsc", "--port", str(taken.getsockname()[1]))
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "in use" in ran.stderr


def test_demo() -> None:
    ran = voipsms("demo")
    assert ran.returncode == 0, ran.stderr
    for words in ("202 Accepted", "submit_sm from", "stat:DELIVRD", "duration=60", "price=0.05", "alice has 9.95 EUR"):
        assert words in ran.stdout
