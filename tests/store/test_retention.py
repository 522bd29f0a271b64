"""What is kept for so many days goes then, on both engines, and never of a message that is not final."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.store.rig import House, takes
from voipsms.model import Millis, State
from voipsms.retention import blank_texts, drop_rows
from voipsms.store.entries import Accept, Take
from voipsms.store.ids import first_id, now_millis

COUNT = 1200  # more than two pages
AFTER_ALL = first_id(Millis(now_millis() + 10**9))


def sent(house: House, count: int, state: State = State.ACCEPTED, **fields: Any) -> list[int]:
    messages = [house.message("admin", **fields) for _ in range(count)]
    house.commit(*(Accept(message, started=True) for message in messages))
    found: list[Take] = []
    for message in messages:
        found += takes(message, f"P{message.id}", state=state)  # type: ignore[arg-type]
    house.commit(*found)
    return [message.id for message in messages]


def blank(house: House, before: int = AFTER_ALL) -> list[int]:
    rounds = []
    while done := _in_transaction(house, blank_texts, before):
        rounds.append(done)
    return rounds


def drop(house: House, before: int = AFTER_ALL) -> list[int]:
    rounds = []
    while done := _in_transaction(house, drop_rows, before):
        rounds.append(done)
    return rounds


def _in_transaction(house: House, some: object, before: int) -> int:
    with house.db.transaction():
        return int(some(house.db, before))  # type: ignore[operator]


def texts(house: House) -> dict[int, str]:
    return dict(house.rows("SELECT id, text FROM tb_messages"))


def ids(house: House, table: str, key: str = "id") -> set[int]:
    return {row[0] for row in house.rows(f"SELECT {key} FROM {table}")}  # noqa: S608 — names of the schema


def test_texts_go_in_pages(house: House) -> None:
    old = sent(house, COUNT, octets=b"\1\2", udh=b"")
    assert len(blank(house)) == 3
    assert set(texts(house).values()) == {""}
    assert ids(house, "tb_options", "message_id") == set()
    assert ids(house, "tb_cdrs") == set(old)
    assert blank(house) == []


def test_texts_of_younger_messages_stay(house: House) -> None:
    old, young = sent(house, 3), sent(house, 3)
    assert blank(house, young[0])
    assert texts(house) == dict.fromkeys(old, "") | dict.fromkeys(young, "Hello")
    assert blank(house)
    assert set(texts(house).values()) == {""}


def test_a_text_is_kept_until_its_message_is_final(house: House) -> None:
    """However far the others have got."""
    first = sent(house, 2)
    (waiting,) = sent(house, 1, State.ENROUTE)
    last = sent(house, 600)
    assert blank(house)
    assert texts(house) == dict.fromkeys(first + last, "") | {waiting: "Hello"}
    assert blank(house) == []
    assert json.loads(house.db.read("setting", name="blanked")[0][0]) == [last[-1], [waiting]]
    house.hear(f"P{waiting}")
    assert blank(house) == [1]
    assert texts(house)[waiting] == ""
    assert blank(house) == []


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNDELIVERABLE])
def test_a_receipt_of_a_message_without_text(house: House, state: State) -> None:
    (message_id,) = sent(house, 1)
    blank(house)
    house.hear(f"P{message_id}", state)
    assert house.rows("SELECT state, text FROM tb_messages") == [(state, "")]


def test_rows_go_in_pages_and_cdrs_stay(house: House) -> None:
    old = sent(house, COUNT, valid=60)
    assert drop(house) == [500, 500, 200]
    for table in ("tb_messages", "tb_parts", "tb_options", "tb_spellings"):
        assert house.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)]  # noqa: S608
    assert ids(house, "tb_cdrs") == ids(house, "tb_ledger", "msgid") - {None} == set(old)


def test_rows_of_messages_that_are_not_final_stay(house: House) -> None:
    old, young = sent(house, 2), sent(house, 2)
    (enroute,) = sent(house, 1, State.ENROUTE)
    queued = house.accepted("admin").id
    assert drop(house, young[0]) == [2]
    assert ids(house, "tb_messages") == {*young, enroute, queued}
    assert drop(house) == [2]
    assert ids(house, "tb_messages") == {enroute, queued}
    assert ids(house, "tb_parts", "message_id") == {enroute}
    house.hear(f"P{enroute}")
    assert drop(house) == [1]
    assert old


def test_a_late_receipt_of_a_message_that_is_gone(house: House) -> None:
    (message_id,) = sent(house, 1)
    drop(house)
    assert house.hear(f"P{message_id}", State.UNDELIVERABLE) is False
    assert house.rows("SELECT state FROM tb_cdrs") == [("ACCEPTED",)]
