"""Nothing acknowledged is ever lost: the gateway, and its SMSC, killed under load."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.rig import House, house, ledger_holds, messages, one
from tests.peers import sipp
from tests.peers.gateway import Gateway
from tests.peers.program import wait_until

LOAD = ("--no-endings",)


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    """Where the messages are kept."""
    return "sqlite:///voipsms.db" if request.param == "sqlite" else str(request.getfixturevalue("mysql_url"))


@dataclass(slots=True)
class Load:
    """Messages sent by sipp beside the test, which repeats each until it is answered (Timer E)."""

    folder: Path
    port: int
    count: int
    rate: int
    first: int = 0
    sent: list[sipp.Sent] = field(default_factory=list)

    def run(self) -> None:
        rows = sipp.messages(self.count, first=self.first)
        self.sent.append(sipp.send(self.folder, self.port, "message", rows, rate=self.rate))


@contextmanager
def loaded(load: Load) -> Iterator[None]:
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def targets(count: int) -> set[str]:
    return {row[0] for row in sipp.messages(count)}


def all_taken(gateway: Gateway, count: int) -> None:
    """Waits until a provider has every one of them."""
    question = "SELECT count(*) FROM tb_queue WHERE stage < 2"
    wait_until(lambda: messages(gateway) >= count and one(gateway, question) == 0, "all taken", 30, pause=0.1)


def one_cdr_each(running: House, count: int) -> Counter[str]:
    """Returns the CDRs' states."""
    cdrs = running.gateway.cdrs()
    assert len(cdrs) == count
    assert {cdr["to"] for cdr in cdrs} == targets(count)
    ledger_holds(running.gateway)
    return Counter(cdr["state"] for cdr in cdrs)


def test_the_gateway_is_killed(url: str, tmp_path: Path) -> None:
    """A message whose 202 left before is never repeated by its sender, so it must come from the store."""
    count, rate = (5000, 1500) if url.startswith("sqlite") else (1000, 500)
    with house(tmp_path, url, smsc=LOAD, level="warning") as running:
        gateway = running.gateway
        load = Load(tmp_path, gateway.sip_port, count, rate)
        with loaded(load):
            wait_until(lambda: messages(gateway) > count // 3, "a third is stored")
            gateway.kill()
            gateway.start()
        assert (load.sent[0].successful, load.sent[0].failed) == (count, 0)
        assert load.sent[0].retransmitted > 0
        all_taken(gateway, count)
        assert messages(gateway) == count
        wait_until(
            lambda: {s["destination"] for s in running.smsc.submits()} == targets(count), "all logged", pause=0.1
        )
        submits = Counter(submit["destination"] for submit in running.smsc.submits())
        assert max(submits.values()) <= 2  # a submit whose answer was lost is sent once more
        assert submits.total() - count <= 100  # as many as the window holds
        states = one_cdr_each(running, count)
        assert states["DELIVERED"] >= count - 100
        assert gateway.balance() == 1_000_000 - Decimal("0.01") * count


def test_the_smsc_is_killed(url: str, tmp_path: Path) -> None:
    count, rate = (3000, 1000) if url.startswith("sqlite") else (1000, 500)
    with house(tmp_path, url, smsc=LOAD, level="warning") as running:
        gateway, smsc = running.gateway, running.smsc
        load = Load(tmp_path, gateway.sip_port, count, rate)
        with loaded(load):
            wait_until(lambda: messages(gateway) > count // 4, "a quarter is stored")
            smsc.kill()
            wait_until(lambda: not gateway.ready(), "the gateway has noticed")
            name, fault = "gateway default", gateway.get("/readyz")[1]
            assert name in fault
            before = messages(gateway)
            wait_until(lambda: messages(gateway) > before, "messages are taken all the same")
            smsc.start()
        assert (load.sent[0].successful, load.sent[0].failed) == (count, 0)
        all_taken(gateway, count)
        states = one_cdr_each(running, count)
        # Receipts that the SMSC still owed when it was killed never come; its log may lack its last moment.
        assert set(states) <= {"DELIVERED", "ENROUTE"}
        assert states["DELIVERED"] >= count * 0.9
        twice = [n for n in Counter(s["destination"] for s in smsc.submits()).values() if n > 1]
        assert len(twice) <= 100
        waiting = "SELECT (SELECT count(*) FROM tb_queue) - count(*) FROM tb_messages WHERE state = 'ENROUTE'"
        assert one(gateway, waiting) == 0
