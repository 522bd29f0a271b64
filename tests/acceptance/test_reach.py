"""`user reach` and `outbox`, as operators use them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from voipsms.cli import main
from voipsms.commands.context import writing
from voipsms.config import load
from voipsms.model import UserType
from voipsms.store.accounts import NewUser, add_user

NOBODY = {
    "user": "alice", "route": -1, "chat": "", "mail": "", "hook": "", "hook_format": "json",
    "hook_retry": "clickatell", "hook_secret": "", "log": "", "receipts": False, "notify": "", "low": 0.0,
}  # fmt: skip


class House:
    """A config and a database with alice and bob."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self._config = folder / "config.ini"
        self._config.write_text(
            "[database]\nurl = sqlite:///voipsms.db\n[global]\nsmsreceive_hold = 1\nsmsexpire = 2\n"
        )
        with writing(load(self._config)) as (db, ids), db.transaction():
            for name in ("alice", "bob"):  # without passwords, whose hashes take their time
                add_user(db, ids, NewUser(name, UserType.ENDUSER, "EUR"))

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code, and what is wrong."""
        code = main(["--config", str(self._config), *words])
        self.said = self._capsys.readouterr()
        return code, self.said.err

    def rows(self, *words: str) -> list[dict[str, Any]]:
        assert self.run(*words, "--format", "json") == (0, "")
        found = json.loads(self.said.out)
        assert isinstance(found, list)
        return found

    def reach(self, *words: str, name: str = "alice") -> dict[str, Any]:
        (row,) = self.rows("user", "reach", name, *words)
        return row

    def sql(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "voipsms.db")) as db:
            found = db.execute(statement, values).fetchall()
            db.commit()
        return found


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> House:
    return House(tmp_path, capsys)


# -- user reach


def test_nothing_is_set_at_first(house: House) -> None:
    assert house.reach() == NOBODY


def test_each_option_alone(house: House) -> None:
    (house.folder / "logs").mkdir()
    options = {
        "route": ("3", 3), "chat": ("desk+1", "desk+1"), "mail": ("alice@acme.test", "alice@acme.test"),
        "hook-format": ("xml", "xml"), "hook-retry": ("routo", "routo"), "log": ("logs", "logs"),
        "notify": ("all", "all"), "low": ("2.5", 2.5),
    }  # fmt: skip
    expected = dict(NOBODY)
    for option, (word, value) in options.items():
        expected[option.replace("-", "_")] = value
        assert house.reach(f"--{option}", word) == expected
    assert house.reach() == expected
    assert house.reach(name="bob") == NOBODY | {"user": "bob"}


def test_a_secret_is_made_and_shown_once(house: House) -> None:
    made = house.reach("--hook", "https://user:hush@acme.test/sms?key=hush", "--receipts", "yes")
    assert len(made["hook_secret"]) >= 32
    assert (made["hook"], made["receipts"]) == ("https://***@acme.test/sms?key=***", True)
    assert house.sql("SELECT hook_secret FROM tb_reach") == [(made["hook_secret"],)]
    assert house.reach("--route", "0")["hook_secret"] == "set"
    again = house.reach("--hook-secret", "")["hook_secret"]
    assert again not in ("set", made["hook_secret"])
    assert house.reach("--hook-secret", "my own")["hook_secret"] == "set"
    assert house.sql("SELECT hook_secret FROM tb_reach") == [("my own",)]


def test_what_signs_nothing_gets_no_secret(house: House) -> None:
    assert house.reach("--hook", "https://acme.test/", "--hook-format", "soap")["hook_secret"] == ""


def test_a_password_of_ftp_is_not_shown(house: House) -> None:
    assert house.reach("--log", "ftp://user:hush@acme.test/in")["log"] == "ftp://***@acme.test/in"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--route", "2"], "route 2 is mail: there must be an address (--mail)"),
        (["--receipts", "yes"], "receipts go to the webhook: there must be one (--hook)"),
        (["--log", "nowhere"], "there is no folder {folder}/nowhere"),
    ],
    ids=["mail without a mailbox", "receipts to nobody", "no folder"],
)
def test_what_does_not_go_together(house: House, words: list[str], fault: str) -> None:
    assert house.run("user", "reach", "alice", *words) == (1, f"voipsms: {fault.format(folder=house.folder)}\n")
    assert house.reach() == NOBODY


@pytest.mark.parametrize(
    "words",
    [
        "--route 5", "--route chat", "--chat a@b", "--mail alice", "--mail a@b.test,c@d.test", "--hook ftp://acme.test/",
        "--hook acme.test", "--hook-format yaml", "--hook-retry often", "--log sftp://acme.test/", "--log ftp://",
        "--receipts maybe", "--notify some", "--low -1", "--low 1e99", f"--hook http://acme.test/{'x' * 2048}",
        f"--hook-secret {'x' * 129}",
    ],
)  # fmt: skip
def test_what_is_no_value(house: House, words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        house.run("user", "reach", "alice", *words.split())
    assert ended.value.code == 2


def test_nobody_by_that_name(house: House) -> None:
    assert house.run("user", "reach", "carol") == (1, "voipsms: there is no user 'carol'\n")
    assert house.run("user", "reach", "carol", "--route", "1") == (1, "voipsms: there is no user 'carol'\n")


# -- outbox


@pytest.fixture
def outbox(house: House) -> House:
    """Two deliveries that were given up, and one that waits."""
    for n, name, stage in ((1, "alice", 1), (2, "alice", 0), (3, "bob", 1)):
        ((user,),) = house.sql("SELECT id FROM tb_users WHERE username = ?", name)
        house.sql(
            "INSERT INTO tb_outbox VALUES (?, 77, ?, 'webhook', 'text', '36301112233', '36201234567', 'Szia', 1000,"
            " 2000, 6, '', '', '[]', 0, ?, 1500, 'HTTP 500: no')", n, user, stage,
        )  # fmt: skip
    return house


def test_what_waits_and_what_was_given_up(outbox: House) -> None:
    first, *others = outbox.rows("outbox", "list")
    assert first == {
        "id": "1", "message": "77", "user": "alice", "channel": "webhook", "subject": "text", "from": "36301112233",
        "to": "36201234567", "created": "1970-01-01T00:00:01.000Z", "due": "1970-01-01T00:00:01.500Z",
        "expires": "1970-01-01T00:00:02.000Z", "attempts": 6, "state": "failed", "error": "HTTP 500: no",
    }  # fmt: skip
    assert [(row["id"], row["user"], row["state"]) for row in others] == [
        ("2", "alice", "waiting"), ("3", "bob", "failed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "ids"),
    [("--failed", ["1", "3"]), ("--user alice", ["1", "2"]), ("--failed --user bob", ["3"])],
    ids=["given up", "one user's", "both"],
)  # fmt: skip
def test_some_of_it(outbox: House, words: str, ids: list[str]) -> None:
    assert [row["id"] for row in outbox.rows("outbox", "list", *words.split())] == ids


@pytest.mark.parametrize(
    ("words", "left", "said"),
    [
        ("3", ["1"], "1 to be tried again\n"),
        ("1 3", [], "2 to be tried again\n"),
        ("--user alice", ["3"], "1 to be tried again\n"),
        ("--failed", [], "2 to be tried again\n"),
        ("--failed --user bob", ["1"], "1 to be tried again\n"),
    ],
    ids=["one", "two", "a user's", "all", "both"],
)
def test_again(outbox: House, words: str, left: list[str], said: str) -> None:
    assert outbox.run("outbox", "replay", *words.split()) == (0, "")
    assert outbox.said.out == said
    assert [row["id"] for row in outbox.rows("outbox", "list", "--failed")] == left
    again = [row for row in outbox.rows("outbox", "list") if row["attempts"] == 0]
    assert all((row["state"], row["error"]) == ("waiting", "") for row in again)
    assert len(again) == 2 - len(left)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", "which? IDs, --user U or --failed"),
        ("2", "not given up, or not there: 2"),
        ("1 9", "not given up, or not there: 9"),
        ("--user carol", "there is no user 'carol'"),
        ("1 --user bob", "not given up, or not there: 1"),
    ],
    ids=["all by mistake", "what waits", "what isn't", "nobody", "another's"],
)
def test_what_can_not_be(outbox: House, words: str, fault: str) -> None:
    assert outbox.run("outbox", "replay", *words.split()) == (1, f"voipsms: {fault}\n")


@pytest.mark.parametrize("word", ["0", "one", "-5", "99999999999999999999", "1" * 5000])
def test_what_is_no_id(outbox: House, word: str) -> None:
    with pytest.raises(SystemExit) as ended:
        outbox.run("outbox", "replay", word)
    assert ended.value.code == 2
