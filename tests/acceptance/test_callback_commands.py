"""Commands of SMS callback that are no calls, by SMS; calls that are refused; who may, and who is locked out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.acceptance.callback_desk import (
    ALICE,
    AMOUNT,
    ATTEMPTS,
    BOB,
    IDLE,
    OURS,
    PINCODE,
    POOR,
    CallbackDesk,
    callback_desk,
)
from tests.acceptance.rig import ask, ledger_holds
from tests.peers.gateway import PASSWORD
from tests.peers.program import wait_until

FAR, NO_PRICE = "36301112233", "436641234567"
PRICE = Decimal("0.01")  # of an answer
WRONG = "Not accepted. Check the command, the number that you send from, and your credentials."


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallbackDesk]:
    with callback_desk(tmp_path_factory.mktemp("commands")) as running:
        yield running
        ledger_holds(running.gateway)


@pytest.fixture
def voucher(at: CallbackDesk) -> str:
    return at.codes.pop()


# -- money


def test_a_voucher_is_redeemed(at: CallbackDesk, voucher: str) -> None:
    before = at.gateway.balance("alice")
    assert at.answer(f"C, {voucher.lower()}") == f"5.00 USD were added. Balance: {before + AMOUNT:.2f} USD."
    assert at.gateway.balance("alice") == before + AMOUNT - PRICE
    assert at.answer(f"c {voucher}") == "Not done: The voucher is not valid."
    assert at.answer("c ABCD-EFGH-JKMN-PQRS") == "Not done: The voucher is not valid."
    assert at.gateway.balance("alice") == before + AMOUNT - 3 * PRICE


def test_a_voucher_for_another_number(at: CallbackDesk, voucher: str) -> None:
    """By pincode, from a phone that nobody knows; it is billed to whose pincode it is."""
    before = at.gateway.balance("alice"), at.gateway.balance("bob")
    assert at.answer(f"c {PINCODE} {voucher} +{BOB}", at.mobile()) == f"5.00 USD were added for +{BOB}."
    assert (at.gateway.balance("alice"), at.gateway.balance("bob")) == (before[0] - PRICE, before[1] + AMOUNT)


def test_balance(at: CallbackDesk) -> None:
    assert at.answer("Balance", BOB) == f"Your balance is {at.gateway.balance('bob') + PRICE:.2f} USD."


RATINGS = {
    "with a price": (FAR, f"To +{FAR}: SMS 0.01, call 0.06 a minute, USD."),
    "national": ("06301112233", f"To +{FAR}: SMS 0.01, call 0.06 a minute, USD."),
    "without one": (NO_PRICE, f"To +{NO_PRICE}: SMS 0.01 USD. Calls there have no price."),
}


@pytest.mark.parametrize("number, answer", RATINGS.values(), ids=RATINGS)
def test_rating(at: CallbackDesk, number: str, answer: str) -> None:
    assert at.answer(f"rating {number}") == answer


def test_numbers_of_an_account(at: CallbackDesk) -> None:
    assert at.answer("cli") == f"Your numbers: +{ALICE}"
    assert at.answer(f"cli alice {PASSWORD}", at.mobile()) == f"Your numbers: +{ALICE}"


# -- numbers


def _code(at: CallbackDesk, number: str) -> str:
    """That was sent there last."""
    text = at.reached(number)[-1][1]
    assert text.endswith("is your code for registering this number. Keep it to yourself.")
    return text.split()[0]


def test_a_number_is_registered_by_the_code_that_it_gets(at: CallbackDesk) -> None:
    number = at.mobile()
    assert at.answer(f"n {number}", BOB) == (
        f"A code was sent to +{number}. Send it from there, or send: n +{number} CODE"
    )
    code = _code(at, number)
    assert at.answer("123456" if code != "123456" else "654321", number) == WRONG
    assert at.answer("cli", number) == WRONG
    assert at.answer(code, number) == f"+{number} is registered for you."
    assert at.answer("cli", number) == f"Your numbers: +{BOB} +{number}"
    assert at.answer(f"n {number}", BOB) == f"+{number} is registered for you already."
    assert at.answer(f"n {number}") == "Not done: This number belongs to somebody else."


def test_the_code_beside_its_number(at: CallbackDesk) -> None:
    number = at.mobile()
    at.command(f"n {number}", BOB)
    assert at.answer(f"n {number} {_code(at, number)}", BOB) == f"+{number} is registered for you."


def test_neither_code_nor_answer(at: CallbackDesk) -> None:
    number = at.mobile()
    before = len(at.smsc.submits())
    with at.changed("callback", callbackconfirm="false", callbackreply="false"):
        assert at.command(f"n {number}", BOB) == "register: registered"
    assert len(at.smsc.submits()) == before
    assert f"+{number}" in at.answer("cli", BOB)


# -- calls that are not made

REFUSED = {
    "no price": (ALICE, f"p {NO_PRICE}", "There is no price for calls to this number"),
    "no credit": (POOR, f"p {FAR}", "Not enough credit"),
    "no credit to be called back": (POOR, "b", "Not enough credit"),
    "a locked account": (IDLE, "b", "The account is inactive"),
    "a locked account, phone to phone": (IDLE, f"p {FAR}", "The account is inactive"),
    "our own number": (ALICE, f"p {OURS}", "This is a number of the gateway itself"),
    "our own number, called back": (ALICE, f"b {OURS}", "This is a number of the gateway itself"),
    "blocked": (ALICE, "b 36701234567", "This number can't be called"),
    "emergency": (ALICE, "p 112", "Emergency numbers can't be called this way"),
    "emergency, with two": (ALICE, f"p 112 {FAR}", "Emergency numbers can't be called this way"),
    "short": (ALICE, "p 12345", "Short numbers can't be called this way"),
    "premium": (ALICE, "p 3690123456", "Premium-rate numbers can't be called"),
    "oneself": (ALICE, f"p {ALICE}", "Two numbers are needed"),
    "twice the same": (ALICE, f"p {FAR} 06301112233", "A number can't be connected with itself"),
}


@pytest.mark.parametrize("phone, text, why", REFUSED.values(), ids=REFUSED)
def test_refused_calls(at: CallbackDesk, phone: str, text: str, why: str) -> None:
    assert at.answer(text, phone) == f"Not done: {why}."
    assert at.softswitch.called() == set()
    assert at.gateway.cdrs("--type", "CALL") == []


def test_called_already_and_just_now(at: CallbackDesk) -> None:
    """The control of those above: this one is called."""
    assert at.answer(f"p {FAR}", BOB) == f"We are calling +{BOB}, then +{FAR}."
    wait_until(lambda: at.softswitch.called() == {BOB}, "the first is called")
    assert at.answer(f"p {FAR}") == "Not done: This number is being called already."
    at.softswitch.busy()
    wait_until(lambda: bool(at.gateway.cdrs("--type", "CALL")), "the CDR")
    assert at.answer("b", BOB) == "Not done: This number was called a moment ago: try again later."
    assert {cdr["reason"] for cdr in at.gateway.cdrs("--type", "CALL")} == {"busy"}


# -- who may

STRANGE = {
    "unknown user": f"balance nobody {PASSWORD}",
    "wrong password": "balance alice wrong-1",
    "wrong pincode": "balance 471189",
    "wrong joined": "balance alicewrong-1",
    "an admin": f"balance admin {PASSWORD}",
    "no credentials": "balance",
    "no command": "Hello there",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_the_answer_never_tells_what_was_wrong(at: CallbackDesk, text: str) -> None:
    assert at.answer(text, at.mobile()) == WRONG


PROOFS = {"password": f"alice {PASSWORD}", "pincode": PINCODE, "joined": f"alice{PASSWORD}"}


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_proofs(at: CallbackDesk, proof: str) -> None:
    assert at.answer(f"balance {proof}", at.mobile()).startswith("Your balance is")


@pytest.mark.parametrize("sender", ["alice", "ALICE", "anonymous", "1234", OURS])
def test_who_is_no_phone_needs_credentials(at: CallbackDesk, sender: str) -> None:
    """And has no answer, which nobody could send there."""
    before = len(at.smsc.submits())
    assert at.command("balance", sender) == "none: wrong"
    assert at.command(f"balance {PINCODE}", sender) == "balance: balance"
    assert len(at.smsc.submits()) == before


def test_locked_out_quietly(at: CallbackDesk) -> None:
    phone = at.mobile()
    for guess in range(ATTEMPTS):
        assert at.answer(f"balance 10000{guess}", phone) == WRONG
    assert at.command(f"balance {PINCODE}", phone) == "none: locked_out"
    assert at.command("balance 100009", phone) == "none: locked_out"
    assert len(at.smsc.submits(phone)) == ATTEMPTS
    assert "too many wrong commands" in at.gateway.log.read_text()
    assert at.gateway.metric("voipsms_callback_commands_total", action="none", outcome="locked_out") == 2
    assert at.answer(f"balance {PINCODE}", at.mobile()).startswith("Your balance is")  # others are not
    wait_until(lambda: at.command(f"balance {PINCODE}", phone) == "balance: balance", "let in again", pause=0.2)
    assert at.reached(phone, ATTEMPTS + 1)[-1][1].startswith("Your balance is")


def test_vouchers_are_not_guessed(at: CallbackDesk, voucher: str) -> None:
    """The right one has no answer either, and is still worth something when the lockout is over."""
    for guess in range(ATTEMPTS):
        assert at.answer(f"c WRONG-{guess}0", BOB) == "Not done: The voucher is not valid."
    said = len(at.smsc.submits(BOB))
    assert at.command(f"c {voucher}", BOB) == "credit: locked_out"
    assert len(at.smsc.submits(BOB)) == said
    wait_until(lambda: at.command(f"c {voucher}", BOB) == "credit: credited", "let in again", pause=0.2)


# -- what is kept of it


def test_no_secret_is_kept(at: CallbackDesk, voucher: str) -> None:
    at.command(f"c alice {PASSWORD} {voucher}", at.mobile())
    at.command(f"balance {PINCODE}", at.mobile())
    kept = ask(at.gateway, "SELECT text FROM tb_messages WHERE direction = 'MO' ORDER BY id DESC LIMIT 2")
    assert kept == [("balance ***",), ("c *** *** ***",)]
    waiting = ask(at.gateway, "SELECT text FROM tb_outbox UNION ALL SELECT text FROM tb_inbound")
    told = at.gateway.log.read_text() + str(waiting)
    for secret in (PASSWORD, PINCODE, voucher, voucher.replace("-", "")):
        assert secret not in told
