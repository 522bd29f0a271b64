"""The money of calls, from the reservation to the CDRs, on a real journal; and the ways that calls take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.house import House, house
from tests.core.stage import Carrier
from voipsms.callback import billing
from voipsms.callback.billing import GRACE, LOST, MOST_LEGS, NOT_CALLED, CallBilling
from voipsms.callback.plan import Billing, LegEnd, Plan, Way
from voipsms.config import Config
from voipsms.errors import (
    AccountExpired,
    NobodyToBill,
    NoCredit,
    NoGateway,
    NoPrice,
    NoResellerCredit,
    NotCalled,
    Refused,
    Unavailable,
    UserInactive,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, MessageId, Micros, Millis, Msisdn, UserId, UserType
from voipsms.rating import Cost, Packet, Rate, Tariffs
from voipsms.settings import CallbackSettings, GlobalSettings, SipAccount, SipSettings
from voipsms.store.accounts import NewUser, add_user, ensure_gateways, set_options
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.store.routes import CALL, NewRoute, add_route, delete_routes
from voipsms.store.sqlite import SqliteEngine
from voipsms.store.terms import Changes, change

ONE, TWO, THREE = Msisdn("36301112233"), Msisdn("436641234567"), Msisdn("447771234567")
CREDIT = Micros(1_000_000)
RING = 10
SECOND = 1_000  # millionths, as PRICES say for every number that has one
PROOFS = ("wrong_balances", "wrong_charges", "uneven_charges", "wrong_calls", "missing_cdrs")


def packet(**prices: Rate) -> Packet:
    found = Packet()
    for prefix, rate in prices.items():
        found.add(prefix.removeprefix("_"), (rate,))
    return found


PRICES = packet(_36=Rate(Micros(60_000)), _43=Rate(Micros(60_000)))


@dataclass
class Clock:
    now: Millis = field(default_factory=now_millis)

    def __call__(self) -> Millis:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now = Millis(self.now + round(seconds * 1000))


@dataclass
class Desk:
    """One process. `config` may be replaced."""

    at: House
    clock: Clock
    config: Config
    billing: CallBilling = field(init=False)

    def plan(self, first: Msisdn = ONE, second: Msisdn | None = TWO, user: str = "alice") -> Plan:
        return Plan(MessageId(self.at.ids.next()), self.user(user), first, second, asked=self.clock.now)

    def user(self, name: str = "alice") -> UserId:
        return self.at.directory.by_name[name].id

    def ended(self, number: Msisdn, seconds: int, reason: str = "", way: Way | None = None) -> LegEnd:
        way = way or Way(f"sip:{number}@pbx", caller=f"sip:{TWO if number == ONE else ONE}@pbx")
        return LegEnd(number, way, self.clock.now, seconds, 200 if seconds else 486, reason)

    def bill(self) -> list[tuple[Any, ...]]:
        columns = "msgid, direction, sender, target, duration, price, cost, state, reason"
        return self.at.rows("tb_cdrs", f"id, {columns}, type")

    def proven(self) -> bool:
        """And the directory knows the balance."""
        known = self.at.directory.by_name["alice"].balance
        return known == self.at.balance() and all(self.at.db.read(name) == [] for name in PROOFS)

    def change(self, **changes: Any) -> None:
        with self.at.db.transaction():
            change(self.at.db, "alice", Changes(**changes))


async def desk(stack: AsyncExitStack, folder: Path) -> Desk:
    at = await stack.enter_async_context(house(folder, Carrier(lambda part: None)))
    reader = Reader(SqliteEngine(folder / "house.db", 0.2))
    stack.callback(reader.close)
    at.directory.tariffs = Tariffs({("default", "CALL"): PRICES})
    callback = CallbackSettings(minimum=60, ring=RING)
    config = Config(folder, sms=GlobalSettings(currency="EUR"), callback=callback, sip=SipSettings(outbound="sip:pbx"))
    found = Desk(at, Clock(), config)
    found.billing = CallBilling(
        at.directory, at.journal, reader, at.ids, lambda: found.config, clock=found.clock
    )  # fmt: skip
    return found


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        yield await desk(stack, tmp_path)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two processes on one database."""
    async with AsyncExitStack() as stack:
        yield await desk(stack, tmp_path), await desk(stack, tmp_path)


def test_it_is_what_conversations_ask(here: Desk) -> None:
    asked: Billing = here.billing
    assert asked.way(here.plan(), ONE).uri == f"sip:{ONE}@pbx"


# -- reserved, used, given back


async def test_both_legs_are_paid_for(here: Desk) -> None:
    plan = here.plan()
    assert await here.billing.open(plan, [ONE, TWO]) == 60
    assert here.at.balance() == CREDIT - (RING + 60 + GRACE + 60 + GRACE) * SECOND
    assert here.proven()
    await here.billing.close(plan, [here.ended(ONE, 45), here.ended(TWO, 40)])
    assert here.at.balance() == CREDIT - 85 * SECOND
    first, second = here.bill()
    assert first[0] != second[0]
    assert first[1:] == (plan.id, "OUT", TWO, ONE, 45, 45_000, 0, "DELIVERED", "", "CALL")
    assert second[1:] == (plan.id, "OUT", ONE, TWO, 40, 40_000, 0, "DELIVERED", "", "CALL")
    assert here.proven()
    assert here.at.rows("tb_calls") == []


async def test_a_leg_that_is_not_answered_costs_nothing(here: Desk) -> None:
    plan = here.plan()
    await here.billing.open(plan, [ONE, TWO])
    await here.billing.close(plan, [here.ended(ONE, 0, "busy")])
    assert here.at.balance() == CREDIT
    assert [row[4:] for row in here.bill()] == [(ONE, 0, 0, 0, "UNDELIVERABLE", "busy", "CALL")]
    assert here.proven()


async def test_nothing_was_called(here: Desk) -> None:
    plan = here.plan()
    await here.billing.open(plan, [ONE, TWO])
    await here.billing.close(plan, [])
    assert [(row[4], row[5], row[9]) for row in here.bill()] == [(ONE, 0, NOT_CALLED)]
    assert here.at.balance() == CREDIT
    assert here.proven()


async def test_closed_twice_and_unopened(here: Desk) -> None:
    plan = here.plan()
    await here.billing.open(plan, [ONE])
    for _ in range(2):
        await here.billing.close(plan, [here.ended(ONE, 5)])
    await here.billing.close(here.plan(), [here.ended(ONE, 5)])
    assert len(here.bill()) == 1


async def test_prompts_ask_for_the_second_number(here: Desk) -> None:
    """The first leg pays for the time in which it was asked, and while the second rings."""
    plan = here.plan(second=None)
    assert await here.billing.open(plan, [ONE]) == 60
    here.billing.answered(plan, ONE, Way("sip:x@pbx"), here.clock.now)
    here.clock.pass_(30)
    assert await here.billing.open(plan, [ONE, TWO]) == 60
    first, second = 30 + RING + 60 + GRACE, 60 + GRACE
    assert here.at.balance() == CREDIT - (first + second) * SECOND
    await here.billing.close(plan, [here.ended(ONE, 60), here.ended(TWO, 20)])
    assert here.at.balance() == CREDIT - 80 * SECOND
    assert here.proven()


async def test_another_number_takes_the_place_of_one(here: Desk) -> None:
    """What was reserved for one that didn't answer is free again; one that did has used what it has."""
    plan = here.plan(second=None)
    await here.billing.open(plan, [ONE, TWO])
    await here.billing.open(plan, [ONE, THREE_AT_43])
    both = RING + 60 + GRACE + 60 + GRACE
    assert here.at.balance() == CREDIT - both * SECOND
    here.billing.answered(plan, THREE_AT_43, Way("sip:x@pbx"), here.clock.now)
    here.clock.pass_(7)
    await here.billing.open(plan, [ONE, TWO])
    assert here.at.balance() == CREDIT - (both + 7) * SECOND
    await here.billing.close(plan, [here.ended(ONE, 9), here.ended(TWO, 0), here.ended(THREE_AT_43, 7)])
    assert here.at.balance() == CREDIT - 16 * SECOND
    assert here.proven()


THREE_AT_43 = Msisdn("43662123456")


async def test_not_for_ever(here: Desk) -> None:
    plan = here.plan(second=None)
    for n in range(MOST_LEGS):
        await here.billing.open(plan, [Msisdn(f"3630111{n:04d}")])
    with pytest.raises(NoCredit, match="Too many numbers"):
        await here.billing.open(plan, [TWO])
    assert here.proven()


# -- longer


async def test_as_long_as_there_is_credit(here: Desk) -> None:
    """1.00 lasts 1000 seconds of one leg, of which 2 are for hanging up."""
    plan = here.plan(second=None)
    told = await here.billing.open(plan, [ONE])
    while more := await here.billing.extend(plan):
        told += more
    assert told == 1000 - GRACE
    assert here.at.balance() == 0
    await here.billing.close(plan, [here.ended(ONE, told + 1, "no_credit")])
    assert here.at.balance() == SECOND
    assert here.proven()


async def test_not_longer_than_the_longest(here: Desk) -> None:
    here.config = replace(here.config, callback=replace(here.config.callback, longest=150))
    plan = here.plan(second=None)
    assert await here.billing.open(plan, [ONE]) == 60
    assert [await here.billing.extend(plan) for _ in range(3)] == [60, 30, 0]


async def test_what_was_never_opened_is_not_prolonged(here: Desk) -> None:
    assert await here.billing.extend(here.plan()) == 0


async def test_an_answer_amid_an_extension_is_kept(here: Desk) -> None:
    plan = here.plan(second=None)
    await here.billing.open(plan, [ONE])
    asked = here.billing.extend(plan)
    here.billing.answered(plan, ONE, Way("sip:x@pbx"), here.clock.now)
    assert await asked == 60
    here.clock.pass_(20)
    await here.billing.look()
    (row,) = here.at.db.read("calls")
    assert f'"answered":{here.clock.now - 20_000}'.encode() in row[2].encode()


# -- refused


REFUSED: dict[str, tuple[dict[str, Any], list[Msisdn], type[Refused]]] = {
    "no price": ({}, [ONE, THREE], NoPrice),
    "no credit": ({"credit": -950_000}, [ONE, TWO], NoCredit),
    "expired": ({"expires": Millis(1)}, [ONE], AccountExpired),
    "locked": ({"enabled": False}, [ONE], UserInactive),
}


@pytest.mark.parametrize("changes, numbers, refusal", REFUSED.values(), ids=REFUSED)
async def test_refused(here: Desk, changes: dict[str, Any], numbers: list[Msisdn], refusal: type[Refused]) -> None:
    before = here.at.balance()
    if "credit" in changes:
        with here.at.db.transaction():
            spend(here.at.db, changes["credit"])
        before += changes["credit"]
    else:
        here.change(**changes)
    await here.at.accounts.refresh()
    with pytest.raises(refusal):
        await here.billing.open(here.plan(), numbers)
    assert here.at.balance() == before
    assert here.at.rows("tb_calls") == []
    assert await here.billing.extend(here.plan()) == 0


def spend(db: Database, amount: int) -> None:
    user = db.read("user_by_name", username="alice")[0][0]
    db.write("credit_user", id=user, amount=amount)
    db.write("insert_movement", id=1, user_id=user, kind="credit", amount=amount, created=1, comment="")
    db.write("bump_revision")


async def test_nobody_pays(here: Desk) -> None:
    plan = Plan(MessageId(1), UserId(1), ONE)
    with pytest.raises(NobodyToBill):
        await here.billing.open(plan, [ONE])
    with pytest.raises(NobodyToBill):
        here.billing.way(plan, ONE)


async def test_a_second_number_that_is_too_dear(here: Desk) -> None:
    """The first leg goes on, with what it has."""
    here.at.directory.tariffs = Tariffs(
        {("default", "CALL"): packet(_36=Rate(Micros(60_000)), _43=Rate(Micros(60_000_000)))}
    )  # fmt: skip
    plan = here.plan(second=None)
    await here.billing.open(plan, [ONE])
    here.billing.answered(plan, ONE, Way("sip:x@pbx"), here.clock.now)
    with pytest.raises(NoCredit):
        await here.billing.open(plan, [ONE, TWO])
    assert here.at.balance() == CREDIT - 62 * SECOND
    assert await here.billing.extend(plan) == 60
    await here.billing.close(plan, [here.ended(ONE, 12)])
    assert here.at.balance() == CREDIT - 12 * SECOND
    assert here.proven()


async def test_resellers_pay_too(here: Desk) -> None:
    """Each by its own packet; one without a price, or without credit, stops the call."""
    with here.at.db.transaction():
        new = NewUser("big", UserType.RESELLER, "EUR")
        big = add_user(here.at.db, here.at.ids, new, CREDIT)
        set_options(here.at.db, "big", None, "bulk")
    here.change(reseller="big")
    await here.at.accounts.refresh()
    with pytest.raises(NoPrice):
        await here.billing.open(here.plan(), [ONE])
    cheap = packet(_=Rate(Micros(30_000)))
    here.at.directory.tariffs = Tariffs({("default", "CALL"): PRICES, ("bulk", "CALL"): cheap})
    plan = here.plan()
    await here.billing.open(plan, [ONE, TWO])
    await here.billing.close(plan, [here.ended(ONE, 10), here.ended(TWO, 20)])
    assert here.at.balance() == CREDIT - 30 * SECOND
    assert here.at.directory.by_id[big].balance == CREDIT - 15 * SECOND
    assert here.proven()
    here.at.directory.tariffs = Tariffs({("default", "CALL"): PRICES, ("bulk", "CALL"): packet(_=Rate(CREDIT))})
    with pytest.raises(NoResellerCredit):
        await here.billing.open(here.plan(), [ONE])
    assert here.proven()


# -- the store is away, and processes that die


async def test_cdrs_are_kept_until_they_are_written(here: Desk) -> None:
    plan = here.plan()
    await here.billing.open(plan, [ONE, TWO])
    here.at.journal.problem = "away"
    await here.billing.close(plan, [here.ended(ONE, 3), here.ended(TWO, 2)])
    assert here.bill() == []
    assert not await here.billing.settle()
    with pytest.raises(Unavailable):
        await here.billing.open(here.plan(), [ONE])
    here.at.journal.problem = ""
    assert await here.billing.settle()
    assert here.at.balance() == CREDIT - 5 * SECOND
    assert here.proven()


async def test_a_running_call_waits_for_the_store(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = here.plan()
    await here.billing.open(plan, [ONE])
    monkeypatch.setattr(billing, "PAUSE", 0.02)
    here.at.journal.problem = "away"
    assert await here.billing.extend(plan) == 0
    asyncio.get_running_loop().call_later(0.03, lambda: setattr(here.at.journal, "problem", ""))
    assert await here.billing.extend(plan) == 60


async def test_what_a_dead_process_has_left_is_billed_by_another(two: tuple[Desk, Desk]) -> None:
    dead, alive = two
    plan = dead.plan()
    await dead.billing.open(plan, [ONE, TWO])
    dead.billing.answered(plan, ONE, Way("sip:x@pbx", caller=f"sip:{TWO}@pbx"), dead.clock.now)
    dead.clock.pass_(20.5)
    await dead.billing.look()
    await alive.billing.look()
    assert alive.at.rows("tb_cdrs") == []
    await dead.at.journal.close()  # which gives its lease back
    await alive.billing.look()
    assert [row[1:] for row in alive.bill()] == [
        (plan.id, "OUT", TWO, ONE, 21, 21_000, 0, "DELIVERED", LOST, "CALL"),
        (plan.id, "OUT", "", TWO, 0, 0, 0, "UNDELIVERABLE", LOST, "CALL"),
    ]
    assert alive.at.balance() == CREDIT - 21 * SECOND
    assert alive.proven()


async def test_one_that_comes_back_finds_its_calls_closed(two: tuple[Desk, Desk]) -> None:
    late, _ = two
    plan = late.plan()
    await late.billing.open(plan, [ONE])
    with late.at.db.transaction():
        late.at.db.write("delete_call", id=plan.id, node=late.at.ids.node)
    assert await late.billing.extend(plan) == 0
    with pytest.raises(Unavailable, match="closed by another"):
        await late.billing.open(plan, [ONE, TWO])
    await late.billing.close(plan, [late.ended(ONE, 5)])
    assert late.bill() == []
    assert await late.billing.settle()


async def test_who_has_the_number_of_a_dead_one_closes_its_calls(here: Desk) -> None:
    plan = here.plan()
    await here.billing.open(plan, [ONE])
    await here.billing.look()
    assert here.bill() == []  # it is under way
    here.billing._pairs.clear()  # as after a new start
    await here.billing.look()
    assert [row[9] for row in here.bill()] == [LOST]
    assert here.proven()


# -- ways


def set_callback(here: Desk, **fields: Any) -> None:
    here.config = replace(here.config, callback=replace(here.config.callback, **fields))


CALLERS: dict[str, tuple[str, Msisdn | None, Msisdn, str]] = {
    "the other leg, to the first": ("", TWO, ONE, f"sip:{TWO}@pbx"),
    "the other leg, to the second": ("", TWO, TWO, f"sip:{ONE}@pbx"),
    "nobody yet": ("", None, ONE, ""),
    "to what prompts were told": ("", None, TWO, f"sip:{ONE}@pbx"),
    "as set": ("+3611234567", TWO, TWO, "sip:3611234567@pbx"),
}


@pytest.mark.parametrize("caller, second, number, shown", CALLERS.values(), ids=CALLERS)
def test_callers(here: Desk, caller: str, second: Msisdn | None, number: Msisdn, shown: str) -> None:
    set_callback(here, caller=caller)
    assert here.billing.way(here.plan(second=second), number).caller == shown


REGISTRARS = {
    "sip:pbx.example": (f"sip:{TWO}@pbx.example", f"sip:{ONE}@pbx.example"),
    "sip:pbx.example:5070;transport=tcp": (f"sip:{TWO}@pbx.example:5070;transport=tcp", f"sip:{ONE}@pbx.example"),
    "sips:[2001:db8::1]:5071": (f"sips:{TWO}@[2001:db8::1]:5071", f"sip:{ONE}@[2001:db8::1]"),
    "sip:ignored@pbx.example": (f"sip:{TWO}@pbx.example", f"sip:{ONE}@pbx.example"),
}


@pytest.mark.parametrize("registrar", REGISTRARS)
def test_by_an_account(here: Desk, registrar: str) -> None:
    set_callback(here, account="office", srtp="no")
    here.config = replace(here.config, accounts={"office": SipAccount(registrar, "700", srtp="optional")})
    uri, caller = REGISTRARS[registrar]
    assert here.billing.way(here.plan(), TWO) == Way(uri, "office", caller, "optional")


def test_by_the_softswitch(here: Desk) -> None:
    set_callback(here, srtp="mandatory")
    here.config = replace(here.config, sip=SipSettings(outbound="sip:pbx.example:5080;transport=tcp"))
    way = here.billing.way(here.plan(), TWO)
    assert way == Way(f"sip:{TWO}@pbx.example:5080;transport=tcp", "", f"sip:{ONE}@pbx.example", "mandatory")


def test_nowhere(here: Desk) -> None:
    here.config = replace(here.config, sip=SipSettings())
    with pytest.raises(NoGateway):
        here.billing.way(here.plan(), TWO)


@pytest.mark.parametrize("outbound", ["pbx.example", "sip:", "sip:pbx:99999", "sip:a b"])
def test_no_address(here: Desk, outbound: str) -> None:
    here.config = replace(here.config, sip=SipSettings(outbound=outbound))
    with pytest.raises(NoGateway, match="no SIP URI"):
        here.billing.way(here.plan(), TWO)


NOT_TO = {"emergency": "112", "blocked": "43662123456", "no number": "x"}


@pytest.mark.parametrize("number", NOT_TO.values(), ids=NOT_TO)
def test_not_to_be_called(here: Desk, number: str) -> None:
    set_callback(here, block=("43662",), emergency=False)
    with pytest.raises(Refused):
        here.billing.way(here.plan(), number)


def test_what_is_blocked_says_so(here: Desk) -> None:
    set_callback(here, block=("43",))
    with pytest.raises(NotCalled):
        here.billing.way(here.plan(), TWO)


# -- routes of type CALL

TRUNKS = (
    GatewaySettings(name="cheap", smsurl="sip:00[tonum]@cheap.example:5070"),
    GatewaySettings(name="good", smsurl="sips:[tonum]@good.example"),
    GatewaySettings(name="smsc", smsurl="smpp://smsc.example"),
)


@pytest.fixture
async def routed(here: Desk) -> Callable[..., Any]:
    """Makes routes, each a NewRoute of calls."""
    with here.at.db.transaction():
        ensure_gateways(here.at.db, here.at.ids, [one.name for one in TRUNKS], "EUR")
    here.config = replace(here.config, gateways=TRUNKS)

    async def make(*routes: NewRoute) -> dict[str, GatewayId]:
        with here.at.db.transaction():
            for route in routes:
                add_route(here.at.db, here.at.ids, route)
        await here.at.accounts.refresh()
        return here.at.directory.gateways

    return make


def route(gateway: str, **fields: Any) -> NewRoute:
    return NewRoute(gateway, type=CALL, **fields)


async def test_by_a_trunk(here: Desk, routed: Callable[..., Any]) -> None:
    ids = await routed(route("cheap", prefix="43"), route("good", prefix="36"))
    plan = here.plan()
    assert here.billing.way(plan, TWO) == Way(
        f"sip:00{TWO}@cheap.example:5070", caller=f"sip:{ONE}@cheap.example", gateway_id=ids["cheap"]
    )
    assert here.billing.way(plan, ONE) == Way(
        f"sips:{ONE}@good.example", caller=f"sip:{TWO}@good.example", gateway_id=ids["good"]
    )
    assert here.billing.way(plan, THREE).uri == f"sip:{THREE}@pbx"  # no route: the softswitch


async def test_routes_of_texts_are_not_for_calls(here: Desk, routed: Callable[..., Any]) -> None:
    await routed(NewRoute("cheap", prefix="43"), route("good"))
    directory = here.at.directory
    assert (len(directory.routes), len(directory.call_routes)) == (1, 1)
    assert here.billing.way(here.plan(), TWO).uri == f"sips:{TWO}@good.example"
    with here.at.db.transaction():
        delete_routes(here.at.db)
    await here.at.accounts.refresh()
    assert (len(directory.routes), len(directory.call_routes)) == (0, 1)


async def test_ways_by_what_they_cost(here: Desk, routed: Callable[..., Any]) -> None:
    ids = await routed(route("cheap", priority=1), route("good", priority=2, ceiling=50_000))
    directory = here.at.directory
    cost = packet(_=Rate(Micros(60_001)))
    directory.tariffs = Tariffs({("default", "CALL"): PRICES, ("bought", "CALL"): cost})
    directory.costs = {ids["cheap"]: Cost("bought")}
    assert here.billing.way(here.plan(), TWO).gateway_id == ids["good"]
    directory.costs = {ids["cheap"]: Cost("bought"), ids["good"]: Cost("bought")}
    with pytest.raises(NoGateway, match="below cost"):
        here.billing.way(here.plan(), TWO)
    here.config = replace(here.config, sms=replace(here.config.sms, allow_loss=True))
    assert here.billing.way(here.plan(), TWO).gateway_id == ids["cheap"]


async def test_a_gateway_for_texts_alone(here: Desk, routed: Callable[..., Any]) -> None:
    await routed(route("smsc"))
    with pytest.raises(NoGateway):
        here.billing.way(here.plan(), TWO)


async def test_what_a_gateway_charges_is_on_the_cdr(here: Desk, routed: Callable[..., Any]) -> None:
    ids = await routed(route("cheap"))
    cost = packet(_=Rate(Micros(30_000), Micros(5)))
    here.at.directory.tariffs = Tariffs({("default", "CALL"): PRICES, ("bought", "CALL"): cost})
    here.at.directory.costs = {ids["cheap"]: Cost("bought")}
    plan = here.plan(second=None)
    way = here.billing.way(plan, ONE)
    await here.billing.open(plan, [ONE])
    here.billing.answered(plan, ONE, way, here.clock.now)
    await here.billing.close(plan, [here.ended(ONE, 10, way=way)])
    assert here.at.rows("tb_cdrs", "gateway_id, price, cost") == [(ids["cheap"], 10_000, 5_005)]
