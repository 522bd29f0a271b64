"""What accounts prove themselves by to the API: kept, replaced, read into the directory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.rig import House
from voipsms.directory import STATEMENTS, Directory
from voipsms.store.accounts import AccountError
from voipsms.store.api_keys import Keys, hashed, new_bearer, new_keys, new_secret
from voipsms.store.database import Database


def directory(house: House) -> Directory:
    found = Directory()
    found.load(*(house.db.read(name) for name in STATEMENTS))
    return found


def renewed(house: House, make: Callable[[Database, str], str], name: str = "alice") -> str:
    with house.db.transaction():
        return make(house.db, name)


def test_the_directory_knows_secret_and_key(house: House) -> None:
    before = house.db.read("setting", name="revision")
    with house.db.transaction():
        secret, bearer = new_keys(house.db, "alice")
    assert house.db.read("setting", name="revision") != before
    found = directory(house)
    alice = found.by_name["alice"]
    assert alice.keys == Keys("", secret, hashed(bearer))
    assert found.by_bearer == {hashed(bearer): alice}
    assert found.by_name["bob"].keys == Keys()
    assert (len(bytes.fromhex(secret)), len(bearer)) == (20, 43)


def test_the_key_itself_is_not_in_the_database(house: House) -> None:
    with house.db.transaction():
        _, bearer = new_keys(house.db, "alice")
    assert bearer not in repr(house.db.read("api_keys"))


@pytest.mark.parametrize("first", [True, False], ids=["the account has keys", "the account has none"])
def test_each_is_renewed_by_itself(house: House, first: bool) -> None:
    if first:
        renewed(house, lambda db, name: new_keys(db, name)[0])
    secret = renewed(house, new_secret)
    before = directory(house).by_name["alice"].keys
    bearer = renewed(house, new_bearer)
    after = directory(house)
    assert after.by_name["alice"].keys == Keys("", secret, hashed(bearer))
    assert before.bearer not in after.by_bearer
    again = renewed(house, new_secret)
    assert again != secret
    assert directory(house).by_name["alice"].keys == Keys("", again, hashed(bearer))


@pytest.mark.parametrize("make", [new_secret, new_bearer, new_keys], ids=["secret", "key", "both"])
@pytest.mark.parametrize("name", ["nobody", "smsc"], ids=["nobody", "a gateway"])
def test_who_is_no_user_gets_none(house: House, make: Callable[[Database, str], str], name: str) -> None:
    with pytest.raises(AccountError, match=f"there is no user '{name}'"):
        renewed(house, make, name)
