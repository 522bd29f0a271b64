"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from voipsms.money import decimal
from voipsms.reports.charts import Bar, Line, columns, legend, lines, rows
from voipsms.reports.elements import Element, document, element
from voipsms.reports.figures import COLUMNS, Figures, Tally
from voipsms.reports.periods import Period
from voipsms.reports.scale import Scale

_MOST_BARS = 12
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_HEADS = {
    "delivered_share": "Delivered share", "count": "Messages", "currency": "Currency", "delivered": "Delivered",
    "failed": "Failed", "parts": "Parts", "minutes": "Minutes", "revenue": "Revenue", "cost": "Cost",
    "margin": "Margin",
}  # fmt: skip
_MONEY = (("Revenue", "revenue"), ("Cost", "cost"), ("Margin", "margin"))
_PERCENT = Scale(0, 100, (0, 25, 50, 75, 100))


@dataclass(frozen=True, slots=True)
class Report:
    """`rows`: the table's, by what `by` names. `filters`: what it is restricted to, by name. `made`: ISO 8601."""

    by: str
    rows: Tally
    times: Tally
    gateways: Tally
    countries: Tally
    periods: Sequence[Period]
    zone: str
    filters: Sequence[tuple[str, str]]
    made: str

    @property
    def labels(self) -> list[str]:
        return [period.label for period in self.periods]


def page(report: Report) -> str:
    title = f"SMS report by {report.by}"
    head = element(
        "head", element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title), element("style", Path(__file__).with_name("page.css").read_text("utf-8")),
    )  # fmt: skip
    charts = [] if not report.periods else [*_over_time(report), *_money(report), *_by_each(report)]
    body = element(
        "body", element("header", element("h1", title), element("p", _about(report))),
        element("main", _totals(report), *charts, _section(f"By {report.by}", _table(report.by, report.rows))),
        element("footer", element("p", f"voipsms, {report.made}. {_MEANING}")),
    )  # fmt: skip
    return document(element("html", head, body, lang="en"))


_MEANING = (
    "Delivered share: messages with a receipt that says so, of all. Margin: revenue less cost. "
    "Amounts of different currencies are never added."
)


def _about(report: Report) -> str:
    told = [f"{name} {value}" for name, value in report.filters]
    span = f"{report.labels[0]} to {report.labels[-1]}" if report.periods else "no CDRs"
    return ", ".join([span, f"zone {report.zone}", *told])


def _section(title: str, *content: Element) -> Element:
    return element("section", element("h2", title), *content)


# -- words ----------------------------------------------------------------------------------------------------------


def number(value: int | Decimal) -> str:
    return f"{value:,}".replace("-", "−")


def percent(figures: Figures) -> str:
    return f"{figures.share * 100:.1f} %"


def _money_words(currency: str, micros: int) -> str:
    return f"{number(decimal(micros))} {currency}"


def _words(figures: Figures) -> str:
    return f"{number(figures.count)} messages, {percent(figures)} delivered"


def _bar(name: str, figures: Figures, money: Sequence[str] = ()) -> Bar:
    return Bar(name, figures.count, figures.delivered, _words(figures), money)


# -- parts of the page ----------------------------------------------------------------------------------------------


def _totals(report: Report) -> Element:
    totals = report.times.totals()
    whole = Figures()
    for figures in totals.values():
        whole.add(figures)
    counts = [
        ("Messages", number(whole.count)), ("Delivered", percent(whole)), ("Failed", number(whole.failed)),
        ("Minutes", number(whole.minutes)),
    ]  # fmt: skip
    rows = [counts]
    for currency, figures in totals.items():
        rows.append([(f"{name}, {currency}", number(decimal(getattr(figures, key)))) for name, key in _MONEY])
    return element("div", *map(_tiles, rows), class_="totals")


def _tiles(row: Sequence[tuple[str, str]]) -> Element:
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in row))


def _over_time(report: Report) -> list[Element]:
    by_label = report.times.by_key(report.labels)
    bars = [_bar(label, figures) for label, figures in by_label.items()]
    most = max(bars, key=lambda bar: bar.whole)
    told = f"{len(bars)} periods; most in {most.name}: {most.words}."
    shares = [float(figures.share) * 100 for figures in by_label.values()]
    share = Line("Delivered share", "share", shares)
    least = min(by_label.items(), key=lambda item: item[1].share if item[1].count else Decimal(1))
    return [
        _section("Messages over time", legend(("delivered", "done"), ("not delivered", "rest")),
                 columns("Messages over time", told, report.labels, bars)),
        _section("Delivered share over time",
                 lines("Delivered share over time", f"Lowest in {least[0]}: {percent(least[1])}.", report.labels,
                       [share], _PERCENT, " %"),
                 *_figures_below(report, "day" if report.by != "hour" else "hour", report.times)),
    ]  # fmt: skip


def _money(report: Report) -> list[Element]:
    made = []
    for currency, total in report.times.totals().items():
        found = report.times.of(currency, report.labels).values()
        drawn = [Line(name, key, [getattr(one, key) / 1e6 for one in found]) for name, key in _MONEY]
        told = ", ".join(f"{name} {_money_words(currency, getattr(total, key))}" for name, key in _MONEY)
        title = f"Revenue, cost and margin in {currency}"
        made.append(
            _section(title, legend(*((line.name, line.style) for line in drawn)),
                     lines(title, f"In all: {told}.", report.labels, drawn))
        )  # fmt: skip
    return made


def _by_each(report: Report) -> list[Element]:
    return [
        _section(title, legend(("delivered", "done"), ("not delivered", "rest")),
                 rows(title, f"The {min(len(tally.by_key()), _MOST_BARS)} with the most messages.", _longest(tally)),
                 *_figures_below(report, by, tally))
        for title, by, tally in (
            ("By gateway", "gateway", report.gateways), ("By country", "country", report.countries),
        )
    ]  # fmt: skip


def _longest(tally: Tally) -> list[Bar]:
    found = sorted(tally.by_key().items(), key=lambda item: (-item[1].count, item[0]))
    money = _money_by_key(tally)
    bars = [_bar(name or _NAMELESS, figures, money[name]) for name, figures in found[:_MOST_BARS]]
    if rest := found[_MOST_BARS:]:
        others = Figures()
        for _, figures in rest:
            others.add(figures)
        bars.append(_bar(f"{len(rest)} more", others))
    return bars


def _money_by_key(tally: Tally) -> dict[str, list[str]]:
    """A text a currency."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for key, currency, figures in tally.rows():
        amounts = (f"{name.lower()} {number(decimal(getattr(figures, at)))}" for name, at in _MONEY)
        told[key].append(f"{currency}: {', '.join(amounts)}")
    return told


_NAMELESS = "(none)"


def _figures_below(report: Report, by: str, tally: Tally) -> Iterable[Element]:
    """A chart's numbers, money too, unless they are the page's own table."""
    if by == report.by:
        return ()
    return (element("details", element("summary", "Figures"), _table(by, tally)),)


def _table(by: str, tally: Tally) -> Element:
    names = (by, *COLUMNS)
    head = element("tr", *(element("th", _HEADS.get(name, name.capitalize()), scope="col") for name in names))
    body = [
        element("tr", element("th", key or _NAMELESS, scope="row"), *_cells(currency, figures))
        for key, currency, figures in tally.rows()
    ]
    table = element(
        "table", element("caption", f"Figures by {by}"), element("thead", head), element("tbody", *body)
    )  # fmt: skip
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label=f"Figures by {by}")


def _cells(currency: str, figures: Figures) -> list[Element]:
    _, *rest = figures.row(currency)
    shown = dict(zip(COLUMNS[1:], rest, strict=True)) | {"delivered_share": None}
    cells = [element("td", currency, class_="word")]
    for name, value in shown.items():
        text = percent(figures) if name == "delivered_share" else number(value)  # type: ignore[arg-type]
        cells.append(element("td", text))
    return cells
