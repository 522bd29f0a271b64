"""The page's markup: what names may do to it (nothing), scales, and shapes of every size."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.model import Millis
from voipsms.reports.elements import document, element
from voipsms.reports.figures import Figures, Tally
from voipsms.reports.page import Report, page
from voipsms.reports.periods import Period
from voipsms.reports.scale import scale, short


class Outline(HTMLParser):
    """Tags and attributes in order; raises ValueError where one is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open:
            raise ValueError(f"not closed: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open.pop() != tag:
            raise ValueError(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def report(*names: str, periods: int = 3, count: int = 5, by: str = "user", revenue: int = 10**6) -> Report:
    tallies = []
    for keys in (names, [f"2026-01-{n + 1:02}" for n in range(periods)], names, names):
        tally = Tally()
        for key in keys:
            tally.add(key, "EUR", Figures(count, count - 1, 1, count, 60 * count, revenue, 10**5))
        tallies.append(tally)
    rows, times, gateways, countries = tallies
    spans = tuple(Period(f"2026-01-{n + 1:02}", Millis(n), Millis(n + 1)) for n in range(periods))
    return Report(by, rows, times, gateways, countries, spans, "UTC", (("user", names[0] if names else ""),), "now")


PLAIN = Outline(page(report("alice")))


@settings(max_examples=60)
@given(st.text(min_size=1))
def test_a_name_never_becomes_markup(name: str) -> None:
    found = Outline(page(report(name)))
    assert found.tags == PLAIN.tags
    assert found.names == PLAIN.names


ODD = {
    "script": "<script>alert(1)</script>",
    "end": "</style></title></svg></table>",
    "attribute": "\" onload='x' a=\"",
    "entity": "&lt;b&gt;&amp;",
    "comment": "<!-- ",
    "cdata": "]]>",
    "spaces": "a  b",
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_names_are_shown_as_they_are(name: str) -> None:
    found = Outline(page(report(name)))
    assert found.tags == PLAIN.tags
    assert name in found.texts


@pytest.mark.parametrize("name", ["\x00\x1b[31m", "a\nb", "\u202ertl", "\ud800"])
def test_what_cannot_be_shown_is_replaced(name: str) -> None:
    text = page(report(name))
    assert text.encode()
    assert not any(one in text for one in "\x00\x1b\u202e\ud800")
    assert "�" in text


@pytest.mark.parametrize("periods", [0, 1, 2, 3, 31, 744])
@pytest.mark.parametrize("count", [1, 10**9])
@pytest.mark.parametrize("revenue", [0, -(10**6), 10**15])
def test_every_size(periods: int, count: int, revenue: int) -> None:
    found = Outline(page(report("a", periods=periods, count=count, revenue=revenue)))
    assert found.tags.count("svg") >= (8 if periods else 0)
    assert "nan" not in " ".join(found.texts).lower()


def test_no_more_bars_than_can_be_looked_at() -> None:
    text = page(report(*(f"gateway {n:03}" for n in range(40)), by="day"))
    assert text.count("28 more") == 4  # by gateway and by country, each shown and said


def test_elements() -> None:
    made = element("a", "x<", element("b", class_="c", aria_label='"'), "&y", viewBox="0 0")
    assert document(made) == '<!DOCTYPE html>\n<a viewBox="0 0">x&lt;<b class="c" aria-label="&quot;"></b>&amp;y</a>\n'


SCALES = {
    "nothing": ([], (0, 1), 4),
    "zero": ([0, 0], (0, 1), 4),
    "small": ([0.003], (0, 0.003), 3),
    "even": ([40], (0, 40), 4),
    "odd": ([41], (0, 60), 3),
    "below": ([-3, 5], (-4, 6), 5),
    "only below": ([-10], (-10, 0), 4),
    "large": ([3.2e12], (0, 4e12), 4),
}


@pytest.mark.parametrize("values, ends, lines", SCALES.values(), ids=SCALES)
def test_scales(values: list[float], ends: tuple[float, float], lines: int) -> None:
    found = scale(values)
    assert (found.low, found.high) == pytest.approx(ends)
    assert len(found.ticks) - 1 == lines
    assert found.place(found.high) == 0
    assert found.place(found.low) == 100


@given(st.lists(st.floats(-1e15, 1e15, allow_subnormal=False), max_size=5))
@settings(max_examples=200)
def test_scales_hold_everything(values: list[float]) -> None:
    found = scale(values)
    assert all(-0.01 <= found.place(value) <= 100.01 for value in [*values, 0])
    assert 2 <= len(found.ticks) <= 7


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (0.05, "0.05"),
        (999, "999"),
        (1000, "1k"),
        (1500, "1.5k"),
        (2_500_000, "2.5M"),
        (3e9, "3G"),
        (-20, "−20"),
    ],
)
def test_short(value: float, text: str) -> None:
    assert short(value) == text
