"""Wrong credentials: who has tried too often, by account and by address."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from voipsms.sip.digest import Attempts

MOST_FRIENDS: Final = 20_000  # accounts with the addresses that they were right from
NAME: Final = 64  # characters of a name that are looked at: no account has more
# Times as many wrong attempts lock an address, whatever names it tries, and an account, wherever they come from.
ADDRESS, ACCOUNT = 4, 20


class Lockouts:
    """After `limit` wrong attempts an address is locked out of that account for `lockout` seconds; after more of them
    it is locked out of all, and everybody out of the account, but for addresses that were right before: so nobody can
    shut out the account's owner. Times are seconds of any clock."""

    def __init__(self, limit: int, lockout: float) -> None:
        self._pairs = Attempts(limit, lockout)
        self._addresses = Attempts(limit * ADDRESS, lockout)
        self._accounts = Attempts(limit * ACCOUNT, lockout)
        self._friends: OrderedDict[tuple[str, str], None] = OrderedDict()

    def locked(self, name: str, address: str, now: float) -> bool:
        name = name[:NAME]
        if self._pairs.locked(name, address, now) or self._addresses.locked("", address, now):
            return True
        return self._accounts.locked(name, "", now) and (name, address) not in self._friends

    def wrong(self, name: str, address: str, now: float) -> bool:
        """Counts an attempt. Returns whether that address is locked out now."""
        name = name[:NAME]
        self._accounts.wrong(name, "", now)
        of_address = self._addresses.wrong("", address, now)
        return self._pairs.wrong(name, address, now) or of_address

    def right(self, name: str, address: str) -> None:
        self._pairs.right(name, address)
        pair = (name, address)
        if pair not in self._friends:
            self._friends[pair] = None
            if len(self._friends) > MOST_FRIENDS:
                self._friends.popitem(last=False)
