"""Charts as inline SVG that stretches to any width. Words stay outside of it, in HTML, so that they never shrink.

No colour says anything alone: lines differ in their strokes, bars have their numbers beside them. Every chart has a
title and a description for those who can't see it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from voipsms.reports.elements import Element, element
from voipsms.reports.scale import Scale, scale, short

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Line:
    """`style`: the CSS class that has its colour and stroke."""

    name: str
    style: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """`part` of `whole` is filled strongly; `words` stand beside it and are its text alternative, `notes` below."""

    name: str
    whole: float
    part: float
    words: str
    notes: Sequence[str] = ()


def _picture(title: str, told: str, *content: Element) -> Element:
    number = next(_ids)
    return element(
        "svg", element("title", title, id=f"t{number}"), element("desc", told, id=f"d{number}"), *content,
        viewBox="0 0 100 100", preserveAspectRatio="none", role="img", aria_labelledby=f"t{number}",
        aria_describedby=f"d{number}",
    )  # fmt: skip


def _grid(axis: Scale) -> list[Element]:
    return [
        element(
            "path", d=f"M0 {axis.place(tick)}H100", vector_effect="non-scaling-stroke",
            class_="grid" if tick else "zero",
        )
        for tick in axis.ticks
    ]  # fmt: skip


def _plot(axis: Scale, labels: Sequence[str], picture: Element, unit: str = "") -> Element:
    """With the numbers of its axis on the left and the first, middle and last label below."""
    numbers = [
        element("span", short(tick) + unit, style=f"top:{axis.place(tick)}%") for tick in axis.ticks
    ]  # fmt: skip
    shown = dict.fromkeys([labels[0], labels[len(labels) // 2], labels[-1]]) if labels else {}
    times = element("div", *(element("span", label) for label in shown), class_="times", aria_hidden="true")
    beside = element("div", *numbers, class_="axis", aria_hidden="true")
    return element("div", beside, element("div", picture, class_="plot"), times, class_="chart")


def columns(title: str, told: str, labels: Sequence[str], bars: Sequence[Bar]) -> Element:
    """One upright bar a label, over time."""
    axis = scale([bar.whole for bar in bars])
    width = 100 / max(1, len(bars))
    drawn: list[Element] = []
    for n, bar in enumerate(bars):
        whole, part = axis.place(bar.whole), axis.place(bar.part)
        left, wide = round(n * width + width * 0.12, 3), round(width * 0.76, 3)
        drawn.append(element(
            "g", element("title", f"{bar.name}: {bar.words}"),
            element("rect", x=left, width=wide, y=whole, height=round(100 - whole, 2), class_="rest"),
            element("rect", x=left, width=wide, y=part, height=round(100 - part, 2), class_="done"),
        ))  # fmt: skip
    return _plot(axis, labels, _picture(title, told, *_grid(axis), *drawn))


def lines(
    title: str, told: str, labels: Sequence[str], drawn: Sequence[Line], axis: Scale | None = None, unit: str = ""
) -> Element:
    """Lines over time; a single point is a dot."""
    axis = axis or scale([value for line in drawn for value in line.values])
    paths = [element("path", element("title", line.name), d=_path(axis, line.values), class_=f"line {line.style}",
                     vector_effect="non-scaling-stroke") for line in drawn]  # fmt: skip
    return _plot(axis, labels, _picture(title, told, *_grid(axis), *paths), unit)


def _path(axis: Scale, values: Sequence[float]) -> str:
    width = 100 / max(1, len(values))
    points = [f"{round((n + 0.5) * width, 3)} {axis.place(value)}" for n, value in enumerate(values)]
    return "M" + "L".join(points) + ("h0" if len(points) == 1 else "") if points else "M0 0"


def rows(title: str, told: str, bars: Sequence[Bar]) -> Element:
    """One lying bar a line, its name and its numbers about it."""
    widest = max((bar.whole for bar in bars), default=0) or 1
    items = []
    for bar in bars:
        strip = element(
            "svg", element("rect", x=0, y=0, width=round(100 * bar.whole / widest, 2), height=100, class_="rest"),
            element("rect", x=0, y=0, width=round(100 * bar.part / widest, 2), height=100, class_="done"),
            viewBox="0 0 100 100", preserveAspectRatio="none", role="img", aria_label=f"{bar.name}: {bar.words}",
        )  # fmt: skip
        head = element("div", element("span", bar.name), element("span", bar.words, class_="words"), class_="head")
        items.append(element("li", head, strip, *(element("div", note, class_="words") for note in bar.notes)))
    return element("ul", *items, class_="bars", aria_label=f"{title}. {told}")


def legend(*entries: tuple[str, str]) -> Element:
    """(name, style)"""
    items = []
    for name, style in entries:
        path = element("path", d="M0 5H24", class_=f"line {style}")
        box = element("rect", x=0, y=0, width=24, height=10, class_=style)
        drawn = box if style in ("done", "rest") else path
        key = element("svg", drawn, viewBox="0 0 24 10", aria_hidden="true", class_="key")
        items.append(element("li", key, name))
    return element("ul", *items, class_="legend")
