"""Rules as a file: TOML with one `[[rule]]` each, in order, a line for each condition and action."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from voipsms.rulebook import as_words
from voipsms.store.rules import RuleError, RuleText, Words

_HEAD = "# The rules of voipsms, in order, for `voipsms rule import`; docs/rules.md tells what can stand here.\n"
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')
_KEYS = ("name", "enabled", "when", "then")


def read_toml(text: str, file: str) -> list[RuleText]:
    """Raises RuleError, which names the file and what is wrong with it."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{file}: {error}") from error
    except RecursionError as error:
        raise RuleError(f"{file}: brackets in brackets without end") from error
    rules = found.pop("rule", [])
    if found or not isinstance(rules, list):
        raise RuleError(f"{file}: {next(iter(found), 'rule')}: must be [[rule]], and nothing else on the left")
    return [_read(rule, f"{file}: rule {n}") for n, rule in enumerate(rules, 1)]


def _read(rule: Any, place: str) -> RuleText:
    if not isinstance(rule, dict):
        raise RuleError(f"{place}: must be [[rule]]")
    for key in rule.keys() - set(_KEYS):
        raise RuleError(f"{place}: {key}: must be one of {', '.join(_KEYS)}")
    name, enabled = rule.get("name"), rule.get("enabled", True)
    if not isinstance(name, str) or not isinstance(enabled, bool):
        raise RuleError(f"{place}: must have a name in quotes; enabled is true or false")
    try:
        return RuleText(name, enabled, as_words(rule.get("when", [])), as_words(rule.get("then", [])))
    except RuleError as error:
        raise RuleError(f"{place} ({name}): when, then: {error}") from error


def write_toml(rules: Iterable[RuleText]) -> str:
    """What `read_toml` reads, the same rules always in the same words."""
    return "\n".join([_HEAD, *map(_write, rules)])


def _write(rule: RuleText) -> str:
    lines = ["[[rule]]", f"name = {_value(rule.name)}", f"enabled = {_value(rule.enabled)}"]
    lines += [_array(key, tables) for key, tables in (("when", rule.when), ("then", rule.then))]
    return "\n".join(lines) + "\n"


def _array(key: str, tables: tuple[Words, ...]) -> str:
    return "\n".join([f"{key} = [", *(f"    {_value(table)}," for table in tables), "]"]) if tables else f"{key} = []"


def _value(value: Any) -> str:
    """Raises RuleError for what no rule holds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + _ESCAPED.sub(_escape, value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    raise RuleError(f"a rule can't hold {value!r}")


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _value(key)


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return {"\n": "\\n", "\t": "\\t"}.get(char) or (f"\\{char}" if char in '"\\' else f"\\u{ord(char):04x}")
