"""Whose number a text comes to: plain ones, tagged ranges, shared codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.world import ALICE, MOBILE, NUMBERS, SETTINGS, USERS, submission
from voipsms.accept import find, sender_of
from voipsms.directory import Directory
from voipsms.model import Belongs, UserId
from voipsms.numbers_book import NumberBook, Tagged, fold, read_tagged

UK = "447771234567"
ROWS = [  # number, digits, keyword, user_id, callback
    (ALICE, 0, "", 1, 0), ("36201234568", 0, "", 1, 1), (UK, 2, "", 2, 0), ("4477712345671", 0, "", 2, 1),
    ("4930123456", 4, "", 6, 1), ("1234", 0, "", 1, 0), ("1234", 0, "fun", 2, 0), ("1234", 0, "straße", 6, 1),
    ("5678", 0, "news", 1, 0),
]  # fmt: skip
BOOK = NumberBook(ROWS)

FOUND: dict[str, tuple[str, str, tuple[int, str, str, bool] | None]] = {
    "plain": (ALICE, "Hi", (1, ALICE, "", False)),
    "for a callback": ("36201234568", "Hi", (1, "36201234568", "", True)),
    "nobody's": (MOBILE, "Hi", None),
    "the base of a range": (UK, "Hi", (2, f"{UK}[0-99]", "", False)),
    "one digit of two": (f"{UK}0", "Hi", (2, f"{UK}[0-99]", "", False)),
    "two digits": (f"{UK}99", "Hi", (2, f"{UK}[0-99]", "", False)),
    "a number of its own in a range": (f"{UK}1", "Hi", (2, f"{UK}1", "", True)),
    "behind that one": (f"{UK}12", "Hi", (2, f"{UK}[0-99]", "", False)),
    "three digits of two": (f"{UK}990", "Hi", None),
    "with a plus": (f"+{UK}99", "Hi", (2, f"{UK}[0-99]", "", False)),
    "four digits": ("49301234569999", "Hi", (6, "4930123456[0-9999]", "", True)),
    "shorter than the base": (UK[:-1], "Hi", None),
    "a short code's first word": ("1234", "fun is here", (2, "1234", "fun", False)),
    "its last word": ("1234", "stop FUN", (2, "1234", "fun", False)),
    "a word with marks": ("1234", " Fun!\n", (2, "1234", "fun", False)),
    "a word in the middle": ("1234", "no fun today", (1, "1234", "", False)),
    "the first word before the last": ("1234", "fun straße", (2, "1234", "fun", False)),
    "folded": ("1234", "STRASSE 1", (6, "1234", "straße", True)),
    "no word": ("1234", "", (1, "1234", "", False)),
    "blanks": ("1234", " \t\n", (1, "1234", "", False)),
    "no owner without a keyword": ("5678", "Hi", None),
    "a part of a keyword": ("5678", "newspaper", None),
    "no digits at all": ("", "", None),
}  # fmt: skip


@pytest.mark.parametrize(("target", "text", "expected"), FOUND.values(), ids=FOUND)
def test_found(target: str, text: str, expected: tuple[int, str, str, bool] | None) -> None:
    found = NumberBook((*ROWS[:7], ("1234", 0, fold("Straße"), 6, 1), ROWS[8])).find(target, text)
    if expected is None:
        assert found is None
    else:
        user, number, keyword, callback = expected
        assert found == Belongs(UserId(user), number, fold(keyword), callback)


@pytest.mark.parametrize(
    ("number", "ours"),
    [(ALICE, True), (f"{UK}07", True), ("5678", True), (MOBILE, False), (f"{UK}007", False), ("", False)],
)
def test_ours(number: str, ours: bool) -> None:
    assert (number in BOOK) is ours


def test_an_empty_book() -> None:
    assert ALICE not in NumberBook()
    assert NumberBook().find(ALICE, "Hi") is None
    assert NumberBook().owner(UK) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_comes(target: str, text: str) -> None:
    found = BOOK.find(target, text)
    assert found is None or found.user_id in (1, 2, 6)


@given(st.integers(0, 99))
def test_a_range_has_its_hundred_numbers(tag: int) -> None:
    found = BOOK.find(f"4930123456{tag:02}", "")
    assert found is not None
    assert found.user_id == 6


READ: dict[str, tuple[str, str, Tagged | None]] = {
    "international": ("+36 20 123 4567", "", Tagged("36201234567")),  # type: ignore[arg-type]
    "national": ("06201234567", "HU", Tagged("36201234567")),  # type: ignore[arg-type]
    "short": ("1234", "", Tagged("1234")),  # type: ignore[arg-type]
    "one digit": (f"{UK}[0-9]", "", Tagged(UK, 1)),  # type: ignore[arg-type]
    "four digits": (f"+{UK}[0-9999]", "", Tagged(UK, 4)),  # type: ignore[arg-type]
    "five digits": (f"{UK}[0-99999]", "", None),
    "another range": (f"{UK}[0-5]", "", None),
    "from one": (f"{UK}[1-9]", "", None),
    "not closed": (f"{UK}[0-9", "", None),
    "no number before": ("[0-9]", "", None),
    "a range of short codes": ("1234[0-9]", "", None),
    "a name": ("Acme", "", None),
    "nothing": ("", "", None),
}


@pytest.mark.parametrize(("raw", "country", "expected"), READ.values(), ids=READ)
def test_read(raw: str, country: str, expected: Tagged | None) -> None:
    assert read_tagged(raw, country) == expected


@pytest.mark.parametrize("raw", [UK, f"{UK}[0-9]", f"{UK}[0-9999]"])
def test_written_as_it_was_read(raw: str) -> None:
    assert str(read_tagged(raw, "")) == raw


# -- senders


def known(rows: list[tuple[str, int, str, int, int]]) -> Directory:
    found = Directory()
    found.load(USERS, NUMBERS, [], virtual_numbers=rows)
    return found


SENDERS = {
    "a number of its own": ("bob", "+36309876543", "36309876543"),
    "the base": ("bob", UK, UK),
    "a tag": ("bob", f"+{UK}42", f"{UK}42"),
    "too long a tag": ("bob", f"{UK}420", "36309876543"),
    "somebody else's": ("bob", ALICE, "36309876543"),
    "a shared code": ("bob", "1234", "1234"),
    "a code shared by others": ("bob", "5678", "36309876543"),
    "only a range: the base instead": ("pbx", ALICE, "4930123456"),
    "only a range: a tag": ("pbx", "49301234560001", "49301234560001"),
    "a name": ("bob", "Acme", "36309876543"),
}


@pytest.mark.parametrize(("user", "sender", "expected"), SENDERS.values(), ids=SENDERS)
def test_senders(user: str, sender: str, expected: str) -> None:
    directory = known(ROWS)
    account = directory.by_name[user]
    assert sender_of(submission(sender=sender), account, "", SETTINGS.country) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [(f"+{UK}07", "bob"), (f"{UK}7", "bob"), (UK, "bob"), (f"{UK}777", None), (MOBILE, None)]
)
def test_who_sends_from_a_tag_pays(name: str, expected: str | None) -> None:
    account = find(known(ROWS), name, "")
    assert (account.name if account else None) == expected


def test_a_reload_takes_ranges_away() -> None:
    directory = known(ROWS)
    directory.load(USERS, NUMBERS, [])
    assert find(directory, f"{UK}07", "") is None
    assert directory.by_name["bob"].numbers == ("36309876543",)
    assert directory.by_name["bob"].ranges.own(f"{UK}07") == ""
