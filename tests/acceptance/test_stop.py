"""STOP, START and HELP of phones, end to end; and what answers itself comes to rest."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.acceptance.desk import Desk, desk
from tests.acceptance.rig import ledger_holds, one
from tests.peers.gateway import PASSWORD, Changes, Gateway
from tests.peers.program import wait_until

ALICE, SECOND, BOB, CODE = "36201110001", "36201110003", "36201110002", "1234"
SETTINGS: Changes = {"global": {"smsprice": "0.03"}, "http": {"authkey": "key"}}
SOON: Changes = {**SETTINGS, "global": {"smsprice": "0.03", "smsstop_confirm": "0.0002"}}  # hours
CONFIRMED = "You will no longer receive messages from {}."


def _users(gateway: Gateway) -> None:
    gateway.add_user("alice", "10", ALICE, "--number", SECOND)
    gateway.add_user("bob", "10", BOB)
    gateway.command("number", "add", CODE, "--user", "alice", "--keyword", "fun")
    gateway.command("number", "add", CODE, "--user", "bob", "--keyword", "news")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("stop"), _users, SETTINGS) as running:
        yield running
        ledger_holds(running.gateway)


def _refused(at: Desk, user: str, phone: str, sender: str = "") -> bool:
    answer = at.send(user, phone, "An offer", sender)
    assert answer.status in (202, 403)
    return answer.status == 403 and "opted out" in answer.headers.get("Reason")


def test_stop_and_what_lifts_it(at: Desk) -> None:
    phone = at.mobile()
    at.sent("alice", phone, "An offer")
    assert at.wrote(phone, ALICE, " Stop! ")["user"] == "alice"
    at.sent("alice", phone, "We shall write no more.")  # the confirmation
    assert _refused(at, "alice", phone)
    assert _refused(at, "bob", phone, ALICE) is False  # bob sends from his own number
    ran = at.gateway.run("send", "--from", ALICE, "--to", phone, "An offer")
    assert (ran.returncode, "opted out" in ran.stderr) == (1, True)
    query = f"apientry=sendsms&authkey=key&authid=alice&authpwd={PASSWORD}&anum={ALICE}&bnum={phone}&txt=Hi"
    assert at.gateway.get(f"/mvapireq/?{query}")[1].startswith("ERROR opted_out")
    at.wrote(phone, ALICE, "please stop the noise")  # has the word in it, and is no STOP
    assert _refused(at, "alice", phone)
    at.wrote(phone, ALICE, "Is it still open?")
    at.sent("alice", phone, "Yes")
    assert (ALICE, "We shall write no more.") in at.reached(phone)


def test_stop_all(at: Desk) -> None:
    phone = at.mobile()
    at.wrote(phone, ALICE, "STOP ALL")
    at.sent("alice", phone, "Goodbye", ALICE)
    assert _refused(at, "alice", phone, SECOND)
    assert _refused(at, "alice", phone, CODE)
    at.sent("bob", phone)
    at.wrote(phone, SECOND, "but I want that")
    at.sent("alice", phone, "Welcome", SECOND)
    assert _refused(at, "alice", phone, ALICE)  # that number had a STOP of its own


@pytest.mark.parametrize("words", ["STOP fun", "Fun STOP"])
def test_a_shared_code(at: Desk, words: str) -> None:
    """Ends it for the user whose keyword it is; only a text with the keyword lifts it."""
    phone = at.mobile()
    at.wrote(phone, CODE, words)
    at.sent("alice", phone, "Goodbye", CODE)
    assert _refused(at, "alice", phone, CODE)
    at.sent("bob", phone, "News", CODE)
    at.sent("alice", phone, "from another number", ALICE)
    at.wrote(phone, CODE, "hello")
    assert _refused(at, "alice", phone, CODE)
    at.wrote(phone, CODE, "fun again")
    at.sent("alice", phone, "Welcome", CODE)


def test_start_and_help(at: Desk) -> None:
    phone = at.mobile()
    at.wrote(phone, BOB, "HELP")
    at.wrote(phone, BOB, "stop")
    at.sent("bob", phone, "Goodbye")
    assert _refused(at, "bob", phone)
    at.wrote(phone, BOB, "START")
    at.sent("bob", phone, "Welcome")
    texts = [text for sender, text in at.reached(phone, 4) if sender == BOB]
    assert texts == [
        f"Messages from {BOB}: send STOP to end them, START to get them again.", "Goodbye",
        f"You will receive messages from {BOB} again. Send STOP to end them.", "Welcome",
    ]  # fmt: skip


# What phones say to whatever they get, and how many messages it comes to: the first one, and what answers it.
LOOPS = {"hello": ("hello", 1), "HELP": ("HELP", 2), "START": ("START", 1)}


@pytest.mark.parametrize("says, messages", LOOPS.values(), ids=LOOPS)
def test_a_conversation_of_machines_ends(at: Desk, says: str, messages: int) -> None:
    phone, texts = at.mobile(), one(at.gateway, "SELECT count(*) FROM tb_messages WHERE direction = 'MO'")
    at.smsc.answers(says)
    try:
        at.sent("bob", phone)
        at.quiet(texts + messages)
    finally:
        at.smsc.answers("")
    assert len(at.reached(phone)) == messages


def test_ours_is_sent_and_billed(at: Desk) -> None:
    """Where the user's own doesn't come in time; a machine's STOP to that is not answered again."""
    waits, says = at.mobile(), at.mobile()
    texts, balance = one(at.gateway, "SELECT count(*) FROM tb_messages WHERE direction = 'MO'"), _balance(at)
    at.gateway.reconfigure(SOON)
    at.wrote(waits, ALICE, "STOP")
    at.smsc.answers("STOP")
    at.sent("bob", says)
    try:
        assert at.reached(says, 2) == [(BOB, "Hello"), (BOB, CONFIRMED.format(BOB))]
        assert at.reached(waits) == [(ALICE, CONFIRMED.format(ALICE))]
        at.quiet(texts + 4)
    finally:
        at.smsc.answers("")
        at.gateway.reconfigure(SETTINGS)
    question = f"SELECT count(*) FROM tb_confirmations WHERE number IN ('{waits}', '{says}')"  # noqa: S608 — digits
    wait_until(lambda: one(at.gateway, question) == 0, "nothing to be confirmed")
    assert (len(at.smsc.submits(says)), len(at.smsc.submits(waits))) == (2, 1)
    assert _balance(at) == balance - Decimal("0.03")
    assert _refused(at, "alice", waits)
    assert _refused(at, "bob", says)


def _balance(at: Desk) -> Decimal:
    return at.gateway.balance("alice")
