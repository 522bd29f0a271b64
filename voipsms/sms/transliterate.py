"""Nearest GSM 03.38 characters for those that would force a whole text into UCS-2. What has none stays as it is."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from voipsms.sms import gsm0338

_IN_ALPHABET = frozenset(gsm0338.DEFAULT.replace("\x1b", "")) | frozenset(gsm0338.EXTENSION.values())

_NEAREST = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "´": "'", "`": "'", "ʼ": "'", "‹": "<", "›": ">",
    "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "\u00ad": "",
    "•": "*", "·": ".", "…": "...", "©": "(c)", "®": "(r)", "™": "TM", "×": "x", "÷": "/", "¦": "|", "№": "No",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "ı": "i", "ł": "l", "Ł": "L",
    "ŋ": "n", "Ŋ": "N", "œ": "oe", "Œ": "OE", "ŧ": "t", "Ŧ": "T", "ƒ": "f", "ẞ": "SS", "ő": "ö", "ű": "ü", "Ő": "Ö",
    "Ű": "Ü", "¢": "c", "⁄": "/",
    "\t": " ", "\u2028": "\n", "\u2029": "\n", "\u0085": "\n",
    "\u200b": "", "\u200e": "", "\u200f": "", "\u2060": "", "\ufeff": "",
}  # fmt: skip

# Greek capitals that look like Latin ones are sent as these (§6.2.1 has only those Greek letters that don't).
_GREEK = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")


@lru_cache(maxsize=4096)
def _nearest(character: str) -> str:
    if character in _IN_ALPHABET:
        return character
    if character in _NEAREST:
        return _NEAREST[character]
    if unicodedata.combining(character):
        return ""  # NFC found no letter that has it
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    plain = "".join(_NEAREST.get(c, c) for c in plain.translate(_GREEK))
    return plain if plain and _IN_ALPHABET.issuperset(plain) else character


def transliterate(text: str) -> str:
    """The text with each character outside the alphabet replaced by its nearest, emoji and foreign scripts excepted.

    Letters that are followed by their accent as a character of its own are composed first.
    """
    return "".join(map(_nearest, unicodedata.normalize("NFC", text)))
