"""What few accounts have: a reseller, an end, messages a month, a gateway. Inside a transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from voipsms.model import GatewayId, Micros, Millis, UserId, UserType
from voipsms.resellers import faults
from voipsms.store.accounts import AccountError
from voipsms.store.database import Database
from voipsms.store.ids import now_millis


class Counters(NamedTuple):
    """Messages in a month, and in the one before it. `month`: 12 · year + month - 1, UTC."""

    month: int
    sent: int
    previous: int

    def at(self, month: int) -> Counters:
        """As they are in a month. A clock that goes back opens no month anew."""
        if month <= self.month:
            return self
        return Counters(month, 0, self.sent if month == self.month + 1 else 0)


def month_of(at: Millis) -> int:
    when = time.gmtime(at / 1000)
    return 12 * when.tm_year + when.tm_mon - 1


@dataclass(frozen=True, slots=True)
class Changes:
    """None leaves a thing as it is. reseller, gateway: names, '' takes it away; expires, monthly: 0 does."""

    reseller: str | None = None
    expires: Millis | None = None
    monthly: int | None = None
    gateway: str | None = None
    sent: int | None = None  # the counter of this month
    enabled: bool | None = None
    credit_limit: Micros | None = None

    @property
    def of_terms(self) -> bool:
        return (self.reseller, self.expires, self.monthly, self.gateway, self.sent) != (None,) * 5


class _Party(NamedTuple):
    id: UserId
    name: str
    type: UserType
    currency: str
    reseller: UserId | None


def change(db: Database, name: str, wanted: Changes) -> None:
    """Raises AccountError where there is no such account, or a chain of resellers would be broken."""
    db.write("bump_revision")  # first: so two that change chains at once do it one after the other
    user = UserId(_row(db, name, gateway=False)[0])
    if wanted.enabled is not None:
        db.write("enable_user", id=user, enabled=int(wanted.enabled))
    if wanted.credit_limit is not None:
        db.write("set_credit_limit", id=user, credit_limit=wanted.credit_limit)
    if wanted.of_terms:
        before = faults(_parties(db))
        _set_terms(db, user, wanted)
        after = faults(_parties(db))
        for party in after if user in after else after.keys() - before.keys():
            raise AccountError(after[user] if user in after else after[party])


def _row(db: Database, name: str, *, gateway: bool) -> tuple[int, str]:
    """Id and type."""
    rows = db.read("user_by_name", username=name)
    if not rows or (rows[0][3] == UserType.SMSGW) is not gateway:
        raise AccountError(f"there is no {'gateway' if gateway else 'user'} {name!r}")
    return rows[0][0], rows[0][3]


def _set_terms(db: Database, user: UserId, wanted: Changes) -> None:
    rows = db.read("terms_of", user_id=user)
    reseller, expires, monthly, gateway = rows[0] if rows else (None, 0, 0, None)
    if wanted.reseller is not None:
        reseller = _row(db, wanted.reseller, gateway=False)[0] if wanted.reseller else None
    if wanted.gateway is not None:
        gateway = GatewayId(_row(db, wanted.gateway, gateway=True)[0]) if wanted.gateway else None
    db.write(
        "update_terms" if rows else "insert_terms", user_id=user, reseller_id=reseller, gateway_id=gateway,
        expires=expires if wanted.expires is None else wanted.expires,
        monthly=monthly if wanted.monthly is None else wanted.monthly,
    )  # fmt: skip
    if wanted.sent is not None:
        _set_sent(db, user, wanted.sent)


def _set_sent(db: Database, user: UserId, sent: int) -> None:
    month = month_of(now_millis())
    ((*_, counted, was, previous),) = [row[:7] for row in db.read("listed_terms") if row[0] == user]
    known = Counters(counted, was, previous).at(month)
    before = known.previous if known.month == month else 0  # a clock had gone ahead
    db.write("set_counters", user_id=user, month=month, sent=sent, previous=before)


def _parties(db: Database) -> dict[UserId, _Party]:
    above = {UserId(row[0]): row[1] for row in db.read("terms")}
    return {
        UserId(row[0]): _Party(UserId(row[0]), row[1], UserType(row[2]), row[6], above.get(UserId(row[0])))
        for row in db.read("list_users")
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """As `user list` shows it. Times in milliseconds, 0: never."""

    reseller: str
    expires: int
    monthly: int
    sent: int
    previous: int
    last_sent: int
    gateway: str


def listed(db: Database) -> Iterator[tuple[UserId, Listed]]:
    month = month_of(now_millis())
    for user, reseller, expires, monthly, counted, sent, previous, last_sent, gateway in db.read("listed_terms"):
        known = Counters(counted, sent, previous).at(month)
        yield (
            UserId(user),
            Listed(reseller or "", expires, monthly, known.sent, known.previous, last_sent, gateway or ""),
        )
