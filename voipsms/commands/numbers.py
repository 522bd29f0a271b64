"""`number add|list|del`: which texts from phones are whose."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction

from voipsms.commands.context import database, read_config
from voipsms.commands.output import add_format, write_rows
from voipsms.numbers_book import LONGEST_BASE, LONGEST_KEYWORD, Tagged, fold, read_tagged
from voipsms.store.numbers import NewNumber, NumberError, add_number, delete_number, listed

NAMES = ("number", "user", "keyword", "callback")


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    numbers = parsers.add_parser("number", help="numbers that phones write to")
    commands = numbers.add_subparsers(required=True, metavar="COMMAND")
    add = commands.add_parser("add", help="gives a number to a user")
    add.add_argument("number", metavar="NUMBER_OR_RANGE", help="+36201234567, 1234, or a range: 447771234567[0-99]")
    add.add_argument("--user", required=True, metavar="U", help="whose it is")
    add.add_argument("--callback", action="store_true", help="texts to it ask for a call")
    add.add_argument("--keyword", type=_keyword, metavar="W", help="only texts that begin or end with it")
    add.set_defaults(run=_add)
    listing = commands.add_parser("list", help="shows the numbers")
    add_format(listing)
    listing.set_defaults(run=_list)
    delete = commands.add_parser("del", help="takes a number from its user")
    delete.add_argument("number", metavar="NUMBER_OR_RANGE", help="as `number list` shows it")
    delete.add_argument("--keyword", type=_keyword, metavar="W", help="only this keyword of it")
    delete.set_defaults(run=_delete)


def _keyword(text: str) -> str:
    word = fold(text)
    if not word or len(word) > LONGEST_KEYWORD or len(text.split()) != 1 or not text.isprintable():
        raise ArgumentTypeError(f"a keyword is one word of 1 to {LONGEST_KEYWORD} characters")
    return word


def _number(raw: str, country: str) -> Tagged:
    """Raises NumberError."""
    number = read_tagged(raw, country)
    if number is None or len(number.number) > LONGEST_BASE:
        raise NumberError(f"{raw!r} is no number such as +36201234567, 1234 or 447771234567[0-99]")
    return number


def _add(arguments: Namespace) -> int:
    config = read_config(arguments)
    number = _number(arguments.number, config.sms.country)
    if number.digits and arguments.keyword:
        raise NumberError("a range has no keywords: it is one user's")
    with database(config) as db, db.transaction():
        add_number(db, arguments.user, NewNumber(number, arguments.callback, arguments.keyword or ""))
    print(f"number {number} added")
    return 0


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        rows = [(str(row.number), row.user, row.keyword, row.callback) for row in listed(db)]
    write_rows(arguments.format, NAMES, rows)
    return 0


def _delete(arguments: Namespace) -> int:
    config = read_config(arguments)
    number = _number(arguments.number, config.sms.country)
    with database(config) as db, db.transaction():
        delete_number(db, number, arguments.keyword or "")
    print(f"number {number} removed")
    return 0
