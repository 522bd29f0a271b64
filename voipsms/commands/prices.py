"""`price import|add|del|list|quote`: what messages and calls cost, by packets of prices."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from typing import Final

from voipsms import price_file
from voipsms.accept import find
from voipsms.commands.context import database, directory_for, gateways_by_id, read_config
from voipsms.commands.output import Row, add_format, moment, write_rows
from voipsms.commands.progress import Faults, Progress, lines_of
from voipsms.csv_table import Fault, FileError
from voipsms.errors import ImpossibleNumber
from voipsms.ini import BadValue
from voipsms.money import decimal
from voipsms.price_file import Line
from voipsms.rating import DEFAULT_PACKET, Price, Quote, Service
from voipsms.sms.numbers import read_number
from voipsms.store import prices
from voipsms.store.accounts import AccountError
from voipsms.store.database import Database
from voipsms.store.ids import now_millis
from voipsms.store.prices import Key, PriceError
from voipsms.tariffs import cost, price

LONGEST_NAME: Final = 64
NAMES: Final = (
    "packet", "service", "prefix", "price", "connect_fee", "minimum", "valid_from", "valid_to", "timetable",
)  # fmt: skip
QUOTED: Final = ("of", "name", "packet", "prefix", "amount", "currency", "reason")


def packet_name(text: str) -> str:
    if not text or len(text) > LONGEST_NAME or not text.isprintable() or text != text.strip():
        raise ArgumentTypeError(f"the name of a packet or group has 1 to {LONGEST_NAME} characters")
    return text


def _prefix(text: str) -> str:
    try:
        return price_file.prefix(text)
    except BadValue as error:
        raise ArgumentTypeError(f"{error}, not {text!r}") from None


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    commands = parsers.add_parser("price", help="what messages and calls cost").add_subparsers(
        required=True, metavar="COMMAND"
    )
    _add_import(commands)
    add = commands.add_parser("add", help="adds one price to a packet")
    add.add_argument("prefix", type=_prefix, help="digits that numbers begin with; '' for every number")
    add.add_argument("price", help="for 60 seconds, which a message takes (smstime)")
    for name, meaning in (
        ("connect-fee", "comes on top"), ("minimum", "the least that is charged"),
        ("valid-from", "ISO 8601; default: always"), ("valid-to", "not included; default: for ever"),
        ("timetable", "such as 'Mon-Fri 08:00-18:00 Europe/Budapest'"),
    ):  # fmt: skip
        add.add_argument(f"--{name}", default="", help=meaning)
    _add_key(add)
    add.set_defaults(run=_add)
    delete = commands.add_parser("del", help="takes a prefix's prices out of a packet")
    which = delete.add_mutually_exclusive_group(required=True)
    which.add_argument("prefix", type=_prefix, nargs="?")
    which.add_argument("--all", action="store_true", help="all prices of the packet")
    _add_key(delete)
    delete.set_defaults(run=_delete)
    listing = commands.add_parser("list", help="shows prices, as `price import` takes them")
    listing.add_argument("--packet", default="", metavar="P")
    listing.add_argument("--service", choices=tuple(Service), default="")
    add_format(listing)
    listing.set_defaults(run=_list)
    _add_quote(commands)


def _add_key(parser: ArgumentParser) -> None:
    parser.add_argument("--packet", type=packet_name, default=DEFAULT_PACKET, metavar="P", help="default: %(default)s")
    parser.add_argument("--service", choices=tuple(Service), default=Service.SMS, help="default: %(default)s")


def _add_import(commands: _SubParsersAction[ArgumentParser]) -> None:
    importing = commands.add_parser("import", help="replaces the prices of a packet by those of a CSV file")
    importing.add_argument("file", help=f"with a header of: {', '.join(price_file.COLUMNS)}")
    _add_key(importing)
    importing.add_argument("--add", action="store_true", help="adds to the packet's prices and replaces none")
    importing.add_argument("--skip-bad", action="store_true", help="takes the good lines where others are bad")
    importing.set_defaults(run=_import)


def _add_quote(commands: _SubParsersAction[ArgumentParser]) -> None:
    quote = commands.add_parser("quote", help="what a message to a number costs a user, and us by each gateway")
    quote.add_argument("number")
    quote.add_argument("--user", required=True, metavar="U")
    quote.add_argument("--parts", type=int, default=1, choices=range(1, 256), metavar="N", help="default: 1")
    add_format(quote)
    quote.set_defaults(run=_quote)


def _key(arguments: Namespace) -> Key:
    return arguments.packet, str(arguments.service)


# -- import -----------------------------------------------------------------------------------------------------------


def _import(arguments: Namespace) -> int:
    config, key, fault = read_config(arguments), _key(arguments), Faults(arguments.file)
    lines = _read(arguments.file, key, fault)
    with database(config) as db, prices.changing(db, key):
        if arguments.add:
            lines = _beside_others(db, key, lines, fault)
        if fault.count and not arguments.skip_bad:
            raise FileError(f"{arguments.file}: nothing is imported: bad lines: {fault.count}")
        if not lines:
            raise FileError(f"{arguments.file}: nothing is imported: there is no price in it")
        if not arguments.add:
            prices.empty(db, key)
        with Progress("writing", len(lines)) as progress:
            prices.insert(db, key, (line.price for line in lines), progress)
    left_out = f", bad lines left out: {fault.count}" if fault.count else ""
    print(f"packet {key[0]}, {key[1]}: prices imported: {len(lines)}{left_out}")
    return 0


def _read(name: str, key: Key, fault: Faults) -> list[Line]:
    """Raises FileError."""
    try:
        return price_file.read(lines_of(name), *key, fault)
    except OSError as error:
        raise FileError(f"{name}: can't be read: {error.strerror}") from error
    except FileError as error:
        raise FileError(f"{name}: {error}") from None


def _beside_others(db: Database, key: Key, lines: list[Line], fault: Fault) -> list[Line]:
    """Those that don't contradict what the packet has."""
    wanted = dict.fromkeys(line.price.prefix for line in lines)
    others = [Line(0, price, price.rate()) for price in prices.at_prefixes(db, key, wanted)]
    return [line for line in price_file.consistent([*others, *lines], fault) if line.number]


# -- single prices ----------------------------------------------------------------------------------------------------


def _add(arguments: Namespace) -> int:
    config, key = read_config(arguments), _key(arguments)
    try:
        one = price_file.price_of({name: getattr(arguments, name) for name in Price._fields})
    except BadValue as error:
        raise PriceError(str(error)) from None
    with database(config) as db, prices.changing(db, key):
        _beside_others(db, key, [Line(1, one, one.rate())], _refuse)
        prices.insert(db, key, [one], lambda _: None)
    print(f"packet {key[0]}, {key[1]}: prefix {one.prefix or 'of every number'}: {decimal(one.price)}")
    return 0


def _refuse(_: int, why: str) -> None:
    raise PriceError(f"the price {why}")


def _delete(arguments: Namespace) -> int:
    config, key = read_config(arguments), _key(arguments)
    with database(config) as db, prices.changing(db, key):
        if arguments.all:
            prices.empty(db, key)
        elif not prices.delete(db, key, arguments.prefix):
            raise PriceError(f"packet {key[0]}, {key[1]}, has no price of prefix {arguments.prefix!r}")
    print(f"packet {key[0]}, {key[1]}: {'empty' if arguments.all else f'prefix {arguments.prefix} deleted'}")
    return 0


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        wanted = [
            key for key in prices.packets(db)
            if arguments.packet in ("", key[0]) and arguments.service in ("", key[1])
        ]  # fmt: skip
        write_rows(arguments.format, NAMES, (as_row(key, one) for key in wanted for one in prices.of_packet(db, key)))
    return 0


def as_row(key: Key, one: Price) -> Row:
    times = (moment(at) if at else "" for at in (one.valid_from, one.valid_to))
    amounts = (decimal(amount) for amount in (one.price, one.connect_fee, one.minimum))
    return (*key, one.prefix, *amounts, *times, one.timetable)


# -- quotes -----------------------------------------------------------------------------------------------------------


def reason(quote: Quote, otherwise: str = "smsprice") -> str:
    """Where an amount comes from."""
    if quote.rate is None:
        return f"packet {quote.packet} has no price for it: {otherwise}" if quote.packet else otherwise
    rate = quote.rate
    of = f"prefix {quote.prefix}" if quote.prefix else "every prefix"
    words = [f"packet {quote.packet}, {of}: {decimal(rate.price)} a minute"]
    words += [f"connect fee {decimal(rate.connect_fee)}"] if rate.connect_fee else []
    words += [f"at least {decimal(rate.minimum)}"] if rate.minimum else []
    words += [rate.timetable.text] if rate.timetable else []
    return ", ".join(words)


def _quote(arguments: Namespace) -> int:
    config, parts, now = read_config(arguments), arguments.parts, now_millis()
    number = read_number(arguments.number, config.sms.country).digits
    if not number:
        raise ImpossibleNumber
    with database(config) as db:
        gateways = gateways_by_id(db, config)
        ids = {settings.name: gateway_id for gateway_id, settings in gateways.items()}
        directory = directory_for(db, config, arguments.number, ids)
    account = find(directory, arguments.user, config.sms.country)
    if account is None:
        raise AccountError(f"there is no user {arguments.user!r}")
    rows = [_quoted("user", account.name, price(directory, config.sms, account, number, parts, now), account.currency)]
    for gateway_id, settings in gateways.items():
        owed = cost(directory, config.sms, gateway_id, number, parts, now)
        rows.append(_quoted("gateway", settings.name, owed, config.sms.currency, "nothing"))
    write_rows(arguments.format, QUOTED, rows)
    return 0


def _quoted(of: str, name: str, quote: Quote, currency: str, otherwise: str = "smsprice") -> Row:
    return of, name, quote.packet, quote.prefix, decimal(quote.amount), currency, reason(quote, otherwise)
