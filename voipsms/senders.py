"""Which senders a provider takes, and what a message goes out with where its own is not one of them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from voipsms.errors import RefusedHere
from voipsms.ini import BadValue, words

MOST: Final = 1000
LONGEST: Final = 32  # characters
_NUMBER: Final = re.compile(r"\+?[0-9]{7,20}", re.ASCII)
_SHORT: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_KINDS: Final = {"numeric": _NUMBER, "short": _SHORT, "alphanumeric": re.compile(r"(?!\+?[0-9]*\Z).+", re.ASCII)}


def read_senders(text: str) -> tuple[str, ...]:
    """Kinds in lower case; numbers without +. Raises BadValue."""
    found = words(text)
    if len(found) > MOST or any(len(word) > LONGEST for word in found):
        raise BadValue(f"must be at most {MOST} senders of {LONGEST} characters each")
    return tuple(word.lower() if word.lower() in _KINDS else _spelled(word) for word in found)


def _spelled(sender: str) -> str:
    """Names whatever their case, since phones show them as providers spell them; numbers without +."""
    return sender.removeprefix("+") if _NUMBER.fullmatch(sender) else sender.casefold()


def allows(senders: tuple[str, ...], sender: str) -> bool:
    """`senders`: as read_senders gives them; none: all are."""
    return not senders or _spelled(sender) in senders or any(
        kind in senders and pattern.fullmatch(sender) for kind, pattern in _KINDS.items()
    )  # fmt: skip


@lru_cache(maxsize=4096)
def sender_for(senders: tuple[str, ...], instead: str, sender: str) -> str:
    """What leaves. Raises RefusedHere where this gateway can't send it."""
    if allows(senders, sender):
        return sender
    if not instead:
        raise RefusedHere("its sender is not allowed here")
    return instead
