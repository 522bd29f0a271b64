"""The numbers that texts from phones come to, as commands change them; and who was told what. Inside a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from voipsms.errors import VoipSmsError
from voipsms.model import Msisdn, UserId
from voipsms.numbers_book import MOST_DIGITS, Tagged
from voipsms.store.database import Database

_AFTER_DIGITS = ":"  # sorts behind them


class NumberError(VoipSmsError):
    """A number that can't be added or isn't there."""


class Known(NamedTuple):
    """A number that is there. `keyword`: of a shared one."""

    number: Tagged
    keyword: str
    user_id: UserId
    user: str

    def __str__(self) -> str:
        said = f"the number {self.number}" + (f" with the keyword {self.keyword!r}" if self.keyword else "")
        return f"{said} belongs to {self.user}"


class NewNumber(NamedTuple):
    """`keyword`: folded; '' : the user gets every text to it, or those that have no other's keyword."""

    number: Tagged
    callback: bool = False
    keyword: str = ""


def add_number(db: Database, user: str, new: NewNumber) -> None:
    """Raises NumberError where there is no such user, or it is somebody else's, or there already."""
    db.write("bump_revision")  # first: so two that add at once do it one after the other
    user_id = _user(db, user)
    number, digits = new.number.number, new.number.digits
    for known in (*_the_same(db, new), *conflicts(db, user_id, new.number, keyword=new.keyword)):
        raise NumberError(str(known))
    if new.keyword:
        db.write("insert_keyword", number=number, keyword=new.keyword, user_id=user_id, callback=int(new.callback))
    elif digits:
        db.write("insert_range", base=number, digits=digits, user_id=user_id, callback=int(new.callback))
    else:
        db.write("insert_number", number=number, user_id=user_id)
        if new.callback:
            db.write("insert_number_option", number=number, callback=1)


def _user(db: Database, name: str) -> UserId:
    rows = db.read("user_by_name", username=name)
    if not rows or rows[0][3] == "smsgw":
        raise NumberError(f"there is no user {name!r}")
    return UserId(rows[0][0])


def _the_same(db: Database, new: NewNumber) -> Iterator[Known]:
    """What is there in its place, whoever's it is."""
    number, digits = new.number.number, new.number.digits
    for known in _within(db, number, number + _AFTER_DIGITS):
        if known.number.number == number and known.keyword == new.keyword and bool(known.number.digits) is bool(digits):
            yield known


def conflicts(db: Database, user_id: UserId, number: Tagged, *, keyword: str = "") -> list[Known]:
    """Numbers and ranges of others that share a number with this one. Whole numbers may share one by keywords; a range
    is one user's, with all that is in it."""
    found = [known for known in (*_around(db, number), *_inside(db, number)) if known.user_id != user_id]
    if keyword and not number.digits:
        return [known for known in found if known.number.digits]
    return found


def _around(db: Database, number: Tagged) -> Iterator[Known]:
    """Ranges that it is in, or begins in."""
    digits = number.number
    for tag in range(MOST_DIGITS + 1):
        base = Msisdn(digits[: len(digits) - tag])
        for most, user_id, user in db.read("range_at", base=base):
            if most >= tag:
                yield Known(Tagged(base, most), "", UserId(user_id), user)


def _inside(db: Database, number: Tagged) -> Iterator[Known]:
    """What begins in a range."""
    if not number.digits:
        return
    longest = len(number.number) + number.digits
    for known in _within(db, number.number, number.number + _AFTER_DIGITS):
        if len(known.number.number) <= longest:
            yield known


def _within(db: Database, first: str, before: str) -> Iterator[Known]:
    """Numbers, ranges and keywords, in the order of digits."""
    for number, user_id, user in db.read("numbers_between", first=first, before=before):
        yield Known(Tagged(Msisdn(number)), "", UserId(user_id), user)
    for base, digits, user_id, user in db.read("ranges_between", first=first, before=before):
        yield Known(Tagged(Msisdn(base), digits), "", UserId(user_id), user)
    for number, keyword, user_id, user in db.read("keywords_between", first=first, before=before):
        yield Known(Tagged(Msisdn(number)), keyword, UserId(user_id), user)


def delete_number(db: Database, number: Tagged, keyword: str = "") -> None:
    """Raises NumberError where it isn't there."""
    db.write("bump_revision")
    if keyword:
        found = db.write("delete_keyword", number=number.number, keyword=keyword)
    elif number.digits:
        found = db.write("delete_range", base=number.number, digits=number.digits)
    else:
        db.write("delete_number_option", number=number.number)
        found = db.write("delete_number", number=number.number)
    if not found:
        with_keyword = f" with the keyword {keyword!r}" if keyword else ""
        raise NumberError(f"there is no number {number}{with_keyword}")


class Listed(NamedTuple):
    """A row of `number list`."""

    number: Tagged
    keyword: str
    user: str
    callback: bool


def listed(db: Database) -> list[Listed]:
    names = {user_id: name for user_id, name in db.read("usernames")}  # noqa: C416 — rows are tuples of any length
    return [
        Listed(Tagged(Msisdn(number), digits), keyword, names.get(user_id, ""), bool(callback))
        for number, digits, keyword, user_id, callback in db.read("virtual_numbers")
    ]


# -- who wrote to a phone


class Writer(NamedTuple):
    user_id: UserId
    message_id: int  # the newest


def writers(db: Database, asked: Sequence[tuple[str, int]]) -> list[list[Writer]]:
    """For each phone and id: who has written to it since then, the last one first."""
    found: list[list[Writer]] = [[] for _ in asked]
    for n, user_id, newest in db.read_batch("writers", [(n, *one) for n, one in enumerate(asked)]):
        found[n].append(Writer(UserId(user_id), newest))
    for of_phone in found:
        of_phone.sort(key=lambda writer: writer.message_id, reverse=True)
    return found


def tell_conflict(db: Database, phone: str, now: int, window: int) -> bool:
    """Whether this phone is to be told now: once in so many milliseconds, whichever process asks."""
    if db.write_batch("tell_conflict", [(phone, now)]):
        return True
    return bool(db.write("tell_conflict_again", phone=phone, now=now, since=now - window))
