"""Numbers that users register: theirs when a code that was sent there has come back."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from voipsms.callback.limits import check
from voipsms.callback.replies import say
from voipsms.config import Config
from voipsms.directory import Account, Directory
from voipsms.errors import Refused, TooManyCodes
from voipsms.log import get_logger
from voipsms.model import Millis, Msisdn, UserId
from voipsms.numbers_book import Tagged
from voipsms.store import claims
from voipsms.store.claims import Claim
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.store.numbers import NewNumber, NumberError, add_number

DIGITS: Final = 6
LIFE, HOUR = 900_000, 3_600_000  # milliseconds
MOST: Final = 5  # numbers that a user claims in an hour
TRIES: Final = 5  # that a code has
_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_TAKEN: Final = "This number belongs to somebody else"

log = get_logger("callback")


class Sends(Protocol):
    """Automatic."""

    async def send(
        self, payer: UserId, sender: str, target: str, text: str, key: bytes = b"", *, asked: bool = False
    ) -> bool: ...


class Registering:
    """`secret`: of all processes alike; `refresh`: the directory learns of a number at once."""

    def __init__(
        self,
        directory: Directory,
        journal: Journal,
        automatic: Sends,
        secret: bytes,
        config: Callable[[], Config],
        refresh: Callable[[], Awaitable[bool]],
        clock: Callable[[], Millis] = now_millis,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._automatic = automatic
        self._secret = secret
        self._config = config
        self._refresh = refresh
        self._clock = clock

    async def start(self, account: Account, number: Msisdn, sender: str) -> str:
        """`registered`, `known` or `code_sent`, which leaves from `sender`. Raises Refused, StoreError."""
        config = self._config()
        check(number, config.callback, self._directory.book, config.sms.country)
        owner = self._directory.by_number.get(number)
        if owner is not None:
            if owner.id == account.id:
                return "known"
            raise Refused(_TAKEN)
        if not config.callback.callbackconfirm:
            await self._add(account, number)
            return "registered"
        await self._send_code(account, number, sender)
        return "code_sent"

    async def _send_code(self, account: Account, number: Msisdn, sender: str) -> None:
        code, now = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}", self._clock()
        claim = Claim(number, account.id, self._hash(number, account.id, code), now, Millis(now + LIFE))
        since = Millis(now - HOUR)
        if not await self._journal.run(lambda db: claims.add(db, claim, since, MOST)):
            raise TooManyCodes
        if not await self._automatic.send(account.id, sender, number, say("code", code=code), secrets.token_bytes(16)):
            raise TooManyCodes("No code can be sent there now")
        log.info("a number is to be registered", user=account.name, number=number)

    async def confirm(self, number: str, code: str) -> bool:
        """Whether this is the code that was sent there: then the number is its claimer's. Raises Refused where it has
        become somebody else's; StoreError."""
        if not number or not _CODE.fullmatch(code):
            return False
        now = self._clock()

        def attempt(db: Database) -> UserId | None:
            """Something true: that it was tried is written, whatever comes of it."""
            found = claims.find(db, number) if claims.attempt(db, number, now, TRIES) else None
            if found is None or not hmac.compare_digest(found[1], self._hash(number, found[0], code)):
                return None
            return found[0]

        user_id = await self._journal.run(lambda db: (attempt(db),))
        account = self._directory.by_id.get(user_id[0]) if user_id[0] is not None else None
        if account is None:
            return False
        await self._add(account, Msisdn(number))
        return True

    async def _add(self, account: Account, number: Msisdn) -> None:
        def add(db: Database) -> bool:
            add_number(db, account.name, NewNumber(Tagged(number)))
            claims.end(db, number)
            return True

        try:
            await self._journal.run(add)
        except NumberError as error:
            if self._directory.by_number.get(number) is not account:
                raise Refused(_TAKEN) from error
        log.info("a number is registered", user=account.name, number=number)
        await self._refresh()

    def _hash(self, number: str, user_id: UserId, code: str) -> str:
        words = f"register {number} {user_id} {code}".encode()
        return hmac.digest(self._secret, words, "sha256").hex()
