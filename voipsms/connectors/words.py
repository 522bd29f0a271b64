"""What an operator says that an answer contains: plain strings, and patterns that can't hold up the house."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voipsms.patterns import Pattern, TooSlow

__all__ = ["NO_WORDS", "Pattern", "TooSlow", "Words", "words"]

_PATTERN: Final = re.compile(r"(?:\A|\|)\s*re:")


@dataclass(frozen=True, slots=True)
class Words:
    """Of a setting such as smssuccessstring."""

    plain: tuple[str, ...] = ()
    pattern: Pattern | None = None

    def __bool__(self) -> bool:
        return bool(self.plain) or self.pattern is not None

    def are_in(self, text: str) -> bool:
        """Whether one of them is. Raises TooSlow."""
        return any(word in text for word in self.plain) or (
            self.pattern is not None and self.pattern.search(text) is not None
        )


NO_WORDS: Final = Words()


def words(setting: str, place: str) -> Words:
    """`OK|accepted` → two strings; what follows `re:`, at the start or after a |, is one pattern to the end of the
    setting. Raises ConfigError."""
    found = _PATTERN.search(setting)
    strings = setting[: found.start()] if found else setting
    plain = tuple(filter(None, (piece.strip() for piece in strings.split("|"))))
    return Words(plain, Pattern(setting[found.end() :].strip(), place) if found else None)
