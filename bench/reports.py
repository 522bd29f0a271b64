"""`python -m bench.reports`: a month of a million CDRs, as `voipsms report` adds it up, on SQLite and MariaDB."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.acceptance.rig import ask
from tests.peers.gateway import Gateway
from tests.peers.mariadb import MariaDb
from tests.store.bulk import at
from voipsms.store.ids import first_id

CDRS = 1_000_000
MONTH = ("--from", "2026-01-01", "--to", "2026-02-01")
REPORTS = (
    *(("--by", by) for by in ("day", "hour", "user", "gateway", "prefix", "country", "reason")), ("--format", "html"),
)  # fmt: skip
GOAL = 2.0  # seconds, by day on SQLite

_NUMBERS = {
    "sqlite": "(WITH RECURSIVE s (seq) AS (SELECT 0 UNION ALL SELECT seq + 1 FROM s LIMIT {}) SELECT seq FROM s)",
    "mysql": "seq_0_to_{}",
}
_PREFIXES = (
    "36301", "36201", "36701", "491511", "491601", "447400", "447797", "121255", "141655", "770112", "790112", "336123",
)  # fmt: skip
# Every column spread over its values as if by chance: 500 users, 5 gateways, 12 networks, two currencies.
_ROWS = """INSERT INTO tb_cdrs (id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts,
price, cost, currency, state, reason, comment)
SELECT {first} + seq * {gap} * 4194304, {first} + seq * {gap} * 4194304, 'SMS', 'MT', 100 + seq * 7919 % 500,
    1 + seq * 31 % 5, '36201234567', {target}, {start} + seq * {gap},
    CASE WHEN seq * 613 % 100 < 6 THEN 0 ELSE 60 END, 1 + seq * 17 % 5 / 4,
    CASE WHEN seq * 613 % 100 < 6 THEN 0 ELSE 50000 END, CASE WHEN seq * 613 % 100 < 6 THEN 0 ELSE 30000 END,
    CASE WHEN seq * 37 % 10 = 0 THEN 'USD' ELSE 'EUR' END,
    CASE WHEN seq * 613 % 100 < 6 THEN 'UNDELIVERABLE' ELSE 'DELIVERED' END,
    CASE WHEN seq * 613 % 100 < 6 THEN 'undeliverable' ELSE '' END, ''
FROM {numbers} AS numbers"""


def furnish(gateway: Gateway, engine: str, cdrs: int) -> None:
    """Evenly over January 2026."""
    cases = " ".join(f"WHEN {n} THEN '{prefix}'" for n, prefix in enumerate(_PREFIXES))
    number = f"CASE seq * 101 % {len(_PREFIXES)} {cases} END"
    digits = f"{cdrs} + seq * 7 % 1000000"
    target = f"{number} || ({digits})" if engine == "sqlite" else f"CONCAT({number}, {digits})"
    start = at("2026-01-01")
    numbers = _NUMBERS[engine].format(cdrs if engine == "sqlite" else cdrs - 1)
    gap = 31 * 86_400_000 // cdrs
    ask(gateway, _ROWS.format(first=first_id(start), start=start, gap=gap, target=target, numbers=numbers))


@contextmanager
def databases() -> Iterator[list[tuple[str, str]]]:
    """(engine, URL)"""
    with tempfile.TemporaryDirectory(prefix="voipsms-bench-") as name:
        server = MariaDb(Path(name))
        server.install()
        with server:
            yield [("sqlite", "sqlite:///voipsms.db"), ("mysql", server.new_database())]


def measure(gateway: Gateway, words: tuple[str, ...], runs: int) -> float:
    """Seconds that `voipsms report` takes, its start included."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "voipsms", "--config", gateway.file, "report", *words, *MONTH],
            stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        taken.append(time.perf_counter() - began)
    return median(taken)


def figures(cdrs: int = CDRS, runs: int = 3) -> dict[tuple[str, str], float]:
    """Seconds by engine and report."""
    found = {}
    with databases() as urls, tempfile.TemporaryDirectory(prefix="voipsms-bench-") as name:
        for engine, url in urls:
            folder = Path(name, engine)
            folder.mkdir()
            gateway = Gateway(folder, url=url)
            gateway.command("db", "upgrade")
            furnish(gateway, engine, cdrs)
            for words in REPORTS:
                found[engine, " ".join(words)] = measure(gateway, words, runs)
                print(f"{engine:8}{' '.join(words):18}{found[engine, ' '.join(words)]:6.2f} s", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__)
    parser.add_argument("--cdrs", type=int, default=CDRS)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    taken = figures(arguments.cdrs, arguments.runs)["sqlite", "--by day"]
    verdict = "ok" if taken < GOAL else "MISSED"
    print(f"a month of {arguments.cdrs:,} CDRs by day on SQLite: {taken:.2f} s, less than {GOAL} s: {verdict}")
    return int(taken >= GOAL)


if __name__ == "__main__":
    sys.exit(main())
