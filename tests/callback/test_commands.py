"""What a text makes happen, by table; and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.callback.desk import ALICE, BOB, FAR, FARTHER, OURS, PASSWORD, PINCODE, STRANGER, VOUCHER, Desk, desk
from voipsms.callback.commands import Outcome, pair
from voipsms.callback.grammar import Action
from voipsms.callback.replies import REPLIES
from voipsms.errors import NoCredit, NotCalled, Refused, StoreError, Unavailable, UserInactive
from voipsms.model import MessageId, Micros, Msisdn
from voipsms.rating import Packet, Rate, Service, Tariffs
from voipsms.sms import gsm0338
from voipsms.store.terms import Changes


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


# -- calls

CALLS: list[tuple[str, str, str, list[tuple[str, str, str | None]]]] = [
    ("general: name word two numbers", f"bob {PASSWORD} {FAR}, {FARTHER}", "", [("bob", FAR, FARTHER)]),
    ("general: the number called is the sender's", ALICE, ALICE, [("alice", ALICE, None)]),
    ("general: a number, and the sender's", FAR, ALICE, [("alice", ALICE, FAR)]),
    ("general: two numbers", f"{FAR} {FARTHER}", ALICE, [("alice", FAR, FARTHER)]),
    ("general: pincode number, hidden", f"{PINCODE} {FAR}", "", [("bob", FAR, None)]),
    ("general: pincode number", f"{PINCODE} {FAR}", STRANGER, [("bob", STRANGER, FAR)]),
    ("general: pincode", PINCODE, STRANGER, [("bob", STRANGER, None)]),
    ("general: pincode, hidden", PINCODE, "", []),
    ("general: pincode of letters", f"bob{PASSWORD}", STRANGER, [("bob", STRANGER, None)]),
    ("b", "b", ALICE, [("alice", ALICE, None)]),
    ("b, hidden", "b", "", []),
    ("b number", f"b {FAR}", ALICE, [("alice", ALICE, FAR)]),
    ("b pincode", f"b {PINCODE}", STRANGER, [("bob", STRANGER, None)]),
    ("b pincode number", f"b {PINCODE} {FAR}", STRANGER, [("bob", STRANGER, FAR)]),
    ("b pincode number, hidden", f"b {PINCODE} {FAR}", "", [("bob", FAR, None)]),
    ("b name word number", f"b bob {PASSWORD} {FAR}", STRANGER, [("bob", STRANGER, FAR)]),
    ("b name word number, hidden", f"b bob {PASSWORD} {FAR}", "anonymous", [("bob", FAR, None)]),
    ("p two numbers", f"p {FAR} {FARTHER}", ALICE, [("alice", FAR, FARTHER)]),
    ("p number", f"p {FAR}", ALICE, [("alice", ALICE, FAR)]),
    ("p the sender's own", f"p {ALICE}", ALICE, []),
    ("p pincode two numbers", f"p {PINCODE} {FAR} {FARTHER}", "", [("bob", FAR, FARTHER)]),
    ("p name word two numbers", f"p bob {PASSWORD} {FAR} {FARTHER}", "", [("bob", FAR, FARTHER)]),
    ("p one and the same", f"p {FAR} +{FAR}", ALICE, []),
    ("national", "b 0630/111-2233", ALICE, [("alice", ALICE, STRANGER)]),
    ("international", f"b 00{FAR}", ALICE, [("alice", ALICE, FAR)]),
    ("commas, any case", f"  P,{FAR},,+{FARTHER}", ALICE, [("alice", FAR, FARTHER)]),
    ("to the gateway itself", f"b {OURS}", ALICE, []),
    ("from the gateway itself", "b", OURS, []),
    ("emergency", "b 112", ALICE, []),
    ("a short number", "p 1234 " + FAR, ALICE, []),
    ("premium", "b 3690123456", ALICE, []),
    ("nobody", "b", STRANGER, []),
    ("no command", "Dear all, nice to meet you here on this sunny day", ALICE, []),
    ("nothing", "", ALICE, []),
]


@pytest.mark.parametrize("text, sender, calls", [row[1:] for row in CALLS], ids=[row[0] for row in CALLS])
async def test_calls(made: Desk, text: str, sender: str, calls: list[tuple[str, str, str | None]]) -> None:
    outcome = await made.take(text, sender)
    assert made.calls == calls
    assert outcome.reply
    assert (outcome.code in ("callback", "p2p")) is bool(calls)


async def test_a_plan(made: Desk) -> None:
    await made.take(f"b {FAR}", door="http", message_id=MessageId(77))
    (plan,) = made.plans
    assert (plan.door, plan.message_id, plan.user_id) == ("http", 77, made.account().id)
    assert plan.id > 0
    assert plan.asked > 0


REFUSALS = [
    ("no credit", NoCredit(), "Not done: Not enough credit."),
    ("being called already", NotCalled("This number is being called"), "Not done: This number is being called."),
    ("locked account", UserInactive(), "Not done: The account is inactive."),
    ("draining", Unavailable("Shutting down"), "Not done: Shutting down."),
    ("the store is away", StoreError("away"), REPLIES["interrupted"]),
]


@pytest.mark.parametrize("error, reply", [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
async def test_what_the_switchboard_refuses(made: Desk, error: Exception, reply: str) -> None:
    made.refusal = error
    outcome = await made.take("b")
    assert outcome.reply == reply
    assert outcome.code == (error.code if isinstance(error, Refused) else "interrupted")
    assert outcome.user_id == made.account().id
    assert made.begun == 1


async def test_an_inactive_account(made: Desk) -> None:
    await made.change("alice", Changes(enabled=False))
    outcome = await made.take("b")
    assert (outcome.code, outcome.reply) == ("user_inactive", "Not done: The account is inactive.")
    assert made.calls == []


@pytest.mark.parametrize(
    "action, numbers, own, expected",
    [
        (Action.CALL, (FAR,), "", (FAR, None)),
        (Action.CALL, (FAR,), ALICE, (ALICE, FAR)),
        (Action.CALL, (), ALICE, (ALICE, None)),
        (Action.CALL, (), "", None),
        (Action.CALL, (FAR, FARTHER), ALICE, (FAR, FARTHER)),
        (Action.PHONE_TO_PHONE, (FAR,), "", None),
        (Action.PHONE_TO_PHONE, (FAR,), FAR, None),
        (Action.PHONE_TO_PHONE, (FAR, FAR), ALICE, None),
        (Action.CALLBACK, (FAR,), FAR, (FAR, None)),
    ],
)
def test_pairs(action: Action, numbers: tuple[str, ...], own: str, expected: tuple[str, str | None] | None) -> None:
    wanted = [Msisdn(number) for number in numbers]
    if expected is not None:
        assert pair(action, wanted, own) == expected
        return
    with pytest.raises(NotCalled):
        pair(action, wanted, own)


# -- who is told what

WRONG = [
    f"b bob nonsense {FAR}",
    f"b nobody {PASSWORD} {FAR}",
    f"b 123456 {FAR}",
    "hello",
    "",
    "b",
    f"c {PINCODE}x {VOUCHER}",
]


async def test_no_answer_tells_what_was_wrong(made: Desk) -> None:
    replies = {(await made.take(text, f"3630111{n:04}")).reply for n, text in enumerate(WRONG)}
    assert replies == {REPLIES["wrong"]}


async def test_who_is_locked_out_hears_nothing(made: Desk) -> None:
    made.set(attempts=2)
    assert [(await made.take("hello", STRANGER)).reply != "" for _ in range(3)] == [True, True, False]
    assert (await made.take("123456", STRANGER)).code == "locked_out"


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_replies_are_short(reply: str) -> None:
    assert len(gsm0338.encode(reply.replace("{", "<").replace("}", ">"))) <= 110


# -- money


async def test_vouchers(made: Desk) -> None:
    outcome = await made.take(f"c {VOUCHER}")
    assert (outcome.code, outcome.reply) == ("credited", "5.00 EUR were added. Balance: 6.00 EUR.")
    assert (await made.take(f"c {VOUCHER}")).code == "wrong_voucher"


async def test_a_voucher_for_somebody_else(made: Desk) -> None:
    outcome = await made.take(f"c {VOUCHER} {BOB}")
    assert outcome.reply == f"5.00 EUR were added for +{BOB}."
    assert made.account("bob").balance == 7_500_000
    assert (await made.take(f"c {VOUCHER} {STRANGER}")).reply == "Not done: This number is not registered."
    assert (await made.take(f"c {VOUCHER} {OURS}")).code == "refused"


async def test_a_voucher_in_two_processes_at_once(made: Desk, tmp_path: Path) -> None:
    async with desk(tmp_path) as other:
        works = [one.take(f"c {VOUCHER}", sender) for one in (made, other) for sender in (ALICE, BOB)]
        outcomes = await asyncio.gather(*works)
        assert sorted(outcome.code for outcome in outcomes) == ["credited"] + ["wrong_voucher"] * 3


async def test_guessing_vouchers_locks_out(made: Desk) -> None:
    made.set(attempts=3)
    for n in range(3):
        assert (await made.take(f"c ZZ-{n}")).code == "wrong_voucher"
    outcome = await made.take(f"c {VOUCHER}")
    assert (outcome.code, outcome.reply) == ("locked_out", "")
    assert (await made.take(f"c {VOUCHER}", BOB)).code == "credited"
    assert (await made.take("b")).code == "callback", "calls are another matter"


async def test_balance(made: Desk) -> None:
    assert (await made.take("balance")).reply == "Your balance is 1.00 EUR."
    assert (await made.take(f"Balance {PINCODE}")).reply == "Your balance is 2.50 EUR."
    assert (await made.take("balance", STRANGER)).code == "wrong"


async def test_rating(made: Desk) -> None:
    assert (await made.take(f"rating {FAR}")).reply == f"To +{FAR}: SMS 0.05 EUR. Calls there have no price."
    packet = Packet()
    packet.add("43", (Rate(Micros(120_000)),))
    made.home.directory.tariffs = Tariffs({("default", Service.CALL): packet})
    assert (await made.take(f"rating {FAR}")).reply == f"To +{FAR}: SMS 0.05, call 0.12 a minute, EUR."
    assert (await made.take("rating 36")).code == "impossible_number"


# -- numbers


async def test_cli(made: Desk) -> None:
    assert (await made.take("cli")).reply == f"Your numbers: +{ALICE}"
    assert (await made.take("cli", "36205556677")).reply == "You have no registered number."


def code_of(made: Desk) -> str:
    return made.sent[-1][3].partition(" ")[0]


@pytest.mark.parametrize("back", ["from the number", "beside the number", "beside a national one"])
async def test_a_number_is_registered_when_its_code_comes_back(made: Desk, back: str) -> None:
    assert (await made.take(f"n {STRANGER}")).code == "code_sent"
    (payer, sender, target, _) = made.sent[-1]
    assert (payer, sender, target) == (made.account().id, OURS, STRANGER)
    assert len(code_of(made)) == 6
    assert (await made.take("b", STRANGER)).code == "wrong", "not yet"
    code = code_of(made)
    said, phone = {
        "from the number": (code, STRANGER),
        "beside the number": (f"n +{STRANGER} {code}", FAR),
        "beside a national one": (f"n 06301112233 {code}", ""),
    }[back]
    outcome = await made.take(said, phone)
    assert (outcome.code, outcome.reply) == ("registered", f"+{STRANGER} is registered for you.")
    await made.take("b", STRANGER)
    assert made.calls == [("alice", STRANGER, None)]
    assert (await made.take(f"n {STRANGER}")).code == "known"
    assert (await made.take(said, phone)).code != "registered"


async def test_a_code_has_few_tries(made: Desk) -> None:
    made.set(attempts=100)
    await made.take(f"n {STRANGER}")
    right = code_of(made)
    for n in range(5):
        assert (await made.take(f"{(int(right) + 1 + n) % 10**6:06}", STRANGER)).code == "wrong"
    assert (await made.take(right, STRANGER)).code == "wrong"


async def test_a_code_of_another_phone(made: Desk) -> None:
    await made.take(f"n {STRANGER}")
    assert (await made.take(code_of(made), FAR)).code == "wrong"
    assert (await made.take(f"n {FAR} {code_of(made)}", FAR)).code == "wrong"


@pytest.mark.parametrize(
    "number, code",
    [(BOB, "refused"), (OURS, "not_called"), ("112", "not_called"), ("3690123456", "not_called"),
     ("36", "impossible_number"), (ALICE, "known")],
    ids=["somebody else's", "the gateway's", "emergency", "premium", "none", "one's own"],
)  # fmt: skip
async def test_numbers_that_are_not_registered(made: Desk, number: str, code: str) -> None:
    assert (await made.take(f"n {number}")).code == code
    assert made.sent == []


async def test_the_later_claim_counts(made: Desk) -> None:
    await made.take(f"n {STRANGER}")
    first = code_of(made)
    await made.take(f"n {STRANGER}", BOB)
    assert (await made.take(first, STRANGER)).code == "wrong"
    assert (await made.take(code_of(made), STRANGER)).code == "registered"
    assert made.home.directory.by_number[STRANGER].name == "bob"


async def test_few_numbers_are_claimed_in_an_hour(made: Desk) -> None:
    codes = [(await made.take(f"n 3630111000{n}")).code for n in range(6)]
    assert codes == ["code_sent"] * 5 + ["too_many_codes"]


async def test_a_number_that_was_given_away_meanwhile(made: Desk) -> None:
    await made.take(f"n {STRANGER}")
    code = code_of(made)
    made.set(callbackconfirm=False)
    assert (await made.take(f"n {STRANGER}", BOB)).code == "registered"
    assert (await made.take(code, STRANGER)).code != "registered"
    assert made.home.directory.by_number[STRANGER].name == "bob"


async def test_without_a_code(made: Desk) -> None:
    made.set(callbackconfirm=False)
    assert (await made.take(f"n {STRANGER}")).code == "registered"
    assert made.sent == []
    assert (await made.take("b", STRANGER)).code == "callback"


# -- anything at all


class Shelf:
    """One desk for many examples, of which each begins with nobody locked out."""

    def __init__(self, loop: asyncio.AbstractEventLoop, made: Desk) -> None:
        self._loop, self.desk = loop, made

    def take(self, text: str) -> Outcome:
        self.desk.now += 1e6
        return self._loop.run_until_complete(self.desk.take(text))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with closing(asyncio.new_event_loop()) as loop:
        context = desk(tmp_path_factory.mktemp("shelf"))
        yield Shelf(loop, loop.run_until_complete(context.__aenter__()))
        loop.run_until_complete(context.__aexit__(None, None, None))


WORDS = ["b", "n", "p", "c", "balance", "rating", "cli", "bob", PASSWORD, PINCODE, ALICE, FAR, "112", "+", ",", "1234",
         VOUCHER, OURS, "\x00", "\ud800", "é"]  # fmt: skip


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_any_text_has_an_outcome(shelf: Shelf, text: str) -> None:
    assert shelf.take(text).code
    assert not {OURS, "112", "1234"} & {number for plan in shelf.desk.plans for number in (plan.first, plan.second)}
