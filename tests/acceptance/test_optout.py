"""`optout`: phones that want no messages, by hand."""

from __future__ import annotations

import json

import pytest

from tests.peers.gateway import Gateway
from voipsms.cli import main

PHONE = "36301112233"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    gateway = Gateway(tmp_path_factory.mktemp("optout"))
    gateway.add_user("alice", "5", "36201110001")
    return str(gateway.file)


def run(config: str, words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["--config", config, "optout", *words.split()])
    out, err = capsys.readouterr()
    return code, out + err


def listed(config: str, capsys: pytest.CaptureFixture[str], words: str = "") -> list[tuple[str, ...]]:
    rows = json.loads(run(config, f"list --format json {words}", capsys)[1])
    assert all(row.pop("since").endswith("Z") for row in rows)
    return [tuple(row.values()) for row in rows]


def test_add_list_del(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (f"+{PHONE}", f"{PHONE} --from 1234", f"{PHONE} --user alice", f"{PHONE} --from 447771234567[0-99]"):
        assert run(config, f"add {words}", capsys) == (0, f"{PHONE} gets no messages any more\n")
    assert run(config, f"add {PHONE}", capsys) == (0, f"{PHONE} got none before\n")
    assert listed(config, capsys) == [
        (PHONE, "", "", ""), (PHONE, "", "alice", ""), (PHONE, "1234", "", ""), (PHONE, "447771234567[0-99]", "", ""),
    ]  # fmt: skip
    assert run(config, f"del {PHONE} --from 1234", capsys) == (0, f"{PHONE} may get messages again\n")
    assert run(config, f"del {PHONE} --user alice", capsys) == (0, f"{PHONE} may get messages again\n")
    assert len(listed(config, capsys, f"--number +{PHONE}")) == 2
    assert listed(config, capsys, "--number 36301112244") == []
    assert run(config, f"del {PHONE}", capsys) == (0, f"{PHONE} may get messages again\n")
    assert listed(config, capsys) == []


WRONG = [
    ("add 1234", "'1234' is no phone number"),
    ("add BANK", "'BANK' is no phone number"),
    (f"add {PHONE} --user nobody", "there is no user 'nobody'"),
    (f"add {PHONE} --from {'x' * 65}", f"'{'x' * 65}' is no sender"),
    (f"del {PHONE}", f"{PHONE} has not opted out of that"),
    (f"del {PHONE} --from 1234", f"{PHONE} has not opted out of that"),
]


@pytest.mark.parametrize("words, fault", WRONG, ids=[words for words, _ in WRONG])
def test_what_can_not_be(config: str, words: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, words, capsys) == (1, f"voipsms: {fault}\n")
