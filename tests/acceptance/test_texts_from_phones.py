"""Texts for phones that aren't there, long ones, and what a crash does to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.office import ALICE, BOB, MOBILE, Office, furnish, held, office, part, texts_settled
from tests.acceptance.rig import ask, ledger_holds, one
from tests.peers.gateway import Changes, Gateway
from tests.peers.mail_server import MailPeer
from tests.peers.phone import Phone
from tests.peers.program import wait_until

PARTS = 10
LETTERS = "abcdefghij"  # one for each part
HOLD = 86_400_000  # milliseconds: smsreceive_hold
MAILBOX = "bob@example.com"


def _users(gateway: Gateway) -> None:
    furnish(gateway)
    gateway.command("user", "reach", "bob", "--mail", MAILBOX)


@pytest.fixture(scope="module")
def mail() -> Iterator[MailPeer]:
    with MailPeer() as server:
        yield server


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, mail: MailPeer) -> Iterator[Office]:
    changes: Changes = {
        "global": {"smsreceive_parts": 3},
        "database": {"lease": 2},
        "mail": {**mail.settings, "reply": "sms+%s@example.com"},
        "log": {"level": "debug"},
    }
    with office(tmp_path_factory.mktemp("texts"), changes=changes, users=_users) as running:
        yield running
        ledger_holds(running.gateway)


@pytest.fixture(autouse=True)
def settled(at: Office) -> Iterator[None]:
    """Each test begins with nothing on its way."""
    yield
    texts_settled(at.gateway)


def _send(at: Office, number: str, *texts: str) -> None:
    for text in texts:
        at.smsc.text(MOBILE, number, text)


def _attempts(at: Office, count: int) -> None:
    """Waits until the text that others wait for has been tried so often."""
    question = "SELECT max(attempt) FROM tb_outbox"
    wait_until(lambda: one(at.gateway, question) == count, f"attempt {count}", 10, pause=0.05)


def test_held_until_the_phone_is_there(at: Office) -> None:
    """It is tried at once when its user writes by another phone, and when Kamailio says that it has registered."""
    texts = ["first", "second", "third"]
    _send(at, BOB, *texts)
    assert held(at.gateway, 3)[0] == ("first", "404 Not Found")
    _attempts(at, 2)  # the next one is 15 s away
    with Phone(at.gateway.sip_port) as other:
        assert other.send(MOBILE, sender="bob").status == 202
    _attempts(at, 3)  # and now a minute
    with at.pjsua("bob") as bob:
        wait_until(lambda: len(bob.received()) == 3, "all texts shown", 10)
        assert [text for _, text in bob.received()] == texts


def _by_tcp(at: Office) -> int:
    """MESSAGEs that have left by TCP."""
    lines = at.gateway.log.read_text().splitlines()
    return sum(f"peer=tcp:127.0.0.1:{at.proxy.port}" in line and "MESSAGE sip:" in line for line in lines)


@pytest.mark.parametrize("reference, order", [(1, range(PARTS)), (2, (7, 2, 9, 0, 4, 1, 8, 3, 6, 5))])
def test_a_long_text_is_one_message(at: Office, reference: int, order: range | tuple[int, ...]) -> None:
    """Above 1,300 octets it goes by TCP, where Kamailio asks us for our password."""
    with at.pjsua("bob") as bob:
        before = _by_tcp(at)
        for number in order:
            place = (reference, PARTS, number + 1)
            at.smsc.deliver(part(MOBILE, BOB, LETTERS[number] * 153, place))
        wait_until(lambda: bool(bob.received()), "the text shown")
        assert [text for _, text in bob.received()] == ["".join(letter * 153 for letter in LETTERS)]
        wait_until(lambda: _by_tcp(at) > before, "its request logged")
    [cdr] = at.gateway.cdrs()[-1:]
    assert (cdr["direction"], cdr["parts"], cdr["state"]) == ("MO", PARTS, "DELIVERED")


def test_a_part_is_missing(at: Office) -> None:
    with at.pjsua("bob") as bob:
        for number in (3, 1):
            at.smsc.deliver(part(MOBILE, BOB, f"part {number}", (9, 3, number)))
        wait_until(lambda: bool(bob.received()), "what is there shown")
        assert [text for _, text in bob.received()] == ["part 1[…]part 3"]


def test_killed_while_texts_are_held(at: Office) -> None:
    """What the SMSC was answered for is there after the crash, in order and once."""
    texts = [f"text {n}" for n in range(8)]
    _send(at, BOB, *texts[:6])
    at.smsc.deliver(part(MOBILE, BOB, texts[6], (20, 2, 1)))
    held(at.gateway, 6)
    wait_until(lambda: one(at.gateway, "SELECT count(*) FROM tb_joining WHERE closed = 0") == 1, "the part stored")
    at.gateway.kill()
    at.gateway.start()
    at.smsc.deliver(part(MOBILE, BOB, texts[7], (20, 2, 2)))
    with at.pjsua("bob") as bob:
        wait_until(lambda: len(bob.received()) >= 7, "all texts shown")
        texts_settled(at.gateway)
        assert [text for _, text in bob.received()] == [*texts[:6], "text 6text 7"]


def test_killed_while_texts_come(at: Office) -> None:
    """Each is shown; a second time only where the SMSC had no answer and sent it again."""
    texts = {f"text {n}" for n in range(200)}
    with at.pjsua("alice") as alice:
        for n, text in enumerate(sorted(texts)):
            at.smsc.text(f"3630{1_000_000 + n}", ALICE, text)
        wait_until(lambda: len(alice.received()) > 20, "some shown", pause=0.001)
        at.gateway.kill()
        at.gateway.start()
        wait_until(lambda: {text for _, text in alice.received()} == texts, "all shown")
        texts_settled(at.gateway)
    ledger_holds(at.gateway)


def _a_day_passes(gateway: Gateway) -> None:
    """For what is held, while nobody runs."""
    gateway.kill()
    ask(gateway, f"UPDATE tb_outbox SET created = created - {HOLD}, expires = expires - {HOLD}, due = due - {HOLD}")  # noqa: S608 — a constant
    gateway.start()


def test_time_is_over(at: Office, mail: MailPeer) -> None:
    """It goes by mail, to which an answer is possible; who has no mailbox doesn't get it, and it isn't paid back."""
    _send(at, BOB, "Hívj fel!")
    _send(at, ALICE, "nobody there")
    held(at.gateway, 2)
    _a_day_passes(at.gateway)
    wait_until(lambda: bool(mail.mails(MAILBOX)), "the mail")
    [got] = mail.mails(MAILBOX)
    assert got["From"].addresses[0].addr_spec == f"sms+{MOBILE}@example.com"
    assert got.get_content().strip() == "Hívj fel!"
    texts_settled(at.gateway)
    ends = {(cdr["to"], cdr["state"]): cdr["price"] for cdr in at.gateway.cdrs()[-2:]}
    assert set(ends) == {(BOB, "DELIVERED"), (ALICE, "EXPIRED")}
    assert all(ends.values())
