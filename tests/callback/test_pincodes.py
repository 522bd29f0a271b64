"""`user set --pincode`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from voipsms.cli import main
from voipsms.store import pincodes
from voipsms.store.accounts import shared_secret
from voipsms.store.database import Database
from voipsms.store.sqlite import SqliteEngine


def voipsms(folder: Path, *words: str) -> int:
    return main(["--config", str(folder / "config.ini"), *words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.ini").write_text("[global]\nsmsurl =\n")
    for name in ("alice", "bob"):
        assert voipsms(tmp_path, "user", "add", name, "--password", "x") == 0
    return tmp_path


def has(folder: Path, pincode: str) -> bool:
    with closing(Database(SqliteEngine(folder / "voipsms.db", 1.0))) as db:
        return pincodes.find(db, pincodes.hashed(shared_secret(db), pincode)) is not None


def test_sets_changes_and_takes_away(folder: Path) -> None:
    assert voipsms(folder, "user", "set", "alice", "--pincode", "004711") == 0
    assert has(folder, "004711")
    assert voipsms(folder, "user", "set", "alice", "--inactive") == 0
    assert has(folder, "004711"), "what isn't named stays"
    assert voipsms(folder, "user", "set", "alice", "--pincode", "4712") == 0
    assert (has(folder, "004711"), has(folder, "4712")) == (False, True)
    assert voipsms(folder, "user", "set", "alice", "--pincode", "") == 0
    assert not has(folder, "4712")


def test_one_users_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert voipsms(folder, "user", "set", "alice", "--pincode", "4711") == 0
    assert voipsms(folder, "user", "set", "bob", "--pincode", "4711") == 1
    assert "another user has this pincode" in capsys.readouterr().err


@pytest.mark.parametrize("pincode", ["123", "1234567890123", "abcd", "12 34", "１２３４"])
def test_what_is_no_pincode(folder: Path, pincode: str) -> None:
    with pytest.raises(SystemExit):
        voipsms(folder, "user", "set", "alice", "--pincode", pincode)
