"""Phones behind Kamailio: chats to mobile numbers leave as SMS, chats between phones stay there."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.rig import house, ledger_holds, messages, settled
from tests.peers import sipp
from tests.peers.gateway import NUMBER
from tests.peers.kamailio import Kamailio
from tests.peers.program import wait_until

COUNT = 500
USERS = {"alice": "secret-a", "bob": "secret-b", NUMBER: "secret-c"}


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return "sqlite:///voipsms.db" if request.param == "sqlite" else str(request.getfixturevalue("mysql_url"))


def test_500_messages(url: str, tmp_path: Path) -> None:
    """As many submits, receipts and CDRs, and a balance that the ledger proves."""
    own = sipp.credentials(NUMBER, USERS[NUMBER])
    with (
        house(tmp_path, url, smsc=("--no-endings",), level="warning") as running,
        Kamailio(tmp_path, [running.gateway.sip_port], USERS) as proxy,
    ):
        gateway = running.gateway
        rows = [(target, sender, text, own) for target, sender, text in sipp.messages(COUNT)]
        sent = sipp.send(tmp_path, proxy.port, "message-digest", rows, challenge=407, rate=500)
        assert (sent.successful, sent.failed) == (COUNT, 0)
        settled(gateway, COUNT)
        running.smsc.saw(COUNT)
        # sipp ends every body with a line end.
        texts = {s["destination"]: bytes.fromhex(s["user_data"]).decode().rstrip() for s in running.smsc.submits()}
        assert len(running.smsc.submits()) == COUNT
        assert texts == {target: text for target, _, text, _ in rows}
        assert gateway.metric("voipsms_receipts_total", state="DELIVERED") == COUNT
        cdrs = gateway.cdrs("--user", "bench", "--gateway", "default", "--type", "SMS")
        assert Counter((c["state"], c["duration"], c["price"], c["from"]) for c in cdrs) == {
            ("DELIVERED", 60, Decimal("0.01"), NUMBER): COUNT
        }
        assert gateway.balance() == 1_000_000 - COUNT * Decimal("0.01")
        ledger_holds(gateway)


def test_phones_talk_to_each_other_without_the_gateway(tmp_path: Path) -> None:
    with (
        house(tmp_path) as running,
        Kamailio(tmp_path, [running.gateway.sip_port], USERS) as proxy,
        sipp.Answerer(tmp_path, 200) as alice,
        sipp.Answerer(tmp_path, 200, "tcp") as bob,
    ):
        alice.register(proxy.port, "alice", USERS["alice"])
        bob.register(proxy.port, "bob", USERS["bob"])

        def chat(sender: str, target: str, text: str, expect: int) -> None:
            rows = [(target, sender, text, sipp.credentials(sender, USERS[sender]))]
            sent = sipp.send(tmp_path, proxy.port, "message-digest", rows, challenge=407, expect=expect)
            assert sent.successful == 1

        chat("alice", "bob", "Hi Bob", 200)
        chat("bob", "alice", "Hi Alice", 200)
        chat(NUMBER, "36301112233", "Hi Mom", 202)
        chat("alice", "36301112233", "no account at the gateway", 403)
        wait_until(lambda: len(alice.received()) == len(bob.received()) == 1, "both chats")
        assert ([text for _, text in alice.received()], [text for _, text in bob.received()]) == (
            ["Hi Alice"], ["Hi Bob"],
        )  # fmt: skip
        settled(running.gateway, 1)
        assert messages(running.gateway) == 1
