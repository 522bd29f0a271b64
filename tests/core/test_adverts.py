"""What is added to texts: which advertisement, how it is joined, what it costs and brings."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.house import House, house
from tests.core.stage import Carrier, until
from tests.core.world import MOBILE
from voipsms.adverts import Advert, adorn, choose, credit, read_rows
from voipsms.errors import EmptyText, NoCredit, SubmitRefused, TooLong
from voipsms.model import Micros, Millis, Part, Receipt, State, Submission, Submitted
from voipsms.settings import GlobalSettings
from voipsms.store.entries import Hear
from voipsms.store.rules import NewAdvert, add_advert, delete_advert
from voipsms.values import replace

NOW = Millis(1_800_000_000_000)
ASKED = Submission(door="test", payers=("alice",), sender="alice", target=MOBILE, text="Hi")


def advert(text: str = "Buy", weight: int = 1, starts: int = 0, ends: int = 0, groups: tuple[str, ...] = ()) -> Advert:
    return Advert(text, weight, Millis(starts), Millis(ends), groups)


SUITS = {
    "always": (advert(), "", True),
    "since now": (advert(starts=NOW), "", True),
    "from later on": (advert(starts=NOW + 1), "", False),
    "until later": (advert(ends=NOW + 1), "", True),
    "until now": (advert(ends=NOW), "", False),
    "for this group": (advert(groups=("gold", "silver")), "silver", True),
    "for another group": (advert(groups=("gold",)), "silver", False),
    "for groups, to nobody's": (advert(groups=("gold",)), "", False),
    "for everybody": (advert(), "silver", True),
    "without weight": (advert(weight=0), "", False),
}


@pytest.mark.parametrize("one, group, suits", SUITS.values(), ids=SUITS)
def test_which_suit(one: Advert, group: str, suits: bool) -> None:
    assert choose([one], group, NOW, 0.5) == ("Buy" if suits else "")


def test_shares_are_by_weight() -> None:
    adverts = [advert("a", 1), advert("never", 5, ends=1), advert("b", 3)]
    draws = Counter(choose(adverts, "", NOW, draw / 1000) for draw in range(1000))
    assert draws == {"a": 250, "b": 750}
    assert choose([], "", NOW, 0.0) == ""


@given(st.lists(st.integers(0, 9), max_size=6), st.floats(0, 1, exclude_max=True))
def test_there_is_one_where_any_suits(weights: list[int], draw: float) -> None:
    found = choose([advert(str(n), weight) for n, weight in enumerate(weights)], "", NOW, draw)
    assert bool(found) == any(weights)
    assert not found or weights[int(found)] > 0


def test_rows() -> None:
    rows = [(1, "Buy", 2, 3, 4, "gold,silver"), (2, "Sell", -1, 0, 0, "")]
    assert read_rows(rows) == (advert("Buy", 2, 3, 4, ("gold", "silver")), advert("Sell", 0))


JOINED = {
    "nothing": ({}, "", "Hi"),
    "signature": ({"smssignature": "ACME"}, "", "Hi ACME"),
    "signature on a line of its own": ({"smssignature": "\n--\nACME"}, "", "Hi\n--\nACME"),
    "prefix": ({"smsadvprefix": "ACME:"}, "", "ACME: Hi"),
    "prefix with its own blank": ({"smsadvprefix": "ACME:\n"}, "", "ACME:\nHi"),
    "advertisement": ({}, "Buy!", "Buy! Hi"),
    "all": ({"smsadvprefix": "Ad:", "smssignature": "ACME"}, "Buy!", "Ad: Buy! Hi ACME"),
}


@pytest.mark.parametrize("settings, text, whole", JOINED.values(), ids=JOINED)
def test_how_they_are_joined(settings: dict[str, str], text: str, whole: str) -> None:
    assert adorn("Hi", GlobalSettings(**settings), text) == whole  # type: ignore[arg-type]


@pytest.mark.parametrize("value, price, given", [("0.01", 50_000, 10_000), ("0.09", 50_000, 50_000), ("0", 1, 0)])
def test_nobody_lives_on_sending(value: str, price: int, given: int) -> None:
    assert credit(GlobalSettings(smsadvvalue=Decimal(value)), Micros(price)) == given


# -- in the house -------------------------------------------------------------------------------------------------

ADVERTISING = GlobalSettings(smsadv=True, smsadvvalue=Decimal("0.02"), smssignature="ACME")


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ENROUTE)


async def advertised(at: House, *adverts: NewAdvert) -> None:
    with at.db.transaction():
        for one in adverts:
            add_advert(at.db, at.ids, one)
    assert await at.accounts.refresh()


def ledger(at: House) -> list[tuple[str, int]]:
    return [(kind, amount) for _, kind, amount in at.rows("tb_ledger", "id, kind, amount")][1:]  # without the opening


def right(at: House) -> bool:
    return all(at.db.read(name) == [] for name in ("wrong_balances", "wrong_charges", "missing_cdrs"))


async def test_an_advertisement_is_sent_and_credited(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken), ADVERTISING) as at:
        await advertised(at, NewAdvert("Buy!"))
        await at.intake.submit(ASKED)
        assert at.rows("tb_messages", "id, text, price")[0][1:] == ("Buy! Hi ACME", 30_000)
        assert ledger(at) == [("reserve", -50_000), ("advert", 20_000)]
        assert at.balance() == at.directory.by_name["alice"].balance == 970_000
        await until(lambda: at.rows("tb_queue", "stage") == [(2,)])
        assert at.rows("tb_cdrs", "price") == [(30_000,)]
        assert right(at)


@pytest.mark.parametrize("by", ["the provider", "a receipt"])
async def test_what_fails_brings_no_credit(tmp_path: Path, by: str) -> None:
    """Else who sends to numbers that don't exist would get the price back and keep the credit."""
    async with house(tmp_path, Carrier(taken if by == "a receipt" else lambda part: None), ADVERTISING) as at:
        await advertised(at, NewAdvert("Buy!"))
        answer = await at.intake.submit(ASKED)
        if by == "a receipt":
            await until(lambda: at.rows("tb_queue", "stage") == [(2,)])
            gateway = next(iter(at.queues))
            await at.journal.append(Hear(Receipt(gateway, f"p{answer.message_id}", State.UNDELIVERABLE)))
        else:
            carrier = at.queues[next(iter(at.queues))].connector
            await until(lambda: bool(carrier.open))  # type: ignore[attr-defined]
            carrier.open.popitem()[1].set_exception(SubmitRefused("no such number"))  # type: ignore[attr-defined]
            await until(lambda: at.rows("tb_queue") == [])
        assert ledger(at) == [("reserve", -50_000), ("advert", 20_000), ("refund", 30_000)]
        assert at.balance() == 1_000_000
        assert right(at)


async def test_without_one_that_suits_nothing_is_credited(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken), ADVERTISING) as at:
        await advertised(at, NewAdvert("Gold", groups=("gold",)), NewAdvert("Gone", ends=Millis(1)))
        await at.intake.submit(ASKED)
        assert at.rows("tb_messages", "id, text, price")[0][1:] == ("Hi ACME", 50_000)
        assert ledger(at) == [("reserve", -50_000)]


async def test_one_that_is_deleted_is_not_sent(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken), ADVERTISING) as at:
        await advertised(at, NewAdvert("Buy!"))
        with at.db.transaction():
            delete_advert(at.db, at.rows("tb_advertisement", "id")[0][0])
        await at.accounts.refresh()
        await at.intake.submit(ASKED)
        assert at.rows("tb_messages", "text") == [("Hi ACME",)]


async def test_what_is_added_is_counted_before_the_price(tmp_path: Path) -> None:
    settings = GlobalSettings(smssignature="ACME", smsbilling="part", maxparts=2)
    async with house(tmp_path, Carrier(taken), settings) as at:
        await at.intake.submit(replace(ASKED, text="x" * 155))
        await at.intake.submit(replace(ASKED, text="x" * 156))
        assert [row[1:] for row in at.rows("tb_messages", "id, parts, price")] == [(1, 50_000), (2, 100_000)]
        with pytest.raises(TooLong):
            await at.intake.submit(replace(ASKED, text="x" * 302))


async def test_nothing_is_added_to_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken), ADVERTISING) as at:
        with pytest.raises(EmptyText):
            await at.intake.submit(replace(ASKED, text=""))
        await at.intake.submit(replace(ASKED, text="", octets=b"\1\2"))
        assert at.rows("tb_messages", "text") == [("",)]


async def test_a_repeat_is_credited_once(tmp_path: Path) -> None:
    asked = replace(ASKED, ingress_key=b"k" * 16)
    for _ in range(2):  # the second time the answer is in the table
        async with house(tmp_path, Carrier(taken), ADVERTISING) as at:
            if not at.rows("tb_advertisement"):
                await advertised(at, NewAdvert("Buy!"))
            await at.intake.submit(asked)
            await at.intake.submit(asked)
            assert ledger(at) == [("reserve", -50_000), ("advert", 20_000)]


async def test_money_for_the_message_is_enough(tmp_path: Path) -> None:
    """A prepaid account never goes below zero, whatever is credited."""
    async with house(tmp_path, Carrier(taken, room=100), ADVERTISING) as at:
        await advertised(at, NewAdvert("Buy!"))
        refused = 0
        for _ in range(40):
            try:
                await at.intake.submit(ASKED)
            except NoCredit:
                refused += 1
        assert at.balance() >= 0
        assert refused > 0
