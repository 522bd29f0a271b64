"""smsthread = 0: the sender's answer is the provider's. contract.md: 200, 488, 480."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds
from tests.peers import sipp
from tests.peers.gateway import NUMBER
from tests.peers.phone import Phone, message
from tests.peers.program import wait_until

CHANGES = {
    "global": {"smsthread": 0, "smstimeout": 0.5, "smpp_response": 0.3, "on_unknown": "wait", "retrydelay": 0.05},
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("waiting"), changes=CHANGES) as running:
        yield running


@pytest.fixture(params=["udp", "tcp"])
def softswitch(request: pytest.FixtureRequest, started: House) -> Iterator[Phone]:
    with Phone(started.gateway.sip_port, request.param) as phone:
        yield phone


ANSWERS = {
    "taken": ("36301112233", 200, ""),
    "refused": ("36301110001", 488, "ESME_RINVDSTADR"),
    "temporary failure": ("36301110009", 480, "ESME_RSYSERR"),
    "receipt says UNDELIV later": ("36301110005", 200, ""),
    "no answer": ("36301110003", 202, ""),
}


@pytest.mark.parametrize("target, status, words", ANSWERS.values(), ids=ANSWERS.keys())
def test_answer(target: str, status: int, words: str, softswitch: Phone) -> None:
    response = softswitch.send(target)
    assert response.status == status
    assert words in response.headers.get("Reason")


@pytest.mark.parametrize("status, target", [(200, "36301112233"), (488, "36301110001"), (480, "36301110009")])
def test_sipp_gets(status: int, target: str, started: House, tmp_path: Path) -> None:
    rows = [(target, NUMBER, "by sipp")]
    assert sipp.send(tmp_path, started.gateway.sip_port, "message", rows, expect=status).successful == 1


@pytest.mark.parametrize("target, status", [("36302222233", 200), ("36302220001", 488), ("36302220009", 480)])
def test_a_repeat_gets_the_first_answer_and_is_sent_once(target: str, status: int, started: House) -> None:
    after = "3630222999" + target[-1]
    with Phone(started.gateway.sip_port) as softswitch:
        request = message(target)
        assert [softswitch.exchange(request).status for _ in range(2)] == [status, status]
        assert softswitch.send(after).status == 200  # comes after whatever the repeat has caused
    wait_until(lambda: bool(started.smsc.submits(after)), "the next message submitted")
    assert len(started.smsc.submits(target)) == 1


def test_who_is_told_not_now_pays_nothing_and_it_never_leaves(started: House) -> None:
    """While the SMSC is away: after smstimeout 480, and nothing is sent when it is back."""
    gateway, smsc, target = started.gateway, started.smsc, "36301117777"
    smsc.kill()
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send(target).status == 480
        smsc.start()
        wait_until(gateway.ready, "the gateway is bound again")
        assert softswitch.send("36301117778").status == 200
    assert smsc.submits(target) == []
    row = ask(gateway, "SELECT state, reason FROM tb_messages WHERE target = '36301117777'")
    assert row == [("UNDELIVERABLE", "gateway_down")]


def test_the_books_are_right(started: House) -> None:
    ledger_holds(started.gateway)
    cdrs = started.gateway.cdrs()
    took = [cdr for cdr in cdrs if cdr["price"]]
    assert {cdr["state"] for cdr in took} <= {"ENROUTE", "DELIVERED", "UNKNOWN"}
    assert {(cdr["duration"], cdr["price"]) for cdr in took} == {(60, Decimal("0.01"))}
    rest = [cdr for cdr in cdrs if not cdr["price"]]
    assert {cdr["reason"] for cdr in rest} >= {"refused_by_provider", "temporary_failure", "gateway_down"}
    assert {cdr["duration"] for cdr in rest} == {0}
