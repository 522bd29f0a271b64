"""Which numbers calls may go to, whoever asks and pays. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from voipsms.errors import ImpossibleNumber, NotCalled
from voipsms.numbers_book import NumberBook
from voipsms.settings import CallbackSettings
from voipsms.sms.numbers import Kind, is_emergency, is_premium, read_number

_NONE: Final = -1


def check(number: str, settings: CallbackSettings, book: NumberBook, country: str = "") -> None:
    """`number`: as read_number gives its digits. Raises NotCalled, ImpossibleNumber.

    Of `allow` and `block` the longer prefix wins, and `block` where both have it.
    """
    if is_emergency(number, country):
        if not settings.emergency:
            raise NotCalled("Emergency numbers can't be called this way")
        return
    found = read_number("+" + number)
    if found.kind not in (Kind.MOBILE, Kind.PHONE):
        raise NotCalled("Short numbers can't be called this way") if 0 < len(number) <= 6 else ImpossibleNumber
    if book.is_service(number):
        raise NotCalled("This is a number of the gateway itself")
    if not settings.premium and is_premium(number):
        raise NotCalled("Premium-rate numbers can't be called")
    blocked = _longest(settings.block, number)
    if blocked != _NONE and blocked >= _longest(settings.allow, number):
        raise NotCalled
    if settings.allow and _longest(settings.allow, number) == _NONE:
        raise NotCalled


def _longest(prefixes: Iterable[str], number: str) -> int:
    """Digits of the longest prefix that the number has."""
    return max((len(prefix) for prefix in prefixes if number.startswith(prefix)), default=_NONE)
