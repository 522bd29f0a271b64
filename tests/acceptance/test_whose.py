"""Whose a text from a phone is, as operators set it up and phones write it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.desk import Desk, desk
from tests.acceptance.rig import ask, ledger_holds, one
from tests.peers.gateway import Gateway
from voipsms.settings import GlobalSettings

ALICE, RANGE, CODE, COMMON = "36201110001", "447771234567", "1234", "36209990000"
QUESTION = GlobalSettings().smsreceive_conflict


def _users(gateway: Gateway) -> None:
    """alice and bob have numbers; carol and dave write from the provider's common sender."""
    gateway.add_user("alice", "10", ALICE)
    gateway.add_user("bob", "10", "36201110002")
    for name in ("carol", "dave"):
        gateway.add_user(name, "10", "")
    for words in (
        (f"{RANGE}[0-9999]", "--user", "bob"), (CODE, "--user", "alice", "--keyword", "fun"),
        (CODE, "--user", "bob", "--keyword", "news"), (CODE, "--user", "carol"),
    ):  # fmt: skip
        gateway.command("number", "add", *words)
    for name in ("alice", "bob", "carol", "dave"):
        gateway.command("user", "reach", name, "--log", ".")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("whose"), _users, {"global": {"smsprice": "0.03"}}) as running:
        yield running
        ledger_holds(running.gateway)


NUMBERS = {
    "exclusive": (ALICE, "Hello", "alice"),
    "a range's base": (RANGE, "Hello", "bob"),
    "a tag": (f"{RANGE}0042", "Hello", "bob"),
    "behind the longest tag": (f"{RANGE}00421", "Hello", ""),
    "first word": (CODE, "Fun! more please", "alice"),
    "last word": (CODE, "please more NEWS", "bob"),
    "the first word wins": (CODE, "news fun", "bob"),
    "neither": (CODE, "no funny news here", "carol"),
    "nobody's": (COMMON, "Hello", ""),
}


@pytest.mark.parametrize("number, text, user", NUMBERS.values(), ids=NUMBERS)
def test_by_number(at: Desk, number: str, text: str, user: str) -> None:
    cdr = at.wrote(at.mobile(), number, text)
    assert (cdr["user"] or "", cdr["state"], cdr["reason"]) == (
        (user, "DELIVERED", "") if user else ("", "UNDELIVERABLE", "nobody")
    )
    assert bool(cdr["price"]) == bool(user)


def test_the_reply_window(at: Desk) -> None:
    phone = at.mobile()
    at.sent("carol", phone, sender=COMMON)
    assert at.wrote(phone, COMMON, "Hi carol")["user"] == "carol"
    assert at.wrote(phone, ALICE, "Hi alice")["user"] == "alice"  # the number counts before it
    at.gateway.command("send", "--from", COMMON, "--to", phone, "by the operator")
    assert at.wrote(phone, COMMON, "Hi again")["user"] == "carol"


def test_rivals(at: Desk) -> None:
    """Nobody gets it, and the phone is asked once; then it says whom it means."""
    phone = at.mobile()
    at.sent("carol", phone, sender=COMMON)
    at.sent("dave", phone, sender=COMMON)
    before = at.gateway.balance("dave")
    first = at.wrote(phone, COMMON, "Which of you?")
    assert (first["reason"], first["price"]) == ("conflict", 0)
    assert at.reached(phone, 3)[-1] == (COMMON, QUESTION)
    assert at.gateway.balance("dave") < before  # who wrote last pays
    assert at.wrote(phone, COMMON, "Hello?")["reason"] == "conflict"
    assert len(at.smsc.submits(phone)) == 3
    assert at.wrote(phone, COMMON, "#Carol# I mean you")["user"] == "carol"
    assert at.wrote(phone, COMMON, "to #dave@example.com#, please")["user"] == "dave"
    texts = ask(at.gateway, f"SELECT text FROM tb_messages WHERE sender = '{phone}' ORDER BY id")  # noqa: S608 — digits
    assert texts[-2:] == [("#Carol# I mean you",), ("to #dave@example.com#, please",)]


def test_a_machine_is_not_asked(at: Desk) -> None:
    """What answers everything gets the question once, however long it goes on."""
    phone = at.mobile()
    at.sent("carol", phone, sender=COMMON)
    at.sent("dave", phone, sender=COMMON)
    at.reached(phone, 2)
    texts = one(at.gateway, "SELECT count(*) FROM tb_messages WHERE direction = 'MO'")
    at.smsc.answers("I am away")
    try:
        at.smsc.text(phone, COMMON, "I am away")
        at.reached(phone, 3)
        at.smsc.text(phone, COMMON, "Out of office: back on Monday")
        at.quiet(texts + 3)
    finally:
        at.smsc.answers("")
    assert len(at.smsc.submits(phone)) == 3
