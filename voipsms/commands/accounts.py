"""`user add|set|list|credit|secret|key`, `group set|list`: accounts, their money, keys, and what they pay by."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction

from voipsms.commands import reach
from voipsms.commands.amounts import amount, limit
from voipsms.commands.context import database, read_config, writing
from voipsms.commands.output import add_format, moment, write_rows
from voipsms.commands.prices import packet_name
from voipsms.commands.records import when
from voipsms.model import Micros, Millis, UserType
from voipsms.money import decimal
from voipsms.passwords import hash_password
from voipsms.sip.digest import ha1
from voipsms.sms.numbers import Kind, read_number
from voipsms.store import api_keys
from voipsms.store.accounts import AccountError, NewUser, add_user, credit_user, set_group, set_options
from voipsms.store.database import Database
from voipsms.store.pincodes import set_pincode
from voipsms.store.terms import Changes, Listed, change, listed

MOST = 10**9  # messages a month
NAME_LENGTH = 64


def _name(text: str) -> str:
    if not text or len(text) > NAME_LENGTH or not text.isprintable() or any(c in text for c in ' :"@<>'):
        raise ArgumentTypeError(f'a name has 1 to {NAME_LENGTH} characters, without blanks and : " @ < >')
    return text


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    users = parsers.add_parser("user", help="accounts").add_subparsers(required=True, metavar="COMMAND")
    add = users.add_parser("add", help="makes an account")
    add.add_argument("name", type=_name)
    add.add_argument("--password", required=True, help="for SIP digest and the API")
    add.add_argument("--type", choices=[str(kind) for kind in UserType], default="enduser")
    add.add_argument("--credit", type=limit, default=Micros(0), metavar="10.00", help="opening credit")
    add.add_argument("--number", action="append", default=[], metavar="N", help="a number of this user; repeatable")
    add.add_argument("--postpaid", type=limit, default=Micros(0), metavar="LIMIT", help="how far below zero it may go")
    add.add_argument("--currency", type=currency, metavar="EUR", help="of its balance; default: [global] currency")
    add.set_defaults(sent=None, enabled=None)
    _add_options(add)
    add.set_defaults(run=_add)
    changing = users.add_parser("set", help="changes an account")
    changing.add_argument("name")
    _add_options(changing)
    changing.add_argument("--postpaid", type=limit, metavar="LIMIT", help="how far below zero it may go")
    changing.add_argument("--sent", type=_count, metavar="N", help="sets the counter of this month's messages")
    changing.add_argument("--pincode", type=_pincode, metavar="P", help="for SMS callback, 4 to 12 digits; '': none")
    active = changing.add_mutually_exclusive_group()
    active.add_argument("--active", dest="enabled", action="store_true", default=None, help="may send (again)")
    active.add_argument("--inactive", dest="enabled", action="store_false", default=None, help="may not send")
    changing.set_defaults(run=_set)
    listing = users.add_parser("list", help="shows the accounts")
    add_format(listing)
    listing.set_defaults(run=_list)
    credit = users.add_parser("credit", help="books an amount, e.g. 10.00 or -2.50")
    credit.add_argument("name")
    credit.add_argument("amount", type=amount)
    credit.add_argument("--comment", default="", help="kept with the movement")
    credit.set_defaults(run=_credit)
    for word, what, make in (("secret", "secret, for authmd5", api_keys.new_secret),
                             ("key", "bearer key", api_keys.new_bearer)):  # fmt: skip
        renewing = users.add_parser(word, help=f"makes a new API {what}; the one before holds no more")
        renewing.add_argument("name")
        renewing.set_defaults(run=_renew, word=word, make=make)
    reach.add_to(users)
    groups = parsers.add_parser("group", help="groups of users").add_subparsers(required=True, metavar="COMMAND")
    setting = groups.add_parser("set", help="makes or changes a group")
    setting.add_argument("name", type=packet_name)
    setting.add_argument("--packet", default="", type=_packet, metavar="P", help="of prices; '': as who is in no group")
    setting.set_defaults(run=_set_group)
    listing = groups.add_parser("list", help="shows the groups")
    add_format(listing)
    listing.set_defaults(run=_list_groups)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--packet", type=_packet, metavar="P", help="packet of prices; '': the group's")
    parser.add_argument("--group", metavar="G", help="see `group set`; '': none")
    parser.add_argument("--reseller", metavar="R", help="who is charged for its messages, too; '': nobody")
    parser.add_argument("--expires", type=_end, metavar="T", help="may not send from then on, ISO 8601; '': never")
    parser.add_argument("--monthly", type=_count, metavar="N", help="messages a month (UTC); 0: any number")
    parser.add_argument("--gateway", metavar="G", help="is tried before those that routes find; '': none")


def currency(text: str) -> str:
    if len(text) != 3 or not text.isascii() or not text.isupper():
        raise ArgumentTypeError(f"{text!r} is no currency such as EUR")
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > MOST:
        raise ArgumentTypeError(f"{text!r} is no number from 0 to {MOST}")
    return int(text)


def _pincode(text: str) -> str:
    if text and not (text.isascii() and text.isdecimal() and 4 <= len(text) <= 12):
        raise ArgumentTypeError("a pincode has 4 to 12 digits")
    return text


def _end(text: str) -> Millis:
    return Millis(when(text) if text else 0)


def _packet(text: str) -> str:
    return packet_name(text) if text else ""


def _add(arguments: Namespace) -> int:
    config, name, password = read_config(arguments), arguments.name, arguments.password
    hashes = {algorithm: ha1(algorithm, name, config.sip.realm, password) for algorithm in ("MD5", "SHA-256")}
    user = NewUser(
        name=name,
        type=UserType(arguments.type),
        currency=arguments.currency or config.sms.currency,
        password=hash_password(password),
        ha1_md5=hashes["MD5"],
        ha1_sha256=hashes["SHA-256"],
        credit_limit=arguments.postpaid,
        numbers=tuple(_number(number, config.sms.country) for number in arguments.number),
    )
    with writing(config) as (db, ids), db.transaction():
        user_id = add_user(db, ids, user, arguments.credit)
        set_options(db, name, arguments.group, arguments.packet)
        _change(db, arguments, None)
        secret, key = api_keys.new_keys(db, name) if user.type is not UserType.SMSGW else ("", "")
    print(f"user {name} added, id {user_id}")
    if secret:
        print(f"API secret {secret}\nAPI key {key}\nboth are shown this once")
    return 0


def _renew(arguments: Namespace) -> int:
    config = read_config(arguments)
    with database(config) as db, db.transaction():
        made = arguments.make(db, arguments.name)
    print(f"user {arguments.name}: API {arguments.word} {made}")
    return 0


def _set(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db, db.transaction():
        _change(db, arguments, arguments.postpaid)
        group, packet = set_options(db, arguments.name, arguments.group, arguments.packet)
        if arguments.pincode is not None:
            set_pincode(db, arguments.name, arguments.pincode)
    print(f"user {arguments.name}: group {group or 'none'}, packet {packet or 'that of the group, else default'}")
    return 0


def _change(db: Database, arguments: Namespace, postpaid: Micros | None) -> None:
    wanted = Changes(
        arguments.reseller, arguments.expires, arguments.monthly, arguments.gateway, arguments.sent,
        arguments.enabled, postpaid,
    )  # fmt: skip
    if wanted != Changes():
        change(db, arguments.name, wanted)


def _set_group(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db, db.transaction():
        set_group(db, arguments.name, arguments.packet)
    print(f"group {arguments.name}: packet {arguments.packet or 'default'}")
    return 0


def _list_groups(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        write_rows(arguments.format, ("group", "packet", "users"), db.read("groups"))
    return 0


def _number(text: str, country: str) -> str:
    number = read_number(text, country)
    if number.kind in (Kind.NAME, Kind.IMPOSSIBLE):
        raise AccountError(f"{text!r} is not a possible phone number")
    return number.digits


def _credit(arguments: Namespace) -> int:
    config = read_config(arguments)
    with writing(config) as (db, ids), db.transaction():
        balance = credit_user(db, ids, arguments.name, arguments.amount, arguments.comment)
    print(f"user {arguments.name}: balance {decimal(balance)}")
    return 0


NAMES = ("id", "name", "type", "enabled", "balance", "limit", "currency", "numbers", "created", "group", "packet",
         "reseller", "expires", "monthly", "sent", "previous", "lastsent", "gateway")  # fmt: skip


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        numbers: dict[int, list[str]] = {}
        for number, owner in db.read("user_numbers"):
            numbers.setdefault(owner, []).append(number)
        options = {user: (group, packet) for user, group, packet in db.read("user_options")}
        terms = dict(listed(db))
        rows = [
            (str(row[0]), row[1], row[2], bool(row[3]), decimal(row[4]), decimal(row[5]), row[6],
             " ".join(numbers.get(row[0], ())), moment(row[7]), *options.get(row[0], ("", "")),
             *_terms(terms.get(row[0])))
            for row in db.read("list_users")
        ]  # fmt: skip
    write_rows(arguments.format, NAMES, rows)
    return 0


def _terms(found: Listed | None) -> tuple[object, ...]:
    if found is None:
        return "", "", 0, 0, 0, "", ""
    expires, last = (moment(at) if at else "" for at in (found.expires, found.last_sent))
    return found.reseller, expires, found.monthly, found.sent, found.previous, last, found.gateway
