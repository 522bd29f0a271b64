"""What a text of SMS callback may mean: every reading, in the order in which they are to be tried.

Pure, and knows no account: whether `1234` is a pincode or a number is told by who it authenticates. A form is a row of
the tables below; each of them stands in the Mizu document ("SMS callback", "The following formats are defined").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from voipsms.values import Value

LONGEST = 480  # characters of a text that is looked at; three parts
MOST_WORDS = 8
_SEPARATORS: Final = re.compile(r"[\s,;\u00a0]+")
_NUMBER: Final = re.compile(r"\+?[0-9](?=[()./-]*[0-9])[0-9()./-]{1,30}")  # two digits at least
_NO_DIGIT: Final = re.compile(r"[^0-9+]")


class Action(StrEnum):
    CALL = "call"  # to whoever is known: one number is called back, two are connected
    CALLBACK = "callback"
    PHONE_TO_PHONE = "p2p"
    REGISTER = "register"
    CREDIT = "credit"
    BALANCE = "balance"
    RATING = "rating"
    CLI = "cli"


class Reading(Value, frozen=True):
    """One way to understand a text. Without `username` and `pincode`, the sender's number is all that says who asks.

    `numbers` are digits, with + where it was written so.
    """

    action: Action
    username: str = ""
    password: str = ""
    pincode: str = ""
    numbers: tuple[str, ...] = ()
    code: str = ""  # of a voucher


# What the words of a form are: u username, w password, i pincode, n number, r recharge code.
_Form = tuple[Action, str]
_FORMS: Final[Mapping[str, Sequence[str]]] = {
    "": ("uwnn", "uwn", "inn", "in", "nn", "n", "i"),
    "b": ("uwn", "in", "n", "i", ""),
    "n": ("uwn", "in", "n"),
    "p": ("uwnn", "inn", "nn", "n"),
    "c": ("uwrn", "irn", "rn", "r"),
    "balance": ("uw", "i", ""),
    "rating": ("n",),
    "cli": ("uw", "i", ""),
}
WORDS: Final = frozenset(_FORMS) - {""}  # that a command may begin with
_ACTIONS: Final = {
    "": Action.CALL,
    "b": Action.CALLBACK,
    "n": Action.REGISTER,
    "p": Action.PHONE_TO_PHONE,
    "c": Action.CREDIT,
    "balance": Action.BALANCE,
    "rating": Action.RATING,
    "cli": Action.CLI,
}


def readings(text: str) -> tuple[Reading, ...]:
    """Most explicit credentials first; a text that begins with a command's word may still be a general one, whose
    first word is a username or a pincode. Empty where the text is no command at all."""
    words = [word for word in _SEPARATORS.split(text[:LONGEST]) if word]
    if not words or len(words) > MOST_WORDS or len(text) > LONGEST:
        return ()
    command = words[0].lower()
    found: dict[Reading, None] = {}
    if command in _FORMS:
        found |= dict.fromkeys(_read(command, words[1:]))
    found |= dict.fromkeys(_read("", words))
    return tuple(found)


def _read(command: str, words: Sequence[str]) -> Iterator[Reading]:
    for form in _FORMS[command]:
        if len(form) == len(words) and (reading := _fill(_ACTIONS[command], form, words)) is not None:
            yield reading


def _fill(action: Action, form: str, words: Sequence[str]) -> Reading | None:
    """The form with these words in it; None where a number is none."""
    named = {"u": "", "w": "", "i": "", "r": ""}
    numbers = []
    for kind, word in zip(form, words, strict=True):
        if kind != "n":
            named[kind] = word
        elif (number := read_number(word)) is not None:
            numbers.append(number)
        else:
            return None
    return Reading(action, named["u"], named["w"], named["i"], tuple(numbers), named["r"])


def read_number(word: str) -> str | None:
    """`+36 (30)` and the like lose what is no digit; None: it is no number."""
    return _NO_DIGIT.sub("", word) if _NUMBER.fullmatch(word) else None
