"""Sign-up codes in their table, on both engines, with two processes at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from tests.store.rig import House
from tests.store.test_processes import again, at_once
from voipsms.model import Millis
from voipsms.store import codes
from voipsms.store.codes import Code, Kept
from voipsms.store.database import Engine

PHONE, ADDRESS = "36301112233", "2001:db8::1"
NOW, LATER = Millis(10_000_000), Millis(10_600_000)
CODE = Code("a" * 32, PHONE, ADDRESS, "f" * 64, NOW, LATER)


@pytest.fixture
def other(house: House, engine: Engine) -> Iterator[House]:
    other = House(engine, number=7)
    yield other
    other.close()


def add(house: House, name: str, number: str = PHONE, address: str = ADDRESS, at: int = NOW) -> bool:
    with house.db.transaction():
        code = Code(name * 32, number, address, "f" * 64, Millis(at), Millis(at + 600_000))
        return codes.add(house.db, code, Millis(at - 3_600_000), 2, 3)


def attempt(house: House, name: str = "a", at: int = NOW, most: int = 3) -> Kept | None:
    with house.db.transaction():
        return codes.attempt(house.db, name * 32, Millis(at), most)


def test_the_newest(house: House) -> None:
    assert codes.newest(house.db, PHONE) == ""
    add(house, "a")
    add(house, "b", at=NOW + 1)
    add(house, "c", number="36301112244")
    assert codes.newest(house.db, PHONE) == "b" * 32
    assert attempt(house, "a", NOW + 1) is None, "void since there is a newer one"
    assert attempt(house, "b", NOW + 1) == Kept("b" * 32, "f" * 64, PHONE)


def test_few(house: House) -> None:
    assert [add(house, name) for name in "abc"] == [True, True, False]
    assert add(house, "d", "36301112244")
    assert not add(house, "e", "36301112255"), "the address has had three"
    assert add(house, "f", "36301112255", "")
    assert add(house, "0", at=NOW + 3_600_000)


def test_tries(house: House) -> None:
    add(house, "a")
    assert [attempt(house) is not None for _ in range(4)] == [True, True, True, False]
    assert attempt(house, "b") is None


def test_its_life(house: House) -> None:
    add(house, "a")
    assert attempt(house, at=NOW + 599_999) is not None
    assert attempt(house, at=NOW + 600_000) is None


def test_right_once(house: House) -> None:
    add(house, "a")
    assert [codes.use(house.db, "a" * 32, NOW) for _ in range(2)] == [True, False]
    assert attempt(house) is None


def test_forgotten(house: House) -> None:
    add(house, "a")
    assert [codes.forget(house.db, Millis(NOW + n)) for n in (0, 1, 1)] == [0, 1, 0]


def test_two_processes_count_together(house: House, other: House) -> None:
    added: list[bool] = []

    def ask(by: House, names: str) -> None:
        added.extend(again(partial(add, by, name)) for name in names)

    at_once(lambda: ask(house, "abc"), lambda: ask(other, "def"))
    assert sorted(added) == [False, False, False, False, True, True]


def test_one_process_counts_while_the_other_waits(house: House, other: House) -> None:
    added: list[bool] = []
    asking = threading.Thread(target=lambda: added.append(again(lambda: add(other, "c"))))
    with house.db.transaction():
        for name in "ab":
            code = Code(name * 32, PHONE, ADDRESS, "f" * 64, NOW, LATER)
            assert codes.add(house.db, code, Millis(0), 2, 3)
        asking.start()
        asking.join(0.3)  # it can't be done
        assert added == []
    asking.join(10)
    assert added == [False]


def test_two_processes_try_together(house: House, other: House) -> None:
    add(house, "a")
    tried: list[bool] = []

    def guess(by: House) -> None:
        tried.extend(again(lambda: attempt(by)) is not None for _ in range(4))

    at_once(lambda: guess(house), lambda: guess(other))
    assert sorted(tried) == [False] * 5 + [True] * 3
