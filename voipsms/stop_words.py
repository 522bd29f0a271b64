"""STOP, START and HELP: what a whole text from a phone says, in any case, whatever is around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from voipsms.values import Value


class Act(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"


class Scope(StrEnum):
    """What it is about."""

    NUMBER = "number"  # the number that the text was sent to
    KEYWORD = "keyword"  # on a shared short code, the one whose keyword stands with it
    ACCOUNT = "account"  # all numbers of that account


class Word(Value, frozen=True):
    act: Act
    scope: Scope = Scope.NUMBER


Tokens = tuple[str, ...]

LONGEST: Final = 64  # characters of a text that may be such a word
NAMED: Final = frozenset({"stop", "end", "cancel", "unsubscribe", "quit"})  # Clickatell's two-way guide §10.1.1

_STOP = (
    "STOP, END, CANCEL, UNSUBSCRIBE, QUIT, REVOKE, OPTOUT, OPT OUT, UNSUB",
    "ARRÊT, ARRÊTER, DÉSABONNER, DÉSINSCRIRE",  # French
    "STOPP, ABMELDEN, ABBESTELLEN",  # German
    "LEÁLLÍT, LEÁLLÍTÁS, LEIRATKOZÁS, LEIRATKOZOM",  # Hungarian
    "BAJA, PARAR, CANCELAR",  # Spanish, Portuguese
    "DISATTIVA, ANNULLA",  # Italian
    "AFMELDEN, UITSCHRIJVEN",  # Dutch
    "REZYGNUJĘ, WYPISZ",  # Polish
    "СТОП, ОТПИСАТЬСЯ",  # Russian, Ukrainian, Bulgarian
    "ΣΤΟΠ",  # Greek
    "إيقاف, توقف",  # Arabic
    "停止, 退订, 退訂",  # Chinese, Japanese
)
_STOP_ALL = ("STOP ALL, STOP STOP, STOPALL, END ALL, CANCEL ALL, UNSUBSCRIBE ALL, QUIT ALL, OPT OUT ALL",)
_START = ("START, UNSTOP, RESUME, SUBSCRIBE, OPTIN, OPT IN",)
_HELP = ("HELP, INFO, AIDE, HILFE, SEGÍTSÉG, AYUDA, AJUDA, AIUTO",)


def tokens(text: str) -> Tokens:
    """The words of a text without case, accents, width and all that is neither letter nor digit."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(part for part in parts if not unicodedata.combining(part))
    return tuple(_TOKEN.findall(text.casefold()))


_TOKEN = re.compile(r"[^\W_]+")


def _phrases(lines: Iterable[str], word: Word) -> dict[Tokens, Word]:
    return {tokens(phrase): word for line in lines for phrase in line.split(",")}


_STOPS = _phrases(_STOP, Word(Act.STOP)) | _phrases(_STOP_ALL, Word(Act.STOP, Scope.ACCOUNT))
_WORDS = _phrases(_START, Word(Act.START)) | _phrases(_HELP, Word(Act.HELP)) | _STOPS


def read(text: str, keyword: str = "") -> Word | None:
    """What a text says; `keyword`: by which a short code told whose it is, which may stand before or after the word.

    STOP is one even where it is somebody's keyword; START or HELP as a keyword is that service's.
    """
    if len(text) > LONGEST:
        return None
    said, shared = tokens(text), tokens(keyword)
    if not shared:
        return _WORDS.get(said)
    if stop := _STOPS.get(said):
        return stop
    found = _WORDS.get(_without(said, shared))
    if found is None or found.scope is Scope.ACCOUNT:
        return found
    return Word(found.act, Scope.KEYWORD)


def _without(said: Tokens, keyword: Tokens) -> Tokens:
    """() where it isn't there."""
    if said[: len(keyword)] == keyword:
        return said[len(keyword) :]
    return said[: -len(keyword)] if said[-len(keyword) :] == keyword else ()


def lifts(text: str) -> bool:
    """Whether a text that is no STOP makes messages welcome again: it has none of the words in it (§10.1.1, Note)."""
    said = tokens(text)
    return bool(said) and NAMED.isdisjoint(said)
