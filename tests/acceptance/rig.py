"""What the acceptance tests stand on: the program, an SMSC, and a look into the tables."""

from __future__ import annotations

import contextlib
import io
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql

from tests.peers.gateway import Changes, Gateway
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand
from voipsms.cli import main
from voipsms.config import mysql_parameters

Rows = list[tuple[Any, ...]]


def ask(gateway: Gateway, statement: str) -> Rows:
    """Rows straight from its database; a statement that changes something is committed."""
    if urlsplit(gateway.url).scheme == "mysql":
        with pymysql.connect(**mysql_parameters(gateway.url)) as connection:  # type: ignore[call-overload]
            with connection.cursor() as cursor:
                cursor.execute(statement)
                rows = cursor.fetchall()
            connection.commit()
            return list(rows)
    file = gateway.file.parent / gateway.url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(file, timeout=5)) as database, database:
        return database.execute(statement).fetchall()


def one(gateway: Gateway, statement: str) -> Any:
    return ask(gateway, statement)[0][0]


def messages(gateway: Gateway) -> int:
    return int(one(gateway, "SELECT count(*) FROM tb_messages"))


def settled(gateway: Gateway, count: int, seconds: float = 20.0) -> None:
    """Waits until so many messages are stored and nothing is to be done for any of them. Raises TimeoutError."""
    question = "SELECT count(*), count(q.id) FROM tb_messages AS m LEFT JOIN tb_queue AS q ON q.id = m.id"
    wait_until(lambda: ask(gateway, question)[0] == (count, 0), f"{count} messages final", seconds, pause=0.05)


def taken_at_last(phone: Phone, target: str, sender: str) -> None:
    """Sends until a message is taken: an account that a command has changed is known within a tenth of a second."""
    wait_until(lambda: phone.send(target, sender=sender).status == 202, f"a message of {sender} taken", 10, pause=0.02)


def ledger_holds(gateway: Gateway) -> None:
    ran = gateway.run("ledger", "check")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


def run_here(gateway: Gateway, *words: str) -> str:
    """A command within this process, quicker where there are many."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["--config", str(gateway.file), *words]) == 0
    return said.getvalue()


@dataclass(frozen=True, slots=True)
class House:
    gateway: Gateway
    smsc: SmscCommand


@contextmanager
def house(
    folder: Path, url: str = "sqlite:///voipsms.db", *, smsc: Sequence[str] = (), changes: Changes | None = None,
    users: Callable[[Gateway], None] = Gateway.add_user, level: str = "info",
) -> Iterator[House]:  # fmt: skip
    """Both, running; `smsc` are options of the simulator, `users` adds the accounts."""
    with SmscCommand(folder, *smsc) as simulator:
        gateway = Gateway(folder, simulator.port, url, level=level, changes=changes)
        users(gateway)
        with gateway:
            yield House(gateway, simulator)
