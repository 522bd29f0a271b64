"""Loopback ports that nobody else has."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

# Below the kernel's ephemeral range, so that no outgoing connection takes a port between our look and the peer's bind.
_RANGE = range(20000, 32000)


def _free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports, free for TCP and UDP on 127.0.0.1."""

    def candidates() -> Iterator[int]:
        yield from random.sample(_RANGE, len(_RANGE))

    found = tuple(port for port, _ in zip(filter(_free, candidates()), range(count), strict=False))
    if len(found) < count:
        raise OSError("no free loopback ports")
    return found


def free_port() -> int:
    return free_ports(1)[0]


def taken(port: int) -> bool:
    """Whether something listens there on 127.0.0.1, by TCP or UDP."""
    return not _free(port)
