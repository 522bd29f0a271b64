"""`voucher add|list|del`: amounts that are paid in by a code."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from typing import Final

from voipsms.commands.accounts import currency
from voipsms.commands.amounts import amount
from voipsms.commands.context import database, read_config, writing
from voipsms.commands.output import Row, add_format, moment, write_rows
from voipsms.commands.records import when
from voipsms.model import Micros, Millis
from voipsms.money import decimal
from voipsms.store import vouchers
from voipsms.store.accounts import shared_secret
from voipsms.store.ids import now_millis
from voipsms.store.vouchers import Listed, Voucher, VoucherError

MOST: Final = 10_000  # at once
NAMES: Final = (
    "id", "code", "amount", "currency", "valid_from", "valid_to", "made", "redeemed_at", "redeemed_by",
)  # fmt: skip


def _amount(text: str) -> Micros:
    value = amount(text)
    if value <= 0:
        raise ArgumentTypeError("a voucher is worth more than nothing")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST):
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {MOST}")
    return int(text)


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    commands = parsers.add_parser("voucher", help="amounts that are paid in by a code").add_subparsers(
        required=True, metavar="COMMAND"
    )
    add = commands.add_parser("add", help="makes vouchers and prints their codes, which are shown this once")
    add.add_argument("--amount", required=True, type=_amount, metavar="5.00")
    add.add_argument("--currency", type=currency, metavar="EUR", help="of the accounts; default: [global] currency")
    how = add.add_mutually_exclusive_group()
    how.add_argument("--count", type=_count, default=1, metavar="N", help="default: %(default)s")
    how.add_argument("--code", default="", metavar="C", help="6 to 32 letters and digits; default: random ones")
    add.add_argument("--valid-from", type=when, default=0, metavar="T", help="ISO 8601; default: now")
    add.add_argument("--expires", type=when, default=0, metavar="T", help="not valid from then on; default: never")
    add.set_defaults(run=_add)
    listing = commands.add_parser("list", help="shows vouchers, with the ends of their codes")
    listing.add_argument("--code", default="", metavar="C", help="the one of this code")
    add_format(listing)
    listing.set_defaults(run=_list)
    delete = commands.add_parser("del", help="removes a voucher that was not redeemed")
    delete.add_argument("id", type=int)
    delete.set_defaults(run=_delete)


def _add(arguments: Namespace) -> int:
    config, now = read_config(arguments), now_millis()
    begin, end = Millis(arguments.valid_from or now), Millis(arguments.expires)
    if end and end <= max(begin, now):
        raise VoucherError("it would never be valid")
    voucher = Voucher(arguments.amount, arguments.currency or config.sms.currency, begin, end)
    codes = [arguments.code] if arguments.code else [vouchers.new_code() for _ in range(arguments.count)]
    with writing(config) as (db, ids), db.transaction():
        secret = shared_secret(db)
        for code in codes:
            vouchers.add(db, ids, secret, code, voucher, now)
    print("\n".join(codes))
    return 0


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        hashed = vouchers.digest(shared_secret(db), arguments.code) if arguments.code else ""
        write_rows(arguments.format, NAMES, map(_row, vouchers.listed(db, hashed)))
    return 0


def _row(one: Listed) -> Row:
    times = [moment(at) if at else "" for at in (one.valid_from, one.valid_to, one.made, one.redeemed_at)]
    code = f"…{one.tail}" if one.tail else "…"
    return str(one.id), code, decimal(one.amount), one.currency, *times, one.redeemed_by or ""


def _delete(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db, db.transaction():
        vouchers.delete(db, arguments.id)
    print(f"voucher {arguments.id} removed")
    return 0
