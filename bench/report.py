"""Medians, ratios to Kannel, and what was promised."""

from __future__ import annotations

import json
import operator
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.measure import Figures

RESULTS = Path(__file__).parent / "results"
Runs = list[dict[str, Figures]]  # one dict a run, by the measurement's name


@dataclass(frozen=True, slots=True)
class Goal:
    meaning: str
    needs: tuple[str, ...]
    value: Callable[[dict[str, Figures]], float]
    holds: Callable[[float, float], bool]
    bound: float

    def reached(self, runs: Runs) -> float | None:
        """The median over the runs that measured what it needs; a ratio is of one run, never of two."""
        values = [self.value(run) for run in runs if all(name in run for name in self.needs)]
        return median(values) if values else None


GOALS = (
    Goal("SQLite: messages/s, times Kannel's", ("kannel", "sqlite"),
         lambda run: run["sqlite"].rate / run["kannel"].rate, operator.ge, 1.5),
    Goal("SQLite: CPU a message, times Kannel's", ("kannel", "sqlite"),
         lambda run: run["sqlite"].cpu_us / run["kannel"].cpu_us, operator.le, 0.6),
    Goal("MariaDB: messages/s, times Kannel's", ("kannel", "mariadb"),
         lambda run: run["mariadb"].rate / run["kannel"].rate, operator.ge, 1.0),
    Goal("1,000 MESSAGE/s: 202 at p99, ms", ("paced",), lambda run: run["paced"].p99_ms, operator.le, 20.0),
    Goal("HTTP asendsms: messages/s, times Kannel's sendsms", ("kannel", "api"),
         lambda run: run["api"].rate / run["kannel"].rate, operator.ge, 1.8),
    Goal("1,000 asendsms/s: OK at p99, ms", ("api_paced",), lambda run: run["api_paced"].p99_ms, operator.le, 25.0),
    Goal("texts to a webhook: messages/s, times Kannel's get-url", ("kannel_mo", "mo_webhook"),
         lambda run: run["mo_webhook"].rate / run["kannel_mo"].rate, operator.ge, 1.2),
    Goal("texts to chat: messages/s, times Kannel's get-url", ("kannel_mo", "mo_chat"),
         lambda run: run["mo_chat"].rate / run["kannel_mo"].rate, operator.ge, 1.2),
    Goal("memory: last quarter, times the first", ("memory",),
         lambda run: run["memory"].rss_growth, operator.le, 1.1),
    Goal("a business loaded: CPU a message, times one of each", ("one_each", "furnished"),
         lambda run: run["furnished"].cpu_us / run["one_each"].cpu_us, operator.le, 1.15),
    Goal("5 million messages stored: SQLite's rate, times empty", ("sqlite", "stored_sqlite"),
         lambda run: run["stored_sqlite"].rate / run["sqlite"].rate, operator.ge, 0.9),
    Goal("5 million messages stored: MariaDB's rate, times empty", ("mariadb", "stored_mariadb"),
         lambda run: run["stored_mariadb"].rate / run["mariadb"].rate, operator.ge, 0.9),
    Goal("a month's report of a million CDRs, ms", ("report",), lambda run: run["report"].p50_ms, operator.le, 2000.0),
    Goal("templates: µs a request, slowest dialect", ("mizu", "icewarp", "jinja"),
         lambda run: max(run[name].cpu_us for name in ("mizu", "icewarp", "jinja")), operator.le, 15.0),
    Goal("SMPP client: submits/s", ("smpp",), lambda run: run["smpp"].rate, operator.ge, 8000.0),
    Goal("50 bridged calls: share of a core", ("calls",),
         lambda run: run["calls"].cpu_us * run["calls"].rate / 1e6, operator.le, 0.6),
    Goal("50 bridged calls: RTP packets lost", ("calls",),
         lambda run: run["calls"].answers["lost"], operator.le, 0.0),
    Goal("HTTP connector: requests/s", ("http",), lambda run: run["http"].rate, operator.ge, 2000.0),
)  # fmt: skip

_COLUMNS = ("messages", "rate", "cpu_us", "load_us", "p50_ms", "p99_ms", "retransmitted", "rss_mb")
_HEADS = ("messages", "msg/s", "CPU µs/msg", "load µs/msg", "p50 ms", "p99 ms", "resent", "RSS MB")


def _row(first: str, rest: Iterable[str]) -> str:
    return first.ljust(10) + "".join(cell.rjust(13) for cell in rest)


def figures_table(runs: Runs) -> list[str]:
    """The median of each column, a line a measurement."""
    lines = [_row("", _HEADS)]
    for name in dict.fromkeys(name for run in runs for name in run):
        taken = [run[name] for run in runs if name in run]
        lines.append(_row(name, (f"{median(getattr(one, column) for one in taken):,.1f}" for column in _COLUMNS)))
    return lines


def goals_table(runs: Runs) -> list[str]:
    lines = []
    for goal in GOALS:
        value = goal.reached(runs)
        if value is not None:
            sign = "at least" if goal.holds is operator.ge else "at most"
            verdict = "ok" if goal.holds(value, goal.bound) else "MISSED"
            lines.append(f"{goal.meaning:<58}{value:8.2f}   {sign} {goal.bound:<6g} {verdict}")
    return lines


def write(runs: Runs, file: Path | None, smsc: str) -> Path:
    """JSON with everything measured; into bench/results/ unless told otherwise."""
    file = file or RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    goals = [{"goal": goal.meaning, "bound": goal.bound, "value": goal.reached(runs)} for goal in GOALS]
    told = {
        "python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count(), "smsc": smsc,
        "runs": [{name: asdict(one) for name, one in run.items()} for run in runs], "goals": goals,
    }  # fmt: skip
    file.write_text(json.dumps(told, indent=2) + "\n")
    return file
