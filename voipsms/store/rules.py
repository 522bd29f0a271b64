"""The rows of tb_rules and tb_advertisement, as commands change them. Inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voipsms.errors import VoipSmsError
from voipsms.model import Millis
from voipsms.store.database import Database, Row
from voipsms.store.ids import IdSource

Words = dict[str, Any]  # key → string, strings, whole number or truth, as a rules file has them


class RuleError(VoipSmsError):
    """A rule or advertisement that can't be, with what would be right."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as its operator wrote it, not compiled."""

    name: str
    enabled: bool = True
    when: tuple[Words, ...] = ()
    then: tuple[Words, ...] = ()


def of_row(row: Row) -> RuleText:
    """Of the statement `rules`. Raises RuleError where somebody else has written it."""
    name, enabled, conditions, actions = row
    try:
        return RuleText(name, bool(enabled), tuple(json.loads(conditions)), tuple(json.loads(actions)))
    except (ValueError, TypeError) as error:
        raise RuleError(f"rule {name!r}: its row in tb_rules can't be read: {error}") from error


def read_rules(db: Database) -> list[RuleText]:
    """In order. Raises RuleError."""
    return [of_row(row) for row in db.read("rules")]


def write_rules(db: Database, rules: Sequence[RuleText]) -> None:
    """These and no others, in this order."""
    db.write("delete_rules")
    for place, rule in enumerate(rules, 1):
        db.write(
            "insert_rule", place=place, name=rule.name, enabled=int(rule.enabled),
            conditions=json.dumps(rule.when), actions=json.dumps(rule.then),
        )  # fmt: skip
    db.write("bump_revision")


def enable_rule(db: Database, name: str, *, enabled: bool) -> None:
    """Raises RuleError where there is none."""
    if not db.write("enable_rule", name=name, enabled=int(enabled)):
        raise RuleError(f"there is no rule {name!r}")
    db.write("bump_revision")


@dataclass(frozen=True, slots=True)
class NewAdvert:
    """`starts` and `ends`: from then on, and before then; 0: always. `groups` of users; none: everybody."""

    text: str
    weight: int = 1
    starts: Millis = Millis(0)
    ends: Millis = Millis(0)
    groups: tuple[str, ...] = ()


def add_advert(db: Database, ids: IdSource, advert: NewAdvert) -> int:
    """The id of the new row."""
    advert_id = ids.next()
    db.write(
        "insert_advert", id=advert_id, text=advert.text, weight=advert.weight, valid_from=advert.starts,
        valid_to=advert.ends, user_groups=",".join(advert.groups),
    )  # fmt: skip
    db.write("bump_revision")
    return advert_id


def delete_advert(db: Database, advert_id: int) -> None:
    """Raises RuleError where there is none."""
    if not db.write("delete_advert", id=advert_id):
        raise RuleError(f"there is no advertisement {advert_id}")
    db.write("bump_revision")
