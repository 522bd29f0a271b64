"""Pincodes, claimed numbers and commands in their tables, on both engines, with two processes at work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.rig import House
from tests.store.test_processes import again, at_once
from voipsms.model import DeliveryId, Millis, Msisdn
from voipsms.store import claims, commands, pincodes
from voipsms.store.accounts import AccountError, shared_secret
from voipsms.store.claims import Claim
from voipsms.store.commands import Begun
from voipsms.store.database import Engine

PHONE, OTHER = Msisdn("36301112233"), Msisdn("36301112244")
NOW, LATER = Millis(10_000_000), Millis(10_600_000)
ONE, TWO = DeliveryId(1), DeliveryId(2)


@pytest.fixture
def other(house: House, engine: Engine) -> Iterator[House]:
    other = House(engine, number=7)
    yield other
    other.close()


def set_pincode(house: House, name: str, pincode: str) -> None:
    with house.db.transaction():
        pincodes.set_pincode(house.db, name, pincode)


def owner(house: House, pincode: str) -> str:
    digest = pincodes.hashed(shared_secret(house.db), pincode)
    found = pincodes.find(house.db, digest)
    return next((name for name, user_id in house.users.items() if user_id == found), "")


def test_a_pincode_is_one_users(house: House) -> None:
    set_pincode(house, "alice", "4711")
    assert (owner(house, "4711"), owner(house, "4712"), owner(house, "")) == ("alice", "", "")
    with pytest.raises(AccountError, match="another user"):
        set_pincode(house, "bob", "4711")
    set_pincode(house, "alice", "4711")
    set_pincode(house, "alice", "4712")
    set_pincode(house, "bob", "4711")
    assert (owner(house, "4711"), owner(house, "4712")) == ("bob", "alice")
    set_pincode(house, "bob", "")
    assert owner(house, "4711") == ""
    with pytest.raises(AccountError, match="no user"):
        set_pincode(house, "nobody", "4711")


def test_no_pincode_can_be_read(house: House) -> None:
    set_pincode(house, "alice", "123456789012")
    assert "123456789012" not in str(house.rows("SELECT * FROM tb_pincodes"))


def claim(house: House, user: str = "alice", number: Msisdn = PHONE, at: int = NOW, code: str = "a") -> bool:
    with house.db.transaction():
        wanted = Claim(number, house.users[user], code * 64, Millis(at), Millis(at + 600_000))
        return claims.add(house.db, wanted, Millis(at - 3_600_000), 2)


def attempt(house: House, at: int = NOW, most: int = 3) -> bool:
    with house.db.transaction():
        return claims.attempt(house.db, PHONE, Millis(at), most)


def test_the_last_claim_counts(house: House) -> None:
    assert claims.find(house.db, PHONE) is None
    assert claim(house)
    assert claim(house, "bob", code="b")
    assert claims.find(house.db, PHONE) == (house.users["bob"], "b" * 64, LATER)
    with house.db.transaction():
        assert claims.end(house.db, PHONE)
        assert not claims.end(house.db, PHONE)
    assert claims.find(house.db, PHONE) is None


def test_few_claims_of_a_user(house: House) -> None:
    assert claim(house)
    assert claim(house), "the same once more"
    assert claim(house, number=OTHER)
    assert not claim(house, number=Msisdn("36301112255"))
    assert claim(house, "bob", Msisdn("36301112255"))
    assert claim(house, number=Msisdn("36301112266"), at=NOW + 3_600_001), "an hour later"


def test_few_tries(house: House) -> None:
    assert not attempt(house)
    claim(house)
    assert not attempt(house, at=LATER)
    assert [attempt(house) for _ in range(4)] == [True, True, True, False]


def test_few_tries_of_two_processes(house: House, other: House) -> None:
    claim(house)
    allowed: list[bool] = []

    def work(of: House) -> None:
        allowed.extend(again(lambda: attempt(of, most=5)) for _ in range(5))

    at_once(lambda: work(house), lambda: work(other))
    assert sum(allowed) == 5


def begin(house: House, key: str = "k", by: DeliveryId = ONE) -> Begun:
    with house.db.transaction():
        return commands.begin(house.db, key, by, NOW)


def finish(house: House, key: str = "k") -> None:
    with house.db.transaction():
        assert commands.finish(house.db, key, "a word that is far too long for this column")


def test_a_command_is_begun_once(house: House) -> None:
    assert begin(house) is Begun.NOW
    assert begin(house) is Begun.BEFORE
    assert begin(house, by=TWO) is Begun.ELSEWHERE
    finish(house)
    assert begin(house) is Begun.DONE
    assert begin(house, by=TWO) is Begun.ELSEWHERE
    assert begin(house, "l", TWO) is Begun.NOW
    with house.db.transaction():
        assert commands.forget(house.db, Millis(NOW + 1)) == 2
    assert begin(house) is Begun.NOW


def test_a_command_is_begun_by_one_of_two_processes(house: House, other: House) -> None:
    found: list[Begun] = []

    def work(of: House, by: DeliveryId) -> None:
        found.extend([again(lambda n=n: begin(of, f"k{n}", by)) for n in range(20)])  # type: ignore[misc]

    at_once(lambda: work(house, ONE), lambda: work(other, TWO))
    assert sorted(one.name for one in found) == ["ELSEWHERE"] * 20 + ["NOW"] * 20
