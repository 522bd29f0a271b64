"""`outbox list|replay`: what users are still to be given, and what was given up."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Iterator

from voipsms.commands.context import database, read_config
from voipsms.commands.output import Row, add_format, moment, write_rows
from voipsms.config import Config
from voipsms.model import DeliveryId, UserId
from voipsms.store.accounts import AccountError, user_id
from voipsms.store.database import Database
from voipsms.store.replay import ANY, EVERYBODY, GIVEN_UP, Lifetime, replay, waiting

NAMES = ("id", "message", "user", "channel", "subject", "from", "to", "created", "due", "expires", "attempts", "state",
         "error")  # fmt: skip
_MINUTE = 60_000


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    outbox = parsers.add_parser("outbox", help="what users are to be given").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = outbox.add_parser("list", help="shows what waits and what was given up")
    listing.add_argument("--failed", action="store_true", help="only what was given up")
    listing.add_argument("--user", metavar="U", help="only what is for this user")
    add_format(listing)
    listing.set_defaults(run=_list)
    again = outbox.add_parser("replay", help="tries again what was given up")
    again.add_argument("ids", nargs="*", type=_id, metavar="ID", help="of `outbox list`")
    again.add_argument("--user", metavar="U", help="all that is for this user")
    again.add_argument("--failed", action="store_true", help="all of everybody, or of --user")
    again.set_defaults(run=_replay)


def _id(text: str) -> DeliveryId:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:20]) < 1 << 63:
        raise ArgumentTypeError(f"{text!r} is no id")
    return DeliveryId(int(text))


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        rows = waiting(db, GIVEN_UP if arguments.failed else ANY, _user(db, arguments.user))
        write_rows(arguments.format, NAMES, _shown(rows))
    return 0


def _shown(rows: Iterator[Row]) -> Iterator[Row]:
    for delivery, message, user, channel, subject, source, target, created, due, expires, attempt, stage, error in rows:
        times = (moment(at) for at in (created, due, expires))  # type: ignore[arg-type]
        state = "failed" if stage == GIVEN_UP else "waiting"
        of = str(message) if message else ""
        yield str(delivery), of, user or "", channel, subject, source, target, *times, attempt, state, error


def _replay(arguments: Namespace) -> int:
    """Raises AccountError."""
    if not (arguments.ids or arguments.user or arguments.failed):
        raise AccountError("which? IDs, --user U or --failed")
    config = read_config(arguments)
    lifetime = _lifetime(config)
    with database(config) as db:
        user = _user(db, arguments.user)
        if not arguments.ids:
            print(f"{replay(db, user, lifetime)} to be tried again")
            return 0
        missing = [one for one in arguments.ids if not replay(db, user, lifetime, one)]
    print(f"{len(arguments.ids) - len(missing)} to be tried again")
    if missing:
        raise AccountError(f"not given up, or not there: {', '.join(map(str, missing))}")
    return 0


def _user(db: Database, name: str | None) -> UserId:
    return EVERYBODY if name is None else user_id(db, name)


def _lifetime(config: Config) -> Lifetime:
    return Lifetime(config.sms.smsreceive_hold * _MINUTE, config.sms.smsexpire * _MINUTE)
