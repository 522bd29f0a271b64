"""What few accounts have, as commands change it."""

from __future__ import annotations

import pytest

from tests.store.rig import CREDIT, House
from voipsms.model import Micros, Millis, UserType
from voipsms.resellers import DEEPEST
from voipsms.store.accounts import AccountError, NewUser, add_user
from voipsms.store.terms import Changes, Counters, Listed, change, listed, month_of

NOVEMBER, DECEMBER, JANUARY = 12 * 2026 + 10, 12 * 2026 + 11, 12 * 2027


def add(house: House, name: str, reseller: str = "", *, currency: str = "EUR", credit: int = CREDIT) -> None:
    """A reseller."""
    with house.db.transaction():
        new = NewUser(name, UserType.RESELLER, currency)
        house.users[name] = add_user(house.db, house.ids, new, Micros(credit))
        if reseller:
            change(house.db, name, Changes(reseller=reseller))


def terms(house: House, name: str = "alice") -> Listed | None:
    return dict(listed(house.db)).get(house.users[name])


def wants(house: House, name: str = "alice", **changes: object) -> None:
    with house.db.transaction():
        change(house.db, name, Changes(**changes))  # type: ignore[arg-type]


# -- months


@pytest.mark.parametrize(
    ("at", "month"),
    [(1_793_491_199_999, NOVEMBER - 1), (1_793_491_200_000, NOVEMBER), (1_798_761_599_999, DECEMBER),
     (1_798_761_600_000, JANUARY), (0, 12 * 1970)],
    ids=["October's end", "November", "the year's end", "the year", "1970"],
)  # fmt: skip
def test_months_are_utc(at: int, month: int) -> None:
    assert month_of(Millis(at)) == month


@pytest.mark.parametrize(
    ("month", "then"),
    [(NOVEMBER, (NOVEMBER, 7, 3)), (DECEMBER, (DECEMBER, 0, 7)), (JANUARY, (JANUARY, 0, 0)),
     (NOVEMBER - 1, (NOVEMBER, 7, 3))],
    ids=["the same", "the next", "the one after", "a clock that went back"],
)  # fmt: skip
def test_counters_roll(month: int, then: tuple[int, int, int]) -> None:
    assert Counters(NOVEMBER, 7, 3).at(month) == then


# -- changes


def test_each_thing_by_itself(house: House) -> None:
    add(house, "big")
    assert terms(house) is None
    wants(house, reseller="big")
    wants(house, expires=Millis(5))
    wants(house, monthly=100)
    wants(house, gateway="smsc")
    wants(house, sent=3)
    assert terms(house) == Listed("big", 5, 100, 3, 0, 0, "smsc")
    wants(house, reseller="", expires=Millis(0), monthly=0, gateway="")
    assert terms(house) == Listed("", 0, 0, 3, 0, 0, "")


def test_active_and_how_far_below_zero(house: House) -> None:
    wants(house, enabled=False, credit_limit=Micros(70))
    rows = {row[1]: (row[3], row[5]) for row in house.db.read("list_users")}
    assert rows["alice"] == (0, 70)
    wants(house, enabled=True)
    rows = {row[1]: (row[3], row[5]) for row in house.db.read("list_users")}
    assert rows["alice"] == (1, 70)
    assert terms(house) is None


def test_every_process_hears_of_it(house: House) -> None:
    before = house.db.read("setting", name="revision")
    wants(house, enabled=False)
    assert house.db.read("setting", name="revision") != before


FAULTS: dict[str, tuple[str, dict[str, object], str]] = {
    "no such user": ("mallory", {"enabled": True}, "there is no user 'mallory'"),
    "a gateway": ("smsc", {"monthly": 1}, "there is no user 'smsc'"),
    "no such reseller": ("alice", {"reseller": "mallory"}, "there is no user 'mallory'"),
    "a gateway as reseller": ("alice", {"reseller": "smsc"}, "there is no user 'smsc'"),
    "no reseller": ("alice", {"reseller": "bob"}, "bob is no reseller, but enduser"),
    "the admin": ("alice", {"reseller": "admin"}, "admin is no reseller, but admin"),
    "another currency": ("alice", {"reseller": "dollar"}, "alice pays in EUR, its reseller dollar in USD"),
    "itself": ("big", {"reseller": "big"}, "big would be its own reseller"),
    "a ring": ("big", {"reseller": "small"}, "would be its own reseller"),
    "no such gateway": ("alice", {"gateway": "nowhere"}, "there is no gateway 'nowhere'"),
    "a user as gateway": ("alice", {"gateway": "bob"}, "there is no gateway 'bob'"),
}


@pytest.mark.parametrize(("name", "changes", "why"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_changes_nothing(house: House, name: str, changes: dict[str, object], why: str) -> None:
    add(house, "big")
    add(house, "small", "big")
    add(house, "dollar", currency="USD")
    before = sorted(house.rows("SELECT * FROM tb_terms"))
    with pytest.raises(AccountError, match=why):
        wants(house, name, expires=Millis(9), **changes)
    assert sorted(house.rows("SELECT * FROM tb_terms")) == before


def test_nobody_below_gets_too_deep(house: House) -> None:
    """The account that is changed has room; one that buys from it has not."""
    for n in range(DEEPEST):
        add(house, f"r{n}", f"r{n - 1}" if n else "")
    wants(house, "alice", reseller=f"r{DEEPEST - 1}")
    add(house, "top")
    with pytest.raises(AccountError, match=f"alice has more than {DEEPEST} resellers above it"):
        wants(house, "r0", reseller="top")


def test_what_was_broken_by_hand_stops_nobody_else(house: House) -> None:
    add(house, "big")
    add(house, "small", "big")
    with house.db.transaction():
        small = house.users["small"]
        house.db.write("update_terms", user_id=small, reseller_id=1, expires=0, monthly=0, gateway_id=None)
    wants(house, "alice", reseller="big")
    with pytest.raises(AccountError, match="the reseller of small is no account"):
        wants(house, "small", monthly=1)
    wants(house, "small", reseller="big")


def test_a_counter_that_a_clock_had_taken_ahead_is_set_right(house: House) -> None:
    wants(house, monthly=5)
    with house.db.transaction():
        house.db.write("set_counters", user_id=house.users["alice"], month=12 * 2090, sent=5, previous=4)
    wants(house, sent=1)
    found = terms(house)
    assert found is not None
    assert (found.sent, found.previous) == (1, 0)
