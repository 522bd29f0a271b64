"""Who asks the API: the proof by server key with password or authmd5 (Mizu, seeds/002 "API"), or by bearer key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final

from voipsms import metrics
from voipsms.directory import Account, Directory
from voipsms.errors import UserInactive, VoipSmsError
from voipsms.log import get_logger
from voipsms.model import UserType
from voipsms.networks import Network, inside
from voipsms.proving import LONGEST, Passwords
from voipsms.settings import HttpSettings
from voipsms.store import salts
from voipsms.store.api_keys import hashed
from voipsms.values import Value
from voipsms.web.lockouts import Lockouts
from voipsms.web.peer import address_of

MOST_SALTS: Final = 50_000  # at hand; all are in the tables, see store/salts.py
PENALTY: Final = 0.25  # seconds that the answer to a wrong attempt is held back

log = get_logger("api")


class Denied(VoipSmsError):
    """Not told: which part of the proof was wrong."""

    code: ClassVar[str] = "denied"
    http_status: ClassVar[int] = 401
    text: ClassVar[str] = "Wrong credentials"

    def __init__(self) -> None:
        super().__init__(self.text)


class LockedOut(Denied):
    code = "locked_out"
    http_status = 429
    text = "Too many wrong credentials"


class NotAllowed(Denied):
    """It is who it says, but may not do this, or not from there."""

    code = "not_allowed"
    http_status = 403
    text = "Not allowed"


class Credentials(Value, frozen=True):
    """As the Mizu API has them. `authmd5` counts where both it and `authpwd` are there."""

    authkey: str = ""
    authid: str = ""
    authpwd: str = ""
    authmd5: str = ""
    authsalt: str = ""


class Proven(Value, frozen=True):
    """`once`: what makes the request the only one that may have this salt; whoever serves it writes it down as an
    ingress key, and refuses it where it is known. Empty: by password, which may come again."""

    account: Account
    once: bytes = b""


class Access:
    """`configure` takes new settings and forgets who was locked out."""

    def __init__(
        self,
        directory: Directory,
        settings: HttpSettings,
        clock: Callable[[], float] = time.monotonic,
        passwords: Passwords | None = None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._salts: OrderedDict[bytes, None] = OrderedDict()
        self.passwords = passwords or Passwords(clock)
        self.configure(settings)

    def configure(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._authkey = settings.authkey.encode()
        self._lockouts = Lockouts(settings.attempts, settings.lockout)
        self._direct = lru_cache(maxsize=1000)(self._address_of)
        self._may_be_admin = lru_cache(maxsize=1000)(
            lambda address: not settings.allow or inside(address, settings.allow)
        )

    def close(self) -> None:
        self.passwords.close()

    # -- where from

    def address(self, scope: Mapping[str, Any]) -> str:
        """Of an ASGI request; see `address_of`."""
        client = scope.get("client")
        return (self._direct(client[0]) if client else "") or address_of(scope, self._settings.proxies)

    def _address_of(self, host: str) -> str:
        """'' of a proxy: then its headers tell."""
        if inside(host, self._settings.proxies):
            return ""
        return address_of({"client": (host, 0), "headers": ()}, ())

    # -- who

    def bearer(self, token: str, address: str) -> Account:
        """Raises Denied and its kinds, UserInactive. Nobody guesses a key, so wrong ones are only counted."""
        now = self._clock()
        self._check_lock("", address, now)
        account = self._directory.by_bearer.get(hashed(token[:LONGEST]))
        if account is None:
            self._count_wrong("", address, now)
            raise self._denial(Denied())
        self._check(account, address)
        return account

    async def prove(self, given: Credentials, address: str) -> Proven:
        """Raises Denied and its kinds, UserInactive, Unavailable."""
        now = self._clock()
        self._check_lock(given.authid, address, now)
        account = self._directory.by_name.get(given.authid)
        served = self._serves(given.authkey)
        proven = await self._proven(given, account)
        if not proven or not given.authmd5:
            self._check_lock(given.authid, address, now)  # others may have been wrong while a password was hashed
        if not served or account is None or not proven:
            self._count_wrong(given.authid, address, now)
            await asyncio.sleep(PENALTY)
            raise self._denial(Denied())
        self._check(account, address)
        self._lockouts.right(given.authid, address)
        if not given.authmd5:
            return Proven(account)
        return Proven(account, self._spend(given))

    def check_server_key(self, authkey: str, address: str) -> None:
        """Of a request that is no user's. Raises Denied and LockedOut."""
        now = self._clock()
        self._check_lock("", address, now)
        if not self._serves(authkey):
            self._count_wrong("", address, now)
            raise self._denial(Denied())

    def check_address(self, address: str, networks: Sequence[Network]) -> None:
        """Of a request that needs no other proof. Raises Denied."""
        if not inside(address, networks):
            raise self._denial(Denied())

    def check_admin(self, account: Account) -> None:
        """Raises NotAllowed."""
        if account.type is not UserType.ADMIN:
            raise self._denial(NotAllowed())

    def _serves(self, authkey: str) -> bool:
        """False where there is no server key: then the Mizu API is off."""
        return bool(self._authkey) and hmac.compare_digest(authkey.encode(), self._authkey)

    def _check_lock(self, name: str, address: str, now: float) -> None:
        if self._lockouts.locked(name, address, now):
            raise self._denial(LockedOut())

    def _check(self, account: Account, address: str) -> None:
        if account.type is UserType.ADMIN and not self._may_be_admin(address):
            log.warning("an admin's request from an address that is not allowed", user=account.name, address=address)
            raise self._denial(NotAllowed())
        if not account.enabled:
            raise UserInactive

    def _count_wrong(self, name: str, address: str, now: float) -> None:
        if self._lockouts.wrong(name, address, now):
            log.warning("wrong credentials too often", user=name, address=address)

    def _denial(self, denied: Denied) -> Denied:
        metrics.count("refused", denied.code)
        return denied

    # -- the proof

    async def _proven(self, given: Credentials, account: Account | None) -> bool:
        if given.authmd5:
            return self._right_md5(given, account.keys.secret if account else "")
        if not given.authpwd:
            return False
        return await self.passwords.right(given.authid, given.authpwd, account.keys.password if account else "")

    def _right_md5(self, given: Credentials, secret: str) -> bool:
        """Takes as long for an account without a secret, or for none."""
        words = f"{given.authid}:{self._settings.authkey}:{secret}:{given.authsalt}"
        expected = hashlib.md5(words.encode()).hexdigest()  # the document's, not ours
        same = hmac.compare_digest(given.authmd5.lower().encode(), expected.encode())
        return same and bool(secret) and 0 < len(given.authsalt) <= LONGEST

    def _spend(self, given: Credentials) -> bytes:
        """Raises Denied where this process has seen the salt."""
        once = salts.key_of(given.authid, given.authsalt)
        if once in self._salts:
            raise self._denial(Denied())
        self._salts[once] = None
        if len(self._salts) > MOST_SALTS:
            self._salts.popitem(last=False)
        return once
