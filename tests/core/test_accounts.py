"""What bounds an account: who stands above it, how long it lives, how much it may send, by which gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.core.house import NUMBER, house
from tests.core.house import House as Running
from tests.core.stage import Carrier, until
from tests.core.world import ALICE, CARRIER, MOBILE, NUMBERS, SETTINGS, USERS, submission
from tests.store.rig import CREDIT
from voipsms import log
from voipsms.accept import accept
from voipsms.directory import Directory
from voipsms.errors import (
    AccountExpired,
    AccountFault,
    MonthlyLimit,
    NoCredit,
    NoResellerCredit,
    Refused,
    SubmitRefused,
    UserInactive,
)
from voipsms.model import (
    GatewayId,
    Message,
    MessageId,
    Micros,
    Millis,
    Msisdn,
    Part,
    State,
    Submission,
    Submitted,
    UserId,
    UserType,
)
from voipsms.rating import Packet, Rate, Tariffs
from voipsms.routing import Asked
from voipsms.settings import GlobalSettings, LogSettings
from voipsms.sms.numbers import Kind
from voipsms.store.accounts import NewUser, add_user
from voipsms.store.terms import Changes, change
from voipsms.ways import Ways

ABOVE = [  # id, username, type, ha1_md5, ha1_sha256, enabled, balance, credit_limit, currency
    (20, "small", "reseller", "", "", 1, 100_000, 0, "EUR"),
    (21, "big", "reseller", "", "", 1, 100_000, 0, "EUR"),
    (22, "closed", "reseller", "", "", 0, 100_000, 0, "EUR"),
    (23, "broke", "reseller", "", "", 1, 0, 0, "EUR"),
    (24, "owing", "reseller", "", "", 1, 0, 50_000, "EUR"),
    (25, "dollar", "reseller", "", "", 1, 100_000, 0, "USD"),
    (51, "second", "smsgw", "", "", 1, 0, 0, "EUR"),
]
NOW, SECOND = Millis(1000), GatewayId(51)
Term = tuple[int, int | None, int, int, int | None]  # user, reseller, expires, monthly, gateway


def directory(*terms: Term) -> Directory:
    """small pays 0.03 for a message, big 0.02, and everybody else 0.05."""
    found = Directory()
    packets = {("thirty", "SMS"): Packet(), ("twenty", "SMS"): Packet()}
    packets["thirty", "SMS"].add("36", (Rate(Micros(30_000)),))
    packets["twenty", "SMS"].add("36", (Rate(Micros(20_000)),))
    found.load(USERS + ABOVE, NUMBERS, [], (), [(20, "", "thirty"), (21, "", "twenty")], terms=terms)
    found.tariffs = Tariffs(packets)
    return found


def decide(known: Directory, asked: Submission | None = None) -> Message:
    return accept(asked or submission(), known, SETTINGS, lambda asked: (CARRIER,), "", MessageId(7), NOW)


# -- decided


def test_each_reseller_pays_by_its_own_packet() -> None:
    found = decide(directory((1, 20, 0, 0, None), (20, 21, 0, 0, None)))
    assert (found.user_id, found.price) == (1, 50_000)
    assert found.charges == ((20, 30_000), (21, 20_000))
    assert found.counted == ()


def test_who_has_no_terms_has_no_charges() -> None:
    found = decide(directory((2, 20, 0, 5, None)))
    assert (found.charges, found.counted) == ((), ())


def test_who_counts() -> None:
    found = decide(directory((1, 20, 0, 5, None), (20, 21, 0, 0, None), (21, None, 0, 9, None)))
    assert found.counted == (1, 21)


REFUSED: dict[str, tuple[list[Term], type[Refused], str]] = {
    "expired": ([(1, None, 1000, 0, None)], AccountExpired, "The account has expired"),
    "a reseller expired": (
        [(1, 20, 0, 0, None), (20, None, 999, 0, None)], AccountExpired, "A reseller of this account has expired",
    ),
    "a reseller above has expired": (
        [(1, 20, 0, 0, None), (20, 21, 0, 0, None), (21, None, 1, 0, None)], AccountExpired,
        "A reseller of this account has expired",
    ),
    "a reseller is inactive": ([(1, 22, 0, 0, None)], UserInactive, "A reseller of this account is inactive"),
    "a reseller is broke": (
        [(1, 23, 0, 0, None)], NoResellerCredit, "A reseller of this account has not enough credit",
    ),
    "the one above is broke": (
        [(1, 20, 0, 0, None), (20, 23, 0, 0, None)], NoResellerCredit,
        "A reseller of this account has not enough credit",
    ),
    "another currency": ([(1, 25, 0, 0, None)], AccountFault, "The account is not set up rightly"),
    "a ring": ([(1, 20, 0, 0, None), (20, 20, 0, 0, None)], AccountFault, "The account is not set up rightly"),
    "no reseller": ([(1, 2, 0, 0, None)], AccountFault, "The account is not set up rightly"),
    "nobody": ([(1, 999, 0, 0, None)], AccountFault, "The account is not set up rightly"),
}  # fmt: skip


@pytest.mark.parametrize(("terms", "refusal", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(terms: list[Term], refusal: type[Refused], text: str) -> None:
    with pytest.raises(refusal) as caught:
        decide(directory(*terms))
    assert type(caught.value) is refusal
    assert str(caught.value) == text


ALLOWED: dict[str, list[Term]] = {
    "not yet expired": [(1, None, 1001, 0, None)],
    "a postpaid reseller": [(1, 24, 0, 0, None)],
    "somebody else's trouble": [(2, 25, 0, 0, None), (3, 22, 0, 0, None)],
}


@pytest.mark.parametrize("terms", ALLOWED.values(), ids=ALLOWED)
def test_allowed(terms: list[Term]) -> None:
    assert decide(directory(*terms)).user_id == 1


def test_what_a_reseller_has_reserved_counts() -> None:
    known = directory((1, 20, 0, 0, None))
    known.by_name["small"].pending = 70_001
    with pytest.raises(NoResellerCredit):
        decide(known)


@pytest.mark.parametrize(
    ("refusal", "sip_code", "code"),
    [(AccountExpired, 403, "account_expired"), (MonthlyLimit, 403, "monthly_limit"),
     (AccountFault, 403, "account_fault"), (NoResellerCredit, 402, "no_credit")],
)  # fmt: skip
def test_what_doors_answer(refusal: type[Refused], sip_code: int, code: str) -> None:
    assert (refusal.sip_code, refusal.http_status, refusal.code) == (sip_code, sip_code, code)


def test_an_account_that_is_set_up_wrongly_is_told_to_the_operator(tmp_path: Path) -> None:
    log.configure(LogSettings(file="x.log", format="json"), tmp_path)
    directory((1, 25, 0, 0, None))
    log.configure(LogSettings(), tmp_path)
    (line,) = (tmp_path / "x.log").read_text().splitlines()
    said = json.loads(line)
    assert (said["level"], said["user"]) == ("error", "alice")
    assert said["why"] == "alice pays in EUR, its reseller dollar in USD"


def test_a_reload_takes_terms_away() -> None:
    known = directory((1, 25, 5, 1, 51))
    known.load(USERS + ABOVE, NUMBERS, [])
    alice = known.by_name["alice"]
    assert (alice.terms, alice.levels, alice.counted, alice.fault, alice.gateway) == (None, (), (), "", None)


# -- the gateway of an account


class Line:
    def __init__(self, usable: bool) -> None:
        self.usable = usable

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("mode", "gateway", "out", "expected"),
    [(0, None, (), [CARRIER]), (0, SECOND, (), [SECOND, CARRIER]), (0, CARRIER, (), [CARRIER]),
     (0, SECOND, (SECOND,), [CARRIER, SECOND]), (0, GatewayId(99), (), [CARRIER]), (1, SECOND, (), [SECOND]),
     (1, None, (), [])],
    ids=["none", "first", "the one that is first anyhow", "out", "gone", "without routes", "nothing"],
)  # fmt: skip
def test_the_account_s_gateway_comes_first(
    mode: int, gateway: GatewayId | None, out: tuple[GatewayId, ...], expected: list[GatewayId]
) -> None:
    known = directory((1, None, 0, 0, gateway))
    ways = Ways(known, {g: Line(g not in out) for g in (CARRIER, SECOND)}, GlobalSettings(smsrouting=mode))
    assert list(ways(Asked(Msisdn(MOBILE), ALICE, UserId(1), "", "HU", Kind.MOBILE, NOW))) == expected


# -- through intake, journal and dispatch

ASKED = Submission(door="test", payers=("alice",), sender=NUMBER, target=MOBILE, text="Hi")


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ACCEPTED)


async def resold(at: Running, credit: int = CREDIT) -> None:
    """alice buys from small, which has so much."""
    with at.db.transaction():
        add_user(at.db, at.ids, NewUser("small", UserType.RESELLER, "EUR"), Micros(credit))
        change(at.db, "alice", Changes(reseller="small"))
    await at.accounts.refresh()


def balance(at: Running, name: str) -> int:
    return int(at.db.read("user_by_name", username=name)[0][1])


async def test_the_reseller_pays_with_the_user(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        await resold(at)
        await at.intake.submit(ASKED)
        assert (balance(at, "alice"), balance(at, "small")) == (950_000, 950_000)
        assert at.directory.by_name["small"].balance == 950_000
        assert at.directory.by_name["small"].pending == 0
        assert at.db.read("wrong_charges") == []


async def test_a_refusal_pays_both_back(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(lambda part: SubmitRefused("no"))) as at:
        await resold(at)
        await at.intake.submit(ASKED)
        await until(lambda: at.rows("tb_queue") == [])
        assert (balance(at, "alice"), balance(at, "small")) == (1_000_000, 1_000_000)
        assert at.db.read("uneven_charges") == []


async def test_many_at_once_spend_no_more_than_there_is(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken, room=100)) as at:
        await resold(at, 3 * 50_000)
        answers = await asyncio.gather(*(at.intake.submit(ASKED) for _ in range(9)), return_exceptions=True)
        assert [type(answer) for answer in answers].count(NoResellerCredit) == 6
        assert (balance(at, "alice"), balance(at, "small")) == (850_000, 0)
        assert at.directory.by_name["small"].pending == 0


async def test_credit_that_the_reseller_gets_is_known_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        await resold(at, 0)
        with pytest.raises(NoCredit):
            await at.intake.submit(ASKED)
        with at.db.transaction():
            at.db.write("credit_user", id=at.directory.by_name["small"].id, amount=50_000)
            at.db.write("bump_revision")
        await at.intake.submit(ASKED)
        assert balance(at, "small") == 0


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [(Changes(expires=Millis(1)), AccountExpired), (Changes(enabled=False), UserInactive)],
    ids=["expired", "inactive"],
)
async def test_allowed_again_at_once(tmp_path: Path, changes: Changes, refusal: type[Refused]) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        with at.db.transaction():
            change(at.db, "alice", changes)
        await at.accounts.refresh()
        with pytest.raises(refusal):
            await at.intake.submit(ASKED)
        with at.db.transaction():
            change(at.db, "alice", Changes(expires=Millis(0), enabled=True))
        await at.intake.submit(ASKED)


async def test_the_month_s_limit(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        with at.db.transaction():
            change(at.db, "alice", Changes(monthly=2))
        await at.accounts.refresh()
        for _ in range(2):
            await at.intake.submit(ASKED)
        with pytest.raises(MonthlyLimit):
            await at.intake.submit(ASKED)
        with at.db.transaction():
            change(at.db, "alice", Changes(sent=0))
        await at.intake.submit(ASKED)
        assert at.rows("tb_terms", "sent") == [(1,)]
        assert at.balance() == 850_000
