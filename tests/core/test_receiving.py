"""From the provider's word to the user's outbox, on a real journal."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.core.house import NUMBER, House, house
from tests.core.stage import Carrier, until
from voipsms.addressing import addressed, noticed
from voipsms.directory import Account
from voipsms.errors import StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.incoming_rules import Ruled
from voipsms.low_balance import LowBalance
from voipsms.model import (
    Belongs,
    Delivery,
    GatewayId,
    Inbound,
    Incoming,
    Message,
    MessageId,
    Micros,
    Millis,
    Msisdn,
    Reach,
    Subject,
    Submitted,
    UserId,
)
from voipsms.receiving import Receiving, price_of
from voipsms.rules import Copy, Effect
from voipsms.settings import GlobalSettings
from voipsms.store.accounts import credit_user
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.values import replace

PHONE = "36301112233"
GATEWAY = GatewayId(7)
SETTINGS = GlobalSettings(smsreceive_route=4, country="HU")
THIRD = 16_667  # of 0.05, in millionths
EFFECT = Copy("36301110000")


class Rig:
    """The steps between `take` and the outbox, each as simple as can be; `broken` is the one that fails now."""

    def __init__(self, home: House, reader: Reader, settings: GlobalSettings) -> None:
        self.home, self.reader, self.settings = home, reader, settings
        self.outbox: list[Delivery] = []
        self.told: list[str] = []  # what STOP words were looked for in
        self.started: list[tuple[tuple[Effect, ...], str]] = []
        self.rule: Callable[[Incoming], Ruled] = Ruled
        self.rivals: tuple[UserId, ...] = ()
        self.broken = ""
        self.gateway = GatewaySettings(name="carrier")
        self.receiving = self.another()

    def another(self) -> Receiving:
        """As after a restart."""
        gateways = {GATEWAY: self.gateway}
        return Receiving(
            self.home.journal, self.reader, self.home.directory, self.home.ids, gateways, lambda: self.settings,
            lambda incoming: self.rule(incoming), self.whose, self.words, self.address, self.outbox.extend, self.start,
        )  # fmt: skip

    async def whose(self, incoming: Incoming) -> Belongs:
        if self.broken == "whose":
            raise StoreError("away")
        if self.broken == "fault":
            raise ZeroDivisionError
        owner = self.home.directory.by_number.get(incoming.target)
        return Belongs(owner.id if owner else None, incoming.target, rivals=self.rivals)

    async def words(self, incoming: Incoming, belongs: Belongs) -> None:
        self.told.append(incoming.text)

    def address(self, incoming: Incoming, belongs: Belongs, account: Account) -> tuple[Delivery, ...]:
        return addressed(incoming, belongs, account, self.settings, self.home.ids.next, now_millis(), gateway="carrier")

    def start(self, effects: tuple[Effect, ...], message: Message) -> None:
        if effects:
            self.started.append((effects, message.text))

    async def take(self, text: str = "hello", *, target: str = NUMBER, **fields: Any) -> bool:
        taken = await self.receiving.take(Inbound(GATEWAY, PHONE, target, text, **fields), "smpp")
        await self.quiet()
        return taken

    async def quiet(self) -> None:
        await until(lambda: not len(self.receiving))

    @property
    def alice(self) -> Account:
        return self.home.directory.by_name["alice"]

    def messages(self, columns: str = "text, state, reason, price") -> list[tuple[Any, ...]]:
        return self.home.rows("tb_messages", f"id, {columns}")

    async def spend(self, amount: int) -> None:
        """As the commit of something else does, or of another process."""
        with self.home.db.transaction():
            credit_user(self.home.db, self.home.ids, "alice", Micros(amount))
        await self.home.accounts.refresh()


@asynccontextmanager
async def rig(folder: Path, settings: GlobalSettings = SETTINGS) -> AsyncIterator[Rig]:
    async with house(folder, Carrier(lambda part: Submitted("x")), settings) as home:
        reader = Reader(home.db.engine)
        made = Rig(home, reader, settings)
        try:
            yield made
        finally:
            await made.receiving.close()
            reader.close()
        assert home.db.read("wrong_balances") == home.db.read("wrong_charges") == home.db.read("missing_cdrs") == []


def bodies(messages: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Without the id."""
    return [row[1:] for row in messages]


async def test_a_text_becomes_a_message_and_a_delivery(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        assert await made.take("hello", provider_id="mo1")
        columns = "direction, door, user_id, gateway_id, sender, target, text, state, price, coding, duration"
        assert bodies(made.messages(columns)) == [
            ("MO", "smpp", made.alice.id, GATEWAY, PHONE, NUMBER, "hello", "QUEUED", THIRD, "gsm7", 60)
        ]
        (delivery,) = made.outbox
        (message,) = made.messages("text")
        assert (delivery.message_id, delivery.subject, delivery.text) == (message[0], Subject.TEXT, "hello")
        assert (delivery.source, delivery.target) == (PHONE, NUMBER)
        assert [row[0] for row in made.home.rows("tb_outbox", "id")] == [delivery.id]
        assert made.alice.balance == 1_000_000 - THIRD
        assert made.told == ["hello"]


async def test_a_repeat_is_answered_and_stored_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        assert [await made.take(provider_id="mo1") for _ in range(2)] == [True, False]
        assert await made.take(provider_id="mo2")
        assert len(made.messages()) == len(made.outbox) == 2


@pytest.mark.parametrize("door, trackers, count", [("http", False, 2), ("http", True, 4), ("smpp", False, 4)])
async def test_the_same_text_without_an_id(tmp_path: Path, door: str, trackers: bool, count: int) -> None:
    """By HTTP it is a provider's second attempt, but for gateways of which the operator says otherwise."""
    async with rig(tmp_path) as made:
        made.gateway = GatewaySettings(name="carrier", inbound_repeats=trackers)
        made.receiving = made.another()
        for text in ("same", "same", "other", "other"):
            await made.receiving.take(Inbound(GATEWAY, PHONE, NUMBER, text), door)
        await made.quiet()
        assert len(made.messages()) == count


@pytest.mark.parametrize("source, target", [
    ("+36 30 111-2233", "06201234567"), ("0036301112233", "+36201234567"), ("06301112233", NUMBER),
])  # fmt: skip
async def test_numbers_are_digits(tmp_path: Path, source: str, target: str) -> None:
    async with rig(tmp_path) as made:
        await made.receiving.take(Inbound(GATEWAY, source, target, "hello"), "smpp")
        await made.quiet()
        assert bodies(made.messages("sender, target")) == [(PHONE, NUMBER)]


async def test_who_has_no_number_keeps_the_name(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.receiving.take(Inbound(GATEWAY, " Bank" + "x" * 99, NUMBER, "hello"), "http")
        await made.quiet()
        assert bodies(made.messages("sender, door")) == [(("Bank" + "x" * 99)[:64], "http")]


async def test_parts_are_one_text(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.take("two", reference=5, total=2, number=2)
        assert made.messages() == []
        await made.take("one ", reference=5, total=2, number=1)
        assert bodies(made.messages("text, parts, price")) == [("one two", 2, THIRD)]


async def test_parts_by_two_processes(tmp_path: Path) -> None:
    """At the same time, each by its own journal; the one that has the last of a text delivers it."""
    async with rig(tmp_path) as one, rig(tmp_path) as other:
        halves = [
            made.receiving.take(
                Inbound(GATEWAY, PHONE, NUMBER, f"{number}", reference=n, total=2, number=number), "smpp"
            )
            for n in range(30)
            for made, number in ((one, 1), (other, 2))[:: 1 if n % 2 else -1]
        ]
        assert all(await asyncio.gather(*halves))
        await one.quiet()
        await other.quiet()
        assert bodies(one.messages("text")) == [("12",)] * 30
        assert len(one.outbox) + len(other.outbox) == 30


async def test_parts_that_are_missing(tmp_path: Path) -> None:
    async with rig(tmp_path, dataclasses.replace(SETTINGS, smsreceive_parts=-1.0)) as made:
        await made.take("one", reference=5, total=2, number=1)
        await made.receiving.join_overdue()
        await made.quiet()
        assert bodies(made.messages("text, parts")) == [("one[…]", 1)]
        assert dict(made.outbox[0].fields)["complete"] == "no"


# -- nobody's


async def test_nobodys_text_is_kept_and_free(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.take(target="36205556677")
        assert bodies(made.messages("user_id, text, state, reason, price")) == [
            (0, "hello", "UNDELIVERABLE", "nobody", THIRD * 0)
        ]
        assert made.home.rows("tb_cdrs", "direction, duration, price, reason") == [("MO", 0, 0, "nobody")]
        assert (made.outbox, made.alice.balance) == ([], 1_000_000)


ENDS: dict[str, tuple[Callable[[Rig], None], str]] = {
    "several wrote to the phone": (lambda made: setattr(made, "rivals", (UserId(1), UserId(2))), "conflict"),
    "a rule": (lambda made: setattr(made, "rule", lambda incoming: Ruled(incoming, "no adverts")), "blocked"),
    "no way to the user": (
        lambda made: setattr(made, "settings", dataclasses.replace(SETTINGS, smsreceive_route=0)),
        "no_route",
    ),
    "inactive": (lambda made: setattr(made.alice, "enabled", False), "user_inactive"),
}


@pytest.mark.parametrize("change, reason", ENDS.values(), ids=ENDS)
async def test_texts_that_go_nowhere(tmp_path: Path, change: Callable[[Rig], None], reason: str) -> None:
    async with rig(tmp_path) as made:
        change(made)
        await made.take(target="36205556677" if reason == "conflict" else NUMBER)
        assert bodies(made.messages("state, reason, price")) == [("UNDELIVERABLE", reason, 0)]
        assert (made.outbox, made.alice.balance) == ([], 1_000_000)


async def test_rules_change_and_copy(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.rule = lambda incoming: Ruled(replace(incoming, text=incoming.text.upper()), effects=(EFFECT,))
        await made.take()
        assert bodies(made.messages("text")) == [("HELLO",)]
        assert (made.told, made.started) == (["HELLO"], [((EFFECT,), "HELLO")])


async def test_a_rule_that_says_whose_it_is(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.broken = "whose"  # which is not asked
        made.rule = lambda incoming: Ruled(incoming, None, Belongs(made.alice.id, incoming.target))
        await made.take(target="36205556677")
        assert bodies(made.messages("user_id, text")) == [(made.alice.id, "hello")]


async def test_a_rule_that_makes_it_too_long(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.rule = lambda incoming: Ruled(replace(incoming, text="€" * 30_000))
        await made.take()
        assert bodies(made.messages("text")) == [("€" * 21_845,)]


# -- what goes wrong in between


async def crash(made: Rig) -> None:
    """Between Receive and Settle; what was in memory is gone."""
    made.broken = "whose"
    await made.take()
    assert made.messages() == []
    made.broken = ""
    await made.receiving.close()
    made.receiving = made.another()


async def test_a_crash_between_receive_and_settle(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await crash(made)
        await made.receiving.take_over()
        await made.quiet()
        assert bodies(made.messages("text, state")) == [("hello", "QUEUED")]
        await made.receiving.take_over()
        await made.quiet()
        assert len(made.messages()) == len(made.outbox) == 1


@pytest.mark.parametrize("fault", ["whose", "fault"])
async def test_a_fault_puts_it_off(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails, whatever the reason, leaves the text in the table, and others go on."""
    async with rig(tmp_path) as made:
        made.broken = fault
        await made.take("first")
        made.broken = ""
        await made.take("second")
        assert bodies(made.messages("text")) == [("second",)]
        await made.receiving.take_over()
        assert bodies(made.messages("text")) == [("second",)], "not at once again"
        monkeypatch.setattr("voipsms.receiving.STRAY", -1000)
        await made.receiving.take_over()
        await made.quiet()
        assert sorted(bodies(made.messages("text"))) == [("first",), ("second",)]


async def test_run_does_what_is_left(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await crash(made)
        running = asyncio.create_task(made.receiving.run())
        await until(lambda: bool(made.outbox))
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_too_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider has to keep its text."""
    async with rig(tmp_path) as made:
        monkeypatch.setattr("voipsms.receiving.MOST", 0)
        with pytest.raises(StoreError):
            await made.take()
        assert made.home.rows("tb_inbound") == []


# -- money


@pytest.mark.parametrize("wanted, parts, price", [
    ({}, 1, THIRD), ({}, 3, THIRD), ({"smsbilling": "part"}, 3, 3 * THIRD), ({"smsreceive_price": Decimal("0")}, 1, 0),
    ({"smsreceive_price": Decimal("0.01")}, 1, 10_000), ({"smsprice": Decimal("0.10")}, 1, 33_333),
], ids=["a third", "a text", "parts", "free", "its own price", "rounded"])  # fmt: skip
def test_prices(wanted: dict[str, Any], parts: int, price: int) -> None:
    incoming = Incoming(MessageId(1), Millis(1), GATEWAY, Msisdn(PHONE), Msisdn(NUMBER), "hello", parts=parts)
    assert price_of(incoming, GlobalSettings(**wanted)) == price


async def test_held_until_paid_oldest_first(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.spend(-990_000)
        made.rule = lambda incoming: Ruled(incoming, effects=(EFFECT,))
        await made.take("first")
        await made.take("second")
        assert (made.messages(), made.outbox, made.alice.balance) == ([], [], 10_000)
        await made.receiving.release()
        assert made.outbox == [], "there is no more money than before"
        await made.spend(30_000)
        await made.take("third")  # which could be paid, but isn't the oldest
        assert made.outbox == []
        await made.receiving.release()
        assert [delivery.text for delivery in made.outbox] == ["first", "second"]
        assert made.alice.balance == 40_000 - 2 * THIRD
        await made.spend(1_000_000)
        await made.receiving.release()
        await made.take("fourth")
        assert [delivery.text for delivery in made.outbox] == ["first", "second", "third", "fourth"]
        assert made.told == ["first", "second", "third", "fourth"], "once each"
        assert [text for _, text in made.started] == ["first", "second", "third", "fourth"]


async def test_what_is_held_too_long_ends_unpaid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path) as made:
        await made.spend(-1_000_000)
        await made.take("first")
        await made.receiving.end_unpaid()
        assert made.messages() == [], "in time"
        late = Millis(now_millis() + made.settings.smsexpire * 60_000 + 1000)
        monkeypatch.setattr("voipsms.receiving.now_millis", lambda: late)
        await made.take("second")
        await made.receiving.end_unpaid()
        assert bodies(made.messages("text, state, reason, price, user_id")) == [
            ("first", "UNDELIVERABLE", "no_credit", 0, made.alice.id),
            ("second", "UNDELIVERABLE", "no_credit", 0, made.alice.id),
        ]
        assert (made.home.rows("tb_inbound"), made.outbox, made.alice.balance) == ([], [], 0)


async def test_released_when_the_balance_changes(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.spend(-1_000_000)
        await made.take("first")
        running = asyncio.create_task(made.receiving.run())
        await made.spend(1_000_000)
        made.receiving.paid([made.alice.id])
        await until(lambda: bool(made.outbox))
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_nobody_waits_behind_an_account_that_is_gone(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.spend(-1_000_000)
        await made.take("first")
        del made.home.directory.by_id[made.alice.id]
        await made.receiving.release()
        assert bodies(made.messages("text, reason")) == [("first", "nobody")]


async def test_a_low_balance_is_told_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        notice = partial(noticed, settings=SETTINGS, new_id=made.home.ids.next, now=now_millis(), chat=True)
        looks = [
            LowBalance(
                made.home.journal, made.reader, made.home.directory, made.home.ids, notice, made.outbox.extend,
            )
            for _ in range(2)
        ]  # fmt: skip
        made.alice.reach = Reach(low=Micros(500_000))

        async def look() -> list[str]:
            made.outbox.clear()
            await asyncio.gather(*(one.look() for one in looks))
            return [delivery.text for delivery in made.outbox]

        assert await look() == []
        await made.spend(-600_000)
        made.alice.reach = Reach(low=Micros(500_000))
        (text,) = await look()
        assert "0.40 EUR" in text
        assert "0.50" in text
        assert [row[1] for row in made.home.rows("tb_outbox", "id, subject")] == ["notice"]
        assert await look() == [], "once"
        made.alice.balance = Micros(1_000_000)  # as a process sees it that has not heard of what others spent
        assert await look() == []
        made.alice.balance = Micros(400_000)
        assert await look() == [], "still once"
        await made.spend(600_000)
        made.alice.reach = Reach(low=Micros(500_000))
        assert await look() == []
        await made.spend(-600_000)
        made.alice.reach = Reach(low=Micros(500_000))
        assert len(await look()) == 1, "again after it was above"
