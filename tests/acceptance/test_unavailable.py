"""503 with Retry-After: what is not safely kept is not taken, and comes to be taken again without an operator."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds, messages, settled
from tests.peers.mariadb import MariaDb
from tests.peers.phone import Phone, message
from tests.peers.program import wait_until

BUSY = {"database": {"busy": 0.1, "lease": 2}}
MOBILE = "36301112233"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("unavailable"), changes=BUSY) as running:
        yield running


def statuses_until(gateway_port: int, wanted: int) -> set[int]:
    """Sends messages until one gets `wanted`; returns what came before it."""
    found: set[int] = set()

    def once() -> bool:
        with Phone(gateway_port) as softswitch:
            response = softswitch.send(MOBILE)
        if response.status == 503:
            assert int(response.headers.get("Retry-After")) > 0
        if response.status != wanted:
            found.add(response.status)
        return response.status == wanted

    wait_until(once, f"a message that gets {wanted}", pause=0.05)
    return found


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_locked_database(transport: str, started: House) -> None:
    gateway = started.gateway
    before, request = messages(gateway), message(MOBILE)
    file = gateway.file.parent / "voipsms.db"
    with contextlib.closing(sqlite3.connect(file)) as other, Phone(gateway.sip_port, transport) as softswitch:
        other.execute("BEGIN IMMEDIATE")
        refused = softswitch.exchange(request)
        assert (refused.status, bool(refused.headers.get("Retry-After"))) == (503, True)
        assert "store" in refused.headers.get("Reason")
        wait_until(lambda: not gateway.ready(), "not ready while the store is away")
        assert gateway.get("/readyz")[0] == 503
        assert "locked" in gateway.get("/readyz")[1]
        assert gateway.get("/healthz")[0] == 200
        other.rollback()
        wait_until(gateway.ready, "ready again")
        assert softswitch.exchange(request).status == 202  # 503 is no lasting answer
    assert messages(gateway) == before + 1
    assert gateway.metric("voipsms_commit_failures_total") > 0


def test_too_many_waiting_messages(started: House) -> None:
    """`queue`: what may wait while the SMSC is away."""
    gateway, smsc = started.gateway, started.smsc
    settled(gateway, messages(gateway))  # receipts that it is to repeat would die with this SMSC
    gateway.reconfigure({**BUSY, "global": {"queue": 5}})
    smsc.stop()
    wait_until(lambda: not gateway.ready(), "the gateway has noticed")
    statuses_until(gateway.sip_port, 503)
    waiting = ask(gateway, "SELECT count(*) FROM tb_queue WHERE stage < 2")[0][0]
    assert waiting == 5
    smsc.start()
    statuses_until(gateway.sip_port, 202)
    gateway.reconfigure(BUSY)


def test_draining(started: House) -> None:
    """SIGTERM: who waits gets the answer, new messages get 503, status 0."""
    gateway, silent = started.gateway, "36301110003"
    slow = {"smsthread": 0, "smstimeout": 1, "smpp_response": 0.5, "on_unknown": "fail"}
    gateway.reconfigure({**BUSY, "global": slow})
    wait_until(gateway.ready, "bound anew")
    with Phone(gateway.sip_port) as waiting:
        waiting.put(message(silent))
        started.smsc.saw(1, silent)
        gateway.process.terminate()
        assert statuses_until(gateway.sip_port, 503) <= {200}
        assert waiting.read().status == 480
    assert gateway.stop() == 0
    gateway.configure(BUSY)
    gateway.start()


def test_stopping_under_load(started: House) -> None:
    """Every 202 is a message that is stored, and the other way round."""
    gateway = started.gateway
    answers: list[int] = []

    def send() -> None:
        with Phone(gateway.sip_port) as softswitch, contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                answers.append(softswitch.send(MOBILE, seconds=1).status)

    before = messages(gateway)
    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: len(answers) > 20, "messages under way")
    assert gateway.stop() == 0
    sender.join()
    assert set(answers) <= {202, 503}
    assert messages(gateway) - before == answers.count(202)
    gateway.start()


def test_nothing_taken_was_lost(started: House) -> None:
    settled(started.gateway, messages(started.gateway))
    ledger_holds(started.gateway)
    started.smsc.saw(messages(started.gateway))


def test_a_mariadb_that_goes_away_and_comes_back(mariadb: MariaDb, mysql_url: str, tmp_path: Path) -> None:
    with house(tmp_path, mysql_url, changes=BUSY) as running:
        gateway, port = running.gateway, running.gateway.sip_port
        assert statuses_until(port, 202) == set()
        mariadb.kill()
        try:
            assert statuses_until(port, 503) == set()
        finally:
            mariadb.start()
        statuses_until(port, 202)
        settled(gateway, messages(gateway))
        ledger_holds(gateway)
        running.smsc.saw(messages(gateway))
