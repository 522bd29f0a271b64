"""`route add|import|list|del`: which gateway takes which messages and calls."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Collection
from dataclasses import fields

from voipsms.commands.amounts import amount
from voipsms.commands.context import database, read_config, writing
from voipsms.commands.output import add_format, write_rows
from voipsms.commands.progress import Faults, Progress, lines_of
from voipsms.csv_table import FileError
from voipsms.money import decimal
from voipsms.route_file import COLUMNS, HEAVIEST, Line, read
from voipsms.routebook import KINDS, check
from voipsms.store.routes import (
    SMS,
    TYPES,
    NewRoute,
    add_route,
    delete_route,
    delete_routes,
    insert_routes,
    names,
    written_routes,
)  # fmt: skip

NAMES = (
    "id", "prefix", "pattern", "country", "kind", "user", "group", "sender", "time", "priority", "weight", "gateway",
    "ceiling", "type",
)  # fmt: skip


_CONDITIONS = tuple(field.name for field in fields(NewRoute))


def _weight(text: str) -> int:
    number = int(text)
    if not 1 <= number <= HEAVIEST:
        raise ArgumentTypeError(f"a weight is 1 to {HEAVIEST}")
    return number


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    routes = parsers.add_parser("route", help="routing").add_subparsers(required=True, metavar="COMMAND")
    add = routes.add_parser("add", help="makes a route; what is not given matches everything")
    add.add_argument("--prefix", default="", metavar="P", help="the target begins so, e.g. 3620")
    add.add_argument("--pattern", default="", metavar="RE", help="the whole target is such")
    add.add_argument("--country", default="", metavar="CC", help="the target's, e.g. HU")
    add.add_argument("--kind", choices=KINDS, default="", help="of the target")
    add.add_argument("--user", default="", metavar="U", help="who pays")
    add.add_argument("--group", default="", metavar="G", help="whose group of users")
    add.add_argument("--sender", default="", metavar="RE", help="the whole sender is such")
    add.add_argument("--time", default="", metavar="T", help='e.g. "Mon-Fri 08:00-18:00 Europe/Budapest"')
    add.add_argument("--gateway", required=True, metavar="NAME")
    add.add_argument("--priority", type=int, default=1, metavar="N", help="1 comes before 2; default: %(default)s")
    add.add_argument("--weight", type=_weight, default=1, metavar="W", help="share among equals; default: %(default)s")
    add.add_argument("--ceiling", type=amount, default=None, metavar="0.05", help="the most that it costs us")
    add.add_argument("--type", choices=TYPES, default=SMS, help="what it takes; default: %(default)s")
    add.set_defaults(run=_add)
    imported = routes.add_parser("import", help="reads routes from a CSV file, in place of those that there are")
    imported.add_argument("file", metavar="FILE.csv", help=f"a header line, of {', '.join(COLUMNS)}; gateway is needed")
    imported.add_argument("--type", choices=TYPES, default=SMS, help="of all of them; default: %(default)s")
    imported.add_argument("--add", action="store_true", help="to those that there are")
    imported.add_argument("--skip-bad", action="store_true", help="take the good lines, even where others are bad")
    imported.set_defaults(run=_import)
    listing = routes.add_parser("list", help="shows the routes")
    listing.add_argument("--type", choices=TYPES, default="", help="default: of both")
    add_format(listing)
    listing.set_defaults(run=_list)
    delete = routes.add_parser("del", help="removes a route")
    delete.add_argument("id", type=int)
    delete.set_defaults(run=_delete)


def _add(arguments: Namespace) -> int:
    config = read_config(arguments)
    asked = {name: getattr(arguments, name) for name in _CONDITIONS}
    route = NewRoute(**asked | {"country": arguments.country.upper()})
    check(route)
    with writing(config) as (db, ids), db.transaction():
        route_id = add_route(db, ids, route)
    print(f"route {route_id} added")
    return 0


def _import(arguments: Namespace) -> int:
    config, fault = read_config(arguments), Faults(arguments.file)
    with writing(config) as (db, ids):
        gateways, users = names(db)
        there = written_routes(db, arguments.type) if arguments.add else ()
        lines = _read(arguments.file, gateways, users, there, fault, arguments.type)
        if fault.count and not arguments.skip_bad:
            raise FileError(f"{arguments.file}: nothing is imported: bad lines: {fault.count}")
        if not lines:
            raise FileError(f"{arguments.file}: nothing is imported: there is no route in it")
        with db.transaction(), Progress("writing", len(lines)) as progress:
            if not arguments.add:
                delete_routes(db, arguments.type)
            insert_routes(db, ids, [line.route for line in lines], progress, arguments.type)
    left_out = f", bad lines left out: {fault.count}" if fault.count else ""
    print(f"routes imported: {len(lines)}{left_out}")
    return 0


def _read(
    name: str, gateways: Collection[str], users: Collection[str], there: Collection[NewRoute], fault: Faults, type: str
) -> list[Line]:
    """Raises FileError."""
    try:
        return read(lines_of(name), gateways, users, there, fault, type)
    except OSError as error:
        raise FileError(f"{name}: can't be read: {error.strerror}") from error
    except FileError as error:
        raise FileError(f"{name}: {error}") from None


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        rows = [
            (str(row[0]), *row[1:12], None if row[12] is None else decimal(row[12]), row[13])
            for row in db.read("listed_routes", type=arguments.type)
        ]
    write_rows(arguments.format, NAMES, rows)
    return 0


def _delete(arguments: Namespace) -> int:
    config = read_config(arguments)
    with writing(config) as (db, _), db.transaction():
        delete_route(db, arguments.id)
    print(f"route {arguments.id} removed")
    return 0
