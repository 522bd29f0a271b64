"""`cdr` and `ledger check`: what was billed, and the proof that it adds up."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from voipsms.commands.context import database, read_config
from voipsms.commands.output import Row, add_format, moment, write_rows
from voipsms.money import decimal
from voipsms.store.cdrs import Which, read_cdrs
from voipsms.store.database import Database

_END_OF_TIME = 1 << 62

CDR = (
    "id", "msgid", "type", "direction", "user", "from", "to", "gateway", "start", "duration", "parts", "price", "cost",
    "currency", "state", "reason", "comment",
)  # fmt: skip
ALL_FIELDS = (*CDR, "margin", "ledger")  # what is left of the price, ids of the movements of money


def when(text: str) -> int:
    """ISO 8601, UTC where it has no zone, as milliseconds since 1970."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-11-20 or 2026-11-20T18:00:00Z") from None
    return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    cdr = parsers.add_parser("cdr", help="shows the CDRs, oldest first")
    cdr.add_argument("--from", dest="start", type=when, default=0, metavar="T", help="started at or after, ISO 8601")
    cdr.add_argument("--to", dest="stop", type=when, default=_END_OF_TIME, metavar="T", help="started before")
    cdr.add_argument("--user", default="", metavar="U")
    cdr.add_argument("--gateway", default="", metavar="G")
    cdr.add_argument("--type", choices=("SMS", "CALL"), default="")
    cdr.add_argument("--all-fields", action="store_true", help="margin and the ids of ledger rows, too")
    add_format(cdr)
    cdr.set_defaults(run=_cdr)
    ledger = parsers.add_parser("ledger", help="the money").add_subparsers(required=True, metavar="COMMAND")
    check = ledger.add_parser("check", help="proves every balance and every charge; exit 1 where one is wrong")
    add_format(check)
    check.set_defaults(run=_check)


def account_id(db: Database, name: str) -> int:
    """Of a user or gateway; 0: no name, so whichever; -1: there is none of this name."""
    rows = db.read("user_by_name", username=name) if name else [(0,)]
    return int(rows[0][0]) if rows else -1


def _cdr(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        rows = cdrs(db, arguments)
        if arguments.all_fields:
            write_rows(arguments.format, ALL_FIELDS, rows)
        else:
            write_rows(arguments.format, CDR, (row[: len(CDR)] for row in rows))
    return 0


def cdrs(db: Database, which: Namespace) -> Iterator[Row]:
    """As ALL_FIELDS names them. `which`: start, stop, user, gateway, type."""
    user_id, gateway_id = account_id(db, which.user), account_id(db, which.gateway)
    for row in read_cdrs(db, Which(which.start, which.stop, user_id, gateway_id, which.type)):
        price, cost, movements = row[11], row[12], row[17] or ""
        yield (str(row[0]), str(row[1]), *row[2:8], moment(row[8]), *row[9:11], decimal(price), decimal(cost),
               *row[13:17], decimal(price - cost), " ".join(sorted(movements.split(","))))  # fmt: skip


def _charge(charged: Decimal, billed: Decimal, papers: int, reseller: str) -> str:
    whose, what = (f" of reseller {reseller}", "charges") if reseller else ("", "CDRs")
    return f"ledger{whose} {charged}, {papers} {what} with {billed}"


def _check(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db, db.transaction():
        faults: list[Row] = [
            ("balance", name, f"balance {decimal(balance)}, ledger {decimal(total)}")
            for name, balance, total in db.read("wrong_balances")
        ]
        faults += [
            ("charge", str(message), _charge(decimal(charged), decimal(billed), papers, reseller))
            for message, charged, billed, papers, reseller in db.read("wrong_charges")
        ]
        faults += [
            ("charge", str(message), f"reseller {name} {'has' if back else 'has not'} the money back, unlike the user")
            for message, name, back in db.read("uneven_charges")
        ]
        faults += [("cdr", str(message), "final, but without a CDR") for (message,) in db.read("missing_cdrs")]
        faults += [
            ("call", str(pair), f"CDR {cdr}: not answered, but not free, or written while the call goes on")
            for pair, cdr in db.read("wrong_calls")
        ]
    if faults or arguments.format != "table":
        write_rows(arguments.format, ("fault", "of", "what"), faults)
    else:
        print("every balance is the sum of its ledger, every charged message has its one CDR, every call one a leg")
    return 1 if faults else 0
