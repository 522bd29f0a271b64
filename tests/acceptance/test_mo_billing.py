"""What texts from phones cost, what is held without credit, and who hears of a low balance."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk, desk
from tests.acceptance.rig import ask, ledger_holds, one
from tests.peers.gateway import Gateway
from tests.peers.mail_server import MailPeer
from tests.peers.program import wait_until

ALICE, BOB = "36201110001", "36201110002"
MAILBOX = "alice@example.com"
PHONE = "36301112233"
LOW = "0.025"


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return "sqlite:///voipsms.db" if request.param == "sqlite" else str(request.getfixturevalue("mysql_url"))


def _users(gateway: Gateway) -> None:
    """alice can pay for three texts, at a third of 0.03 each."""
    gateway.add_user("alice", LOW, ALICE)
    gateway.command("user", "credit", "alice", "0.005")
    gateway.add_user("bob", "1", BOB)
    gateway.command("user", "reach", "alice", "--mail", MAILBOX, "--low", LOW)
    gateway.command("user", "reach", "bob", "--log", ".")


def _notices(mail: MailPeer) -> list[str]:
    return [text for text in _texts(mail) if "balance" in text]


def _texts(mail: MailPeer) -> list[str]:
    return [got.get_content().strip() for got in mail.mails(MAILBOX)]


def _held(at: Desk) -> int:
    return int(one(at.gateway, "SELECT count(*) FROM tb_inbound WHERE stage = 1"))


def test_held_without_credit_and_released(url: str, tmp_path: Path) -> None:
    with MailPeer() as mail:
        changes = {"global": {"smsprice": "0.03", "smsreceive_route": 2}, "mail": mail.settings}
        with desk(tmp_path, _users, changes, url=url) as at:
            texts = [f"text {n}" for n in range(6)]
            for text in texts:
                at.smsc.text(PHONE, ALICE, text)
            wait_until(lambda: _held(at) == 3, "three texts held")
            assert at.gateway.balance("alice") == 0
            wait_until(lambda: len(_notices(mail)) == 1, "the notice")
            assert f"less than {LOW}. " in _notices(mail)[0]
            assert at.wrote(PHONE, BOB, "others get theirs")["price"] == Decimal("0.01")
            at.gateway.command("user", "credit", "alice", "1")
            wait_until(lambda: len(_texts(mail)) == 7, "all texts and the notice")
            assert [text for text in _texts(mail) if text in texts] == texts
            assert at.gateway.balance("alice") == Decimal("0.97")
            prices = [cdr["price"] for cdr in at.gateway.cdrs("--user", "alice")]
            assert prices == [Decimal("0.01")] * 6
            wait_until(lambda: one(at.gateway, "SELECT count(*) FROM tb_low") == 0, "the balance is known")
            at.gateway.command("user", "credit", "alice", "-0.96")
            wait_until(lambda: len(_notices(mail)) == 2, "the notice of the next time")
            assert ask(at.gateway, "SELECT count(*) FROM tb_inbound") == [(0,)]
            ledger_holds(at.gateway)
