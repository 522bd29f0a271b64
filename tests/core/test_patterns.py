"""A search that takes too long is stopped, wherever the time went; nothing else is."""

from __future__ import annotations

import time
import weakref

import pytest

from voipsms.patterns import LONGEST_SEARCH, Pattern, TooSlow, bounded, searches

SLOW = Pattern("(a+)+$", "here")
TEXT = "a" * 28 + "b"  # takes it seconds


class Gone:
    """May be watched."""


def burn() -> None:
    end = time.process_time() + 2 * LONGEST_SEARCH
    while time.process_time() < end:
        sum(range(1000))


@searches
def look(burnt: list[str]) -> None:
    """As a garbage collection in the midst of a search, whose callback takes all its time."""

    def callback(_: object) -> None:
        burn()
        burnt.append("whole")

    gone = Gone()
    watch = weakref.ref(gone, callback)
    del gone
    assert watch() is None
    SLOW.compiled.search(TEXT)
    burnt.append("never")


def test_a_slow_search_is_stopped() -> None:
    with pytest.raises(TooSlow):
        SLOW.search(TEXT)


def test_a_callback_is_not_and_the_search_after_it_is() -> None:
    burnt: list[str] = []
    with pytest.raises(TooSlow), bounded:
        look(burnt)
    assert burnt == ["whole"]


def test_what_does_not_search_is_not_stopped() -> None:
    with bounded:
        burn()


def test_afterwards_nothing_is_stopped() -> None:
    assert SLOW.search("aaa")
    burn()
    look_quickly = searches(burn)
    look_quickly()
