"""`console`: Mizu's server console (seeds/002, "User interface"): `asendsms,TONUMBER,Hello world`, a command a line."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from voipsms.commands.context import database, directory_for, read_config, writing
from voipsms.commands.sending import submit
from voipsms.config import Config
from voipsms.errors import ImpossibleNumber, VoipSmsError
from voipsms.model import Submission
from voipsms.money import decimal
from voipsms.sms.numbers import Kind, read_number
from voipsms.store.accounts import ADMIN, AccountError
from voipsms.store.ids import now_millis
from voipsms.tariffs import price

PROMPT: Final = "> "


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[..., str]  # the config, then a value for each name
    names: tuple[str, ...] = ()


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    console = parsers.add_parser(
        "console", help="commands of Mizu's server console, a line each: asendsms,TONUMBER,Hello world"
    )
    console.add_argument("command", nargs="?", help="this one alone; without it they are read, `help` lists them")
    console.set_defaults(run=_console)


def _console(arguments: Namespace) -> int:
    """1: a command has failed."""
    config = read_config(arguments)
    lines: Iterable[str] = _lines() if arguments.command is None else (arguments.command,)
    failed = False
    for line in lines:
        words = line.strip()
        if words.lower() in ("quit", "exit"):
            break
        if words:
            answer = answer_to(config, words)
            failed |= answer.startswith("ERROR")
            print(answer, flush=True)
    return int(failed)


def _lines() -> Iterator[str]:
    """Of a terminal, with a prompt, or of a pipe."""
    while True:
        if sys.stdin.isatty():
            print(PROMPT, end="", flush=True)
        if not (line := sys.stdin.readline()):
            return
        yield line


def answer_to(config: Config, line: str) -> str:
    """One line that begins with OK or ERROR; of `help` several."""
    word, _, rest = line.partition(",")
    known = _COMMANDS.get(word.strip().lower())
    try:
        if known is None:
            raise _Misspelled(f"{word.strip()[:32]} is no command; `help` lists them")
        values = tuple(value.strip() for value in rest.split(",", len(known.names) - 1)) if known.names else ()
        if not all(values) or len(values) != len(known.names):
            raise _Misspelled("it is " + ",".join((word.strip(), *known.names)))
        return known.run(config, *values)
    except VoipSmsError as error:
        return "ERROR " + "".join(c if c.isprintable() else " " for c in str(error))


class _Misspelled(VoipSmsError):
    """Not a command, or not all that it needs."""


def _asendsms(config: Config, target: str, text: str) -> str:
    """As the admin, by whichever process runs or will run. What stands after the second comma is all text."""
    submission = Submission(door="cli", payers=(ADMIN,), sender=ADMIN, target=target, text=text)
    with writing(config) as (db, ids):
        return f"OK {submit(db, ids, config, submission)}"


def _balance(config: Config, name: str) -> str:
    with database(config) as db:
        rows = db.read("user_by_name", username=name)
    if not rows:
        raise AccountError(f"there is no user {name!r}")
    _, balance, currency, _ = rows[0]
    return f"OK {decimal(balance)} {currency}"


def _rating(config: Config, target: str) -> str:
    """What the admin pays for a message."""
    number = read_number(target, config.sms.country)
    if number.kind in (Kind.NAME, Kind.IMPOSSIBLE):
        raise ImpossibleNumber
    with writing(config) as (db, _):
        directory = directory_for(db, config, target, {})
    account = directory.by_name[ADMIN]
    quote = price(directory, config.sms, account, number.digits, 1, now_millis())
    return f"OK {decimal(quote.amount)} {account.currency} {quote.prefix}".rstrip()


def _help(config: Config) -> str:
    return "\n".join(["OK", *(",".join((word, *command.names)) for word, command in _COMMANDS.items()), "quit"])


_COMMANDS: Final = {
    "asendsms": _Command(_asendsms, ("TONUMBER", "TEXT")),
    "balance": _Command(_balance, ("USER",)),
    "rating": _Command(_rating, ("NUMBER",)),
    "help": _Command(_help),
}
