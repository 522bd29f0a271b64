"""Accounts, numbers, opt-outs and gateways in memory, so that accepting a message asks no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voipsms import adverts, rulebook
from voipsms.adverts import Advert
from voipsms.log import get_logger
from voipsms.model import NOWHERE, GatewayId, Micros, Millis, Msisdn, Reach, UserId, UserType
from voipsms.numbers_book import NO_NUMBERS, NumberBook, Numbers
from voipsms.rating import DEFAULT_PACKET, Cost, Tariffs
from voipsms.resellers import BrokenChain, chain
from voipsms.routebook import read_routes
from voipsms.routing import Routes
from voipsms.rules import Rules
from voipsms.stops import Stops
from voipsms.store.api_keys import NO_KEYS, Keys, read_keys
from voipsms.store.reach import read_reach
from voipsms.values import Value

STATEMENTS = (
    "users",
    "user_numbers",
    "opted_out",
    "routes",
    "user_options",
    "rules",
    "adverts",
    "terms",
    "reach",
    "api_keys",
    "virtual_numbers",
    "call_routes",
)  # whose rows `load` takes


log = get_logger("accounts")


class Terms(Value, frozen=True):
    """A row of tb_terms: what few accounts have. `expires`: 0 never; `monthly`: messages a month, 0 any number."""

    reseller: UserId | None
    expires: Millis
    monthly: int
    gateway: GatewayId | None


@dataclass(slots=True, eq=False)
class Account:
    """One row of tb_users. `pending`: reserved here, but not yet in a commit."""

    id: UserId
    name: str
    type: UserType
    enabled: bool
    balance: Micros
    credit_limit: Micros
    currency: str
    ha1: Mapping[str, str] = field(default_factory=dict)  # digest algorithm → hash
    numbers: tuple[Msisdn, ...] = ()
    group: str = ""
    packet: str = DEFAULT_PACKET
    pending: int = 0
    terms: Terms | None = None
    levels: tuple[Account, ...] = ()  # the resellers above it, nearest first
    counted: tuple[UserId, ...] = ()  # who of them all has a limit of messages a month
    fault: str = ""  # why nobody can be billed by its resellers
    gateway: GatewayId | None = None  # which comes before those that routes find
    reach: Reach = NOWHERE
    ranges: Numbers = NO_NUMBERS
    keys: Keys = NO_KEYS

    @property
    def reseller(self) -> UserId | None:
        return self.terms.reseller if self.terms else None

    def expired(self, now: Millis) -> bool:
        return self.terms is not None and 0 < self.terms.expires <= now

    def affords(self, price: Micros) -> bool:
        """Prepaid down to zero, postpaid to its limit, admins without limit."""
        return self.type is UserType.ADMIN or self.balance - self.pending - price >= -self.credit_limit


@dataclass(slots=True)
class Directory:
    """What accept decides by. Replaced rows keep their Account object, so that `pending` survives a reload."""

    by_id: dict[UserId, Account] = field(default_factory=dict)
    by_name: dict[str, Account] = field(default_factory=dict)
    by_number: dict[str, Account] = field(default_factory=dict)
    by_bearer: dict[str, Account] = field(default_factory=dict)  # by the hash of the key
    gateways: dict[str, GatewayId] = field(default_factory=dict)
    stops: Stops = field(default_factory=Stops)
    book: NumberBook = field(default_factory=NumberBook)
    routes: Routes = field(default_factory=Routes)
    call_routes: Routes = field(default_factory=Routes)
    rules: Rules = field(default_factory=Rules)
    adverts: tuple[Advert, ...] = ()
    tariffs: Tariffs = field(default_factory=Tariffs)
    costs: Mapping[GatewayId, Cost] = field(default_factory=dict)

    def load(
        self,
        users: Iterable[tuple[Any, ...]],
        numbers: Iterable[tuple[Any, ...]],
        opted_out: Iterable[tuple[Any, ...]],
        routes: Iterable[tuple[Any, ...]] = (),
        options: Iterable[tuple[Any, ...]] = (),
        rules: Iterable[tuple[Any, ...]] = (),
        advertised: Iterable[tuple[Any, ...]] = (),
        terms: Iterable[tuple[Any, ...]] = (),
        reach: Iterable[tuple[Any, ...]] = (),
        api_keys: Iterable[tuple[Any, ...]] = (),
        virtual_numbers: Iterable[tuple[Any, ...]] = (),
        call_routes: Iterable[tuple[Any, ...]] = (),
    ) -> None:
        """Rows as STATEMENTS give them."""
        owned: dict[UserId, list[Msisdn]] = {}
        for number, owner in numbers:
            owned.setdefault(UserId(owner), []).append(Msisdn(number))
        rows = [self._account(row, tuple(owned.get(UserId(row[0]), ()))) for row in users]
        self.gateways = {row.name: GatewayId(row.id) for row in rows if row.type is UserType.SMSGW}
        accounts = [row for row in rows if row.type is not UserType.SMSGW]
        self.by_id = {account.id: account for account in accounts}
        self.by_name = {account.name: account for account in accounts}
        self.by_number = {number: account for account in accounts for number in account.numbers}
        self._set_options(options)
        self._set_terms(terms)
        reached = read_reach(reach)
        for account in accounts:
            account.reach = reached.get(account.id, NOWHERE)
        self._set_keys(api_keys)
        self._set_numbers(virtual_numbers)
        self.routes, self.call_routes = read_routes(routes), read_routes(call_routes)
        self.rules = rulebook.read_rows(tuple(rules))
        self.adverts = adverts.read_rows(advertised)
        self.stops.load(opted_out)

    def _account(self, row: tuple[Any, ...], numbers: tuple[Msisdn, ...]) -> Account:
        user_id, name, kind, md5, sha256, enabled, balance, limit, currency = row
        account = self.by_id.get(user_id) or Account(user_id, name, UserType(kind), True, Micros(0), Micros(0), "")
        account.name, account.type, account.enabled = name, UserType(kind), bool(enabled)
        account.balance, account.credit_limit, account.currency = balance, limit, currency
        account.ha1 = {name: value for name, value in (("MD5", md5), ("SHA-256", sha256)) if value}
        account.numbers = numbers
        account.group, account.packet = "", DEFAULT_PACKET
        account.terms, account.gateway, account.levels, account.counted, account.fault = None, None, (), (), ""
        return account

    def _set_options(self, options: Iterable[tuple[Any, ...]]) -> None:
        for user_id, group, packet in options:
            if account := self.by_id.get(user_id):
                account.group, account.packet = group, packet or DEFAULT_PACKET

    def _set_numbers(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """The base of a range is a number of its user, too: it is the sender where a user has no other."""
        self.book = NumberBook(rows)
        for account in self.by_id.values():
            account.ranges = numbers = self.book.of.get(account.id, NO_NUMBERS)
            bases = tuple(Msisdn(base) for base in numbers.ranges if base not in self.by_number)
            account.numbers += bases
            self.by_number.update(dict.fromkeys(bases, account))

    def _set_keys(self, rows: Iterable[tuple[Any, ...]]) -> None:
        known = read_keys(rows)
        for account in self.by_id.values():
            account.keys = known.get(account.id, NO_KEYS)
        self.by_bearer = {one.keys.bearer: one for one in self.by_id.values() if one.keys.bearer}

    def _set_terms(self, rows: Iterable[tuple[Any, ...]]) -> None:
        bound = []
        for user_id, *terms in rows:
            if account := self.by_id.get(user_id):
                account.terms = found = Terms(*terms)
                account.gateway = found.gateway
                bound.append(account)
        for account in bound:
            try:
                account.levels = chain(account, self.by_id)
            except BrokenChain as error:
                account.fault = str(error)
                log.error("an account can't send: its resellers are not set up rightly", user=account.name, why=error)
            whole = (account, *account.levels)
            account.counted = tuple(one.id for one in whole if one.terms and one.terms.monthly)

    def settle(self, balances: Mapping[UserId, Micros]) -> None:
        """The balances that a commit left behind."""
        for user_id, balance in balances.items():
            if account := self.by_id.get(user_id):
                account.balance = balance

    def is_opted_out(self, number: str, sender: str, user: UserId) -> bool:
        """Whether this phone wants nothing from this sender, or this account."""
        return self.stops.refuse(number, sender, user)
