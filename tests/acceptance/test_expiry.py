"""Messages that don't arrive: a warning half-way, a word at the end, the money back, and receipts that come late."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.office import ALICE, BOB, Office, office
from tests.acceptance.rig import ask, ledger_holds
from tests.peers.gateway import Changes, Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.mail_server import MailPeer
from tests.peers.pjsua import Pjsua
from tests.peers.program import wait_until
from voipsms.smpp.behaviour import Options
from voipsms.smpp.deliveries import receipt
from voipsms.smpp.pdu import ShortMessage

MAILBOX = "alice@example.com"
VALID = 5  # seconds; a warning is due after a hundredth of it
PRICE = Decimal("0.03")
SLOW = Options(receipt_delay=3600)  # who asks it by query_sm hears that a message is on its way


@pytest.fixture(scope="module")
def mail() -> Iterator[MailPeer]:
    with MailPeer() as server:
        yield server


@pytest.fixture(scope="module")
def hook() -> Iterator[HttpProvider]:
    with HttpProvider() as server:
        yield server


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, mail: MailPeer, hook: HttpProvider) -> Iterator[Office]:
    """alice is told by mail and webhook, bob by chat. Messages to 3670 wait for a gateway that is paused."""

    def users(gateway: Gateway) -> None:
        gateway.add_user("alice", "10", ALICE)
        url = f"http://127.0.0.1:{hook.port}/alice"
        gateway.command("user", "reach", "alice", "--mail", MAILBOX, "--route", "2", "--hook", url)
        gateway.add_user("bob", "10", BOB)
        for prefix, name in (("3670", "paused"), ("3620", "default"), ("3630", "default")):
            gateway.command("route", "add", "--gateway", name, "--prefix", prefix)
        gateway.command("gateway", "pause", "paused")

    changes: Changes = {
        "global": {"smswarn": 1},
        "mail": mail.settings,
        "gateway:paused": {"smsurl": "null:"},
    }
    with office(tmp_path_factory.mktemp("expiry"), smsc=SLOW, changes=changes, users=users) as running:
        yield running
        ledger_holds(running.gateway)


@pytest.fixture(scope="module")
def keys(at: Office) -> Mapping[str, str]:
    return {name: at.gateway.command("user", "key", name).split()[-1] for name in ("alice", "bob")}


def _send(at: Office, key: str, target: str, text: str) -> str:
    """By REST; its id."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = json.dumps({"to": target, "text": text, "valid_for": VALID}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{at.gateway.http_port}/api/v1/messages", body, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(json.load(answer)["id"])


def _state(at: Office, message_id: str) -> tuple[str, str]:
    [row] = ask(at.gateway, f"SELECT state, reason FROM tb_messages WHERE id = {message_id}")  # noqa: S608 — digits
    return str(row[0]), str(row[1])


def _look(at: Office) -> None:
    """A start looks for what is due; else that is every 15 seconds."""
    at.gateway.kill()
    at.gateway.start()


# A delivery whose end a killed process could not write down is made again; each counts once.


def _notices(hook: HttpProvider, message_id: str) -> list[Any]:
    told = (json.loads(request.body) for request in hook.requests)
    found = {one["delivery"]: one for one in told if (one["type"], one["id"]) == ("notice", message_id)}
    return list(found.values())


def _mails(mail: MailPeer, words: str) -> list[str]:
    found = {str(got["Message-ID"]): got.get_content() for got in mail.mails(MAILBOX)}
    return [text.replace("\r\n", "\n").strip() for text in found.values() if words in text]


def _chats(phone: Pjsua) -> list[str]:
    return list(dict.fromkeys(text for _, text in phone.received()))


def test_it_could_not_be_sent(at: Office, mail: MailPeer, hook: HttpProvider, keys: Mapping[str, str]) -> None:
    """Warned by mail, webhook and chat; then told, with the text, and paid back."""
    target, text = "36701112233", "The parcel is at the neighbours'"
    before = at.gateway.balance("alice")
    with at.pjsua("bob") as bob:
        message_id = _send(at, keys["alice"], target, text)
        _send(at, keys["bob"], target, "from bob")
        assert at.gateway.balance("alice") == before - PRICE
        _look(at)
        wait_until(lambda: bool(_notices(hook, message_id) and _mails(mail, text) and _chats(bob)), "the warnings")
        [warning] = _notices(hook, message_id)
        assert (warning["notice"], warning["to"], warning["sender"]) == ("warning", target, ALICE)
        said = f"Your message to +{target} is not delivered yet. It is tried until "
        assert _mails(mail, text)[0].startswith(said)
        assert _mails(mail, text)[0].endswith(f"\n\n{text}")
        assert _chats(bob)[0].startswith(said)
        wait_until(lambda: _state(at, message_id) == ("EXPIRED", "expired"), "its end")
        assert at.gateway.balance("alice") == before
        _look(at)
        wait_until(lambda: len(_notices(hook, message_id)) == len(_mails(mail, text)) == 2, "the last words")
        assert _notices(hook, message_id)[1]["notice"] == "end"
        assert _mails(mail, text)[1] == f"Your message to +{target} was not delivered in time.\n\n{text}"
        wait_until(lambda: len(_chats(bob)) == 2, "bob's last word")
        assert _chats(bob)[1] == f"Your message to +{target} was not delivered in time.\n\nfrom bob"


LATE = {
    "delivered after all": ("36201131111", "DELIVRD", "DELIVERED", PRICE),
    "not delivered": ("36201141111", "UNDELIV", "UNDELIVERABLE", Decimal(0)),
}


@pytest.mark.parametrize("target, word, state, paid", LATE.values(), ids=LATE)
def test_no_receipt_came_in_time(
    at: Office, mail: MailPeer, keys: Mapping[str, str], target: str, word: str, state: str, paid: Decimal
) -> None:
    """It stays charged, for a provider took it; the receipt that comes late corrects that."""
    before, text = at.gateway.balance("alice"), f"to {target}"
    message_id = _send(at, keys["alice"], target, text)
    wait_until(lambda: _state(at, message_id)[0] == "ENROUTE", "sent")
    _look(at)
    wait_until(lambda: len(_mails(mail, text)) == 1, "the warning")
    at.gateway.kill()
    ask(at.gateway, f"UPDATE tb_queue SET due = 1 WHERE id = {message_id}")  # noqa: S608 — digits
    at.gateway.start()
    wait_until(lambda: _state(at, message_id)[0] == "UNKNOWN", "its end")
    _look(at)
    wait_until(lambda: len(_mails(mail, text)) == 2, "the last word")
    end = f"Your message to +{target} may not have been delivered: no receipt has come.\n\n{text}"
    assert _mails(mail, text)[1] == end
    assert at.gateway.balance("alice") == before - PRICE
    [submit] = at.smsc.submits(target)
    submitted = ShortMessage(source_addr=submit.source, destination_addr=target)
    at.smsc.deliver(*receipt(submitted, int(submit.id, 16), word, "same", False))
    wait_until(lambda: _state(at, message_id)[0] == state, "corrected")
    [cdr] = [cdr for cdr in at.gateway.cdrs() if cdr["msgid"] == message_id or cdr["to"] == target]
    assert (cdr["state"], cdr["price"]) == (state, paid)
    assert at.gateway.balance("alice") == before - paid
