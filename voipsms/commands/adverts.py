"""`advert add`, `list`, `del`: what smsadv puts in front of messages."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction

from voipsms.commands.context import database, read_config, writing
from voipsms.commands.output import add_format, moment, write_rows
from voipsms.commands.records import when
from voipsms.model import Millis
from voipsms.store.rules import NewAdvert, RuleError, add_advert, delete_advert

LONGEST = 1000  # characters
NAMES = ("id", "text", "weight", "from", "to", "groups")


def _text(text: str) -> str:
    if not text.strip() or len(text) > LONGEST or "\0" in text:
        raise ArgumentTypeError(f"an advertisement has 1 to {LONGEST} characters")
    return text


def _weight(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ArgumentTypeError("a weight is 1 to 1000")
    return int(text)


def _group(text: str) -> str:
    if not text or "," in text:
        raise ArgumentTypeError("a group is one name, without a comma")
    return text


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    adverts = parsers.add_parser("advert", help="advertisements").add_subparsers(required=True, metavar="COMMAND")
    add = adverts.add_parser("add", help="makes an advertisement; smsadv = true puts them in messages")
    add.add_argument("text", type=_text)
    add.add_argument("--weight", type=_weight, default=1, metavar="W", help="its share; default: %(default)s")
    add.add_argument("--from", dest="starts", type=when, default=0, metavar="T", help="not before, ISO 8601")
    add.add_argument("--to", dest="ends", type=when, default=0, metavar="T", help="until")
    add.add_argument("--group", action="append", type=_group, default=[], metavar="G", help="of users; repeatable")
    add.set_defaults(run=_add)
    listing = adverts.add_parser("list", help="shows the advertisements")
    add_format(listing)
    listing.set_defaults(run=_list)
    delete = adverts.add_parser("del", help="removes an advertisement")
    delete.add_argument("id", type=int)
    delete.set_defaults(run=_delete)


def _add(arguments: Namespace) -> int:
    if arguments.ends and arguments.ends <= arguments.starts:
        raise RuleError("--to: must be after --from")
    advert = NewAdvert(
        arguments.text, arguments.weight, Millis(arguments.starts), Millis(arguments.ends), tuple(arguments.group)
    )  # fmt: skip
    with writing(read_config(arguments)) as (db, ids), db.transaction():
        advert_id = add_advert(db, ids, advert)
    print(f"advertisement {advert_id} added")
    return 0


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        rows = [
            (str(row[0]), row[1], row[2], moment(row[3]) if row[3] else "", moment(row[4]) if row[4] else "", row[5])
            for row in db.read("adverts")
        ]
    write_rows(arguments.format, NAMES, rows)
    return 0


def _delete(arguments: Namespace) -> int:
    with writing(read_config(arguments)) as (db, _), db.transaction():
        delete_advert(db, arguments.id)
    print(f"advertisement {arguments.id} removed")
    return 0
