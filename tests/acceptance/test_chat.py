"""All the way round: a phone writes to a mobile, the mobile answers, the phone shows it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.office import ALICE, BOB, CREDIT, MOBILE, Office, office, texts_settled
from tests.acceptance.rig import ledger_holds
from tests.peers.program import wait_until
from voipsms.smpp.behaviour import Options

ANSWER = "Köszi, megkaptam! €"
OTHER = "36309998877"


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return "sqlite:///voipsms.db" if request.param == "sqlite" else str(request.getfixturevalue("mysql_url"))


def test_two_clients_write_and_are_answered(url: str, tmp_path: Path) -> None:
    with (
        office(tmp_path, url, smsc=Options(mo_reply=ANSWER)) as at,
        at.baresip("alice") as alice,
        at.pjsua("bob") as bob,
    ):
        alice.write("Szia, alice vagyok")
        bob.write(OTHER, "Hello from bob")
        wait_until(lambda: bool(alice.received() and bob.received()), "both answers shown")
        texts_settled(at.gateway, 2)
        assert [text for _, text in alice.received()] == [ANSWER]
        assert [text for _, text in bob.received()] == [ANSWER]
        assert at.shown_as(MOBILE) in alice.received()[0][0]
        assert at.shown_as(OTHER) in bob.received()[0][0]
        assert bob.answers() == [202]
        sent = {(s.source, s.destination): bytes.fromhex(s.user_data).decode() for s in at.smsc.submits()}
        assert sent == {(ALICE, MOBILE): "Szia, alice vagyok", (BOB, OTHER): "Hello from bob"}
        _records(at)


def _records(at: Office) -> None:
    """A third of a message's price for an answer."""
    gateway = at.gateway
    wait_until(lambda: gateway.metric("voipsms_receipts_total", state="DELIVERED") == 2, "both receipts")
    found = {
        (c["direction"], c["user"], c["from"], c["to"], c["state"], c["price"]) for c in gateway.cdrs("--user", "alice")
    }
    assert found == {
        ("MT", "alice", ALICE, MOBILE, "DELIVERED", Decimal("0.03")),
        ("MO", "alice", MOBILE, ALICE, "DELIVERED", Decimal("0.01")),
    }
    assert len(gateway.cdrs()) == 4
    assert gateway.balance("alice") == gateway.balance("bob") == Decimal(CREDIT) - Decimal("0.04")
    ledger_holds(gateway)
