"""Whether a password is right, without holding up the event loop: argon2 takes 50 ms and 64 MiB."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from voipsms.errors import Unavailable
from voipsms.passwords import hash_password, verify_password

REMEMBERED: Final = 300.0  # seconds that a verified password needs no hashing
MOST_REMEMBERED: Final = 20_000
MOST_VERIFYING: Final = 64  # passwords that wait for their hash
LONGEST: Final = 1024  # characters of a password
_UNWRITABLE: Final = re.compile("[\ud800-\udfff]")


class Passwords:
    """One for the whole process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()  # mark → until when
        self._verifying: dict[bytes, asyncio.Future[bool]] = {}
        self._thread = ThreadPoolExecutor(1, "passwords")

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def right(self, name: str, password: str, stored: str) -> bool:
        """`stored`: the account's hash, '' where it has none. Raises Unavailable.

        A pair that was right needs no hashing for a while, as long as the account keeps that password."""
        if len(password) > LONGEST or _UNWRITABLE.search(password):
            return False
        words = f"{name}\0{password}\0{stored}".encode("utf-8", "replace")
        mark = hashlib.blake2b(words, digest_size=16, key=self._key).digest()
        if self._clock() < self._remembered.get(mark, 0.0):
            return True
        if not await self._verified(mark, stored, password):
            return False
        self._remembered.pop(mark, None)
        self._remembered[mark] = self._clock() + REMEMBERED
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return True

    async def _verified(self, mark: bytes, stored: str, password: str) -> bool:
        """In the thread; who asks for the same while it runs gets the same answer. Raises Unavailable."""
        running = self._verifying.get(mark)
        if running is None:
            if len(self._verifying) >= MOST_VERIFYING:
                raise Unavailable("Too many passwords are being verified")
            loop = asyncio.get_running_loop()
            running = self._verifying[mark] = loop.run_in_executor(self._thread, _verify, stored, password)
            running.add_done_callback(lambda _: self._verifying.pop(mark, None))
        return await asyncio.shield(running)


@cache
def _decoy() -> str:
    return hash_password(secrets.token_hex())


def _verify(stored: str, password: str) -> bool:
    """Takes as long where there is no password."""
    return verify_password(stored or _decoy(), password) and bool(stored)
