"""`user reach NAME`: how a user is reached; without options it shows it."""

from __future__ import annotations

import re
import secrets
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from pathlib import Path

from voipsms.carriers.mo_log import is_ftp, read_ftp
from voipsms.carriers.webhook import FORMATS, SCHEDULES, is_hook
from voipsms.commands.amounts import limit
from voipsms.commands.context import database, read_config
from voipsms.commands.output import add_format, write_rows
from voipsms.connectors.mail import is_address
from voipsms.masking import mask_url
from voipsms.model import Reach
from voipsms.money import decimal
from voipsms.store.accounts import AccountError
from voipsms.store.database import Database
from voipsms.store.reach import change_reach, reach_of
from voipsms.values import field_names

LONGEST = 2048  # characters of a URL or folder
LONGEST_SECRET = 128
NAMES = ("user", *field_names(Reach))
_USER_PART = re.compile(r"[\w.!~*'()&=+$,;?/%-]{1,64}", re.ASCII)  # RFC 3261 §25.1
_YES = {"yes": True, "no": False}


def add_to(users: _SubParsersAction[ArgumentParser]) -> None:
    parser = users.add_parser("reach", help="shows and sets how a user is reached")
    parser.add_argument("name")
    option = parser.add_argument
    option("--route", type=int, choices=range(-1, 5), help="of texts from phones, as smsreceive_route; -1: as that")
    option("--chat", type=_chat, metavar="USER", help="user part of the SIP address; '': the account's name")
    option("--mail", type=_mail, metavar="ADDRESS", help="the mailbox; '': none")
    option("--hook", type=_hook, metavar="URL", help="the webhook, http(s)://…; '': none")
    option("--hook-format", choices=FORMATS, help="what it gets")
    option("--hook-retry", choices=tuple(SCHEDULES), help="after 2, 4, 8, 16, 25 minutes, or 3 times at once")
    option("--hook-secret", type=_secret, metavar="S", help="signs JSON; '': a new one, shown once")
    option("--log", type=_log, metavar="PLACE", help="folder or ftp://… of mo.log; '': none")
    option("--receipts", choices=_YES, help="whether the webhook hears of receipts")
    option("--notify", choices=("fail", "all", "none", ""), help="what the phone hears of its messages; '': smsnotify")
    option("--low", type=limit, metavar="5.00", help="told when the balance goes below it; 0: never")
    add_format(parser)
    parser.set_defaults(run=_reach)


def _chat(text: str) -> str:
    if text and not _USER_PART.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no user part of a SIP address")
    return text


def _mail(text: str) -> str:
    if text and not is_address(text):
        raise ArgumentTypeError(f"{text!r} is no mail address")
    return text


def _hook(text: str) -> str:
    if text and (not is_hook(text) or len(text) > LONGEST):
        raise ArgumentTypeError(f"must be http://… or https://…, of {LONGEST} characters at the most")
    return text


def _secret(text: str) -> str:
    if len(text) > LONGEST_SECRET or not text.isprintable():
        raise ArgumentTypeError(f"a secret has {LONGEST_SECRET} printable characters at the most")
    return text


def _log(text: str) -> str:
    if len(text) > LONGEST or not text.isprintable() or ("://" in text and not is_ftp(text)):
        raise ArgumentTypeError(f"must be a folder or ftp://…, of {LONGEST} characters at the most")
    if is_ftp(text):
        try:
            read_ftp(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None
    return text


def _reach(arguments: Namespace) -> int:
    config = read_config(arguments)
    wanted = {name: value for name in field_names(Reach) if (value := getattr(arguments, name)) is not None}
    if "receipts" in wanted:
        wanted["receipts"] = _YES[wanted["receipts"]]
    new_secret = ""
    with database(config) as db:
        if wanted:
            with db.transaction():
                new_secret = _change(db, arguments.name, wanted, config.folder)
        reach = reach_of(db, arguments.name)
    write_rows(arguments.format, NAMES, [_row(arguments.name, reach, new_secret)])
    return 0


def _change(db: Database, name: str, wanted: dict[str, object], folder: Path) -> str:
    """A secret that was made. Raises AccountError."""
    reach = change_reach(db, name, wanted)
    if reach.route == 2 and not reach.mail:
        raise AccountError("route 2 is mail: there must be an address (--mail)")
    if reach.receipts and not reach.hook:
        raise AccountError("receipts go to the webhook: there must be one (--hook)")
    if "log" in wanted and reach.log and not is_ftp(reach.log) and not (folder / reach.log).is_dir():
        raise AccountError(f"there is no folder {folder / reach.log}")
    if reach.hook_secret or (not (reach.hook and reach.hook_format == "json") and "hook_secret" not in wanted):
        return ""
    made = secrets.token_urlsafe(32)
    change_reach(db, name, {"hook_secret": made})
    return made


def _row(name: str, reach: Reach, new_secret: str) -> tuple[object, ...]:
    """Without secrets, but for one that was made just now."""
    shown = {field: getattr(reach, field) for field in field_names(Reach)}
    shown |= {
        "hook": mask_url(reach.hook), "hook_secret": new_secret or ("set" if reach.hook_secret else ""),
        "log": mask_url(reach.log) if is_ftp(reach.log) else reach.log, "low": decimal(reach.low),
    }  # fmt: skip
    return name, *shown.values()
