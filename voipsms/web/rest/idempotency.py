"""`Idempotency-Key`: the same request gets the same answer for 24 hours, in every process and after a restart.

A claim is committed before the work begins, the answer after it. Each message has an ingress key of its own besides, so
that a request which was cut off in the middle can be done again: what was accepted then is not accepted twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from voipsms.errors import StoreError, Unavailable
from voipsms.model import UserId
from voipsms.store import requests
from voipsms.store.database import Database
from voipsms.store.ids import IdSource, id_time, now_millis
from voipsms.store.journal import Journal
from voipsms.store.requests import Claim, Kept
from voipsms.web.rest.problems import Answer, Problem, of_refusal

STALE: Final = 120_000  # milliseconds after which nobody is at it any more
LONGEST: Final = 255  # characters of a key

A = TypeVar("A")
B = TypeVar("B")


class Request:
    """A key, and what it came with."""

    def __init__(self, user: UserId, key: str, path: str, body: bytes) -> None:
        if not (key.isascii() and key.isprintable() and 0 < len(key) <= LONGEST):
            raise Problem(
                422, "invalid_request", f"Idempotency-Key has to be 1 to {LONGEST} printable ASCII characters"
            )
        self.key = _hash(f"{user}\0{key}".encode())
        self.digest = _hash(path.encode("utf-8", "surrogateescape") + b"\0" + body)
        self.holder = secrets.token_hex(16)

    def ingress_key(self, number: int) -> bytes:
        """Of one of its messages."""
        return hashlib.blake2b(f"{self.key}\0{number}".encode(), digest_size=16, person=b"rest").digest()


def _hash(octets: bytes) -> str:
    return hashlib.blake2b(octets, digest_size=16).hexdigest()


class Once:
    """Many requests share the transactions of their claims and answers."""

    def __init__(self, journal: Journal, ids: IdSource) -> None:
        self._journal = journal
        self._ids = ids
        self._claims: _Together[Claim, Kept] = _Together(self._claim_all)
        self._answers: _Together[tuple[str, str, int, str], None] = _Together(self._answer_all)

    async def __call__(self, request: Request, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to the first such request. Raises Problem."""
        try:
            kept = await self._claims(self._claim(request))
            if kept.digest != request.digest:
                raise Problem(422, "key_reused", "This Idempotency-Key belongs to another request")
            if kept.status:
                return Answer(kept.status, kept.answer, headers=(("Idempotent-Replay", "true"),))
            if kept.holder != request.holder and not await self._retaken(kept, request):
                raise Problem(409, "still_running", "The same request is still at work", retry_after=1)
            return await self._answered(request, work)
        except StoreError as error:
            raise of_refusal(Unavailable("The store is out of reach")) from error

    def _claim(self, request: Request) -> Claim:
        return Claim(self._ids.next(), request.key, request.digest, request.holder)

    async def _retaken(self, kept: Kept, request: Request) -> bool:
        if id_time(kept.id) > now_millis() - STALE:
            return False
        claim = self._claim(request)
        return await self._journal.run(lambda db: requests.retake(db, kept, claim))

    async def _answered(self, request: Request, work: Callable[[], Awaitable[Answer]]) -> Answer:
        status, body = 0, ""
        try:
            answer = await work()
            if answer.lasting:
                status, body = answer.status, answer.body
        except Problem as problem:
            answer = problem.answer()
            if answer.lasting:
                status, body = answer.status, answer.body
        finally:
            await self._answers((request.key, request.holder, status, body))
        return answer

    async def _claim_all(self, claims: list[Claim]) -> list[Kept]:
        return await self._journal.run(lambda db: requests.claim(db, claims))

    async def _answer_all(self, answers: list[tuple[str, str, int, str]]) -> list[None]:
        def work(db: Database) -> bool:
            requests.answer(db, answers)
            return True

        await self._journal.run(work)
        return [None] * len(answers)


class _Together(Generic[A, B]):
    """What comes while the last transaction runs shares the next one."""

    def __init__(self, work: Callable[[list[A]], Awaitable[list[B]]]) -> None:
        self._work = work
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._task: asyncio.Task[None] | None = None

    def __call__(self, one: A) -> asyncio.Future[B]:
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return future

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results: list[Any] = await self._work([one for one, _ in batch])
            except StoreError as error:
                results = [error] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, StoreError):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        self._task = None
