"""Numbers by command: listed, in conflict, taken away; and a user who sends from the tags of a range."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.rig import house
from tests.peers.gateway import NUMBER, Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until

UK = "447771234567"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Not running: the commands need the config and the database only."""
    gateway = Gateway(tmp_path_factory.mktemp("numbers"))
    gateway.add_user("alice", number="")
    gateway.add_user("bob", number="36309876543")
    for words in (
        (f"{UK}[0-99]", "--user", "alice", "--callback"), ("+36 20 765 4321", "--user", "alice"),
        ("1234", "--user", "alice", "--keyword", "Fun!"), ("1234", "--user", "bob", "--callback"),
        ("1234", "--user", "bob", "--keyword", "news"),
    ):  # fmt: skip
        assert gateway.command("number", "add", *words).endswith(" added\n")
    return gateway


def test_listed(gateway: Gateway) -> None:
    assert gateway.table("number", "list") == [
        {"number": "1234", "user": "bob", "keyword": "", "callback": True},
        {"number": "1234", "user": "alice", "keyword": "fun", "callback": False},
        {"number": "1234", "user": "bob", "keyword": "news", "callback": False},
        {"number": "36207654321", "user": "alice", "keyword": "", "callback": False},
        {"number": "36309876543", "user": "bob", "keyword": "", "callback": False},
        {"number": f"{UK}[0-99]", "user": "alice", "keyword": "", "callback": True},
    ]


FAULTS = {
    "taken": (("add", "36207654321", "--user", "bob"), "the number 36207654321 belongs to alice"),
    "one's own again": (("add", "36207654321", "--user", "alice"), "the number 36207654321 belongs to alice"),
    "in a range": (("add", f"+{UK}", "--user", "bob"), f"the number {UK}[0-99] belongs to alice"),
    "a range around": (("add", "3620765432[0-9]", "--user", "bob"), "the number 36207654321 belongs to alice"),
    "a keyword in another case": (
        ("add", "1234", "--user", "bob", "--keyword", "FUN"), "the number 1234 with the keyword 'fun' belongs to alice",
    ),
    "a keyword of a range": (("add", f"{UK}[0-9]", "--user", "alice", "--keyword", "x"), "a range has no keywords"),
    "no number": (("add", "Acme", "--user", "bob"), "'Acme' is no number such as +36201234567"),
    "no range": (("add", f"{UK}[0-50]", "--user", "bob"), "is no number such as"),
    "no such user": (("add", "5678", "--user", "nobody"), "there is no user 'nobody'"),
    "not there": (("del", "5678"), "there is no number 5678"),
    "no such keyword": (("del", "1234", "--keyword", "cars"), "there is no number 1234 with the keyword 'cars'"),
    "another range": (("del", f"{UK}[0-9]"), f"there is no number {UK}[0-9]"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "fault"), FAULTS.values(), ids=FAULTS)
def test_faults(gateway: Gateway, words: tuple[str, ...], fault: str) -> None:
    before = gateway.table("number", "list")
    ran = gateway.run("number", *words)
    assert ran.returncode == 1
    assert fault in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert gateway.table("number", "list") == before


@pytest.mark.parametrize("keyword", ["", "two words", "!!!", "x" * 33])
def test_no_keyword(gateway: Gateway, keyword: str) -> None:
    ran = gateway.run("number", "add", "5678", "--user", "bob", "--keyword", keyword)
    assert (ran.returncode, "a keyword is one word" in ran.stderr) == (2, True)


def test_taken_away_and_given_to_another(gateway: Gateway) -> None:
    gateway.command("number", "add", "4930123456[0-9]", "--user", "alice")
    gateway.command("number", "del", "+4930123456[0-9]")
    gateway.command("number", "add", "4930123456", "--user", "bob")
    gateway.command("number", "del", "4930123456")
    assert not [row for row in gateway.table("number", "list") if row["number"].startswith("49")]


def test_a_user_sends_from_the_tags_of_a_range(tmp_path: Path) -> None:
    with house(tmp_path) as at, Phone(at.gateway.sip_port) as phone:
        gateway = at.gateway
        gateway.command("number", "add", f"{UK}[0-99]", "--user", "bench")

        def tagged() -> bool:
            assert phone.send("36301112233", sender=f"+{UK}07").status in (202, 403)
            return any(submit["source"] == f"{UK}07" for submit in at.smsc.submits())

        wait_until(tagged, "a message from a tag", 5, pause=0.2)
        assert {submit["source"] for submit in at.smsc.submits()} <= {f"{UK}07", NUMBER}
