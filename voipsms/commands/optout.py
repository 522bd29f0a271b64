"""`optout add|list|del`: which phones want no messages, and from whom."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _SubParsersAction

from voipsms.commands.context import database, read_config, writing
from voipsms.commands.output import add_format, moment, write_rows
from voipsms.numbers_book import read_tagged
from voipsms.sms.numbers import Kind, read_number
from voipsms.store import optout
from voipsms.store.ids import now_millis
from voipsms.store.optout import ANYBODY, OptOutError

LONGEST = 64  # characters of a sender
NAMES = ("number", "sender", "user", "keyword", "since")


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    family = parsers.add_parser("optout", help="phones that want no messages")
    commands = family.add_subparsers(required=True, metavar="COMMAND")
    add = commands.add_parser("add", help="refuses messages to a phone from now on")
    add.set_defaults(run=_add)
    listing = commands.add_parser("list", help="shows the phones, by STOP and by hand")
    listing.add_argument("--number", default="", metavar="N", help="only this phone")
    add_format(listing)
    listing.set_defaults(run=_list)
    delete = commands.add_parser("del", help="allows messages to a phone again; without options all of them")
    delete.set_defaults(run=_delete)
    for command in (add, delete):
        command.add_argument("number", metavar="NUMBER", help="the phone")
        command.add_argument("--from", dest="sender", metavar="SENDER", help="only those from this number or range")
        command.add_argument("--user", metavar="U", help="only those of this user")


def _phone(raw: str, country: str) -> str:
    """Raises OptOutError."""
    number = read_number(raw, country)
    if number.kind not in (Kind.MOBILE, Kind.PHONE):
        raise OptOutError(f"{raw!r} is no phone number")
    return number.digits


def _sender(raw: str | None, country: str) -> str | None:
    """As messages have it. Raises OptOutError."""
    if raw is None:
        return None
    tagged = read_tagged(raw, country)
    sender = str(tagged) if tagged else raw.strip()
    if not sender or len(sender) > LONGEST or not sender.isprintable():
        raise OptOutError(f"{raw!r} is no sender")
    return sender


def _add(arguments: Namespace) -> int:
    config = read_config(arguments)
    phone, sender = _phone(arguments.number, config.sms.country), _sender(arguments.sender, config.sms.country)
    with writing(config) as (db, ids), db.transaction():
        user = optout.user(db, arguments.user) if arguments.user else ANYBODY
        new = optout.record(db, ids, phone, (optout.Stop(user, sender or ""),), None, now_millis())
    print(f"{phone} gets no messages any more" if new else f"{phone} got none before")
    return 0


def _list(arguments: Namespace) -> int:
    config = read_config(arguments)
    phone = _phone(arguments.number, config.sms.country) if arguments.number else ""
    with database(config) as db:
        rows = [(*row[:4], moment(row[4])) for row in db.read("optouts", number=phone)]
    write_rows(arguments.format, NAMES, rows)
    return 0


def _delete(arguments: Namespace) -> int:
    config = read_config(arguments)
    phone, sender = _phone(arguments.number, config.sms.country), _sender(arguments.sender, config.sms.country)
    with writing(config) as (db, ids), db.transaction():
        user = optout.user(db, arguments.user) if arguments.user else None
        stops = [
            stop for stop in optout.of_phone(db, phone)
            if sender in (None, stop.sender) and user in (None, stop.user_id)
        ]  # fmt: skip
        if not optout.lift(db, ids, phone, stops):
            raise OptOutError(f"{phone} has not opted out of that")
    print(f"{phone} may get messages again")
    return 0
