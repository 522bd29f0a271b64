"""INI text ↔ frozen dataclasses: one field a key, with its default, unit and meaning beside it.

`key()` declares a setting, `read_ini()` takes a file apart, `read_section()` turns a section into its dataclass and
gathers every fault in words that an operator can act on, `example()` writes the sample file from the same declarations.
"""

from __future__ import annotations

import configparser
import dataclasses
import difflib
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

T = TypeVar("T")

Parser = Callable[[str], Any]


class BadValue(ValueError):
    """What would have been right, in one clause."""


def key(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    parse: Parser | None = None,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    name: str = "",
    shown: str = "",
    secret: bool = False,
) -> Any:
    """A setting. `name` is the key's spelling in the file where it differs from the field's, `shown` the default's
    where it differs from str()."""
    metadata = {
        "meaning": meaning,
        "unit": unit,
        "parse": parse,
        "choices": choices,
        "least": least,
        "most": most,
        "name": name,
        "shown": shown,
    }
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def key_name(field: dataclasses.Field[Any]) -> str:
    return field.metadata.get("name") or field.name


def _boolean(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[text.lower()]
    except KeyError:
        raise BadValue("must be true or false") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadValue("must be a whole number") from None


def _real(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BadValue("must be a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise BadValue("must be a finite number")
    return value


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadValue("must be a decimal number such as 0.05") from None
    if not value.is_finite():
        raise BadValue("must be a finite number")
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -6:
        raise BadValue("must have six decimal places at the most")
    if abs(value) >= 10**12:  # in millionths it has to fit 64 bits
        raise BadValue("must be less than 1000000000000")
    return value


def words(text: str) -> tuple[str, ...]:
    """Comma-separated words, empty ones dropped."""
    return tuple(word for word in (piece.strip() for piece in text.split(",")) if word)


def host_port(text: str) -> tuple[str, int]:
    """`host:port`, an IPv6 host in brackets. Raises BadValue."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    number = int(port) if port.isdecimal() and len(port) <= 5 else 65536
    if not host.strip("[]") or (":" in host) != bracketed or number > 65535:
        raise BadValue("must be host:port, an IPv6 host in brackets")
    return host.strip("[]"), number


_BY_TYPE: dict[Any, Parser] = {
    bool: _boolean, int: _integer, float: _real, Decimal: _decimal, str: str, tuple[str, ...]: words,
}  # fmt: skip


def parse_value(field: dataclasses.Field[Any], kind: Any, text: str) -> Any:
    """The value of one setting. Raises BadValue."""
    meta = field.metadata
    value = (meta["parse"] or _BY_TYPE[kind])(text)
    if meta["choices"] and str(value).lower() not in meta["choices"]:
        raise BadValue("must be one of " + ", ".join(meta["choices"]))
    least, most = meta["least"], meta["most"]
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = [f"at least {least}" if least is not None else "", f"at most {most}" if most is not None else ""]
        raise BadValue("must be " + " and ".join(filter(None, bounds)))
    return value.lower() if meta["choices"] and isinstance(value, str) else value


def read_section(kind: type[T], values: Mapping[str, str], fault: Callable[[str, str], None]) -> T:
    """Builds `kind` from the key-value pairs of one section; every fault goes to `fault(key, what is right)`."""
    hints = typing.get_type_hints(kind)
    fields = {key_name(field).lower(): field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for name, text in values.items():
        field = fields.get(name.lower())
        if field is None:
            fault(name, unknown_key(name, fields))
            continue
        try:
            found[field.name] = parse_value(field, hints[field.name], text.strip())
        except BadValue as error:
            fault(name, f"{error}, not {text.strip()!r}" if field.repr else str(error))
    return kind(**found)


def read_ini(text: str) -> dict[str, dict[str, str]]:
    """Sections and their pairs, keys in lower case.

    Raises BadValue, a line per fault, which names the line of the text and never shows it: it may hold a password.
    """
    # A value may hold ; # and %: only whole-line comments, no interpolation. No section is everybody's default.
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"), inline_comment_prefixes=None,
        default_section="",
    )  # fmt: skip
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise BadValue(f"line {error.lineno}: must come after a [section]") from None
    except configparser.DuplicateSectionError as error:
        raise BadValue(f"[{error.section}] section: stands twice (line {error.lineno})") from None
    except configparser.DuplicateOptionError as error:
        raise BadValue(f"[{error.section}] {error.option}: stands twice (line {error.lineno})") from None
    except configparser.ParsingError as error:
        raise BadValue("\n".join(f"line {number}: must be key = value" for number, _ in error.errors)) from None
    return {section: dict(parser[section]) for section in parser.sections()}


def unknown_key(name: str, known: typing.Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), 1)
    return "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")


def show(value: Any) -> str:
    """A default as the file would spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def example(kind: Any, prefix: str = "") -> list[str]:
    """The lines of the sample file for one section: what each key means, then the key with its default."""
    lines = []
    for field in dataclasses.fields(kind):
        meta = field.metadata
        if meta.get("hidden"):
            continue
        unit = f" [{meta['unit']}]" if meta["unit"] else ""
        choices = f" ({' | '.join(meta['choices'])})" if meta["choices"] else ""
        lines.append(f"# {meta['meaning']}{choices}{unit}")
        lines.append(f"#{prefix}{key_name(field)} = {meta['shown'] or show(field.default)}".rstrip())
    return lines
