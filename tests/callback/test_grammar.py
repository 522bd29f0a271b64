"""Texts of SMS callback → their readings, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.callback.grammar import LONGEST, Action, Reading, read_number, readings

CALL, B, N, P, C = Action.CALL, Action.CALLBACK, Action.REGISTER, Action.PHONE_TO_PHONE, Action.CREDIT
ONE, TWO = "36301112233", "36204445566"

FORMS = {  # the first reading of every form of the document
    "name word number1, number2": (f"joe secret {ONE}, {TWO}", Reading(CALL, "joe", "secret", "", (ONE, TWO))),
    "general: name word number": (f"joe secret {ONE}", Reading(CALL, "joe", "secret", "", (ONE,))),
    "general: pincode number": (f"1234 {ONE}", Reading(CALL, pincode="1234", numbers=(ONE,))),
    "general: number": (f"{ONE}", Reading(CALL, numbers=(ONE,))),
    "general: pincode of letters": ("joesecret", Reading(CALL, pincode="joesecret")),
    "b name word number": (f"b joe secret {ONE}", Reading(B, "joe", "secret", "", (ONE,))),
    "b pincode number": (f"b 1234 {ONE}", Reading(B, pincode="1234", numbers=(ONE,))),
    "b number": (f"b {ONE}", Reading(B, numbers=(ONE,))),
    "b": ("b", Reading(B)),
    "n name word number": (f"n joe secret {ONE}", Reading(N, "joe", "secret", "", (ONE,))),
    "n pincode number": (f"n 1234 {ONE}", Reading(N, pincode="1234", numbers=(ONE,))),
    "n number": (f"n {ONE}", Reading(N, numbers=(ONE,))),
    "p name word number1 number2": (f"p joe secret {ONE} {TWO}", Reading(P, "joe", "secret", "", (ONE, TWO))),
    "p pincode number1 number2": (f"p 1234 {ONE} {TWO}", Reading(P, pincode="1234", numbers=(ONE, TWO))),
    "p number1 number2": (f"p {ONE} {TWO}", Reading(P, numbers=(ONE, TWO))),
    "p number2": (f"p {ONE}", Reading(P, numbers=(ONE,))),
    "c name word code number2": (f"c joe secret AB-12 {ONE}", Reading(C, "joe", "secret", "", (ONE,), "AB-12")),
    "c pincode code number2": (f"c 1234 AB-12 {ONE}", Reading(C, pincode="1234", numbers=(ONE,), code="AB-12")),
    "c code number2": (f"c AB-12 {ONE}", Reading(C, numbers=(ONE,), code="AB-12")),
    "c code": ("c AB-12", Reading(C, code="AB-12")),
    "balance": ("balance", Reading(Action.BALANCE)),
    "balance, with a pincode": ("Balance 1234", Reading(Action.BALANCE, pincode="1234")),
    "rating number": (f"rating {ONE}", Reading(Action.RATING, numbers=(ONE,))),
    "cli": ("CLI", Reading(Action.CLI)),
    "any case, any blanks, commas": (f"  P,{ONE} ,\n{TWO} ", Reading(P, numbers=(ONE, TWO))),
    "+ stays": (f"b +{ONE}", Reading(B, numbers=("+36301112233",))),
    "00 stays": (f"b 00{ONE}", Reading(B, numbers=("0036301112233",))),
    "written with signs": ("b +36-30/111.22(33)", Reading(B, numbers=("+36301112233",))),
}  # fmt: skip


@pytest.mark.parametrize("text, first", FORMS.values(), ids=FORMS)
def test_forms(text: str, first: Reading) -> None:
    assert readings(text)[0] == first


SEVERAL = {
    "is it a number or a pincode?": ("1234", [Reading(CALL, numbers=("1234",)), Reading(CALL, pincode="1234")]),
    "b, and a number or a pincode": (
        "b 1234",
        [Reading(B, numbers=("1234",)), Reading(B, pincode="1234"), Reading(CALL, pincode="b", numbers=("1234",))],
    ),
    "three words": (
        f"joe 1234 {ONE}",
        [Reading(CALL, "joe", "1234", "", (ONE,)), Reading(CALL, pincode="joe", numbers=("1234", ONE))],
    ),
    "two numbers": (
        f"{ONE} {TWO}",
        [Reading(CALL, pincode=ONE, numbers=(TWO,)), Reading(CALL, numbers=(ONE, TWO))],
    ),
    "a user named b": (
        f"b secret {ONE}",
        [Reading(B, pincode="secret", numbers=(ONE,)), Reading(CALL, "b", "secret", "", (ONE,))],
    ),
    "words": ("hello", [Reading(CALL, pincode="hello")]),
    "chat": ("hello how are you", []),
    "nothing": (" , ", []),
    "too many words": ("b 1 2 3 4 5 6 7 8", []),
}  # fmt: skip


@pytest.mark.parametrize("text, expected", SEVERAL.values(), ids=SEVERAL)
def test_all_readings(text: str, expected: list[Reading]) -> None:
    assert list(readings(text)) == expected


def test_a_long_text_is_no_command() -> None:
    assert readings("b " + "1" * LONGEST) == ()


@pytest.mark.parametrize("word", ["", "+", "1", "1)", "+1-.", "12a", "++12", "1+2", "a12", "١٢٣", "-12"])
def test_no_numbers(word: str) -> None:
    assert read_number(word) is None


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    for reading in readings(text):
        assert all(read_number(number) == number for number in reading.numbers)
        assert not (reading.username and reading.pincode)
        assert bool(reading.username) == bool(reading.password)


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_every_truncation_and_permutation(form: str, data: st.DataObject) -> None:
    """No command has lost or gained a word: what was written stands in each reading, in its order."""
    words = FORMS[form][0].replace(",", " ").split()
    cut = data.draw(st.permutations(words))[: data.draw(st.integers(0, len(words)))]
    for reading in readings(" ".join(cut)):
        told = [reading.username, reading.password, reading.pincode, reading.code, *reading.numbers]
        told = [word for word in told if word]
        plain = [read_number(word) or word for word in cut]
        rest = plain[1:] if reading.action is not CALL else plain
        assert sorted(read_number(word) or word for word in told) == sorted(rest)
