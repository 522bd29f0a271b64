"""`python -m bench`: Kannel and voipsms in turn, the table, and whether the goals are reached."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from bench import api, business, calls, http, mo, ours, report, smpp, templates
from bench.measure import Figures
from bench.yardstick import kannel

MEASUREMENTS: dict[str, Callable[[int], Figures]] = {
    "kannel": kannel,
    "sqlite": ours.sqlite,
    "mariadb": ours.mariadb,
    "paced": ours.paced,
    "memory": ours.memory,
    "smpp": smpp.client,
    "http": http.connector,
    "mizu": templates.mizu,
    "icewarp": templates.icewarp,
    "jinja": templates.jinja,
    "calls": lambda messages: calls.bridged(),
    **api.MEASUREMENTS,
    **business.MEASUREMENTS,
    **mo.MEASUREMENTS,
}
MEMORY_MESSAGES = 200_000
ONCE = ("memory", "stored_sqlite", "stored_mariadb", "report")  # minutes each


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (those of minutes: once)")
    parser.add_argument("--messages", type=int, default=20_000, help="messages a run")
    parser.add_argument("--memory-messages", type=int, default=MEMORY_MESSAGES, help="messages while memory is watched")
    parser.add_argument("--json", type=Path, metavar="FILE", help="instead of a new file in bench/results/")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    smsc = os.environ.get("SMSCSIM", "voipsms smsc")
    print(f"SMSC: {smsc}; {arguments.runs} runs of {arguments.messages} messages, medians\n", flush=True)
    runs: report.Runs = [{} for _ in range(arguments.runs)]
    for number, run in enumerate(runs):
        # The machine may slow down as it works: every other run goes the other way round.
        for name in arguments.only[:: -1 if number % 2 else 1]:
            if name in ONCE and number:
                continue
            print(f"run {number + 1}: {name} …", flush=True)
            run[name] = MEASUREMENTS[name](arguments.memory_messages if name == "memory" else arguments.messages)
    file = report.write(runs, arguments.json, smsc)
    print("", *report.figures_table(runs), "", *report.goals_table(runs), "", f"written to {file}", sep="\n")


if __name__ == "__main__":
    main()
