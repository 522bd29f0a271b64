"""Transactions against a clock that the tests set."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.sip.messages import changed
from voipsms.sip.message import Request, parse_message
from voipsms.sip.transaction import (
    Arrival,
    ClientTransactions,
    Reply,
    Retransmit,
    ServerTransactions,
    TimedOut,
    client_key,
    server_key,
)
from voipsms.sip.uri import Via


def key(**fields: str) -> str:
    found = parse_message(changed(**fields))  # type: ignore[arg-type]
    assert isinstance(found, Request)
    return server_key(found)


BRANCH = "SIP/2.0/UDP a:5070;branch=z9hG4bK1"
OLD = "SIP/2.0/UDP a:5070;branch=1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"via": BRANCH}, {"via": BRANCH}, True),
        ({"via": BRANCH}, {"via": BRANCH + ";rport"}, True),
        ({"via": BRANCH}, {"via": BRANCH + "2"}, False),
        ({"via": BRANCH}, {"via": BRANCH.replace("a:5070", "b:5070")}, False),
        ({"via": BRANCH}, {"via": BRANCH.replace("5070", "5071")}, False),
        ({"via": BRANCH}, {"via": BRANCH, "call_id": "another phone's"}, False),
        ({"via": OLD}, {"via": OLD}, True),
        ({"via": OLD}, {"via": OLD, "call_id": "c2"}, False),
        ({"via": OLD}, {"via": OLD, "cseq": "2 MESSAGE"}, False),
        ({"via": OLD}, {"via": OLD, "from_": "<sip:alice@example.com>;tag=2"}, False),
        ({"via": OLD}, {"via": OLD, "to": "<sip:carol@example.com>"}, False),
        ({"via": OLD}, {"via": OLD, "start": "MESSAGE sip:carol@example.com SIP/2.0"}, False),
        ({"via": "SIP/2.0/UDP a;branch=z9hG4bK"}, {"via": "SIP/2.0/UDP a;branch=z9hG4bK", "call_id": "c2"}, False),
        ({"via": "SIP/2.0/UDP a"}, {"via": "SIP/2.0/UDP b"}, False),
    ],
)  # fmt: skip
def test_what_is_the_same_request(one: dict[str, str], other: dict[str, str], same: bool) -> None:
    assert (key(**one) == key(**other)) is same


def test_retransmissions_of_a_request() -> None:
    server = ServerTransactions()
    assert server.receive("k", 0.0) is Arrival.NEW
    assert server.receive("k", 0.5) is Arrival.ABSORBED
    server.respond("k", b"202", 1.0, reliable=False)
    assert server.receive("k", 1.5) is Arrival.ANSWERED
    assert server.answer("k") == b"202"
    server.expire(32.9)
    assert server.receive("k", 32.9) is Arrival.ANSWERED
    assert server.next_timeout() == 33.0
    server.expire(33.0)
    assert (server.receive("k", 33.0), server.next_timeout()) == (Arrival.NEW, 33.0 + 64)


def test_first_answer_stays() -> None:
    server = ServerTransactions()
    server.receive("k", 0.0)
    server.respond("k", b"first", 0.0, reliable=False)
    server.respond("k", b"second", 1.0, reliable=False)
    assert server.answer("k") == b"first"


def test_reliable_transport_keeps_nothing() -> None:
    server = ServerTransactions()
    server.receive("k", 0.0)
    server.respond("k", b"202", 1.0, reliable=True)
    assert (len(server), server.next_timeout()) == (0, None)


def test_request_that_is_never_answered() -> None:
    server = ServerTransactions(pending=1)
    assert server.receive("k", 0.0) is Arrival.NEW
    assert server.receive("other", 63.0) is Arrival.FULL
    server.expire(64.0)
    assert (len(server), server.receive("other", 64.0)) == (0, Arrival.NEW)


def test_memory_is_flat() -> None:
    server = ServerTransactions(completed=100)

    def serve(count: int) -> None:
        for number in range(count):
            server.receive(f"k{number}", 0.0)
            server.respond(f"k{number}", b"202", 0.0, reliable=False)

    serve(1000)
    assert len(server) == 100
    assert server.receive("k899", 0.0) is Arrival.NEW  # the oldest fall out first
    assert server.receive("k900", 0.0) is Arrival.ANSWERED
    tracemalloc.start()
    serve(20_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


# -- client -------------------------------------------------------------------------------------------------------


def clock(client: ClientTransactions, until: float) -> list[tuple[float, type]]:
    """Lets time pass from one timer to the next; what happened when."""
    seen: list[tuple[float, type]] = []
    while (now := client.next_timeout()) is not None and now <= until:
        seen += [(now, type(event)) for event in client.expire(now)]
    return seen


def test_timers_e_and_f() -> None:
    """RFC 3261 §17.1.2.1: 500 ms, doubling up to 4 s, until 32 s."""
    client = ClientTransactions()
    client.start("k", b"MESSAGE", 0.0, reliable=False)
    times = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert clock(client, 100.0) == [*((at, Retransmit) for at in times), (32.0, TimedOut)]
    assert (len(client), client.receive("k", 200, 33.0)) == (0, Reply.STRAY)


def test_provisional_slows_timer_e() -> None:
    client = ClientTransactions()
    client.start("k", b"MESSAGE", 0.0, reliable=False)
    assert client.receive("k", 100, 0.2) is Reply.PROVISIONAL
    assert [at for at, _ in clock(client, 12.0)] == [0.5, 4.5, 8.5]


def test_timer_k_absorbs_repeats() -> None:
    client = ClientTransactions()
    client.start("k", b"MESSAGE", 0.0, reliable=False)
    assert client.receive("k", 200, 0.1) is Reply.FINAL
    assert client.receive("k", 200, 0.2) is Reply.REPEATED
    assert client.receive("k", 100, 0.2) is Reply.REPEATED
    assert clock(client, 100.0) == []
    assert (len(client), client.receive("k", 200, 6.0)) == (0, Reply.STRAY)


def test_reliable_transport_does_not_retransmit() -> None:
    client = ClientTransactions()
    client.start("k", b"MESSAGE", 0.0, reliable=True)
    client.start("l", b"MESSAGE", 0.0, reliable=True)
    assert client.receive("k", 200, 1.0) is Reply.FINAL
    assert clock(client, 100.0) == [(32.0, TimedOut)]
    assert client.next_timeout() is None


def test_abandoned() -> None:
    client = ClientTransactions()
    client.start("k", b"MESSAGE", 0.0, reliable=False)
    client.abandon("k")
    assert (clock(client, 100.0), client.receive("k", 200, 1.0)) == ([], Reply.STRAY)


def test_response_belongs_to_branch_and_method() -> None:
    via = Via.parse(BRANCH)
    assert client_key(via, "MESSAGE") == client_key(Via.parse(BRANCH + ";received=1.2.3.4"), "MESSAGE")
    assert client_key(via, "MESSAGE") != client_key(via, "OPTIONS")
