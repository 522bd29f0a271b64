"""Rules as their operator wrote them → rules that can be applied, or what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from voipsms.errors import ConfigError
from voipsms.log import get_logger
from voipsms.patterns import Pattern
from voipsms.rules import (
    CHANGEABLE,
    MESSAGE_FIELDS,
    REQUEST_FIELDS,
    Action,
    Answer,
    Choose,
    Condition,
    Copy,
    Forward,
    Prefix,
    Refuse,
    Rewrite,
    Rule,
    Rules,
    Stop,
    Tell,
)
from voipsms.sms.numbers import Kind, read_number
from voipsms.store.database import Row
from voipsms.store.rules import RuleError, RuleText, Words, of_row

MOST_RULES: Final = 1000
MOST_WORDS: Final = 1000  # that one condition compares with
MOST_OF_EACH: Final = 50  # conditions, or actions, of a rule
LONGEST_NAME: Final = 64  # characters
LONGEST_WORD: Final = 1000
LONGEST_PATTERN: Final = 255

_MAIL = re.compile(r"[A-Za-z0-9!#$&'*+/=^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_SUBJECT = "SMS%20from%20[fromnum]%20to%20[tonum]"
_REPLACED = re.compile(r"\$(\$|[0-9])")

log = get_logger("rules")


class _Table:
    """One condition or action: a table of the file, whose keys are taken out one by one. All raise RuleError."""

    def __init__(self, place: str, words: Words) -> None:
        if not isinstance(words, dict):
            raise RuleError(f"{place}: must be a table in braces")
        self.place, self._left = place, dict(words)

    def wrong(self, key: str, right: str) -> RuleError:
        return RuleError(f"{self.place}: {key}: {right}")

    def has(self, key: str) -> bool:
        return key in self._left

    def text(self, key: str, *, default: str | None = None, longest: int = LONGEST_WORD) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str) or not (value or default == ""):
            raise self.wrong(key, "must be a text")
        return self._checked(key, value, longest)

    def texts(self, key: str) -> tuple[str, ...]:
        """One, or several in brackets."""
        value = self._left.pop(key)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
            raise self.wrong(key, "must be a text, or several in brackets")
        if len(found) > MOST_WORDS:
            raise self.wrong(key, f"must be {MOST_WORDS} texts at the most")
        return tuple(self._checked(key, one, LONGEST_WORD) for one in found)

    def _checked(self, key: str, value: str, longest: int) -> str:
        if len(value) > longest:
            raise self.wrong(key, f"must have {longest} characters at the most")
        if re.search("[\0\ud800-\udfff]", value):
            raise self.wrong(key, "must be without NUL and halves of characters")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        value = self._left.pop(key, None)
        if value not in choices:
            raise self.wrong(key, f"must be one of {', '.join(choices)}")
        return str(value)

    def truth(self, key: str) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def number(self, key: str, least: int, most: int) -> int:
        value = self._left.pop(key, None)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"must be a whole number, {least} to {most}")
        return value

    def pattern(self, key: str) -> re.Pattern[str]:
        source = self.text(key, longest=LONGEST_PATTERN)
        try:
            return Pattern(source, f"{self.place}: {key}").compiled
        except ConfigError as error:
            raise RuleError(str(error)) from error

    def finish(self) -> None:
        for key in self._left:
            raise self.wrong(key, "is not understood here")


# -- conditions ---------------------------------------------------------------------------------------------------

Holds = Callable[[str], object]


def _is(table: _Table, key: str) -> Holds:
    return frozenset(word.casefold() for word in table.texts(key)).__contains__


def _starts(table: _Table, key: str) -> Holds:
    words = tuple(word.casefold() for word in table.texts(key))
    return lambda value: value.startswith(words)


def _has(table: _Table, key: str) -> Holds:
    words = [word.casefold() for word in table.texts(key)]

    def has(value: str) -> bool:
        for word in words:  # noqa: SIM110 — any() would make a generator for each text
            if word in value:
                return True
        return False

    return has


def _matches(table: _Table, key: str) -> Holds:
    return table.pattern(key).search


_COMPARED: Final[Mapping[str, Callable[[_Table, str], Holds]]] = {
    "is": _is, "starts": _starts, "has": _has, "matches": _matches,
}  # fmt: skip


def _condition(place: str, words: Words, fields: Sequence[str]) -> Condition:
    table = _Table(place, words)
    field = table.one_of("field", fields)
    compared = [key for key in _COMPARED if table.has(key)]
    if len(compared) != 1:
        raise RuleError(f"{place}: must have one of {', '.join(_COMPARED)}")
    key = compared[0]
    negated, said = table.truth("not"), f"{words[key]!r}"
    holds = _COMPARED[key](table, key)
    table.finish()
    return Condition(field, holds, negated, key != "matches", f"{field} {'not ' if negated else ''}{key} {said[:80]}")


# -- actions ------------------------------------------------------------------------------------------------------


def _rewrite(table: _Table) -> Action:
    field, pattern = table.one_of("field", CHANGEABLE), table.pattern("pattern")
    pieces: list[str | int] = []
    for n, piece in enumerate(_REPLACED.split(table.text("by", default=""))):
        if n % 2 == 0 or piece == "$":
            pieces.append(piece)
        elif int(piece) > pattern.groups:
            raise table.wrong("by", f"${piece}: the pattern has {pattern.groups} groups")
        else:
            pieces.append(int(piece))
    return Rewrite(field, pattern, tuple(piece for piece in pieces if piece != ""))


def _copy(table: _Table) -> Action:
    if not table.has("mail"):
        said = table.text("number")
        number = read_number(said)
        if number.kind in (Kind.NAME, Kind.IMPOSSIBLE):
            raise table.wrong("number", f"{said!r} is not a possible phone number; write it as +36201234567")
        return Copy(number.digits if number.kind is Kind.SHORT else f"+{number.digits}")
    address = table.text("mail")
    if not _MAIL.fullmatch(address):
        raise table.wrong("mail", "must be an address such as archive@example.com")
    return Tell("mail", f"mailto:{_literal(address)}?subject={_SUBJECT}")


def _literal(address: str) -> str:
    """In a mailto URL which is a template of the Mizu dialect, too."""
    return "".join(c if c.isalnum() or c in "@.-_" else f"%{ord(c):02X}" for c in address)


def _run(table: _Table) -> Action:
    command = table.text("command")
    if not re.match(r"[\"']?\.{0,2}/", command):
        raise table.wrong("command", "must begin with the program's path: ./notify.sh or /usr/local/bin/notify")
    return Tell("run", command)


def _webhook(table: _Table) -> Action:
    url = table.text("url")
    if not re.match(r"https?://", url):
        raise table.wrong("url", "must be http://… or https://…")
    return Tell("webhook", url, table.text("body", default="", longest=10_000), table.text("headers", default=""))


def _refuse(table: _Table) -> Action:
    text = table.text("text", default="Blocked by a rule", longest=200)
    if not text.isprintable():
        raise table.wrong("text", "must be one line")
    return Refuse(text)


def _answer(table: _Table) -> Action:
    code, text = table.number("code", 200, 699), table.text("text", default="", longest=200)
    if not text.isascii() or not (text.isprintable()):
        raise table.wrong("text", "must be one line of ASCII")
    return Answer(code, text)


_ACTIONS: Final[Mapping[str, Callable[[_Table], Action]]] = {
    "rewrite": _rewrite,
    "prefix": lambda table: Prefix(table.one_of("field", CHANGEABLE), table.text("text")),
    "gateway": lambda table: Choose(table.text("name")),
    "forward": lambda table: Forward(table.text("user")),
    "refuse": _refuse,
    "copy": _copy,
    "run": _run,
    "webhook": _webhook,
    "answer": _answer,
    "stop": lambda table: Stop(),
}


def _action(place: str, words: Words) -> Action:
    table = _Table(place, words)
    action = _ACTIONS[table.one_of("do", tuple(_ACTIONS))](table)
    table.finish()
    return action


# -- rules --------------------------------------------------------------------------------------------------------


def compile_rule(text: RuleText) -> Rule:
    """Raises RuleError."""
    place = f"rule {text.name!r}"
    if not text.name or len(text.name) > LONGEST_NAME or not text.name.isprintable():
        raise RuleError(f"{place}: a name has 1 to {LONGEST_NAME} printable characters")
    if not text.then or max(len(text.when), len(text.then)) > MOST_OF_EACH:
        raise RuleError(f"{place}: must have 1 to {MOST_OF_EACH} actions in then, and no more conditions in when")
    actions = tuple(_action(f"{place}, then {n}", words) for n, words in enumerate(text.then, 1))
    answers = any(isinstance(action, Answer) for action in actions)
    if answers and len(actions) > 1:
        raise RuleError(f"{place}: answer must be the only action: it is given before there is a message")
    fields = REQUEST_FIELDS if answers else MESSAGE_FIELDS
    conditions = tuple(_condition(f"{place}, when {n}", words, fields) for n, words in enumerate(text.when, 1))
    rule = Rule(text.name, conditions, actions)
    _check_direction(rule, place)
    return rule


def _check_direction(rule: Rule, place: str) -> None:
    """Raises RuleError for what could never be done."""
    kinds = {type(action) for action in rule.actions}
    if Forward in kinds and not rule.of_incoming:
        raise RuleError(
            f'{place}: forward is for texts from phones: when must have {{ field = "direction", is = "in" }}'
        )
    if Choose in kinds and not rule.of_requests and not rule.meant_for("out"):
        raise RuleError(f"{place}: gateway is for messages that go out, and when lets none of them through")


def compile_rules(texts: Iterable[RuleText]) -> Rules:
    """Those that are enabled; the others have to be right, too. Raises RuleError."""
    rules: dict[str, tuple[Rule, bool]] = {}
    for text in texts:
        if text.name in rules:
            raise RuleError(f"rule {text.name!r}: there are two of this name")
        rules[text.name] = (compile_rule(text), text.enabled)
    if len(rules) > MOST_RULES:
        raise RuleError(f"there are {len(rules)} rules, at most {MOST_RULES} are taken")
    return Rules(rule for rule, enabled in rules.values() if enabled)


def gateways_of(rules: Rules) -> Iterable[tuple[str, str]]:
    """(rule, gateway) for each gateway that a rule names."""
    return [(rule.name, a.gateway) for rule in rules.of_messages for a in rule.actions if isinstance(a, Choose)]


def users_of(rules: Rules) -> Iterable[tuple[str, str]]:
    """(rule, account) for each account that a rule forwards to."""
    return [(rule.name, a.user) for rule in rules.of_messages for a in rule.actions if isinstance(a, Forward)]


@lru_cache(maxsize=2)  # accounts change much more often
def read_rows(rows: tuple[Row, ...]) -> Rules:
    """Rows of the statement `rules`. One that can't be read is left out and told: the others hold."""
    found = []
    for row in rows:
        try:
            text = of_row(row)
            if text.enabled:
                found.append(compile_rule(text))
        except RuleError as error:
            log.error("a rule is left out", why=str(error))
    return Rules(found)


def as_words(value: Any) -> tuple[Words, ...]:
    """What stands under `when` or `then` in a file. Raises RuleError."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise RuleError("must be tables in brackets: [ { … }, { … } ]")
    return tuple(value)
