"""baresip, a softphone: it registers, sends chat to one contact, and shows what it gets."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

from tests.peers.ports import free_ports
from tests.peers.program import Program, tcp_open

_CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
module_path {modules}
module g711.so
module cons.so
cons_listen 127.0.0.1:{console}
module_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
_MODULES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules")
_MESSAGE = re.compile(r"\r(sips?:[^\n]*?): \"(.*?)\"\n", re.DOTALL)


class Baresip(Program):
    """`contact`: the number that it writes to, at the same proxy. Its console shows what it gets, one text a line."""

    def __init__(self, folder: Path, proxy: int, name: str, password: str, contact: str = "") -> None:
        own = folder / f"baresip-{name}"
        own.mkdir()
        self.name = name
        # A second port goes with the first one of SIP: baresip takes the next one for TLS.
        self.sip_port, self._control, self._console = free_ports(3)
        modules = next(path for path in _MODULES if Path(path).is_dir())
        ports = {"sip": self.sip_port, "control": self._control, "console": self._console}
        (own / "config").write_text(_CONFIG.format(modules=modules, **ports))
        account = f"<sip:{name}@127.0.0.1:{proxy}>;auth_user={name};auth_pass={password};regint=600\n"
        (own / "accounts").write_text(account)
        (own / "contacts").write_text(f'"Mobile" <sip:{contact}@127.0.0.1:{proxy}>\n' if contact else "")
        self._shown = ""
        self._screen: socket.socket | None = None
        self._reader: threading.Thread | None = None
        super().__init__(f"baresip-{name}", ["baresip", "-f", own], own)

    def ready(self) -> bool:
        if not (tcp_open(self._control) and tcp_open(self._console)):
            return False
        if self._screen is None:
            self._screen = socket.create_connection(("127.0.0.1", self._console))
            self._reader = threading.Thread(target=self._read, args=(self._screen,), daemon=True)
            self._reader.start()
            self._screen.sendall(b"\n")  # the console writes to whoever has written to it
        return "OK" in self.command("reginfo")

    def _read(self, screen: socket.socket) -> None:
        while octets := screen.recv(65536):
            self._shown += octets.decode()

    def received(self) -> list[tuple[str, str]]:
        """Who has written, and what."""
        return _MESSAGE.findall(self._shown)

    def write(self, text: str) -> None:
        """To its contact."""
        self.command("message", text)

    def unregister(self) -> None:
        """Ends, telling the registrar."""
        self.stop()

    def command(self, name: str, parameters: str = "") -> str:
        """What it says to that. Raises RuntimeError."""
        asked = json.dumps({"command": name, "params": parameters}).encode()
        with socket.create_connection(("127.0.0.1", self._control), timeout=5) as control:
            control.sendall(b"%d:%b," % (len(asked), asked))
            answer = _answer(control)
        if not answer["ok"]:
            raise RuntimeError(f"{self.name}: {name}: {answer['data']}")
        return str(answer["data"])

    def stop(self, seconds: float = 15.0) -> int:
        code = super().stop(seconds)
        if self._screen is not None and self._reader is not None:
            self._reader.join()
            self._screen.close()
            self._screen = None
        return code


def _answer(control: socket.socket) -> dict[str, Any]:
    """The next netstring that is an answer, and not an event."""
    octets = b""
    while True:
        length, colon, rest = octets.partition(b":")
        if colon and len(rest) > int(length):
            found: dict[str, Any] = json.loads(rest[: int(length)])
            if found.get("response"):
                return found
            octets = rest[int(length) + 1 :]
        else:
            octets += control.recv(65536)
