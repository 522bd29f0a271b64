"""The calls' benchmark makes the calls that it says it makes."""

from __future__ import annotations

from bench import calls


def test_calls_are_counted() -> None:
    figures = calls.bridged(3, 2.0)  # CPU time is told in hundredths of a second
    assert (figures.messages, figures.rate) == (3, 600)
    assert figures.answers["lost"] == 0
    assert 6 * 75 <= figures.answers["received"] <= figures.answers["sent"]
    assert figures.cpu_us > 0
    assert figures.rss_mb > 10
