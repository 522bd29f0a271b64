"""Texts from phones in the tables: joined, known as repeats, settled once, held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, pairwise, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.rig import LATER, House
from voipsms.errors import NoCredit
from voipsms.model import (
    Belongs,
    Channel,
    Delivery,
    DeliveryId,
    Inbound,
    Incoming,
    Millis,
    State,
    Subject,
)
from voipsms.store import inbound as table
from voipsms.store.database import Busy, Conflict
from voipsms.store.entries import Arrival, Receive, Received, Settle
from voipsms.store.ids import now_millis
from voipsms.store.sqlite import SqliteEngine
from voipsms.values import replace

WAIT = Millis(60_000)
PHONE, OURS = "36301112233", "36201234567"
PRICE = 16_667
REFERENCES = count(1)


def inbound(house: House, text: str = "hello", **fields: Any) -> Inbound:
    return Inbound(house.gateway(fields.pop("gateway", "smsc")), PHONE, OURS, text, **fields)


def part(house: House, number: int, text: str, *, total: int = 3, reference: int = 7, **fields: Any) -> Inbound:
    return inbound(house, text, reference=reference, total=total, number=number, **fields)


def receive(house: House, *told: Inbound, wait: Millis = WAIT, **fields: Any) -> list[Received]:
    results = house.commit(*(Receive(one, wait, **fields) for one in told)).results
    assert all(isinstance(result, Received) for result in results)
    return results  # type: ignore[return-value]  # just seen


def texts(received: Sequence[Received]) -> list[tuple[str, bool]]:
    """Those that are whole now, each with whether it is complete."""
    return [(a.incoming.text, a.incoming.complete) for one in received for a in one.arrivals]


def waiting(house: House) -> list[str]:
    return [row[0] for row in house.rows("SELECT text FROM tb_inbound ORDER BY id")]


def delivery(house: House, incoming: Incoming) -> Delivery:
    return Delivery(
        DeliveryId(house.ids.next()), incoming.id, house.users["alice"], Channel.CHAT, Subject.TEXT, incoming.source,
        incoming.target, incoming.text, incoming.created, LATER,
    )  # fmt: skip


def settlement(house: House, arrival: Arrival, user: str = "alice", price: int = PRICE, **fields: Any) -> Settle:
    i = arrival.incoming
    message = house.message(
        user, price=price, id=i.id, created=i.created, sender=i.source, target=i.target, text=i.text
    )
    arrival = replace(arrival, belongs=Belongs(house.users[user], OURS))
    return Settle(arrival, message, deliveries=(delivery(house, i),), **fields)


def arrived(house: House, text: str = "hello", **fields: Any) -> Arrival:
    (received,) = receive(house, inbound(house, text, **fields))
    (arrival,) = received.arrivals
    return arrival


# -- whole texts, and repeats


def test_a_whole_text_is_kept_as_it_came(house: House) -> None:
    told = inbound(house, "szöveg 😀", udh=b"\6\5\4\1\2\3\4", sent=Millis(5), provider_id="mo1")
    (received,) = receive(house, told, door="http")
    (arrival,) = received.arrivals
    i = arrival.incoming
    assert (received.fresh, arrival.door, arrival.belongs) == (True, "http", None)
    assert (i.source, i.target, i.text, i.udh, i.sent, i.provider_id) == (
        PHONE, OURS, told.text, told.udh, 5, "mo1",
    )  # fmt: skip
    assert (i.parts, i.complete) == (1, True)
    assert taken_over(house) == [arrival]


def taken_over(house: House) -> list[Arrival]:
    """What the next holder of the node's number finds."""
    with house.db.transaction():
        return table.claim(house.db, house.node.number, before=house.ids.next())


def test_octets_are_kept(house: House) -> None:
    (received,) = receive(house, inbound(house, "", octets=b"\0\xff" * 70))
    assert received.arrivals[0].incoming.octets == b"\0\xff" * 70
    assert taken_over(house) == list(received.arrivals)


def test_a_known_key_is_a_repeat(house: House) -> None:
    told = inbound(house, provider_id="mo1")
    first, second = receive(house, told, told, key=b"k" * 16)
    (third,) = receive(house, replace(told, text="changed"), key=b"k" * 16)
    assert [one.fresh for one in (first, second, third)] == [True, False, False]
    assert waiting(house) == ["hello"]


def test_equal_texts_without_a_key_are_two(house: House) -> None:
    receive(house, inbound(house), inbound(house))
    receive(house, inbound(house))
    assert waiting(house) == ["hello"] * 3


@pytest.mark.parametrize("told, text, octets", [
    ("é" * 40_000, "é" * 32_767, b""), ("a" * 65_535, "a" * 65_535, b""), ("", "", b"\1" * 32_767),
], ids=["two octets each", "as long as can be", "octets"])  # fmt: skip
def test_what_is_too_long_for_a_column_is_cut(house: House, told: str, text: str, octets: bytes) -> None:
    arrival = arrived(house, told, octets=octets and octets + b"\2")
    assert (arrival.incoming.text, arrival.incoming.octets) == (text, octets)
    assert arrival.incoming.complete == (told == text != "")
    assert house.commit(settlement(house, arrival)).results == [True]


def test_a_text_that_is_recalled(house: House) -> None:
    same, other = inbound(house, "same"), inbound(house, "other")
    fresh = [receive(house, told, recall=True)[0].fresh for told in (same, same, other, other, same)]
    assert fresh == [True, False, True, False, True]
    assert waiting(house) == ["same", "other", "same"]


def test_a_text_that_was_recalled_long_enough(house: House) -> None:
    received = [receive(house, inbound(house), recall=True, wait=Millis(-1))[0] for _ in range(2)]
    assert texts(received) == [("hello", True)] * 2


# -- parts


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))), ids=str)
def test_parts_in_any_order(house: House, order: tuple[int, ...]) -> None:
    words = {1: "one ", 2: "two ", 3: "three"}
    received = [receive(house, part(house, n, words[n]))[0] for n in order]
    assert [one.fresh for one in received] == [True] * 3
    assert texts(received) == [("one two three", True)]
    assert received[2].arrivals[0].incoming.parts == 3
    assert waiting(house) == ["one two three"]


def test_parts_in_one_commit(house: House) -> None:
    assert texts(receive(house, *(part(house, n, f"{n}") for n in (3, 1, 2)))) == [("123", True)]


def test_parts_by_two_gateways(house: House) -> None:
    receive(house, part(house, 1, "a"), part(house, 2, "b", gateway="other"))
    assert texts(receive(house, part(house, 3, "c", gateway="other"))) == [("abc", True)]


@pytest.mark.parametrize("change", [
    {"reference": 8}, {"total": 4}, {"source": "36309998877"}, {"target": "36205556677"},
], ids=lambda change: next(iter(change)))  # fmt: skip
def test_parts_of_different_texts(house: House, change: dict[str, Any]) -> None:
    receive(house, part(house, 1, "a"), part(house, 2, "b"))
    assert texts(receive(house, replace(part(house, 3, "c"), **change))) == []
    assert texts(receive(house, part(house, 3, "c"))) == [("abc", True)]


def test_a_pair_cut_in_two(house: House) -> None:
    """What is between the parts of a character waits in the table."""
    high, low = "\ud83d", "\ude00"
    receive(house, part(house, 2, low + "!", total=2))
    assert texts(receive(house, part(house, 1, "a" + high, total=2))) == [("a😀!", True)]


def test_an_escape_cut_in_two(house: House) -> None:
    receive(house, part(house, 2, "e 5", total=2))
    assert texts(receive(house, part(house, 1, "for \x1b", total=2))) == [("for € 5", True)]


def test_octets_and_the_first_header(house: House) -> None:
    ports = b"\6\5\4\1\2\3\4"
    receive(house, part(house, 2, "", total=2, octets=b"\3\4"))
    (received,) = receive(house, part(house, 1, "", total=2, octets=b"\1\2", udh=ports))
    incoming = received.arrivals[0].incoming
    assert (incoming.octets, incoming.udh) == (b"\1\2\3\4", ports)


# -- repeats of parts, and references that come again


def test_a_part_once_more_is_a_repeat(house: House) -> None:
    receive(house, part(house, 1, "a"))
    assert [one.fresh for one in receive(house, part(house, 1, "a"))] == [False]
    receive(house, part(house, 2, "b"), part(house, 3, "c"))
    assert [one.fresh for one in receive(house, *(part(house, n, "abc"[n - 1]) for n in (1, 2, 3)))] == [False] * 3
    assert waiting(house) == ["abc"]


def test_another_text_in_a_place_that_is_taken(house: House) -> None:
    """The old one goes on as it is, and nothing of it gets into the new one."""
    receive(house, part(house, 1, "old"))
    assert texts(receive(house, part(house, 1, "a"))) == [("old[…]", False)]
    assert texts(receive(house, part(house, 2, "b"), part(house, 3, "c"))) == [("abc", True)]


def test_a_reference_again_after_its_text(house: House) -> None:
    receive(house, *(part(house, n, "old") for n in (1, 2, 3)))
    assert texts(receive(house, *(part(house, n, "new") for n in (1, 2, 3)))) == [("newnewnew", True)]


def test_the_same_text_again_later(house: House) -> None:
    """No repeat comes so late."""
    receive(house, *(part(house, n, "x") for n in (1, 2, 3)), wait=Millis(-1))
    assert texts(receive(house, *(part(house, n, "x") for n in (1, 2, 3)))) == [("xxx", True)]


def test_a_gateway_whose_phones_repeat_themselves(house: House) -> None:
    three = [part(house, n, "x") for n in (1, 2, 3)]
    assert texts(receive(house, *three, again=True)) == [("xxx", True)]
    assert texts(receive(house, *three, again=True)) == [("xxx", True)]


def test_the_same_part_with_another_id_is_another_text(house: House) -> None:
    """What a provider's own ids tell apart is no repeat."""
    for mark in (b"first", b"second"):
        one, two = part(house, 1, mark.decode(), total=2), part(house, 2, "x", total=2)
        assert texts([*receive(house, one, key=mark + b"1"), *receive(house, two, key=mark + b"2")]) == [
            (f"{mark.decode()}x", True)
        ]
    assert [one.fresh for one in receive(house, two, key=b"second2")] == [False]


# -- parts that don't come


def time_out(house: House) -> list[tuple[str, bool]]:
    with house.db.transaction():
        arrivals = table.join_overdue(house.db, house.ids, house.node.number, WAIT)
    return [(a.incoming.text, a.incoming.complete) for a in arrivals]


def test_what_is_there_goes_on_once(house: House) -> None:
    receive(house, part(house, 1, "a", total=4), part(house, 4, "d", total=4), wait=Millis(-1))
    receive(house, part(house, 1, "young", reference=8))
    assert time_out(house) == [("a[…]d", False)]
    assert time_out(house) == []
    assert waiting(house) == ["a[…]d"]


def test_a_straggler_goes_on_alone_and_once(house: House) -> None:
    receive(house, part(house, 1, "a"), part(house, 2, "b"), wait=Millis(-1))
    assert time_out(house) == [("ab[…]", False)]
    assert texts(receive(house, part(house, 3, "c"))) == [("c", False)]
    assert [one.fresh for one in receive(house, part(house, 3, "c"), part(house, 1, "a"))] == [False, False]


def test_old_texts_are_forgotten(house: House) -> None:
    receive(house, *(part(house, n, "x") for n in (1, 2, 3)), wait=Millis(-1))
    receive(house, part(house, 1, "open", reference=9))
    time_out(house)
    assert [row[0] for row in house.rows("SELECT closed FROM tb_joining")] == [0]


def test_texts_of_those_that_have_gone_on_are_not_kept(house: House) -> None:
    receive(house, *(part(house, n, "secret") for n in (1, 2, 3)))
    assert "secret" not in house.rows("SELECT parts FROM tb_joining")[0][0]


# -- two processes


def test_two_processes_join_one_text(house: House) -> None:
    """Whoever has the last part joins."""
    with closing(House(house.engine, number=77)) as other:
        assert texts(receive(house, part(house, 3, "c"))) == []
        assert texts(receive(other, part(other, 1, "a"))) == []
        assert texts(receive(house, part(house, 2, "b"))) == [("abc", True)]
        assert [one.fresh for one in receive(other, part(other, 2, "b"))] == [False]
    assert waiting(house) == ["abc"]


def insist(house: House, told: Inbound) -> list[tuple[str, bool]]:
    """As the journal does where another transaction is in the way."""
    while True:
        try:
            return texts(receive(house, told))
        except (Conflict, Busy):
            continue


def test_two_processes_at_once(house: House) -> None:
    """Each has its half of the parts, at the same time as the other."""
    with closing(House(house.engine, number=77)) as other, ThreadPoolExecutor(2) as threads:
        for reference in range(1, 21):
            halves = [(by, [part(by, n, f"{n}", total=6, reference=reference) for n in numbers])
                      for by, numbers in ((house, (1, 3, 5)), (other, (6, 4, 2)))]  # fmt: skip
            went = threads.map(lambda half: [ready for one in half[1] for ready in insist(half[0], one)], halves)
            assert [ready for one in went for ready in one] == [("123456", True)]
    assert waiting(house) == ["123456"] * 20


def test_work_of_a_dead_process_is_taken_over_once(house: House) -> None:
    dead = House(house.engine, number=77)
    with closing(dead):
        arrival = arrived(dead)
        assert claimed(house) == []
        dead.db.write("release_node", node=77, holder=dead.node.holder)
        assert claimed(house) == [arrival]
        assert dead.commit(settlement(dead, arrival)).results == [False], "it is another's now"
    assert house.commit(settlement(house, arrival)).results == [True]
    assert house.commit(settlement(house, arrival)).results == [False]
    assert len(house.rows("SELECT id FROM tb_outbox")) == 1


def claimed(house: House) -> list[Arrival]:
    with house.db.transaction():
        return table.claim(house.db, house.node.number, before=0)


# -- settled


def test_a_message_its_charge_and_its_cdr(house: House) -> None:
    arrival = arrived(house, octets=b"\1", udh=b"\1\2")
    settled = settlement(house, arrival)
    settled = replace(settled, message=replace(settled.message, octets=b"\1", udh=b"\1\2"))
    written = house.commit(settled)
    assert written.results == [True]
    assert written.balances == {house.users["alice"]: 1_000_000 - PRICE}
    assert house.rows("SELECT direction, sender, target, text, state FROM tb_messages") == [
        ("MO", PHONE, OURS, "hello", "QUEUED")
    ]
    assert house.rows("SELECT type, direction, duration, price, state, reason FROM tb_cdrs") == [
        ("SMS", "MO", 60, PRICE, "QUEUED", "")
    ]
    assert house.movements(settled.message) == [("charge", -PRICE)]
    assert house.rows("SELECT octets, udh FROM tb_options") == [("01", "0102")]
    assert house.rows("SELECT message_id, channel, node FROM tb_outbox") == [
        (arrival.incoming.id, "chat", house.node.number)
    ]
    assert waiting(house) == []


def test_nobodys(house: House) -> None:
    arrival = arrived(house)
    settle = settlement(house, arrival, price=0)
    message = replace(settle.message, user_id=0)
    settle = Settle(arrival, message, State.UNDELIVERABLE, "nobody", "No user's number")
    assert house.commit(settle).results == [True]
    assert house.state(message) == (State.UNDELIVERABLE, "nobody", "No user's number")
    assert house.cdr(message) == (0, 0, "UNDELIVERABLE", "nobody")
    assert house.movements(message) == []


def test_twice_in_one_commit(house: House) -> None:
    arrival = arrived(house)
    assert house.commit(settlement(house, arrival), settlement(house, arrival)).results == [True, False]


# -- held


def test_who_cannot_pay_gets_it_later(house: House) -> None:
    arrival = arrived(house)
    (result,) = house.commit(settlement(house, arrival, "bob", price=200_000)).results
    assert isinstance(result, NoCredit)
    assert house.rows("SELECT id FROM tb_messages") == house.rows("SELECT id FROM tb_outbox") == []
    assert table.held_users(house.db) == [house.users["bob"]]
    (held,) = table.held(house.db, house.users["bob"])
    assert held == replace(arrival, belongs=Belongs(house.users["bob"], OURS))
    assert claimed(house) == [], "nobody works on it"
    assert house.commit(settlement(house, held, "bob", price=50_000)).results == [True]
    assert table.held_users(house.db) == []


def test_held_behind_others(house: House) -> None:
    arrival = arrived(house)
    (result,) = house.commit(settlement(house, arrival, hold=True)).results
    assert isinstance(result, NoCredit)
    assert [one.incoming.id for one in table.held(house.db, house.users["alice"])] == [arrival.incoming.id]


def test_money_for_one_of_two(house: House) -> None:
    """In one commit: the first is paid, the second held, and the balance is what the ledger says."""
    first, second = arrived(house, "first"), arrived(house, "second")
    results = house.commit(*(settlement(house, one, price=600_000) for one in (first, second))).results
    assert results[0] is True
    assert isinstance(results[1], NoCredit)
    assert house.balance() == 400_000


# -- any order, any repetition


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    """Two processes on one database, for many examples."""
    path = tmp_path_factory.mktemp("inbound") / "voipsms.db"
    first = House(SqliteEngine(Path(path), 1.0))
    second = House(SqliteEngine(Path(path), 1.0), number=77)
    yield first, second
    first.check()
    first.close()
    second.close()


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), max_size=12), st.data())
def test_any_order_and_repetition_gives_one_text(workshop: tuple[House, House], text: str, data: st.DataObject) -> None:
    """Parts of which each comes at least once, cut anywhere between UTF-16 units, by either process, in any batches."""
    units = text.encode("utf-16-le")
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(units) // 2), min_size=1, max_size=4))), len(units) // 2]
    words = [units[2 * a : 2 * b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(cuts)]
    numbers = data.draw(st.permutations([*range(1, len(words) + 1), *data.draw(st.lists(st.integers(1, len(words))))]))
    reference, ready = next(REFERENCES), []
    while numbers:
        house = data.draw(st.sampled_from(workshop))
        batch, numbers = numbers[: (size := data.draw(st.integers(1, 4)))], numbers[size:]
        parts = [part(house, n, words[n - 1], total=len(words), reference=reference) for n in batch]
        ready += texts(receive(house, *parts))
    assert ready == [(text, True)]


def test_time_is_what_parts_wait_for(house: House) -> None:
    before = now_millis()
    receive(house, part(house, 1, "a"))
    assert before + WAIT <= house.rows("SELECT due FROM tb_joining")[0][0] <= now_millis() + WAIT
