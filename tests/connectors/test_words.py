from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.connectors.words import Pattern, TooSlow, words
from voipsms.errors import ConfigError


@pytest.mark.parametrize(
    "setting, plain, pattern",
    [
        ("", (), None),
        ("OK", ("OK",), None),
        (" OK | taken by us ||", ("OK", "taken by us"), None),
        (r"re:a|b\d", (), r"a|b\d"),
        (" re: a ", (), "a"),
        (r"OK | re:a|b", ("OK",), "a|b"),
        ("more:than", ("more:than",), None),
        ("OK re:x", ("OK re:x",), None),
    ],
)
def test_a_setting_is_strings_and_at_last_a_pattern(setting: str, plain: tuple[str, ...], pattern: str | None) -> None:
    found = words(setting, "place")
    assert found.plain == plain
    assert (found.pattern is not None) == (pattern is not None)
    assert bool(found) == bool(plain or pattern)


@pytest.mark.parametrize(
    "text, there",
    [("it is OK", True), ("ok", False), ("code 17 ", True), ("code x", False), ("", False)],
)
def test_one_of_them_is_enough(text: str, there: bool) -> None:
    assert words(r"OK|re:code \d+", "place").are_in(text) is there


@pytest.mark.parametrize("source, at", [("a(", 2), ("[z-a]", 2), ("*", 1), ("(?P<1>a)", 5), (r"\1", 2)])
def test_a_bad_pattern_is_named_with_its_place(source: str, at: int) -> None:
    with pytest.raises(ConfigError, match=rf"^\[global\] smsfailstring: character {at}: "):
        Pattern(source, "[global] smsfailstring")


@pytest.mark.parametrize("source", ["", "a", r"(?:a)\d"])
def test_a_pattern_for_an_id_needs_a_group(source: str) -> None:
    with pytest.raises(ConfigError, match="must have a group"):
        Pattern(source, "place", group=True)


@pytest.mark.parametrize(
    "source, text",
    [(r"(a+)+$", "a" * 64_000 + "b"), (r"^(\w+\s?)*$", "ab " * 20_000 + "!"), (r"(.*)(.*)(.*)x\1", "y" * 64_000)],
    ids=["nested", "words", "back reference"],
)
def test_a_pattern_that_backtracks_is_stopped(source: str, text: str) -> None:
    pattern = Pattern(source, "place")
    for _ in range(2):
        with pytest.raises(TooSlow):
            pattern.search(text)
    assert Pattern("b", "place").search(text[:10] + "b")


def test_the_timer_ends_with_the_search() -> None:
    """CPU time spent afterwards stops nothing."""
    pattern = Pattern("b", "place")
    pattern.search("ab")
    assert sum(number * number % 7 for number in range(2_000_000)) > 0


@settings(max_examples=200, deadline=None)
@given(setting=st.text(max_size=20), text=st.text(max_size=50))
def test_no_setting_raises_anything_else(setting: str, text: str) -> None:
    try:
        found = words(setting, "place")
    except ConfigError:
        return
    assert isinstance(found.are_in(text), bool)


@settings(max_examples=100, deadline=None)
@given(word=st.text(min_size=1, max_size=8), text=st.text(max_size=30))
def test_patterns_find_what_re_finds(word: str, text: str) -> None:
    found = Pattern(re.escape(word), "place").search(text + word)
    assert found is not None
    assert found.start() == (text + word).index(word)
