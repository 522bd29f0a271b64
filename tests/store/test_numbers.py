"""Numbers, ranges and keywords in their tables, who wrote to a phone, who was told: the same on both engines."""

from __future__ import annotations

import pytest

from tests.store.rig import House
from voipsms.directory import STATEMENTS, Directory
from voipsms.model import Micros, Millis, Msisdn, UserType
from voipsms.numbers_book import Tagged
from voipsms.store.accounts import AccountError, NewUser, add_user
from voipsms.store.entries import Accept
from voipsms.store.ids import now_millis
from voipsms.store.numbers import (
    Listed,
    NewNumber,
    NumberError,
    Writer,
    add_number,
    delete_number,
    listed,
    tell_conflict,
    writers,
)

UK, PHONE = Msisdn("447771234567"), Msisdn("36301112233")


def new(number: str, digits: int = 0, keyword: str = "", *, callback: bool = False) -> NewNumber:
    return NewNumber(Tagged(Msisdn(number), digits), callback, keyword)


def add(house: House, user: str, *numbers: NewNumber) -> None:
    for number in numbers:
        with house.db.transaction():
            add_number(house.db, user, number)


def test_listed_as_added(house: House) -> None:
    add(house, "alice", new("36201234567"), new(UK, 2, callback=True), new("1234", keyword="fun", callback=True))
    add(house, "bob", new("1234"), new("36201234568", callback=True))
    assert listed(house.db) == [
        Listed(Tagged(Msisdn("1234")), "", "bob", False),
        Listed(Tagged(Msisdn("1234")), "fun", "alice", True),
        Listed(Tagged(Msisdn("36201234567")), "", "alice", False),
        Listed(Tagged(Msisdn("36201234568")), "", "bob", True),
        Listed(Tagged(UK, 2), "", "alice", True),
    ]


def test_known_to_every_process(house: House) -> None:
    before = house.db.read("setting", name="revision")
    add(house, "bob", new(UK, 4, callback=True), new("1234", keyword="fun"))
    assert house.db.read("setting", name="revision") != before
    directory = Directory()
    directory.load(*(house.db.read(name) for name in STATEMENTS))
    found = directory.book.find(f"{UK}0007", "")
    assert found is not None
    assert (found.user_id, found.number, found.callback) == (house.users["bob"], f"{UK}[0-9999]", True)
    shared = directory.book.find("1234", "fun!")
    assert shared is not None
    assert shared.user_id == house.users["bob"]


THERE = (  # all of alice
    new("36201234567"), new(UK, 2), new("4930123456"), new("4930123456777"), new("1234"), new("1234", keyword="fun"),
)  # fmt: skip
CONFLICTS: dict[str, tuple[NewNumber, str]] = {
    "the same number": (new("36201234567"), "the number 36201234567 belongs to alice"),
    "in a range": (new(f"{UK}07"), f"the number {UK}[0-99] belongs to alice"),
    "the base of a range": (new(UK), f"the number {UK}[0-99] belongs to alice"),
    "the same range": (new(UK, 2), f"the number {UK}[0-99] belongs to alice"),
    "a longer range of the base": (new(UK, 3), f"the number {UK}[0-99] belongs to alice"),
    "a range that begins in one": (new(f"{UK}1", 4), f"the number {UK}[0-99] belongs to alice"),
    "a range around one": (new(UK[:-1], 4), f"the number {UK}[0-99] belongs to alice"),
    "a range around a number": (new("493012345", 1), "the number 4930123456 belongs to alice"),
    "a keyword in a range": (new(f"{UK}07", keyword="fun"), f"the number {UK}[0-99] belongs to alice"),
    "the same keyword": (new("1234", keyword="fun"), "the number 1234 with the keyword 'fun' belongs to alice"),
    "the whole of a shared one": (new("1234"), "the number 1234 belongs to alice"),
}


@pytest.mark.parametrize(("number", "said"), CONFLICTS.values(), ids=CONFLICTS)
def test_conflicts(house: House, number: NewNumber, said: str) -> None:
    add(house, "alice", *THERE)
    with pytest.raises(NumberError, match=said.replace("[", r"\[")):
        add(house, "bob", number)
    assert len(listed(house.db)) == len(THERE)


FREE: dict[str, NewNumber] = {
    "behind a range": new(f"{UK}123"),
    "before a range": new(UK[:-1]),
    "before a number": new("493012345"),
    "a keyword on another's number": new("4930123456", keyword="news"),
    "a range beside": new("447771234568", 4),
    "a range too short to reach a number": new("49301234567", 1),
    "another keyword": new("1234", keyword="news"),
}


@pytest.mark.parametrize("number", FREE.values(), ids=FREE)
def test_no_conflict(house: House, number: NewNumber) -> None:
    add(house, "alice", *THERE)
    add(house, "bob", number)
    assert len(listed(house.db)) == len(THERE) + 1


def test_one_s_own_numbers_may_overlap(house: House) -> None:
    add(house, "alice", new(UK, 2), new(f"{UK}1"), new(f"{UK}2", 1), new(UK))
    assert len(listed(house.db)) == 4


@pytest.mark.parametrize("user", ["nobody", "smsc"])
def test_no_such_user(house: House, user: str) -> None:
    with pytest.raises(NumberError, match=f"there is no user '{user}'"):
        add(house, user, new("1234"))


def test_a_new_user_can_t_have_a_number_in_a_range(house: House) -> None:
    add(house, "alice", new(UK, 2))
    carol = NewUser("carol", UserType.ENDUSER, "EUR", numbers=(f"{UK}33",))
    with pytest.raises(AccountError, match="belongs to another user"), house.db.transaction():
        add_user(house.db, house.ids, carol, Micros(0))


def test_deleted(house: House) -> None:
    add(house, "alice", *THERE, new("5678", callback=True))
    for number in (*THERE, new("5678")):
        with house.db.transaction():
            delete_number(house.db, number.number, number.keyword)
    assert listed(house.db) == []
    assert house.rows("SELECT number FROM tb_number_options") == []


@pytest.mark.parametrize(
    "number", [new("777"), new(UK, 3), new(UK), new("1234", keyword="news")], ids=["number", "range", "base", "keyword"]
)
def test_not_there(house: House, number: NewNumber) -> None:
    add(house, "alice", new(UK, 2), new("1234"))
    with pytest.raises(NumberError, match="there is no number"), house.db.transaction():
        delete_number(house.db, number.number, number.keyword)
    assert len(listed(house.db)) == 2


# -- who wrote to a phone


def test_writers_last_one_first(house: House) -> None:
    old = house.accepted("alice", target=PHONE)
    young = house.accepted("bob", target=PHONE)
    newest = house.accepted("alice", target=PHONE)
    house.accepted("admin", target=Msisdn("36309999999"))
    alice, bob = Writer(house.users["alice"], newest.id), Writer(house.users["bob"], young.id)
    asked = [(PHONE, old.id), (PHONE, newest.id), ("36300000000", 0), (PHONE, newest.id + 1), ("", 0), ("Acme", 0)]
    assert writers(house.db, asked) == [[alice, bob], [alice], [], [], [], []]


def test_many_phones_at_once(house: House) -> None:
    messages = [house.message("admin", target=Msisdn(f"3630{n:07}")) for n in range(700)]
    house.commit(*(Accept(message, started=True) for message in messages))
    found = writers(house.db, [(message.target, 0) for message in messages])
    assert found == [[Writer(house.users["admin"], message.id)] for message in messages]


def test_nothing_is_asked(house: House) -> None:
    assert writers(house.db, []) == []


def test_a_phone_is_told_once_in_a_window(house: House) -> None:
    now, window = now_millis(), Millis(60_000)

    def tell(phone: str, at: int) -> bool:
        with house.db.transaction():
            return tell_conflict(house.db, phone, at, window)

    assert [tell(PHONE, now), tell(PHONE, now + 1), tell(PHONE, now + window)] == [True, False, False]
    assert tell("36309999999", now)
    assert [tell(PHONE, now + window + 1), tell(PHONE, now + window + 2)] == [True, False]
