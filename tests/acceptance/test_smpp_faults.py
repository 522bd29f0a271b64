"""Whatever an SMSC does wrong: every message ends in one final state and one CDR, the money is right, and the session
is back by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.rig import ask, ledger_holds, messages, settled
from tests.peers.gateway import Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import LiveSmsc
from voipsms.smpp.faults import FAULTS, Place, Strike

QUICK = {
    "smpp_response": 0.4, "smpp_enquire": 1, "smpp_timeout": 2, "retries": 4, "retrydelay": 0.1, "on_unknown": "resend",
}  # fmt: skip
CDRS = "SELECT target, state, duration FROM tb_cdrs"
AMID = 5  # messages while the fault strikes
TIMES = {"bind-error": 2, "error": 3}  # how often it strikes; else once


@pytest.fixture(scope="module")
def smsc() -> Iterator[LiveSmsc]:
    with LiveSmsc() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, smsc: LiveSmsc) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("faults"), smsc.port, changes={"global": QUICK})
    gateway.add_user()
    with gateway:
        yield gateway


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, gateway: Gateway, smsc: LiveSmsc) -> None:
    before, number = messages(gateway), f"3630{[*FAULTS].index(name):03}"
    times = TIMES.get(name, 1)
    smsc.strike(Strike(name, most=times))
    if FAULTS[name].place is Place.BIND:
        smsc.disconnect()
    submit(gateway, [f"{number}{amid:04}" for amid in range(1000, 1000 + AMID)])
    if FAULTS[name].place is Place.UNBIND:
        settled(gateway, before + AMID)
        assert gateway.stop() == 0
        gateway.start()
    wait_until(lambda: smsc.count(f"fault {name}") == times, f"{times} strikes")
    settled(gateway, before + AMID)
    submit(gateway, [f"{number}9999"])
    settled(gateway, before + AMID + 1)
    found = [row for row in ask(gateway, CDRS) if row[0].startswith(number)]
    assert sorted(found) == [(f"{number}{last}", "DELIVERED", 60) for last in (*range(1000, 1000 + AMID), 9999)]
    ledger_holds(gateway)


def submit(gateway: Gateway, targets: list[str]) -> None:
    with Phone(gateway.sip_port) as softswitch:
        for target in targets:
            assert softswitch.send(target).status == 202
