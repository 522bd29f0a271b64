"""What a template may ask for, whatever its dialect. docs/templates.md says what each means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

CONSTANTS: Final = ("user", "password", "apikey", "option")  # of the gateway's settings
SECRETS: Final = frozenset({"user", "password", "apikey"})
KEYWORDS: Final = (
    "tonum", "fromnum", "fromid", "message", "smsid", "smscounter", "gatewayid", "clientip", *CONSTANTS, "mo",
)  # fmt: skip
FURTHER: Final = ("parts", "dcs", "binary", "unicode", "octets", "udh")
NAMES: Final = (*KEYWORDS, *FURTHER)
NUMBERS: Final = frozenset({
    "tonum", "fromid", "smsid", "smscounter", "gatewayid", "parts", "dcs", "messageid", "mo",
})  # that may be a JSON number  # fmt: skip


def nearest(word: str, known: Iterable[str]) -> str:
    """What an unknown word was probably meant to be; empty: no idea."""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), 1, 0)), "")
