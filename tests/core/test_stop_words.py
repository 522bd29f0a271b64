"""What whole texts from phones say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.stop_words import LONGEST, NAMED, Act, Scope, Word, lifts, read, tokens

STOP, ALL = Word(Act.STOP), Word(Act.STOP, Scope.ACCOUNT)
START, HELP = Word(Act.START), Word(Act.HELP)

ALONE: list[tuple[str, Word | None]] = [
    ("STOP", STOP),
    ("end", STOP),
    ("Cancel", STOP),
    ("unsubscribe", STOP),
    ("QUIT", STOP),
    ("revoke", STOP),
    ("OPTOUT", STOP),
    ("opt out", STOP),
    ("Opt-Out", STOP),
    ("  stop \r\n", STOP),
    ('"STOP!!!"', STOP),
    ("STOP.", STOP),
    ("Stop 🙏", STOP),
    ("ＳＴＯＰ", STOP),
    ("arrêt", STOP),
    ("ARRET", STOP),
    ("Leállít", STOP),
    ("стоп", STOP),
    ("στοπ", STOP),
    ("停止", STOP),
    ("STOP ALL", ALL),
    ("stop all!", ALL),
    ("STOPALL", ALL),
    ("stop stop", ALL),
    ("Stop, stop.", ALL),
    ("unsubscribe all", ALL),
    ("START", START),
    ("unstop", START),
    ("help", HELP),
    ("Help?", HELP),
    ("INFO", HELP),
    ("", None),
    ("...", None),
    ("yes", None),
    ("stop it", None),
    ("please stop", None),
    ("stopped", None),
    ("S T O P", None),
    ("the end", None),
    ("stop" + "!" * LONGEST, None),
]


@pytest.mark.parametrize("text, word", ALONE, ids=[repr(text)[:24] for text, _ in ALONE])
def test_alone(text: str, word: Word | None) -> None:
    assert read(text) == word


SHARED: list[tuple[str, str, Word | None]] = [
    ("STOP fun", "Fun", Word(Act.STOP, Scope.KEYWORD)),
    ("fun STOP", "Fun", Word(Act.STOP, Scope.KEYWORD)),
    ("FUN: stop!", "fun", Word(Act.STOP, Scope.KEYWORD)),
    ("fun stop all", "fun", ALL),
    ("STOP STOP fun", "fun", ALL),
    ("fun start", "fun", Word(Act.START, Scope.KEYWORD)),
    ("help fun", "fun", Word(Act.HELP, Scope.KEYWORD)),
    ("win big stop", "win big", Word(Act.STOP, Scope.KEYWORD)),
    ("STOP", "fun", STOP),
    ("help", "fun", None),
    ("fun", "fun", None),
    ("funny stop", "fun", None),
    ("fun stop now", "fun", None),
    ("stop", "stop", STOP),
    ("info", "info", None),
    ("stop info", "info", Word(Act.STOP, Scope.KEYWORD)),
    ("STOP ALL", "all", ALL),
    ("STOP", "!!!", STOP),
]


@pytest.mark.parametrize("text, keyword, word", SHARED, ids=[f"{row[0]} ({row[1]})" for row in SHARED])
def test_with_a_keyword(text: str, keyword: str, word: Word | None) -> None:
    assert read(text, keyword) == word


LIFTING = [
    ("Hello", True),
    ("START", True),
    ("HELP", True),
    ("unstoppable", True),
    ("please stop sending", False),
    ("see you at the End.", False),
    ("QUIT", False),
    ("", False),
    ("?!", False),
]


@pytest.mark.parametrize("text, welcome", LIFTING, ids=[repr(text) for text, _ in LIFTING])
def test_what_makes_messages_welcome_again(text: str, welcome: bool) -> None:
    assert lifts(text) is welcome


BLANKS = st.text(" \t\r\n.,!?'\"-*🙏", max_size=10)


@given(BLANKS, st.sampled_from(sorted(NAMED)), st.booleans(), BLANKS)
def test_blanks_and_case_say_nothing(before: str, word: str, upper: bool, after: str) -> None:
    assert read(before + (word.upper() if upper else word) + after) == STOP


@given(st.text(max_size=30), st.sampled_from(sorted(NAMED)), st.text(max_size=30))
def test_a_text_with_such_a_word_lifts_nothing(before: str, word: str, after: str) -> None:
    assert not lifts(f"{before} {word} {after}")


@given(st.text(), st.text(max_size=20))
def test_any_text(text: str, keyword: str) -> None:
    word = read(text, keyword)
    assert word is None or 0 < len(text) <= LONGEST
    assert tokens(" ".join(tokens(text))) == tokens(text)
