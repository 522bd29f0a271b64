"""What the tests of the HTTP connector share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from tests.connectors.messages import message
from voipsms.connectors.http import HttpConnector
from voipsms.model import Submitted

C = TypeVar("C", bound=HttpConnector)


class Connect(Protocol):
    """Makes a connector from GatewaySettings' fields, with `options` of its own; it is closed after the test."""

    def __call__(
        self, url: str, *, kind: type[HttpConnector] = ..., options: dict[str, object] | None = None, **fields: object
    ) -> HttpConnector: ...


class Wakes:
    """Counts the calls of `wake`."""

    def __init__(self) -> None:
        self.count = 0
        self.called = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.called.set()


class Traced:
    """Keeps what an exchange was logged as."""

    def __init__(self) -> None:
        self.fields: dict[str, object] = {}

    def __call__(self, event: str, /, **fields: object) -> None:
        self.fields = fields


def submit(connector: HttpConnector, text: str = "hello", **fields: str) -> Awaitable[Submitted]:
    (part,) = connector.split(message(text, **fields))  # type: ignore[arg-type]
    return connector.submit(part)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
