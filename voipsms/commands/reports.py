"""`report`: what the CDRs add up to, by day, user, gateway, …, as a table, CSV, JSON or a page."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from voipsms.commands.context import database, read_config
from voipsms.commands.output import FORMATS, write_rows
from voipsms.commands.records import account_id
from voipsms.errors import VoipSmsError
from voipsms.model import Millis
from voipsms.reports.figures import COLUMNS, Figures, Tally
from voipsms.reports.page import Report, page
from voipsms.reports.periods import Period, days, hours
from voipsms.sms.numbers import country_of
from voipsms.store.cdrs import Which, sums, whole
from voipsms.store.database import Database

_END_OF_TIME = Millis(1 << 62)
_COUNTRY_DIGITS = 6  # by which numbers are gathered before their countries are told: it takes so many for Jersey

_STATEMENTS = {
    "day": "figures",
    "hour": "figures",
    "user": "figures_by_user",
    "gateway": "figures_by_gateway",
    "prefix": "figures_by_prefix",
    "country": "figures_by_prefix",
    "reason": "figures_by_reason",
}
_FROM_ONE_PASS = {"day", "hour", "gateway", "country"}  # what the page shows anyhow


class UnknownAccount(VoipSmsError):
    """A report of a user or gateway that isn't there."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is about. `periods`: its days or hours, in order."""

    which: Which
    periods: tuple[Period, ...]
    digits: int


def zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ArgumentTypeError(f"{text!r} is no time zone such as Europe/Budapest") from None


def local_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-11-20 or 2026-11-20T18:00:00Z") from None


def _digits(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 15):
        raise ArgumentTypeError("must be from 1 to 15")
    return int(text)


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    report = parsers.add_parser("report", help="counts, delivered share, minutes, revenue, cost and margin")
    report.add_argument("--by", choices=_STATEMENTS, default="day", help="default: %(default)s")
    report.add_argument("--from", dest="start", type=local_time, metavar="T", help="at or after, ISO 8601")
    report.add_argument("--to", dest="stop", type=local_time, metavar="T", help="before")
    report.add_argument("--user", default="", metavar="U")
    report.add_argument("--gateway", default="", metavar="G")
    report.add_argument("--type", choices=("SMS", "CALL"), default="")
    report.add_argument("--zone", type=zone, default=UTC, metavar="Z", help="of days, hours and times; default: UTC")
    report.add_argument("--digits", type=_digits, default=4, metavar="N", help="of a prefix; default: %(default)s")
    report.add_argument("--format", choices=(*FORMATS, "html"), default="table", help="default: %(default)s")
    report.set_defaults(run=_report)


def _report(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        scope = _scope(db, arguments)
        if arguments.format == "html":
            sys.stdout.write(page(_whole_report(db, scope, arguments)))
            return 0
        (tally,) = _tallies(db, scope, _STATEMENTS[arguments.by], (_KEYS[arguments.by](db),))
    names = (arguments.by, *COLUMNS)
    write_rows(arguments.format, names, ((key, *more.row(currency)) for key, currency, more in tally.rows()))
    return 0


def _scope(db: Database, arguments: Namespace) -> Scope:
    """Raises UnknownAccount."""
    start, stop = (
        _millis(arguments.start, arguments.zone, Millis(0)),
        _millis(arguments.stop, arguments.zone, _END_OF_TIME),
    )
    user_id, gateway_id = (_known(db, name) for name in (arguments.user, arguments.gateway))
    cut = hours if arguments.by == "hour" else days
    digits = _COUNTRY_DIGITS if arguments.by == "country" or arguments.format == "html" else arguments.digits
    which = Which(start, stop, user_id, gateway_id, arguments.type)
    return Scope(which, tuple(cut(*whole(db, start, stop), arguments.zone)), digits)


def _millis(at: datetime | None, zone: tzinfo, otherwise: Millis) -> Millis:
    return otherwise if at is None else Millis(round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000))


def _known(db: Database, name: str) -> int:
    found = account_id(db, name)
    if found < 0:
        raise UnknownAccount(f"there is no user or gateway {name!r}")
    return found


# -- keys -----------------------------------------------------------------------------------------------------------

Key = Callable[[Period, str, str, int], str]  # of a period, a statement's key, a number with it, a gateway's id


def _by_period(db: Database) -> Key:
    return lambda period, key, sample, gateway_id: period.label


def _by_account(db: Database) -> Key:
    names = {str(number): name for number, name in db.read("usernames")}
    return lambda period, key, sample, gateway_id: names.get(key, key)


def _by_gateway_beside(db: Database) -> Key:
    name = _by_account(db)
    return lambda period, key, sample, gateway_id: name(period, str(gateway_id), "", 0)


def _by_country(db: Database) -> Key:
    found: dict[str, str] = {}  # asked once a prefix: of the smallest number that is first seen with it

    def country(period: Period, key: str, sample: str, gateway_id: int) -> str:
        if key not in found:
            found[key] = country_of(sample)
        return found[key]

    return country


def _as_it_is(db: Database) -> Key:
    return lambda period, key, sample, gateway_id: key


_KEYS: dict[str, Callable[[Database], Key]] = {
    "day": _by_period,
    "hour": _by_period,
    "user": _by_account,
    "gateway": _by_account,
    "prefix": _as_it_is,
    "country": _by_country,
    "reason": _as_it_is,
}


def _tallies(db: Database, scope: Scope, statement: str, keys: tuple[Key, ...]) -> tuple[Tally, ...]:
    """One pass over the CDRs, a period a statement: none takes long, and the key of a period costs no sorting."""
    tallies = tuple(Tally() for _ in keys)
    for period, key, sample, gateway_id, currency, more in _sums(db, scope, statement):
        for tally, name in zip(tallies, keys, strict=True):
            tally.add(name(period, key, sample, gateway_id), currency, more)
    return tallies


def _sums(db: Database, scope: Scope, statement: str) -> Iterator[tuple[Period, str, str, int, str, Figures]]:
    for period in scope.periods:
        for found in sums(db, statement, scope.which, period.start, period.stop, scope.digits):
            yield period, *found


def _whole_report(db: Database, scope: Scope, arguments: Namespace) -> Report:
    by: str = arguments.by
    keys = (_by_period(db), _by_gateway_beside(db), _by_country(db))
    times, gateways, countries = _tallies(db, scope, "figures_by_prefix_and_gateway", keys)
    if by in _FROM_ONE_PASS:
        rows = {"gateway": gateways, "country": countries}.get(by, times)
    else:
        (rows,) = _tallies(db, Scope(scope.which, scope.periods, arguments.digits), _STATEMENTS[by], (_KEYS[by](db),))
    made = datetime.now(arguments.zone).isoformat(timespec="minutes")
    filters = [(name, getattr(arguments, name)) for name in ("user", "gateway", "type") if getattr(arguments, name)]
    return Report(
        by=by, rows=rows, times=times, gateways=gateways, countries=countries, periods=scope.periods,
        zone=str(arguments.zone), filters=tuple(filters), made=made,
    )  # fmt: skip
