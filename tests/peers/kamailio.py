"""Kamailio as registrar and proxy, with the route that operators copy from plugins/kamailio/."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.ports import free_port
from tests.peers.program import Program
from voipsms.resources import resource

_TEMPLATE = Path(__file__).with_name("kamailio.cfg")
_OPTIONS = (
    "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bKready;rport\r\n"
    "From: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1:{port}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
)


def answers_options(port: int) -> bool:
    """Whether a SIP element answers OPTIONS with 200 there, by UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.3)
        try:
            probe.connect(("127.0.0.1", port))
            probe.send(_OPTIONS.format(port=port, own=probe.getsockname()[1]).encode())
            return probe.recv(4096).startswith(b"SIP/2.0 200")
        except (TimeoutError, ConnectionError):
            return False


def _user(name: str, password: str) -> str:
    return f'    $sht(users=>{name}) = "{password}";'


class Kamailio(Program):
    """`gateways`: SIP ports of voipsms processes on loopback, used in turn; `users`: passwords
    by name, the realm is 127.0.0.1."""

    def __init__(self, folder: Path, gateways: Sequence[int], users: Mapping[str, str]) -> None:
        self.port = free_port()
        (folder / "dispatcher.list").write_text("".join(f"90 sip:127.0.0.1:{port}\n" for port in gateways))
        places = {
            "PORT": str(self.port), "FOLDER": str(folder),
            "SNIPPET": str(resource("plugins/kamailio/voipsms.cfg")),
            "USERS": "\n".join(_user(*account) for account in users.items()),
        }  # fmt: skip
        text = _TEMPLATE.read_text()
        for name, value in places.items():
            text = text.replace(f"@{name}@", value)
        config = folder / "kamailio.cfg"
        config.write_text(text)
        limits = ["-m", "32", "-M", "8"]  # MB shared, MB a process
        files: list[str | Path] = ["-f", config, "-P", folder / "kamailio.pid", "-Y", folder, "-w", folder]
        super().__init__("kamailio", ["kamailio", "-DD", "-E", *limits, *files], folder)

    def ready(self) -> bool:
        return answers_options(self.port)

    def stop(self, seconds: float = 15.0) -> int:
        """Its shutdown hangs now and then (5.6: a child that waits for a lock); it is killed then, and how it ends says
        nothing of us."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return super().stop(seconds)
        return self.process.returncode
