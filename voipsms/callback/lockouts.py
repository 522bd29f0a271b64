"""Wrong commands: which senders and accounts have had too many, and whether all together have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from voipsms.sip.digest import Attempts

HIDDEN, ACCOUNT, OVERALL = 4, 2, 20  # times as many, of all hidden senders, for an account, and of everybody
NAME: Final = 64  # characters of a name that are looked at


class Lockouts:
    """Times are seconds of any clock. `sender` empty: hidden."""

    def __init__(self, limit: int, lockout: float) -> None:
        self._lockout = lockout
        self._senders = Attempts(limit, lockout)
        self._hidden = Attempts(limit * HIDDEN, lockout)
        self._accounts = Attempts(limit * ACCOUNT, lockout)
        self._vouchers = Attempts(limit, lockout)
        self._limit, self._count, self._since = limit * OVERALL, 0, 0.0

    def sender(self, sender: str, now: float) -> bool:
        """Whether it is locked out."""
        return self._of(sender).locked("", sender[:NAME], now)

    def account(self, name: str, now: float) -> bool:
        return self._accounts.locked(name, "", now)

    def overall(self, now: float) -> bool:
        """Whether credentials are believed of nobody for now."""
        return self._count >= self._limit and now - self._since < self._lockout

    def wrong(self, sender: str, names: Iterable[str], now: float, *, guess: bool) -> bool:
        """`names`: the accounts that were tried; `guess`: it may have been right for somebody. Returns whether the
        sender is locked out now."""
        for name in names:
            self._accounts.wrong(name, "", now)
        if guess:
            self._guess(now)
        return self._of(sender).wrong("", sender[:NAME], now)

    def _guess(self, now: float) -> None:
        if now - self._since >= self._lockout:
            self._since, self._count = now, 0
        self._count += 1

    def vouchers(self, name: str, now: float) -> bool:
        """Whether this account has tried too many codes that are no voucher's."""
        return self._vouchers.locked(name, "", now)

    def wrong_voucher(self, name: str, now: float) -> None:
        self._vouchers.wrong(name, "", now)

    def right_voucher(self, name: str) -> None:
        self._vouchers.right(name, "")

    def right(self, sender: str) -> None:
        if sender:
            self._senders.right("", sender[:NAME])

    def _of(self, sender: str) -> Attempts:
        return self._senders if sender else self._hidden
