"""Rules and advertisements in their tables, the same on both engines."""

from __future__ import annotations

import pytest

from tests.store.rig import CREDIT, House, failure
from voipsms.directory import STATEMENTS, Directory
from voipsms.errors import NoCredit
from voipsms.model import Micros, Millis, State
from voipsms.store import migrate
from voipsms.store.database import Database, Engine
from voipsms.store.entries import Accept
from voipsms.store.rules import (
    NewAdvert,
    RuleError,
    RuleText,
    add_advert,
    delete_advert,
    enable_rule,
    read_rules,
    write_rules,
)

STOP = {"do": "stop"}
RULES = [
    RuleText("β", True, ({"field": "text", "has": ["Grüße 🎉", "'; DROP TABLE tb_rules; --"]},), (STOP,)),
    RuleText("a", False, (), ({"do": "answer", "code": 486, "text": "Busy"},)),
    RuleText("A", True, ({"field": "to", "matches": r"^\+?36\d{9}$", "not": True},), (STOP,)),
]


def revision(house: House) -> int:
    return int(house.db.read("setting", name="revision")[0][0])


def test_what_is_written_is_read_in_its_order(house: House) -> None:
    before = revision(house)
    with house.db.transaction():
        write_rules(house.db, RULES)
    assert read_rules(house.db) == RULES
    with house.db.transaction():
        write_rules(house.db, RULES[::-1])
    assert read_rules(house.db) == RULES[::-1]
    assert revision(house) == before + 2


def test_one_is_switched(house: House) -> None:
    with house.db.transaction():
        write_rules(house.db, RULES)
        enable_rule(house.db, "a", enabled=True)
        enable_rule(house.db, "a", enabled=True)
        enable_rule(house.db, "A", enabled=False)
    assert [rule.enabled for rule in read_rules(house.db)] == [True, True, False]
    with pytest.raises(RuleError, match="there is no rule 'b'"):
        enable_rule(house.db, "b", enabled=True)


def test_a_cut_while_they_are_written_leaves_the_old_ones(house: House) -> None:
    with house.db.transaction():
        write_rules(house.db, RULES)
    with pytest.raises(AttributeError), house.db.transaction():
        write_rules(house.db, [RULES[0], None])  # type: ignore[list-item]  # cut off after the first
    assert read_rules(house.db) == RULES


def test_the_directory_has_what_is_in_force(house: House) -> None:
    with house.db.transaction():
        write_rules(house.db, RULES)
        add_advert(house.db, house.ids, NewAdvert("Buy ☕", 3, Millis(1), Millis(2**41), ("gold", "silver")))
    directory = Directory()
    directory.load(*(house.db.read(name) for name in STATEMENTS))
    assert [rule.name for rule in directory.rules.of_messages] == ["β", "A"]
    (advert,) = directory.adverts
    assert (advert.text, advert.weight, advert.starts, advert.ends, advert.groups) == (
        "Buy ☕", 3, 1, 2**41, ("gold", "silver"),
    )  # fmt: skip


def test_advertisements_come_and_go(house: House) -> None:
    with house.db.transaction():
        first, second = (add_advert(house.db, house.ids, NewAdvert(text)) for text in "ab")
        delete_advert(house.db, first)
    assert [row[0] for row in house.db.read("adverts")] == [second]
    with pytest.raises(RuleError, match=f"there is no advertisement {first}"):
        delete_advert(house.db, first)


@pytest.mark.parametrize("ends", ["taken", "refused", "undelivered"])
def test_an_advertisement_is_credited_with_its_message(house: House, ends: str) -> None:
    """In one transaction, and taken back with the price: the sum of both is what the CDR bills, or nothing."""
    message = house.message(price=30_000)
    assert house.commit(Accept(message, started=True, credit=Micros(20_000))).results == [None]
    charged = [("reserve", -50_000), ("advert", 20_000)]
    assert house.movements(message) == charged
    assert house.balance() == CREDIT - 30_000
    if ends == "refused":
        house.commit(failure(message))
    else:
        house.taken("p1", message=message)
    if ends == "undelivered":
        house.hear("p1", State.UNDELIVERABLE)
    back = [] if ends == "taken" else [("refund", 30_000)]
    assert house.movements(message) == charged + back
    assert house.cdr(message)[1] == (30_000 if ends == "taken" else 0)
    assert house.balance() == CREDIT - (30_000 if ends == "taken" else 0)


def test_what_a_credit_makes_affordable_is_taken(house: House) -> None:
    """Nobody goes below zero by it: what is left to pay has to be there."""
    rest = house.message(price=CREDIT)
    assert house.commit(Accept(rest, started=True, credit=Micros(20_000))).results == [None]
    assert house.balance() == 0
    more = house.message(price=1)
    (result,) = house.commit(Accept(more, started=True, credit=Micros(20_000))).results
    assert isinstance(result, NoCredit)
    assert house.balance() == 0


def test_a_migration_that_was_cut_off_is_run_again(house: House, engine: Engine) -> None:
    """MySQL commits after each statement of a schema."""
    script = next(path for path in migrate.scripts(engine.name) if path.name.startswith("0006"))
    db = Database(engine)
    db.script(script.read_text("utf-8").partition(";\n")[0] + ";\n")
    for _ in range(2):
        db.script(script.read_text("utf-8"))
    db.close()
    assert read_rules(house.db) == []
