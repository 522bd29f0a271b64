"""Who asks for a call: the account that a text proves, by `callingcardauth`.

A number proves itself, since networks and the softswitch vouch for it; a number of the gateway's own proves nothing.
What was wrong is never told apart.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from voipsms.accept import find
from voipsms.callback.grammar import Reading
from voipsms.callback.lockouts import Lockouts
from voipsms.config import Config
from voipsms.directory import Account, Directory
from voipsms.errors import AccountExpired, UserInactive, VoipSmsError
from voipsms.log import get_logger
from voipsms.model import UserId, UserType
from voipsms.proving import Passwords
from voipsms.sms.numbers import Kind, read_number
from voipsms.store import pincodes
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.values import Value

MOST_JOINED: Final = 3  # accounts whose names a word begins with that are tried
LONGEST: Final = 128  # characters of a word that is looked at
_PINCODE: Final = re.compile(r"[0-9]{4,12}", re.ASCII)
_GUESSED: Final = 8  # digits: who sends fewer may be trying pincodes
PHONES: Final = frozenset({Kind.MOBILE, Kind.PHONE})

log = get_logger("callback")


class NotProven(VoipSmsError):
    """Nobody, or not rightly."""


class LockedOut(NotProven):
    """Too often: no answer."""


class Asker(Value, frozen=True):
    """Who a text is from: `number` in digits, '' where that is hidden or no phone's. `user_id`: whom the door has
    proven it to be; None: nobody."""

    number: str = ""
    user_id: UserId | None = None


class Proven(Value, frozen=True):
    reading: Reading
    account: Account


def number_of(sender: str, country: str) -> str:
    """The digits of a phone; '' of `anonymous`, a name, a short code or nothing."""
    found = read_number(sender, country)
    return found.digits if found.kind in PHONES else ""


class Authentication:
    """`secret`: of all processes alike."""

    def __init__(
        self,
        directory: Directory,
        reader: Reader,
        passwords: Passwords,
        secret: bytes,
        config: Callable[[], Config],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self.config = config
        self.clock = clock
        self._reader = reader
        self._passwords = passwords
        self._secret = secret
        self._bounds = (0, 0.0)
        self._locks = Lockouts(1, 1.0)

    @property
    def locks(self) -> Lockouts:
        """New ones when the settings have changed."""
        settings = self.config().callback
        if self._bounds != (settings.attempts, settings.lockout):
            self._bounds = (settings.attempts, settings.lockout)
            self._locks = Lockouts(*self._bounds)
        return self._locks

    async def prove(self, readings: Sequence[Reading], asker: Asker) -> Proven:
        """The first reading that proves somebody. Raises NotProven, LockedOut; UserInactive and AccountExpired of who
        is proven; Unavailable, StoreError."""
        if self.locks.sender(asker.number, self.clock()):
            raise LockedOut
        attempt = _Attempt(self, asker)
        for reading in readings:
            account = await attempt.account(reading)
            if account is not None:
                if not attempt.guessed:
                    self.locks.right(asker.number)
                else:
                    self._wrong(asker, attempt.tried, guess=True)
                return Proven(reading, _checked(account))
        if attempt.shut:
            raise LockedOut
        self._wrong(asker, attempt.tried, guess=attempt.guessed)
        raise NotProven

    def _wrong(self, asker: Asker, names: Sequence[str], *, guess: bool) -> None:
        if self.locks.wrong(asker.number, names, self.clock(), guess=guess):
            log.warning("too many wrong commands", sender=asker.number or "hidden")

    # -- the proofs

    def owner(self, number: str) -> Account | None:
        """The account that this phone is one of."""
        if not number or self.directory.book.is_service(number):
            return None
        return find(self.directory, number, "")

    async def by_pincode(self, pincode: str) -> Account | None:
        digest = pincodes.hashed(self._secret, pincode)
        found = await self._reader.run(lambda db: pincodes.find(db, digest))
        return self.directory.by_id.get(found) if found is not None else None

    async def by_password(self, account: Account, password: str) -> bool:
        stored = account.keys.password
        return bool(stored) and await self._passwords.right(account.name, password, stored)

    def begins(self, word: str) -> Iterator[str]:
        """Names of accounts that a word begins with, the longest first."""
        found = (word[:at] for at in range(len(word) - 1, 0, -1))
        names = (name for name in found if name in self.directory.by_name)
        return (name for _, name in zip(range(MOST_JOINED), names, strict=False))

    def shuts(self, name: str, asker: Asker) -> bool:
        """Whether an account is closed to this sender: those of its own numbers are never shut out by others."""
        if not self.locks.account(name, self.clock()):
            return False
        own = self.owner(asker.number)
        return own is None or own.name != name


class _Attempt:
    """One text. `tried`: accounts with wrong passwords; `guessed`: it may be somebody who tries what fits; `shut`:
    something in it was not looked at, since too much was wrong before."""

    def __init__(self, house: Authentication, asker: Asker) -> None:
        self._house, self._asker = house, asker
        self._proofs = house.config().sms.callingcardauth
        self._looked: dict[tuple[str, str], Account | None] = {}
        self.tried: list[str] = []
        self.guessed = self.shut = False

    async def account(self, reading: Reading) -> Account | None:
        if not (reading.username or reading.pincode):
            return self._believed(self._by_number())
        if self._house.locks.overall(self._house.clock()):
            self.shut = True
            return None
        key = (reading.username, reading.password) if reading.username else ("", reading.pincode)
        if key not in self._looked:
            self._looked[key] = self._believed(await self._look(*key))
        return self._looked[key]

    def _by_number(self) -> Account | None:
        house, asker = self._house, self._asker
        if asker.user_id is not None:
            return house.directory.by_id.get(asker.user_id)
        return house.owner(asker.number) if "number" in self._proofs else None

    async def _look(self, name: str, word: str) -> Account | None:
        if len(name) > LONGEST or len(word) > LONGEST:
            return None
        if name:
            return await self._password(name, word) if "password" in self._proofs else None
        if "pincode" in self._proofs and (account := await self._pincode(word)) is not None:
            return account
        return await self._joined(word) if "joined" in self._proofs else None

    async def _pincode(self, word: str) -> Account | None:
        if not _PINCODE.fullmatch(word):
            return None
        account = await self._house.by_pincode(word)
        self.guessed = self.guessed or (account is None and len(word) <= _GUESSED)
        return account

    async def _joined(self, word: str) -> Account | None:
        for begin in self._house.begins(word):
            if (account := await self._password(begin, word[len(begin) :])) is not None:
                return account
        return None

    async def _password(self, name: str, password: str) -> Account | None:
        house, account = self._house, self._house.directory.by_name.get(name)
        if account is None:
            return None
        if house.shuts(name, self._asker):
            self.shut = True
            return None
        right = await house.by_password(account, password)
        if right and not house.shuts(name, self._asker):  # others may have been wrong meanwhile
            return account
        self.tried.append(name)
        self.guessed = True
        return None

    def _believed(self, account: Account | None) -> Account | None:
        """No admin, whose credit has no end, is proven by a text."""
        return None if account is None or account.type is UserType.ADMIN else account


def _checked(account: Account) -> Account:
    if not account.enabled:
        raise UserInactive
    if account.expired(now_millis()):
        raise AccountExpired
    return account
