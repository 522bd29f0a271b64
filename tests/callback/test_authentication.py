"""Who is proven by what, and who is locked out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.callback.desk import ALICE, BOB, FAR, OURS, PASSWORD, PINCODE, STRANGER, Desk, desk
from voipsms.callback.authentication import Asker, LockedOut, NotProven
from voipsms.callback.grammar import readings
from voipsms.callback.lockouts import ACCOUNT, HIDDEN, OVERALL, Lockouts
from voipsms.errors import AccountExpired, Refused, UserInactive
from voipsms.model import Millis, UserId
from voipsms.settings import PROOFS
from voipsms.store.terms import Changes

LIMIT, LOCKOUT = 3, 900.0


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, attempts=LIMIT, lockout=LOCKOUT) as made:
        yield made


async def ask(made: Desk, text: str, sender: str = "", who: str = "") -> str:
    """The account's name; '' : nobody is proven; `locked`."""
    user = made.account(who).id if who else None
    try:
        proven = await made.who.prove(readings(text), Asker(sender, user))
    except LockedOut:
        return "locked"
    except NotProven:
        return ""
    return proven.account.name


CASES: list[tuple[str, str, str, set[str], str]] = [
    ("the sender's number", "b", ALICE, {"number"}, "alice"),
    ("a number as an account's name", "b", "36205556677", {"number"}, "36205556677"),
    ("another number", "b", STRANGER, set(PROOFS), ""),
    ("hidden", "b", "", set(PROOFS), ""),
    ("numbers prove nothing", "b", ALICE, {"pincode", "password", "joined"}, ""),
    ("our own number", "b", OURS, set(PROOFS), ""),
    ("an admin's number", "b", "36207770000", set(PROOFS), ""),
    ("a pincode", f"b {PINCODE} {FAR}", "", {"pincode"}, "bob"),
    ("a pincode from another's phone", f"b {PINCODE} {FAR}", ALICE, {"pincode", "number"}, "bob"),
    ("a pincode alone", PINCODE, "", {"pincode"}, "bob"),
    ("an unknown pincode", f"b 471101 {FAR}", "", set(PROOFS), ""),
    ("an unknown pincode, a number", f"b 471101 {FAR}", ALICE, set(PROOFS), ""),
    ("pincodes prove nothing", f"b {PINCODE} {FAR}", "", {"number", "password", "joined"}, ""),
    ("an admin's pincode", f"b 999999 {FAR}", "", set(PROOFS), ""),
    ("name and password", f"b bob {PASSWORD} {FAR}", "", {"password"}, "bob"),
    ("a wrong password", f"b bob {PASSWORD}x {FAR}", "", set(PROOFS), ""),
    ("a wrong name", f"b bobby {PASSWORD} {FAR}", "", set(PROOFS), ""),
    ("another case", f"b Bob {PASSWORD} {FAR}", "", set(PROOFS), ""),
    ("no password is right where there is none", f"b alice x {FAR}", "", set(PROOFS), ""),
    ("passwords prove nothing", f"b bob {PASSWORD} {FAR}", "", {"number", "pincode", "joined"}, ""),
    ("an admin's password", f"b root {PASSWORD} {FAR}", "", set(PROOFS), ""),
    ("joined", f"b bob{PASSWORD} {FAR}", "", {"joined"}, "bob"),
    ("joined, alone", f"bob{PASSWORD}", "", {"joined"}, "bob"),
    ("joined, with a wrong end", f"bob{PASSWORD}x", "", set(PROOFS), ""),
    ("joined proves nothing", f"bob{PASSWORD}", "", {"number", "pincode", "password"}, ""),
    ("a reading that comes later", f"{ALICE} {FAR}", ALICE, {"number", "pincode"}, "alice"),
    ("general, with a name", f"bob {PASSWORD} {FAR} {STRANGER}", "", {"password"}, "bob"),
]


@pytest.mark.parametrize("text, sender, proofs, name", [row[1:] for row in CASES], ids=[row[0] for row in CASES])
async def test_proofs(made: Desk, text: str, sender: str, proofs: set[str], name: str) -> None:
    made.set_sms(callingcardauth=tuple(proofs))
    assert await ask(made, text, sender) == name


async def test_what_the_door_has_proven(made: Desk) -> None:
    made.set_sms(callingcardauth=("pincode",))
    assert await ask(made, "b", who="alice") == "alice"
    assert await ask(made, f"b {PINCODE} {FAR}", who="alice") == "bob"
    assert await ask(made, "b", who="root") == ""
    with pytest.raises(NotProven):
        await made.who.prove(readings("b"), Asker("", UserId(12345)))


@pytest.mark.parametrize(
    "changes, refusal", [(Changes(enabled=False), UserInactive), (Changes(expires=Millis(1)), AccountExpired)]
)
async def test_accounts_that_may_not(made: Desk, changes: Changes, refusal: type[Refused]) -> None:
    await made.change("bob", changes)
    with pytest.raises(refusal):
        await ask(made, "b", BOB)
    assert await ask(made, f"b 471101 {FAR}", STRANGER) == "", "who proves nothing hears nothing of it"


# -- locked out


async def test_a_sender_is_locked_out_for_a_while(made: Desk) -> None:
    for _ in range(LIMIT):
        assert await ask(made, f"b bob nonsense {FAR}", STRANGER) == ""
    assert await ask(made, f"b bob {PASSWORD} {FAR}", STRANGER) == "locked", "even with what is right"
    assert await ask(made, f"b bob {PASSWORD} {FAR}", FAR) == "bob"
    assert await ask(made, "b", BOB) == "bob"
    made.now += LOCKOUT
    assert await ask(made, f"b bob {PASSWORD} {FAR}", STRANGER) == "bob"


async def test_what_is_right_wipes_out_what_was_wrong(made: Desk) -> None:
    for _ in range(2 * LIMIT):
        for _ in range(LIMIT - 1):
            assert await ask(made, "hello there", BOB) == ""
        assert await ask(made, "b", BOB) == "bob"


async def test_guesses_beside_a_right_number_count(made: Desk) -> None:
    """`4711 36…` may be two numbers; it may be somebody with a number of their own who tries pincodes."""
    for pincode in range(1000, 1000 + LIMIT):
        assert await ask(made, f"{pincode} {FAR}", ALICE) == "alice"
    assert await ask(made, f"{PINCODE} {FAR}", ALICE) == "locked"


async def test_an_account_is_locked_whoever_tries(made: Desk) -> None:
    for n in range(LIMIT * ACCOUNT):
        assert await ask(made, f"b bob nonsense {FAR}", f"3630111{n:04}") == ""
    assert await ask(made, f"b bob {PASSWORD} {FAR}", STRANGER) == "locked"
    assert await ask(made, f"bob{PASSWORD}", STRANGER) == "locked"
    assert await ask(made, f"b {PINCODE} {FAR}", STRANGER) == "bob", "a pincode is another proof"
    assert await ask(made, f"b bob {PASSWORD} {FAR}", BOB) == "bob", "its own phone isn't shut out"
    made.now += LOCKOUT
    assert await ask(made, f"b bob {PASSWORD} {FAR}", STRANGER) == "bob"


async def test_too_much_of_everybody(made: Desk) -> None:
    for n in range(LIMIT * OVERALL):
        assert await ask(made, f"b {100000 + n} {FAR}", f"3630111{n:04}") == ""
    assert await ask(made, f"b {PINCODE} {FAR}", STRANGER) == "locked"
    assert await ask(made, f"b bob {PASSWORD} {FAR}", BOB) == "locked"
    assert await ask(made, "b", BOB) == "bob", "numbers need no guessing"
    made.now += LOCKOUT
    assert await ask(made, f"b {PINCODE} {FAR}", STRANGER) == "bob"


async def test_chatter_locks_nobody_else(made: Desk) -> None:
    for n in range(LIMIT * OVERALL + 1):
        assert await ask(made, "hello there", f"3630111{n:04}") == ""
    assert await ask(made, f"b {PINCODE} {FAR}", STRANGER) == "bob"


async def test_hidden_senders_are_one(made: Desk) -> None:
    for _ in range(LIMIT * HIDDEN):
        assert await ask(made, "hello there") == ""
    assert await ask(made, f"b {PINCODE} {FAR}") == "locked"
    assert await ask(made, f"b {PINCODE} {FAR}", STRANGER) == "bob"


async def test_new_bounds_count_anew(made: Desk) -> None:
    for _ in range(LIMIT):
        await ask(made, "hello there", STRANGER)
    assert await ask(made, "hello there", STRANGER) == "locked"
    made.set(attempts=LIMIT + 1, lockout=LOCKOUT)
    assert await ask(made, "hello there", STRANGER) == ""


def test_what_is_kept_is_bounded() -> None:
    locks = Lockouts(1, 60.0)
    locks.wrong("3" * 100_000, ["n"], 0.0, guess=True)
    assert locks.sender("3" * 64, 1.0)
    assert locks.sender("3" * 70, 1.0)
    assert not locks.sender("3" * 63, 1.0)
