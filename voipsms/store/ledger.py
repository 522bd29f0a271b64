"""The money of one commit, and the counters: accounts are locked, then asked, charged and paid back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voipsms.errors import MonthlyLimit, NoCredit, NoResellerCredit, Refused
from voipsms.model import Message, Micros, Millis, UserId
from voipsms.store.database import Database
from voipsms.store.ids import IdSource
from voipsms.store.terms import Counters, month_of

Rows = defaultdict[str, list[tuple[object, ...]]]
Ending = tuple[int, UserId]  # a message that may be paid back, and its user


@dataclass(slots=True)
class _Account:
    balance: int
    floor: int | None  # None: no limit


class Ledger:
    """Writes into `rows`, by statement. Whoever is to be charged or paid back is locked before: all in one statement,
    in the order of their ids, so that commits don't wait for each other in a ring."""

    def __init__(self, db: Database, ids: IdSource, now: Millis, rows: Rows) -> None:
        self._db = db
        self._ids = ids
        self._now = now
        self._rows = rows
        self._accounts: dict[UserId, _Account] = {}
        self._deltas: defaultdict[UserId, int] = defaultdict(int)
        self._charges: dict[int, Sequence[tuple[UserId, int]]] = {}  # to be paid back with their messages
        self._limits: dict[UserId, int] = {}  # messages a month
        self._counters: dict[UserId, Counters] = {}
        self._counted: set[UserId] = set()

    def balances(self) -> dict[UserId, Micros]:
        return {user: Micros(account.balance) for user, account in self._accounts.items()}

    # -- locking

    def lock(self, accepted: Iterable[Message], ending: Iterable[Ending]) -> None:
        """All accounts that these messages may move money of, and the counters of those who have a limit."""
        users: set[UserId] = set()
        counted: set[UserId] = set()
        for message in accepted:
            users.add(message.user_id)
            if message.charges:
                users.update(user for user, _ in message.charges)
            if message.counted:
                counted.update(message.counted)
        users |= self._payers(ending)
        self.lock_users(users)
        if counted:
            self._read_counters(counted)

    def _payers(self, ending: Iterable[Ending]) -> set[UserId]:
        """Users and resellers; what the latter paid is kept."""
        users: set[UserId] = set()
        new: dict[int, list[tuple[UserId, int]]] = {}
        for message_id, user in ending:
            users.add(user)
            if message_id not in self._charges:
                new[message_id] = []
        if new:
            for message_id, user, paid in self._db.read_batch("charges_of", [(message_id,) for message_id in new]):
                new[message_id].append((user, paid))
                users.add(user)
            self._charges.update(new)
        return users

    def lock_users(self, users: set[UserId]) -> None:
        wanted = [(user,) for user in sorted(users - self._accounts.keys())]
        if not wanted:
            return
        for user, balance, limit, kind in self._db.read_batch("lock_accounts", wanted):
            self._accounts[UserId(user)] = _Account(balance, None if kind == "admin" else -limit)

    def _read_counters(self, counted: set[UserId]) -> None:
        month = month_of(self._now)
        for user, limit, *counters in self._db.read_batch("lock_counters", [(user,) for user in sorted(counted)]):
            if limit:
                self._limits[UserId(user)] = limit
                self._counters[UserId(user)] = Counters(*counters).at(month)

    # -- moving

    def refusal(self, message: Message) -> Refused | None:
        """Why it can't be charged: nobody goes below what is theirs."""
        if message.counted and any(map(self._is_full, message.counted)):
            return MonthlyLimit()
        if not self.affords(message.user_id, message.price):
            return NoCredit()
        if message.charges and not all(self.affords(user, price) for user, price in message.charges):
            return NoResellerCredit()
        return None

    def _is_full(self, user: UserId) -> bool:
        return user in self._limits and self._counters[user].sent >= self._limits[user]

    def affords(self, user: UserId, price: int) -> bool:
        account = self._accounts.get(user)
        return account is not None and (account.floor is None or account.balance - price >= account.floor)

    def reserve(self, message: Message, credit: Micros) -> None:
        """`credit`: for the advertisement in it."""
        self.move(message.user_id, message.id, "reserve", -message.price - credit)
        if credit:
            self.move(message.user_id, message.id, "advert", credit)
        if message.charges:
            self._charges[message.id] = message.charges
            for level, (user, price) in enumerate(message.charges, 1):
                self._rows["insert_charges"].append((message.id, level, user, price))
                self.move(user, message.id, "reserve", -price)
        for user in message.counted:
            if user in self._limits:
                known = self._counters[user]
                self._counters[user] = known._replace(sent=known.sent + 1)
                self._counted.add(user)

    def charge(self, message: Message) -> None:
        """For a message from a phone, which is there: nothing of it is ever paid back."""
        self.move(message.user_id, message.id, "charge", -message.price)

    def refund(self, message_id: int, user: UserId, price: Micros) -> None:
        """To the user and every reseller. After `lock`, which knows what they have paid and not got back."""
        self.move(user, message_id, "refund", price)
        if charges := self._charges.get(message_id):
            self._charges[message_id] = ()
            self._rows["refund_charges"].append((message_id,))
            for reseller, paid in charges:
                self.move(reseller, message_id, "refund", paid)

    def move(self, user: UserId, message_id: int, kind: str, amount: int) -> None:
        if not amount:
            return
        if user not in self._accounts:
            self.lock_users({user})
        self._rows["insert_ledger"].append((self._ids.next(), user, message_id, kind, amount, self._now, ""))
        self._deltas[user] += amount
        if user in self._accounts:
            self._accounts[user].balance += amount

    def flush(self) -> None:
        if self._deltas:
            self._rows["apply_balances"] = list(self._deltas.items())
            self._deltas.clear()
        if self._counted:
            self._rows["update_counters"] = [(user, *self._counters[user], self._now) for user in self._counted]
            self._counted.clear()
