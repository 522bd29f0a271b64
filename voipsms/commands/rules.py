"""`rule list`, `import`, `export`, `enable`, `disable`: what happens to messages before they are accepted."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Sequence
from pathlib import Path

from voipsms.commands.context import database, read_config
from voipsms.commands.output import add_format, write_rows
from voipsms.config import Config
from voipsms.errors import ConfigError
from voipsms.model import UserType
from voipsms.rewriting import procedure
from voipsms.rulebook import compile_rule, compile_rules, gateways_of, users_of
from voipsms.rules import Tell
from voipsms.rules_file import read_toml, write_toml
from voipsms.store.database import Database
from voipsms.store.rules import RuleError, RuleText, enable_rule, of_row, read_rules, write_rules

LONGEST_FILE = 4_000_000  # octets
NAMES = ("place", "name", "enabled", "when", "then")


def add_to(parsers: _SubParsersAction[ArgumentParser]) -> None:
    rules = parsers.add_parser("rule", help="rules for messages").add_subparsers(required=True, metavar="COMMAND")
    listing = rules.add_parser("list", help="shows the rules in their order")
    add_format(listing)
    listing.set_defaults(run=_list)
    reading = rules.add_parser("import", help="takes a file's rules instead of the present ones")
    reading.add_argument("file", metavar="FILE.toml")
    reading.add_argument("--add", action="store_true", help="keep the others: same names are replaced, new ones last")
    reading.set_defaults(run=_import)
    writing = rules.add_parser("export", help="writes the rules as a file")
    writing.add_argument("file", nargs="?", default="-", metavar="FILE.toml", help="default: standard output")
    writing.add_argument("--name", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    writing.set_defaults(run=_export)
    for word, enabled in (("enable", True), ("disable", False)):
        switch = rules.add_parser(word, help=f"{word}s a rule")
        switch.add_argument("name")
        switch.set_defaults(run=_switch, enabled=enabled)


def _list(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        texts = read_rules(db)
    rows = []
    for place, text in enumerate(texts, 1):
        rule = compile_rule(text)
        conditions = ", ".join(condition.said for condition in rule.conditions) or "always"
        rows.append((place, text.name, text.enabled, conditions, ", ".join(action.said for action in rule.actions)))
    write_rows(arguments.format, NAMES, rows)
    return 0


def _import(arguments: Namespace) -> int:
    config = read_config(arguments)
    texts = read_toml(_text(arguments.file), arguments.file)
    check(texts, config)
    with database(config) as db, db.transaction():
        merged = _merged(read_rules(db), texts) if arguments.add else texts
        compile_rules(merged)
        _check_users(db, texts)
        write_rules(db, merged)
    print(f"{len(texts)} rules imported, {len(merged)} in force or kept")
    return 0


def _text(file: str) -> str:
    """Raises RuleError."""
    try:
        octets = Path(file).read_bytes()
        if len(octets) > LONGEST_FILE:
            raise RuleError(f"{file}: has {len(octets)} octets, at most {LONGEST_FILE} are read")
        return octets.decode("utf-8-sig")
    except OSError as error:
        raise RuleError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RuleError(f"{file}: must be UTF-8 text (byte {error.start} is not)") from error


def check(texts: Sequence[RuleText], config: Config) -> None:
    """Everything that can be known before the first message comes. Raises RuleError."""
    from voipsms.effects import connector  # takes a while to import, and few commands need it

    rules = compile_rules(RuleText(text.name, True, text.when, text.then) for text in texts)
    known = {settings.name for settings in config.gateways}
    for name, gateway in gateways_of(rules):
        if gateway not in known:
            raise RuleError(f"rule {name!r}: there is no gateway {gateway!r}, but {', '.join(sorted(known)) or 'none'}")
    for rule in rules.of_messages:
        for action in rule.actions:
            if isinstance(action, Tell):
                try:
                    connector(action, config.folder, config.mail)
                except ConfigError as error:
                    raise RuleError(f"rule {rule.name!r}: {action.kind}: {error}") from error


def _check_users(db: Database, texts: Sequence[RuleText]) -> None:
    """Raises RuleError where there is none of this name."""
    for name, user in users_of(compile_rules(texts)):
        rows = db.read("user_by_name", username=user)
        if not rows or rows[0][3] == UserType.SMSGW:
            raise RuleError(f"rule {name!r}: there is no user {user!r}")


def faults(db: Database, config: Config) -> list[str]:
    """What is wrong with the rules that are stored, and with v_dialplansms, a line each."""
    found = []
    for row in db.read("rules"):
        try:
            check([of_row(row)], config)
            _check_users(db, [of_row(row)])
        except RuleError as error:
            found.append(str(error))
    if config.sms.usesmsprefixsp:
        try:
            procedure(db.engine, config.folder)
        except ConfigError as error:
            found.append(str(error))
    return found


def _merged(before: Sequence[RuleText], new: Sequence[RuleText]) -> list[RuleText]:
    found = {rule.name: rule for rule in before}
    for rule in new:
        found[rule.name] = rule
    return list(found.values())


def _export(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db:
        rules = read_rules(db)
    for name in set(arguments.name) - {rule.name for rule in rules}:
        raise RuleError(f"there is no rule {name!r}")
    text = write_toml(rule for rule in rules if not arguments.name or rule.name in arguments.name)
    if arguments.file == "-":
        sys.stdout.write(text)
        return 0
    try:
        Path(arguments.file).write_text(text, "utf-8")
    except OSError as error:
        raise RuleError(f"{arguments.file}: {error.strerror}") from error
    return 0


def _switch(arguments: Namespace) -> int:
    with database(read_config(arguments)) as db, db.transaction():
        enable_rule(db, arguments.name, enabled=arguments.enabled)
    print(f"rule {arguments.name} {'enabled' if arguments.enabled else 'disabled'}")
    return 0
