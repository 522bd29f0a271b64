"""What becomes of a message, by what its SMSC does: one final state, one CDR, the right money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds
from tests.peers.gateway import Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until

FAST = {"smpp_response": 0.4, "retries": 3, "retrydelay": 0.1}
PRICE = Decimal("0.01")
OPEN = "SELECT m.target FROM tb_queue AS q JOIN tb_messages AS m ON m.id = q.id"


@dataclass(frozen=True, slots=True)
class Case:
    """`submits`: how often it is submitted; `paid`: 60 s and the price, else 0 and 0."""

    state: str
    submits: int = 1
    paid: bool = True
    reason: str = ""
    comment: str = ""
    waits: bool = False  # for a receipt that doesn't come


CASES: dict[str, dict[str, Case]] = {  # by on_unknown and the last digits of the target
    "resend": {
        "1234": Case("DELIVERED"),
        "0001": Case("REJECTED", 1, False, "refused_by_provider", "ESME_RINVDSTADR"),
        "0002": Case("DELIVERED", 2),
        "0003": Case("UNKNOWN", 2, True, "no_answer", "", waits=True),
        "0004": Case("UNKNOWN", 2, True, "no_answer", "", waits=True),
        "0005": Case("UNDELIVERABLE", 1, False, "undeliverable", "error 001"),
        "0006": Case("EXPIRED", 1, False, "expired", "error 001"),
        "0007": Case("DELIVERED"),
        "0008": Case("ENROUTE", waits=True),
        "0009": Case("UNDELIVERABLE", 3, False, "temporary_failure", "ESME_RSYSERR"),
        "0010": Case("DELIVERED", 2),
        "0011": Case("DELIVERED"),
        "0012": Case("REJECTED", 1, False, "rejected", "error 001"),
        "0013": Case("DELIVERED", 2),
        "0014": Case("DELIVERED"),
    },
    "wait": {
        "0003": Case("UNKNOWN", 1, True, "no_answer", "", waits=True),
        "0004": Case("UNKNOWN", 1, True, "no_answer", "", waits=True),
        "0013": Case("DELIVERED"),
    },
    "fail": {
        "0003": Case("UNKNOWN", 1, False, "no_answer"),
        "0004": Case("UNKNOWN", 1, False, "no_answer"),
    },
}
NUMBERS = {"resend": "3630111", "wait": "3630112", "fail": "3630113"}
TARGETS = [(policy, ending) for policy, cases in CASES.items() for ending in cases]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Every message has gone as far as it goes."""
    first = {"global": {**FAST, "on_unknown": "resend"}}
    with house(tmp_path_factory.mktemp("endings"), changes=first) as running:
        gateway, sent = running.gateway, 0
        for policy, cases in CASES.items():
            if policy != "resend":
                gateway.reconfigure({"global": {**FAST, "on_unknown": policy}})
            for ending in cases:  # one by one: a connection that ends takes what is under way with it
                with Phone(gateway.sip_port) as softswitch:
                    assert softswitch.send(NUMBERS[policy] + ending).status == 202
                sent += 1
                _at_rest(gateway, sent)
        yield running


def _at_rest(gateway: Gateway, sent: int) -> None:
    """Waits until so many messages have a CDR, and only those are open that wait for what doesn't come."""
    question = "SELECT (SELECT count(*) FROM tb_cdrs), (SELECT count(*) FROM tb_queue WHERE stage < 2)"
    wait_until(lambda: ask(gateway, question) == [(sent, 0)], "a CDR")
    waiting = {(NUMBERS[policy] + e,) for policy, cases in CASES.items() for e, case in cases.items() if case.waits}
    wait_until(lambda: set(ask(gateway, OPEN)) <= waiting, "every receipt")


@pytest.fixture(scope="module")
def cdrs(started: House) -> dict[str, dict[str, Any]]:
    found = started.gateway.cdrs()
    assert len(found) == len(TARGETS)
    return {cdr["to"]: cdr for cdr in found}


@pytest.mark.parametrize("policy, ending", TARGETS)
def test_ending(policy: str, ending: str, cdrs: dict[str, dict[str, Any]], started: House) -> None:
    case, target = CASES[policy][ending], NUMBERS[policy] + ending
    cdr = cdrs[target]
    assert cdr["state"] == case.state
    assert (cdr["duration"], cdr["price"]) == ((60, PRICE) if case.paid else (0, 0))
    assert (cdr["reason"], case.comment in cdr["comment"]) == (case.reason, True)
    assert len(started.smsc.submits(target)) == case.submits
    assert ((target,) in ask(started.gateway, OPEN)) == case.waits


def test_the_money(cdrs: dict[str, dict[str, Any]], started: House) -> None:
    paid = sum(case.paid for cases in CASES.values() for case in cases.values())
    assert started.gateway.balance() == 1_000_000 - paid * PRICE
    ledger_holds(started.gateway)
