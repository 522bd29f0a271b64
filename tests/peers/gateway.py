"""voipsms itself, started as operators start it: a config file and the commands."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.peers.ports import free_ports
from tests.peers.program import Program, wait_until

NUMBER = "36201234567"  # of the user `bench`, who pays
PASSWORD = "bench-1"  # of every user
ROOT = Path(__file__).parents[2]

Changes = Mapping[str, Mapping[str, object]]  # section → key → value


class Gateway(Program):
    """`changes`: further settings, or other ones than `_settings` has; None leaves a key out."""

    def __init__(
        self, folder: Path, smsc_port: int = 1, url: str = "sqlite:///voipsms.db", *,
        window: int = 100, level: str = "warning", changes: Changes | None = None,
    ) -> None:  # fmt: skip
        self.url = url
        self.sip_port, self.http_port, self.tls_port = free_ports(3)
        self.file = folder / "config.ini"
        self._smsc = f"SMPP;server=127.0.0.1;serverport={smsc_port};username=voipsms;password=voipsms;window={window}"
        self._level = level
        self.configure(changes or {})
        super().__init__("voipsms", [sys.executable, "-m", "voipsms", "--config", self.file, "run"], folder)
        self.environment["PYTHONPATH"] = str(ROOT)

    def _settings(self) -> dict[str, dict[str, object]]:
        at = f"127.0.0.1:{self.sip_port}"
        return {
            "global": {"smsurl": self._smsc, "smsprice": "0.01"},
            "database": {"url": self.url},
            "sip": {"listen": f"udp:{at}, tcp:{at}", "trusted": "127.0.0.1"},
            "http": {"listen": f"127.0.0.1:{self.http_port}"},
            "log": {"level": self._level},
        }

    def configure(self, changes: Changes) -> None:
        """Writes the config file anew; a running gateway takes it at `reload`."""
        settings = self._settings()
        for section, keys in changes.items():
            settings.setdefault(section, {}).update(keys)
        lines = []
        for section, keys in settings.items():
            lines += [f"[{section}]", *(f"{key} = {value}" for key, value in keys.items() if value is not None)]
        self.file.write_text("\n".join(lines) + "\n")

    def hang_up(self) -> None:
        self._signal(signal.SIGHUP)

    def reload(self) -> None:
        """SIGHUP; returns when the settings are taken or refused. Needs `level` info."""
        before = self._reloads()
        self.hang_up()
        wait_until(lambda: self._reloads() > before, "the settings read anew")

    def _reloads(self) -> int:
        return sum(self.log.read_text().count(word) for word in ("settings reloaded", "settings are not taken"))

    def reconfigure(self, changes: Changes) -> None:
        self.configure(changes)
        self.reload()

    # -- commands

    def run(self, *words: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`voipsms WORDS` on the same config."""
        command = [sys.executable, "-m", "voipsms", "--config", str(self.file), *words]
        return subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )

    def command(self, *words: str) -> str:
        """As `run`; returns what it printed. Raises RuntimeError where it failed."""
        ran = self.run(*words)
        if ran.returncode:
            raise RuntimeError(f"voipsms {' '.join(words)}: {ran.returncode}: {ran.stderr}")
        return ran.stdout

    def table(self, *words: str) -> list[dict[str, Any]]:
        """What a data command prints as JSON; amounts are Decimal."""
        rows: list[dict[str, Any]] = json.loads(self.command(*words, "--format", "json"), parse_float=Decimal)
        return rows

    def cdrs(self, *words: str) -> list[dict[str, Any]]:
        return self.table("cdr", *words)

    def balance(self, user: str = "bench") -> Decimal:
        return next(Decimal(row["balance"]) for row in self.table("user", "list") if row["name"] == user)

    def add_user(self, name: str = "bench", credit: str = "1000000", number: str = NUMBER, *more: str) -> None:
        numbers = ("--number", number) if number else ()
        self.command("user", "add", name, "--password", PASSWORD, "--credit", credit, *numbers, *more)

    # -- its HTTP side

    def get(self, path: str) -> tuple[int, str]:
        """Status and body. Raises URLError."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=2) as answer:
                return answer.status, str(answer.read(), "utf-8")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, str(error.read(), "utf-8")

    def metric(self, name: str, **labels: str) -> float:
        """0 where nothing has been counted yet."""
        inner = ",".join(f'{label}="{value}"' for label, value in labels.items())
        key = f"{name}{{{inner}}}" if labels else name
        lines = (line.rpartition(" ") for line in self.get("/metrics")[1].splitlines())
        return next((float(value) for found, _, value in lines if found == key), 0.0)

    def live(self) -> bool:
        """Whether it answers at all, usable or not."""
        try:
            return self.get("/healthz")[0] == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
