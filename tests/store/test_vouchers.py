"""Vouchers in the tables: an amount is had once, by an account of its currency, while it is valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.store.rig import CREDIT, House
from tests.store.test_processes import again, at_once
from voipsms.model import Micros, Millis, UserType
from voipsms.store import vouchers
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.database import Engine
from voipsms.store.vouchers import ALPHABET, Voucher, VoucherError

SECRET, CODE, NOW = b"s" * 32, "ABCD-EFGH-JKMN-PQRS", Millis(1_000_000)
FIVE = Micros(5_000_000)
ROUNDS = 50


def made(house: House, code: str = CODE, **fields: object) -> int:
    wanted: dict[str, object] = {"amount": FIVE, "currency": "EUR", "valid_from": NOW}
    with house.db.transaction():
        return vouchers.add(house.db, house.ids, SECRET, code, Voucher(**wanted | fields), NOW)  # type: ignore[arg-type]


def redeemed(house: House, code: str = CODE, user: str = "alice", now: int = NOW) -> int:
    """The amount; 0: none."""
    hashed = vouchers.digest(SECRET, code)
    with house.db.transaction():
        found = vouchers.redeem(house.db, house.ids, hashed, house.users[user], Millis(now))
    if found is None:
        return 0
    assert found.balances == {house.users[user]: house.balance(user)}
    return found.amount


def test_it_is_on_the_balance(house: House) -> None:
    voucher_id = made(house)
    assert redeemed(house) == FIVE
    assert house.balance() == CREDIT + FIVE
    assert house.rows("SELECT kind, amount, comment FROM tb_ledger WHERE kind = 'voucher'") == [
        ("voucher", FIVE, f"voucher {voucher_id}")
    ]
    (one,) = vouchers.listed(house.db)
    assert (one.redeemed_at, one.redeemed_by, one.tail) == (NOW, "alice", "PQRS")


SPELLED = ("ABCD-EFGH-JKMN-PQRS", "abcdefghjkmnpqrs", "Abcd-EfghJkmn-pqrs")


@pytest.mark.parametrize("code", SPELLED)
def test_however_it_is_spelled(house: House, code: str) -> None:
    made(house)
    assert redeemed(house, code) == FIVE


NOT_VALID: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "another code": ({}, {"code": "ABCD-EFGH-JKMN-PQRT"}),
    "not yet": ({"valid_from": Millis(NOW + 1)}, {}),
    "no more": ({"valid_to": NOW}, {}),
    "another currency": ({"currency": "USD"}, {}),
    "a gateway": ({}, {"user": "smsc"}),
}


@pytest.mark.parametrize("voucher, asked", NOT_VALID.values(), ids=NOT_VALID)
def test_not_valid(house: House, voucher: dict[str, object], asked: dict[str, object]) -> None:
    made(house, **voucher)  # type: ignore[arg-type]
    assert redeemed(house, **asked) == 0  # type: ignore[arg-type]
    assert house.balance() == CREDIT
    assert [one.redeemed_at for one in vouchers.listed(house.db)] == [0]


def test_valid_until_before_its_end(house: House) -> None:
    made(house, valid_to=Millis(NOW + 2))
    assert redeemed(house, now=NOW + 1) == FIVE


def test_once(house: House) -> None:
    made(house)
    assert [redeemed(house), redeemed(house), redeemed(house, user="bob")] == [FIVE, 0, 0]
    assert (house.balance(), house.balance("bob")) == (CREDIT + FIVE, 0)


@pytest.fixture
def other(house: House, engine: Engine) -> Iterator[House]:
    other = House(engine, number=7)
    yield other
    other.close()


def test_two_processes_at_once(house: House, other: House) -> None:
    """Each round one of them has it, whoever that is."""
    codes = [f"VOUCHER{n:03d}" for n in range(ROUNDS)]
    for code in codes:
        made(house, code, amount=Micros(1))
    had: dict[str, list[int]] = {"alice": [], "bob": []}

    def work(process: House, user: str, code: str) -> Callable[[], None]:
        def redeem() -> None:
            had[user].append(again(lambda: redeemed_by(process, user, code)))

        return redeem

    for code in codes:
        at_once(work(house, "alice", code), work(other, "bob", code))
    assert [sum(both) for both in zip(had["alice"], had["bob"], strict=True)] == [1] * ROUNDS
    assert house.balance() + house.balance("bob") == CREDIT + ROUNDS
    assert house.db.read("wrong_balances") == []


def redeemed_by(house: House, user: str, code: str) -> int:
    hashed = vouchers.digest(SECRET, code)
    with house.db.transaction():
        found = vouchers.redeem(house.db, house.ids, hashed, house.users[user], NOW)
    return found.amount if found else 0


# -- making them


def test_codes_are_read_without_doubt() -> None:
    codes = {vouchers.new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert {len(code) for code in codes} == {19}
    assert set("".join(codes)) == set(ALPHABET) | {"-"}
    assert not set(ALPHABET) & set("01OIL")


BAD_CODES = ("", "ABC12", "-----------", "A" * 33, "ABC DEF", "ABCDÉF", "ABC,DEF", "ABC;DEF")


@pytest.mark.parametrize("code", BAD_CODES)
def test_no_code(house: House, code: str) -> None:
    with pytest.raises(VoucherError, match="6 to 32"):
        made(house, code)


def test_a_code_is_there_once(house: House) -> None:
    made(house)
    with pytest.raises(VoucherError, match="already"):
        made(house, CODE.lower().replace("-", ""))
    assert len(list(vouchers.listed(house.db))) == 1


def test_the_table_does_not_tell_codes(house: House) -> None:
    made(house)
    made(house, "SECRET7")
    (row, short) = house.rows("SELECT hash, tail FROM tb_vouchers ORDER BY id")
    assert "ABCD" not in row[0]
    assert vouchers.digest(b"x" * 32, CODE) != row[0]
    assert (row[1], short[1]) == ("PQRS", "")


def test_looked_up_by_its_code(house: House) -> None:
    made(house, "OTHERCODE")
    voucher_id = made(house)
    assert [one.id for one in vouchers.listed(house.db, vouchers.digest(SECRET, CODE))] == [voucher_id]


def test_many_are_listed(house: House) -> None:
    for n in range(1001):
        made(house, f"CODE{n:06d}")
    found = list(vouchers.listed(house.db))
    assert len(found) == 1001
    assert [one.id for one in found] == sorted(one.id for one in found)


def test_removed_unless_redeemed(house: House) -> None:
    first, second = made(house), made(house, "OTHERCODE")
    redeemed(house)
    with house.db.transaction():
        vouchers.delete(house.db, second)
    with pytest.raises(VoucherError, match=str(first)), house.db.transaction():
        vouchers.delete(house.db, first)
    assert [one.id for one in vouchers.listed(house.db)] == [first]


def test_who_has_no_account_gets_nothing(house: House) -> None:
    with house.db.transaction():
        dollars = add_user(house.db, house.ids, NewUser("carol", UserType.ENDUSER, "USD"))
    house.users["carol"] = dollars
    made(house)
    assert redeemed(house, user="carol") == 0
