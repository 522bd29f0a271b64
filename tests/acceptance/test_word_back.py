"""What phones hear of their messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.office import ALICE, BOB, Office, office
from tests.acceptance.rig import ledger_holds, one
from tests.peers.gateway import Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until

NUMBERS = {"bob": BOB, "alice": ALICE, "carol": "36201110003"}
CPIM = (
    "From: <sip:bob@127.0.0.1>\r\nTo: <sip:{target}@127.0.0.1>\r\nDateTime: 2026-11-21T08:30:00Z\r\n"
    "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: {id}\r\n"
    "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\n{text}"
)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("back"), users=_users) as running:
        yield running
        ledger_holds(running.gateway)


def _users(gateway: Gateway) -> None:
    for name, number in NUMBERS.items():
        gateway.add_user(name, "10", number)
    gateway.command("user", "reach", "alice", "--notify", "all")
    gateway.command("user", "reach", "carol", "--notify", "none")


def _send(at: Office, target: str, text: str, user: str = "bob", **fields: str) -> None:
    with Phone(at.gateway.sip_port) as phone:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        assert phone.send(target, text, user, named).status == 202


DISPOSITIONS = {"delivered": ("36301112201", "delivered"), "failed": ("36301110005", "failed")}


@pytest.mark.parametrize("target, disposition", DISPOSITIONS.values(), ids=DISPOSITIONS)
def test_a_phone_that_asks_by_imdn(at: Office, target: str, disposition: str) -> None:
    body = CPIM.format(target=target, id=f"id-{disposition}", text="Where are you?")
    with at.pjsua("bob") as bob:
        _send(at, target, body, Content_Type="message/cpim")
        wait_until(lambda: bool(bob.received()), "the notification")
        [(_, word)] = bob.received()
        assert [event["type"] for event in bob.events if event["event"] == "text"] == ["message/cpim"]
    assert "Content-type: message/imdn+xml" in word
    assert f"<message-id>id-{disposition}</message-id><datetime>2026-11-21T08:30:00Z</datetime>" in word
    assert f"<delivery-notification><status><{disposition}/></status></delivery-notification>" in word
    assert f"<recipient-uri>sip:+{target}@127.0.0.1</recipient-uri>" in word
    texts = [bytes.fromhex(submit.user_data).decode() for submit in at.smsc.submits(target)]
    assert texts == ["Where are you?"]


@pytest.mark.parametrize("user, words", [("bob", 1), ("alice", 2), ("carol", 0)])
def test_what_a_phone_hears(at: Office, user: str, words: int) -> None:
    """Of a message that fails, and of one that doesn't: what failed, all, nothing. A text comes after these words."""
    failed, passed = f"363011{words}0005", f"3630112244{words}"
    with at.pjsua(user) as phone:
        number = one(at.gateway, "SELECT count(*) FROM tb_messages")
        _send(at, failed, "to nobody", user)
        _send(at, passed, "to somebody", user)
        question = "SELECT count(*) FROM tb_messages WHERE id NOT IN (SELECT id FROM tb_queue)"
        wait_until(lambda: one(at.gateway, question) == number + 2, "both final")
        wait_until(lambda: one(at.gateway, "SELECT count(*) FROM tb_outbox WHERE stage = 0") == 0, "all said")
        at.smsc.text(passed, NUMBERS[user], "the end")
        wait_until(lambda: "the end" in [text for _, text in phone.received()], "the text")
        *found, end = [text for _, text in phone.received()]
    assert end == "the end"
    said = f'Your message to +{failed} was not delivered: the phone can\'t be reached: "to nobody"'
    told = f'Your message to +{passed} was delivered: "to somebody"'
    assert sorted(found) == sorted([said, told][:words])
