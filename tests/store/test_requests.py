"""Requests with an Idempotency-Key, on both engines."""

from __future__ import annotations

import pytest

from tests.store.rig import House
from voipsms import recovery
from voipsms.model import Millis
from voipsms.store import requests
from voipsms.store.ids import first_id, now_millis
from voipsms.store.requests import Claim, Kept

KEY = "0123456789abcdef0123456789abcdef"


def claim(house: House, holder: str, digest: str = "d", key: str = KEY, row_id: int = 0) -> Kept:
    with house.db.transaction():
        return requests.claim(house.db, [Claim(row_id or house.ids.next(), key, digest, holder)])[0]


def answer(house: House, holder: str, status: int = 202, text: str = "{}") -> None:
    with house.db.transaction():
        requests.answer(house.db, [(KEY, holder, status, text)])


def test_the_first_one_holds_it(house: House) -> None:
    first = claim(house, "one")
    assert (first.holder, first.digest, first.status) == ("one", "d", 0)
    assert claim(house, "two", "other") == first


def test_several_at_once_with_one_key(house: House) -> None:
    with house.db.transaction():
        found = requests.claim(house.db, [Claim(house.ids.next(), KEY, "d", holder) for holder in ("one", "two")])
    assert [one.holder for one in found] == ["one", "one"]


@pytest.mark.parametrize("holder, status", [("one", 202), ("two", 0)], ids=["who holds it answers", "nobody else"])
def test_answers(house: House, holder: str, status: int) -> None:
    claim(house, "one")
    answer(house, holder, text='{"to":"\u0436 \U0001f600"}')
    found = claim(house, "three")
    assert (found.status, found.answer) == (status, '{"to":"\u0436 \U0001f600"}' if status else "")


def test_no_answer_frees_the_key(house: House) -> None:
    claim(house, "one")
    answer(house, "one", 0)
    assert claim(house, "two").holder == "two"


def test_it_is_retaken_once(house: House) -> None:
    held = claim(house, "one")
    with house.db.transaction():
        assert requests.retake(house.db, held, Claim(house.ids.next(), KEY, "d", "two"))
        assert not requests.retake(house.db, held, Claim(house.ids.next(), KEY, "d", "three"))
    assert claim(house, "four").holder == "two"
    answer(house, "one")
    assert claim(house, "four").status == 0


def test_an_answer_as_long_as_a_thousand_verdicts(house: House) -> None:
    claim(house, "one")
    answer(house, "one", 207, "x" * 500_000)
    assert len(claim(house, "two").answer) == 500_000


def test_it_is_forgotten_after_a_day(house: House) -> None:
    day = first_id(Millis(now_millis() - 86_400_000))
    claim(house, "one", row_id=day - (1 << 40))
    claim(house, "one", key="f" * 32, row_id=day + (1 << 40))
    with house.db.transaction():
        assert recovery.forget(house.db) == 1
    assert house.rows("SELECT request_key FROM tb_requests") == [("f" * 32,)]
