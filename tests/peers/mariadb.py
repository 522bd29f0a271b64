"""MariaDB with everything it has in one temporary folder."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pymysql

from tests.peers.ports import free_port
from tests.peers.program import Program, binary, tcp_open

USER, PASSWORD = "voipsms", "secret-1"  # in the server's own folder, on loopback

# Durable as an operator's server is (a commit is on the disk), small in everything else.
_OPTIONS = (
    "--skip-networking=0", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=48M",
    "--key-buffer-size=1M", "--performance-schema=0", "--max-connections=60",
)  # fmt: skip


class MariaDb(Program):
    """`folder` may not hold a long path: the server's socket is in it (108 octets at the most)."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._names = itertools.count(1)
        self._as = ["--user=root"] if os.geteuid() == 0 else []
        files = [f"--datadir={folder}/data", f"--tmpdir={folder}", f"--pid-file={folder}/pid"]
        files += [f"--socket={folder}/socket", f"--init-file={folder}/accounts.sql"]
        command = ["mariadbd", "--no-defaults", *self._as, *files, f"--port={self.port}", *_OPTIONS]
        super().__init__("mariadb", command, folder)

    def install(self) -> None:
        """Creates the system tables and the account."""
        (self.folder / "accounts.sql").write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        command = [binary("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data", *self._as]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=48M"]
        with self.log.open("ab") as log:
            subprocess.run([*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)

    def ready(self) -> bool:
        return tcp_open(self.port)

    def execute(self, statement: str) -> None:
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, autocommit=True, ssl_disabled=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def new_database(self) -> str:
        """Makes an empty database and returns its `mysql://` URL."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rpartition('/')[2]}")
