"""voipsms itself, started as operators start it: a config file and the commands."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.peers.ports import free_ports
from tests.peers.program import Program

NUMBER = "36201234567"  # of the user `bench`, who pays

_CONFIG = """\
[global]
smsurl = SMPP;server=127.0.0.1;serverport={smsc};username=voipsms;password=voipsms;window={window}
smsprice = 0.01
{settings}
[database]
url = {url}
[sip]
listen = udp:127.0.0.1:{sip}, tcp:127.0.0.1:{sip}
trusted = 127.0.0.1
[http]
listen = 127.0.0.1:{http}
[log]
level = {level}
"""


class Gateway(Program):
    """`settings`: further lines of `[global]`."""

    def __init__(
        self, folder: Path, smsc_port: int, url: str = "sqlite:///voipsms.db", *,
        window: int = 100, level: str = "warning", settings: str = "",
    ) -> None:  # fmt: skip
        self.sip_port, self.http_port = free_ports(2)
        self.file = folder / "config.ini"
        self.file.write_text(
            _CONFIG.format(
                smsc=smsc_port, window=window, settings=settings, url=url, sip=self.sip_port, http=self.http_port,
                level=level,
            )
        )  # fmt: skip
        super().__init__("voipsms", [sys.executable, "-m", "voipsms", "--config", self.file, "run"], folder)
        self.environment["PYTHONPATH"] = str(Path(__file__).parents[2])

    def command(self, *words: str) -> str:
        """Runs `voipsms WORDS` on the same config; returns what it printed. Raises CalledProcessError."""
        command = [sys.executable, "-m", "voipsms", "--config", str(self.file), *words]
        ran = subprocess.run(
            command,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return ran.stdout

    def add_user(self, name: str = "bench", credit: str = "1000000", number: str = NUMBER) -> None:
        self.command("user", "add", name, "--password", "bench-1", "--credit", credit, "--number", number)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
