"""baresip, a softphone, told what to do over its control connection. As `Baresip` it chats with one contact."""

from __future__ import annotations

import json
import queue
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
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
_CHAT = "module g711.so\nmodule cons.so\nmodule_app contact.so\ncons_listen 127.0.0.1:{console}\n"
_MODULES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules")
_MESSAGE = re.compile(r"\r(sips?:[^\n]*?): \"(.*?)\"\n", re.DOTALL)


class Softphone(Program):
    """`config`, `accounts`, `contacts`: what is added to its files. `events` are what it has told of itself."""

    def __init__(self, folder: Path, name: str, config: str, account: str, contacts: str = "") -> None:
        self.own = folder / f"baresip-{name}"
        self.own.mkdir()
        self.user = name
        # A second port goes with the first one of SIP: baresip takes the next one for TLS.
        self.sip_port, self._control = free_ports(2)
        modules = next(path for path in _MODULES if Path(path).is_dir())
        told = _CONFIG.format(modules=modules, sip=self.sip_port, control=self._control)
        (self.own / "config").write_text(told + config)
        (self.own / "accounts").write_text(account)
        (self.own / "contacts").write_text(contacts)
        self.events: list[dict[str, Any]] = []
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._commands: socket.socket | None = None
        self._listener: threading.Thread | None = None
        super().__init__(f"baresip-{name}", ["baresip", "-f", self.own], self.own)

    def ready(self) -> bool:
        if self._commands is None and tcp_open(self._control):
            self._commands = socket.create_connection(("127.0.0.1", self._control))
            self._listener = threading.Thread(target=self._listen, args=(self._commands,), daemon=True)
            self._listener.start()
        return self._commands is not None

    def _listen(self, commands: socket.socket) -> None:
        octets = b""
        while more := commands.recv(65536):
            octets += more
            while (end := octets.find(b":")) > 0 and len(octets) > (last := end + 1 + int(octets[:end])):
                told = json.loads(octets[end + 1 : last])
                octets = octets[last + 1 :]
                if told.get("response"):
                    self._answers.put(told)
                else:
                    self.events.append(told)

    def command(self, name: str, parameters: str = "") -> str:
        """What it says to that. Raises RuntimeError."""
        assert self._commands is not None
        asked = json.dumps({"command": name, "params": parameters}).encode()
        self._commands.sendall(b"%d:%b," % (len(asked), asked))
        answer = self._answers.get(timeout=5)
        if not answer["ok"]:
            raise RuntimeError(f"{self.name}: {name}: {answer['data']}")
        return str(answer["data"])

    def stop(self, seconds: float = 15.0) -> int:
        code = super().stop(seconds)
        self._disconnect()
        return code

    def kill(self) -> None:
        super().kill()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._commands is not None and self._listener is not None:
            self._listener.join()
            self._commands.close()
            self._commands = None


class Baresip(Softphone):
    """`contact`: the number that it writes to, at the same proxy. Its console shows what it gets, one text a line."""

    def __init__(self, folder: Path, proxy: int, name: str, password: str, contact: str = "") -> None:
        (self._console,) = free_ports(1)
        account = f"<sip:{name}@127.0.0.1:{proxy}>;auth_user={name};auth_pass={password};regint=600\n"
        contacts = f'"Mobile" <sip:{contact}@127.0.0.1:{proxy}>\n' if contact else ""
        self._shown = ""
        self._screen: socket.socket | None = None
        self._reader: threading.Thread | None = None
        super().__init__(folder, name, _CHAT.format(console=self._console), account, contacts)

    def ready(self) -> bool:
        if not (super().ready() and tcp_open(self._console)):
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

    def stop(self, seconds: float = 15.0) -> int:
        code = super().stop(seconds)
        if self._screen is not None and self._reader is not None:
            self._reader.join()
            self._screen.close()
            self._screen = None
        return code
