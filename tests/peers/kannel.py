"""Kannel: bearerbox with its spool in a temporary folder, one SMPP session, and one smsbox for HTTP sendsms; and the
SMSC that it is tested with."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.ports import free_port, free_ports, taken
from tests.peers.program import Program, tcp_open, wait_until

USER, PASSWORD = "bench", "bench"

_CONFIG = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
smsbox-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
store-type = spool
store-location = "{folder}/spool"
dlr-storage = internal
log-level = 4

group = smsc
smsc = smpp
smsc-id = smsc
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = kannel
smsc-password = kannel
system-type = ""
max-pending-submits = {window}
enquire-link-interval = 30

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-interface = 127.0.0.1
sendsms-port = {http}
log-level = 4

group = sendsms-user
username = {user}
password = {password}
concatenation = true
max-messages = 10

group = sms-service
keyword = default
{service}
max-messages = 0
"""


class _Box(Program):
    """`port` open means that it can be used."""

    def __init__(self, name: str, folder: Path, port: int) -> None:
        super().__init__(name, [name, "-v", "4", folder / "kannel.conf"], folder)  # says only what ends it
        self.port = port

    def ready(self) -> bool:
        return tcp_open(self.port)


class Kannel:
    """Both boxes, connected to the SMSC at `smsc_port`. `get_url` is asked for each text from a phone, empty: none."""

    def __init__(self, folder: Path, smsc_port: int, window: int = 100, get_url: str = "") -> None:
        self.admin_port, self.box_port, self.http_port = free_ports(3)
        (folder / "spool").mkdir()
        service = f'get-url = "{get_url}"' if get_url else 'text = "-"'
        (folder / "kannel.conf").write_text(
            _CONFIG.format(
                admin=self.admin_port, box=self.box_port, http=self.http_port, smsc=smsc_port, folder=folder,
                window=window, user=USER, password=PASSWORD, service=service,
            )
        )  # fmt: skip
        self.bearerbox = _Box("bearerbox", folder, self.admin_port)
        self.smsbox = _Box("smsbox", folder, self.http_port)

    def start(self) -> Self:
        self.bearerbox.start()
        try:
            wait_until(lambda: tcp_open(self.box_port), "bearerbox listens for its smsbox")
            self.smsbox.start()
            wait_until(self._bound, "Kannel bound to the SMSC", pause=0.1)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for box in (self.smsbox, self.bearerbox):
            if box.running():
                box.stop(30)

    def _status(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/status.txt?password={PASSWORD}") as answer:
            return str(answer.read(), "latin-1")

    def _bound(self) -> bool:
        return bool(re.search(r"smsc\[?.*\(online", self._status()))

    def counts(self) -> dict[str, int]:
        """Its status page: `sms_received sms_sent dlr_received dlr_sent store_size`."""
        status = self._status()
        patterns = {
            "sms": r"SMS: received (\d+) \(\d+ queued\), sent (\d+)",
            "dlr": r"DLR: received (\d+), sent (\d+)",
        }
        found: dict[str, int] = {}
        for name, pattern in patterns.items():
            if match := re.search(pattern, status):
                found |= {f"{name}_received": int(match[1]), f"{name}_sent": int(match[2])}
        if match := re.search(r"store size (-?\d+)", status):
            found["store_size"] = int(match[1])
        return found

    def cpu_seconds(self) -> float:
        return self.bearerbox.cpu_seconds() + self.smsbox.cpu_seconds()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


class KannelSmsc(Program):
    """drive_smpp of Debian's kannel-extras: Kannel's own SMSC, which sends `count` texts from the phone 456 to the
    number 123, as soon as a receiver is bound: their texts are 1 to `count`, up to 500 of them at once.

    It ends three seconds after the first connection, since it looks in vain for a Kannel to test; all is sent then.
    """

    PHONE, NUMBER = "456", "123"

    def __init__(self, folder: Path, count: int) -> None:
        self.port = free_port()
        command = ["/usr/lib/kannel/test/drive_smpp", "-v", "1", "-p", str(self.port), "-m", str(count)]
        super().__init__("drive_smpp", command, folder)

    def ready(self) -> bool:
        return taken(self.port)  # without a connection, whose end would be the end of it
