"""An FTP server on loopback, pyftpdlib, in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():  # asyncore goes with Python 3.12; pyftpdlib brings its own there
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "gateway", "s3cr3t:/@"

logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())
logging.getLogger("pyftpdlib").propagate = False


class FtpServer:
    """Serves `folder` between `with` and its end. `commands` are those it was given, with their arguments but for
    PASS; `refuse` maps a command to the answer that it gets instead: {"APPE": "552 Exceeded storage allocation"}.
    """

    def __init__(self, folder: Path, *, user: str = USER, password: str = PASSWORD) -> None:
        self.commands: list[str] = []
        self.refuse: dict[str, str] = {}
        self.port = 0
        self.folder, self._user, self._password = folder, user, password
        self._stopping = False

    def __enter__(self) -> FtpServer:
        authorizer = DummyAuthorizer()
        authorizer.add_user(self._user, self._password, str(self.folder), perm="elradfmwMT")
        handler = type("Handler", (_Handler,), {"authorizer": authorizer, "peer": self, "auth_failed_timeout": 0})
        self._loop = IOLoop()
        self._server = FTPServer(("127.0.0.1", self.port), handler, ioloop=self._loop)
        self.port = self._server.socket.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="ftp")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopping:
            self._server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
        self._server.close_all()
        with contextlib.suppress(OSError):
            self._loop.close()

    def did(self, command: str) -> int:
        """How often it was asked for: `did("RETR")`."""
        return sum(line.split()[0] == command for line in self.commands)


class _Handler(FTPHandler):  # type: ignore[misc]
    peer: FtpServer

    def pre_process_command(self, line: str, cmd: str, arg: str) -> Any:
        self.peer.commands.append(cmd if cmd == "PASS" or not arg else f"{cmd} {arg}")
        if cmd in self.peer.refuse:
            return self.respond(self.peer.refuse[cmd])
        return super().pre_process_command(line, cmd, arg)
