"""How users are reached, the same on both engines."""

from __future__ import annotations

import pytest

from tests.store.rig import House
from voipsms.directory import STATEMENTS, Directory
from voipsms.model import NOWHERE, Micros, Reach
from voipsms.store.accounts import AccountError
from voipsms.store.reach import change_reach, reach_of
from voipsms.values import field_names

WHOLE = Reach(
    4, "alice-phone", "alice@example.com", "https://example.com/sms?key='; DROP TABLE tb_reach; --", "xml", "routo",
    "s3cret 🎉", "/var/spool/sms", True, "none", Micros(5_000_000),
)  # fmt: skip


def change(house: House, name: str = "alice", **changes: object) -> Reach:
    with house.db.transaction():
        return change_reach(house.db, name, changes)


def loaded(house: House) -> Directory:
    directory = Directory()
    directory.load(*(house.db.read(name) for name in STATEMENTS))
    return directory


def test_nobody_is_reached_otherwise_at_first(house: House) -> None:
    assert reach_of(house.db, "alice") is NOWHERE
    assert loaded(house).by_name["alice"].reach is NOWHERE


def test_what_is_written_is_read(house: House) -> None:
    assert change(house, **{name: getattr(WHOLE, name) for name in field_names(Reach)}) == WHOLE
    assert reach_of(house.db, "alice") == WHOLE
    accounts = loaded(house).by_name
    assert accounts["alice"].reach == WHOLE
    assert accounts["alice"].reach.receipts is True
    assert accounts["bob"].reach is NOWHERE


@pytest.mark.parametrize("name", field_names(Reach))
def test_each_thing_by_itself(house: House, name: str) -> None:
    change(house, **{name: getattr(WHOLE, name)})
    expected = {field: getattr(WHOLE if field == name else NOWHERE, field) for field in field_names(Reach)}
    assert reach_of(house.db, "alice") == Reach(**expected)
    change(house, **{name: getattr(NOWHERE, name)})
    assert house.rows("SELECT COUNT(*) FROM tb_reach") == [(0,)]


def test_processes_hear_of_it_and_forget_it(house: House) -> None:
    directory = loaded(house)
    ((before,),) = house.db.read("setting", name="revision")
    change(house, mail="alice@example.com")
    ((after,),) = house.db.read("setting", name="revision")
    assert int(after) > int(before)
    directory.load(*(house.db.read(name) for name in STATEMENTS))
    assert directory.by_name["alice"].reach.mail == "alice@example.com"
    change(house, mail="")
    directory.load(*(house.db.read(name) for name in STATEMENTS))
    assert directory.by_name["alice"].reach is NOWHERE


@pytest.mark.parametrize("name", ["nobody", "smsc"], ids=["unknown", "a gateway"])
def test_only_users_are_reached(house: House, name: str) -> None:
    with pytest.raises(AccountError, match=f"there is no user '{name}'"):
        change(house, name, mail="x@example.com")
