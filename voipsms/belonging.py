"""Whose a text from a phone is: the number's owner, else whom the text names, else who wrote to that phone last.

`#name#` anywhere in a text that came to nobody's number names an account: by its name, by the mail address that it is
reached at, or by what stands before the @ of any other. Nothing is ever sent to an address out of a text, so no phone
can make this a mail relay. The mark stays in the text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from voipsms import stop_words
from voipsms.directory import Account, Directory
from voipsms.errors import StoreError
from voipsms.log import get_logger
from voipsms.model import Belongs, Incoming, Millis, UserId, UserType
from voipsms.settings import GlobalSettings
from voipsms.store.database import Database
from voipsms.store.ids import first_id, now_millis
from voipsms.store.numbers import Writer, tell_conflict, writers
from voipsms.store.reader import Reader

MOST_AT_ONCE: Final = 500  # phones that one question to the database is about
_MINUTE: Final = 60_000
_NAMED = re.compile(r"#(?=([^#\s]{1,128})#)")

Work = Callable[[Callable[[Database], bool]], Awaitable[bool]]  # the journal's `run`

log = get_logger("inbound")


class Automatic(Protocol):
    """What tells a phone that its text may be for several users."""

    def answerable(self, incoming: Incoming, /) -> bool: ...

    async def send(self, payer: UserId, sender: str, target: str, text: str, /) -> bool: ...


class Belonging:
    def __init__(
        self,
        directory: Directory,
        reader: Reader,
        run: Work,
        settings: Callable[[], GlobalSettings],
        automatic: Automatic,
    ) -> None:
        self._directory = directory
        self._run = run
        self._settings = settings
        self._automatic = automatic
        self._writers = _Writers(reader)
        self._names: Mapping[str, Account | None] = {}
        self._named_of: Mapping[UserId, Account] | None = None  # whose names they are

    async def whose(self, incoming: Incoming) -> Belongs:
        """Raises StoreError."""
        if found := self._directory.book.find(incoming.target, incoming.text):
            return found
        if "#" in incoming.text and (account := self._named(incoming.text)):
            return Belongs(account.id, incoming.target)
        return await self._by_window(incoming)

    # -- by name

    def _named(self, text: str) -> Account | None:
        if self._named_of is not self._directory.by_id:  # a reload makes it anew
            self._names, self._named_of = _names(self._directory.by_id), self._directory.by_id
        words = (found[1] for found in _NAMED.finditer(text))
        return next((account for word in words if (account := self._account(word))), None)

    def _account(self, word: str) -> Account | None:
        folded = word.casefold()
        exact = self._directory.by_name.get(word)
        return exact or self._names.get(folded) or self._names.get(folded.partition("@")[0])

    # -- by who wrote to the phone

    async def _by_window(self, incoming: Incoming) -> Belongs:
        window = self._settings().smsreceive_reply * _MINUTE
        if not window:
            return Belongs(None, incoming.target)
        since = first_id(Millis(max(incoming.created - window, 0)))
        rivals = self._people(await self._writers.of(incoming.source, since))
        if len(rivals) == 1:
            return Belongs(rivals[0], incoming.target)
        if rivals:
            await self._ask_back(incoming, rivals, window)
        return Belongs(None, incoming.target, rivals=rivals)

    def _people(self, found: Sequence[Writer]) -> tuple[UserId, ...]:
        """What was booked on the operator's own account, as copies are, rivals with nobody."""
        accounts = [account for writer in found if (account := self._directory.by_id.get(writer.user_id))]
        people = [account for account in accounts if account.type is not UserType.ADMIN]
        return tuple(account.id for account in people or accounts)

    async def _ask_back(self, incoming: Incoming, rivals: Sequence[UserId], window: int) -> None:
        """Once in a window; billed to who wrote last. STOP and the like are answered as what they are."""
        text = self._settings().smsreceive_conflict
        if not text or stop_words.read(incoming.text) or not self._automatic.answerable(incoming):
            return
        phone, now = incoming.source, now_millis()
        if await self._run(lambda db: tell_conflict(db, phone, now, window)):
            log.info("a text may be for several users; the phone is asked", id=incoming.id, users=len(rivals))
            await self._automatic.send(rivals[0], incoming.target, phone, text)


def _names(accounts: Mapping[UserId, Account]) -> dict[str, Account | None]:
    """By name and mail address, folded; None: of several."""
    found: dict[str, Account | None] = {}
    for account in accounts.values():
        for word in {account.name.casefold(), account.reach.mail.casefold()} - {""}:
            found[word] = None if word in found else account
    return found


class _Writers:
    """Asks for all that wait in one question, and for those that come meanwhile in the next."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._waiting: list[tuple[str, int, asyncio.Future[list[Writer]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def of(self, phone: str, since: int) -> list[Writer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Writer]] = loop.create_future()
        self._waiting.append((phone, since, answer))
        if self._task is None:
            self._task = loop.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._ask_for(asked)
        finally:
            self._task = None

    async def _ask_for(self, asked: Sequence[tuple[str, int, asyncio.Future[Any]]]) -> None:
        phones = [(phone, since) for phone, since, _ in asked]
        found: Sequence[Any] = [StoreError("who wrote to a phone can't be asked")] * len(asked)
        try:
            found = await self._reader.run(lambda db: writers(db, phones))
        except StoreError as error:
            found = [error] * len(asked)
        finally:
            for (*_, answer), result in zip(asked, found, strict=True):
                _give(answer, result)


def _give(answer: asyncio.Future[Any], result: object) -> None:
    if answer.done():  # nobody waits for it any more
        return
    if isinstance(result, StoreError):
        answer.set_exception(result)
    else:
        answer.set_result(result)
