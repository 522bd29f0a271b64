"""Whether a STUN server answers (RFC 8489). The library waits eight seconds for one that doesn't, at each call."""

from __future__ import annotations

import secrets
import socket
from typing import Final

PORT: Final = 3478
WAITS: Final = (0.3, 0.6, 1.2)  # seconds for an answer to each request
_REQUEST: Final = bytes.fromhex("000100002112a442")  # Binding, no attributes, magic cookie: §5
_SUCCESS: Final = bytes.fromhex("0101")


def answers(server: str) -> bool:
    """`server`: host or host:port. False also for a name that is unknown."""
    host, _, port = server.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((host, int(port or PORT)))
            return any(_answers(asking, wait) for wait in WAITS)
        except (OSError, ValueError):
            return False


def _answers(asking: socket.socket, wait: float) -> bool:
    transaction = secrets.token_bytes(12)
    asking.settimeout(wait)
    asking.send(_REQUEST + transaction)
    try:
        answer = asking.recv(2048)
    except TimeoutError:
        return False
    return answer.startswith(_SUCCESS) and answer[8:20] == transaction
