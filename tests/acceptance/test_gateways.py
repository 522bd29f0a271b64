"""Gateways as operators see them: paused and resumed, at their cap, with other senders, out and back, and told so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds, settled
from tests.peers.gateway import NUMBER, Changes, Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.mariadb import MariaDb
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand

TARGET = "36301112233"


@contextmanager
def two(
    folder: Path, default: dict[str, object], second: dict[str, object] | None = None, url: str = "sqlite:///voipsms.db"
) -> Iterator[tuple[House, SmscCommand]]:
    """`default`, and `second` where that one can't."""
    with SmscCommand(folder) as other:
        way = f"SMPP;server=127.0.0.1;serverport={other.port};username=v;password=v"
        changes: Changes = {"global": default, "gateway:second": {"smsurl": way, **(second or {})}}

        def furnish(gateway: Gateway) -> None:
            gateway.add_user()
            gateway.command("route", "add", "--gateway", "default")
            gateway.command("route", "add", "--gateway", "second", "--priority", "2")

        with house(folder, url, changes=changes, users=furnish) as at:
            yield at, other


def listed(gateway: Gateway) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in gateway.table("gateway", "list")}


def state(gateway: Gateway, name: str, wanted: str) -> dict[str, Any]:
    """Waits until the gateway has the state, and returns its row."""
    wait_until(lambda: listed(gateway)[name]["state"] == wanted, f"{name} {wanted}", pause=0.2)
    return listed(gateway)[name]


def send(gateway: Gateway, target: str = TARGET) -> None:
    with Phone(gateway.sip_port) as phone:
        assert phone.send(target).status == 202


def seen(gateway: Gateway, name: str, state: str) -> None:
    """Waits until the running process knows it, by what it writes down."""
    question = "SELECT u.username, s.state FROM tb_gateway_states AS s JOIN tb_users AS u ON u.id = s.gateway_id"
    wait_until(lambda: (name, state) in ask(gateway, question), f"{name} {state}", pause=0.05)


@pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
def test_paused_and_resumed(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = "sqlite:///voipsms.db"
    if engine == "mariadb":
        server: MariaDb = request.getfixturevalue("mariadb")
        url = server.new_database()
    with two(tmp_path, {}, url=url) as (at, other):
        gateway = at.gateway
        seen(gateway, "default", "up")
        assert gateway.command("gateway", "pause", "default") == "gateway default paused\n"
        seen(gateway, "default", "paused")
        assert gateway.get("/readyz")[0] == 200
        send(gateway)
        other.saw(1)
        gateway.restart()
        seen(gateway, "default", "paused")
        send(gateway)
        other.saw(2)
        assert at.smsc.submits() == []
        assert listed(gateway)["default"]["reason"] == "paused by hand"
        lines = {
            row["step"]: row["result"] for row in gateway.table("explain", "--user", "bench", "--to", TARGET, "Hi")
        }
        assert lines["gateway second"] == "chosen"
        assert lines["gateway default"] == "not chosen, takes nothing now: paused by hand"
        gateway.command("gateway", "resume", "default")
        seen(gateway, "default", "up")
        send(gateway)
        at.smsc.saw(1)
        settled(gateway, 3)
        ledger_holds(gateway)


def test_paused_alone_it_keeps_what_comes(tmp_path: Path) -> None:
    with house(tmp_path) as at:
        at.gateway.command("gateway", "pause", "default")
        seen(at.gateway, "default", "paused")
        send(at.gateway)
        row = listed(at.gateway)["default"]
        assert (row["state"], row["waiting"], row["in_flight"], row["sent"], row["cap"]) == ("paused", 1, 0, 0, None)
        assert (row["kind"], row["id"] > 0) == ("smpp", True)
        at.smsc.stop()
        assert at.gateway.get("/readyz")[0] == 200, "whether it could be reached doesn't matter now"
        at.smsc.start()
        at.gateway.command("gateway", "resume", "default")
        at.smsc.saw(1)
        settled(at.gateway, 1)


def test_the_cap_outlives_a_restart(tmp_path: Path) -> None:
    with two(tmp_path, {"cap": 3}) as (at, other):
        gateway = at.gateway
        send(gateway)
        with Phone(gateway.sip_port) as phone:
            assert phone.send(TARGET, "x" * 200).status == 202
        at.smsc.saw(3)
        send(gateway)
        other.saw(1)
        seen(gateway, "default", "out")
        gateway.restart()
        seen(gateway, "default", "out")
        assert gateway.get("/readyz")[0] == 200
        send(gateway)
        other.saw(2)
        row = listed(gateway)["default"]
        assert (row["sent"], row["cap"], row["reason"]) == (3, 3, "the cap of 3 parts a day is reached")
        assert len(at.smsc.submits()) == 3
        settled(gateway, 4)


def test_each_gateway_has_its_own_rule_of_senders(tmp_path: Path) -> None:
    rule: dict[str, object] = {"senders": "alphanumeric, short"}
    with two(tmp_path, rule, {"senders": "short, 3699", "sender_instead": "3699"}) as (at, other):
        send(at.gateway)
        other.saw(1)
        settled(at.gateway, 1)
        (cdr,) = at.gateway.cdrs()
        assert (other.submits()[0]["source"], cdr["from"], cdr["gateway"]) == ("3699", NUMBER, "second")
        at.gateway.reconfigure({"global": {**rule, "sender_instead": "ACME"}})
        send(at.gateway)
        at.smsc.saw(1)
        settled(at.gateway, 2)
        assert at.smsc.submits()[0]["source"] == "ACME"
        assert [cdr["from"] for cdr in at.gateway.cdrs()] == [NUMBER, NUMBER]


def test_nobody_takes_the_sender(tmp_path: Path) -> None:
    with house(tmp_path, changes={"global": {"senders": "short"}}) as at:
        before = at.gateway.balance()
        send(at.gateway)
        settled(at.gateway, 1)
        (cdr,) = at.gateway.cdrs()
        assert (cdr["state"], cdr["reason"], cdr["price"]) == ("REJECTED", "refused_by_gateway", 0)
        assert at.gateway.balance() == before
        ledger_holds(at.gateway)


def test_out_after_faults_and_back(tmp_path: Path) -> None:
    with HttpProvider() as provider:
        provider.usual = ((500, "oops"),)
        way = {"smsurl": f"http://127.0.0.1:{provider.port}/x?to=[tonum]&mo=[mo]", "mo": "1", "faults": 3,
               "retrydelay": 0.05, "retries": 1000}  # fmt: skip
        gateway = Gateway(tmp_path, level="info", changes={"global": way})
        gateway.add_user()
        with gateway:
            send(gateway)
            seen(gateway, "default", "out")
            reason = state(gateway, "default", "out")["reason"]
            assert "faults in a row, the last one: temporary_failure: HTTP 500" in reason
            provider.usual = ((200, "ID: 1"),)
            provider._seen.clear()
            seen(gateway, "default", "up")
            settled(gateway, 1)
            assert all("mo=1" in request.path for request in provider.requests)


def test_the_admin_is_told(tmp_path: Path) -> None:
    """By a webhook and by SMS through the other gateway, once it has gone, and once it is back."""
    with HttpProvider() as hooks:
        hook = f"http://127.0.0.1:{hooks.port}/hook?token=s3cret"
        with two(tmp_path, {"alert": f"{hook}, +36701234567", "alert_after": "0.6"}) as (at, other):
            seen(at.gateway, "default", "up")
            at.smsc.kill()
            wait_until(lambda: len(hooks.requests) == 1, "told that it has gone")
            other.saw(1, "36701234567")
            assert json.loads(hooks.requests[0].body)["event"] == "gone"
            at.smsc.start()
            wait_until(lambda: len(hooks.requests) == 2, "told that it is back", 30)
            told = json.loads(hooks.requests[1].body)
            assert (told["event"], told["gateway"], told["state"]) == ("back", "default", "up")
            other.saw(2, "36701234567")
            assert at.gateway.metric("voipsms_alerts_total", kind="webhook", outcome="sent") == 2
            assert at.gateway.metric("voipsms_alerts_total", kind="sms", outcome="sent") == 2
            assert "s3cret" not in at.gateway.log.read_text()
            settled(at.gateway, 2)
            ledger_holds(at.gateway)


def test_without_a_server(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, changes={"gateway:second": {"smsurl": "null:"}})
    assert [row["id"] for row in gateway.table("gateway", "list")] == [None, None], "none has ever run"
    gateway.command("gateway", "pause", "second")
    rows = listed(gateway)
    assert [(row["kind"], row["state"]) for row in rows.values()] == [("smpp", "stopped"), ("null", "paused")]
    assert set(rows["second"]) == {
        "name", "id", "kind", "state", "reason", "since", "waiting", "in_flight", "sent", "cap",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_no_such_gateway(word: str, tmp_path: Path) -> None:
    ran = Gateway(tmp_path).run("gateway", word, "nobody")
    assert (ran.returncode, ran.stderr) == (1, "voipsms: there is no gateway 'nobody'\n")
