"""`uauthverify`: whether somebody who signs up has the phone that they say, by a code in an SMS.

The codes of a number, and of an address that asks, are few; each has few tries and a short life, whichever process is
asked. No answer tells whether a number is known here.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from voipsms.automatic import DOOR, Submits
from voipsms.errors import (
    Blocked,
    ImpossibleNumber,
    NotVerifying,
    OptedOut,
    Refused,
    StoreError,
    TooManyCodes,
    Unavailable,
    WrongCode,
)
from voipsms.log import get_logger
from voipsms.model import Millis, Submission
from voipsms.settings import GlobalSettings
from voipsms.sms.numbers import Kind, read_number
from voipsms.store import codes
from voipsms.store.codes import Code
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.journal import Journal
from voipsms.values import Value

T = TypeVar("T")

DIGITS: Final = 6
MINUTE, HOUR = 60_000, 3_600_000  # milliseconds
FORGET = 3600.0  # seconds
ADDRESSES: Final = 10  # times as many codes for one address as for one number
_ID = re.compile("[0-9a-f]{32}")
_PHONES = frozenset({Kind.MOBILE, Kind.PHONE})

log = get_logger("verifying")


class Started(Value, frozen=True):
    """`id` names the verification to `check_id`; `expires`: when its code does."""

    id: str
    expires: Millis


class Verifying:
    """`secret`: of all processes alike."""

    def __init__(
        self,
        intake: Submits,
        journal: Journal,
        secret: bytes,
        settings: Callable[[], GlobalSettings],
        clock: Callable[[], Millis] = now_millis,
    ) -> None:
        self._intake = intake
        self._journal = journal
        self._secret = secret
        self._settings = settings
        self._clock = clock

    async def start(self, number: str, address: str) -> Started:
        """Sends a code; those that the number had are void. Raises NotVerifying, ImpossibleNumber, TooManyCodes,
        Unavailable."""
        settings, now = self._settings(), self._clock()
        phone = self._phone(number)
        digits = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        started = Started(secrets.token_hex(16), Millis(now + settings.uauthverify_minutes * MINUTE))
        code = Code(started.id, phone, address, self._hash(started.id, digits), now, started.expires)
        each = settings.uauthverify_each
        since = Millis(now - HOUR)
        if not await self._written(lambda db: codes.add(db, code, since, each, each * ADDRESSES)):
            log.warning("too many sign-up codes", target=phone, address=address)
            raise TooManyCodes(retry_after=HOUR // 1000)
        await self._send(phone, settings.uauthverify_text.replace("{code}", digits), bytes.fromhex(started.id))
        return started

    async def check(self, number: str, code: str, address: str) -> None:
        """Returns once for the newest code of this number. Raises WrongCode, NotVerifying, ImpossibleNumber,
        Unavailable."""
        phone = self._phone(number)
        await self._check(lambda db: codes.newest(db, phone), code, address)

    async def check_id(self, verification: str, code: str, address: str) -> str:
        """As `check`, for the code that `start` has named so; the number that it proves."""
        self._payer()
        if not _ID.fullmatch(verification):
            raise WrongCode
        return await self._check(lambda db: verification, code, address)

    async def _check(self, which: Callable[[Database], str], code: str, address: str) -> str:
        now, most = self._clock(), self._settings().uauthverify_tries
        said = code.strip()

        def attempt(db: Database) -> tuple[bool, str]:
            """Something true: that it was tried is written, whatever comes of it."""
            kept = codes.attempt(db, which(db), now, most)
            if kept is None or not hmac.compare_digest(kept.hash, self._hash(kept.id, said)):
                return False, ""
            return codes.use(db, kept.id, now), kept.number

        right, phone = await self._written(attempt)
        if not right:
            log.info("a sign-up code is wrong", address=address)
            raise WrongCode
        log.info("a number is verified", target=phone, address=address)
        return phone

    async def _written(self, work: Callable[[Database], T]) -> T:
        try:
            return await self._journal.run(work)
        except StoreError as error:
            raise Unavailable from error

    def _payer(self) -> str:
        if not (payer := self._settings().uauthverify):
            raise NotVerifying
        return payer

    def _phone(self, raw: str) -> str:
        self._payer()
        number = read_number(raw, self._settings().country)
        if number.kind not in _PHONES:
            raise ImpossibleNumber
        return number.digits

    def _hash(self, verification: str, digits: str) -> str:
        return hmac.digest(
            self._secret, f"uauthverify {verification} {digits}".encode(errors="replace"), "sha256"
        ).hex()

    async def _send(self, phone: str, text: str, key: bytes) -> None:
        """Who wants no texts, or may have none, is not told so here."""
        payer, valid = self._payer(), self._settings().uauthverify_minutes * MINUTE // 1000
        try:
            await self._intake.submit(Submission(DOOR, (payer,), payer, phone, text, key, valid=valid))
        except (OptedOut, Blocked) as refusal:
            log.info("a sign-up code is not sent", target=phone, why=str(refusal))
        except (Refused, StoreError) as error:
            log.warning("a sign-up code can't be sent", target=phone, why=str(error))
            raise Unavailable from error

    async def run(self) -> None:
        """Until cancelled: codes that count no more are forgotten."""
        while True:
            try:
                await self.forget()
            except StoreError as error:
                log.debug("codes can't be forgotten now", why=str(error))
            await asyncio.sleep(FORGET)

    async def forget(self) -> int:
        """Raises StoreError."""
        before = Millis(self._clock() - HOUR - self._settings().uauthverify_minutes * MINUTE)
        return await self._journal.run(lambda db: codes.forget(db, before))

    # -- the Mizu API

    async def entry(self, parameters: Mapping[str, str], address: str) -> str:
        """`apientry=uauthverify`: `to` alone asks for a code, with `code` checks it. Names of parameters in lower case.

        Only for who has the server's key, e.g. a website: it says by `address` who signs up there."""
        number = parameters.get("to") or parameters.get("bnum", "")
        code, whose = parameters.get("code", ""), parameters.get("address") or address
        try:
            if not code:
                return f"OK {(await self.start(number, whose)).id}"
            await self.check(number, code, whose)
        except Refused as refusal:
            return f"ERROR {refusal.code} {refusal}"
        return "OK"
