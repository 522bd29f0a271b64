"""What each entry leaves in the tables, the same on both engines."""

from __future__ import annotations

import pytest

from tests.store.rig import CREDIT, LATER, PRICE, House, failure, takes
from voipsms.errors import NoCredit
from voipsms.model import Coding, Micros, Millis, State, Submitted
from voipsms.store.accounts import credit_user
from voipsms.store.database import Engine, Unwritable
from voipsms.store.entries import Accept, Amend, Doubt, Postpone, Remember, Repeat, Stage, Start, Take
from voipsms.store.ids import now_millis

KEY = bytes(range(16))

# -- accept


def test_an_accepted_message_is_stored_charged_and_queued(house: House) -> None:
    message = house.message(ingress_key=KEY, message_class=0, coding=Coding.UCS2, text="árvíztűrő")
    written = house.commit(Accept(message, started=True))
    assert written.results == [None]
    assert written.balances == {message.user_id: CREDIT - PRICE}
    assert house.rows(
        "SELECT created, direction, door, user_id, gateway_id, sender, target, text, coding, parts, duration, price,"
        " cost, currency, client_ip, message_class, state, reason, comment FROM tb_messages"
    ) == [
        (message.created, "MT", "sip", message.user_id, message.gateway_id, "36201234567", "36301112233", "árvíztűrő",
         "ucs2", 1, 60, PRICE, 0, "EUR", "192.0.2.1", 0, "QUEUED", "", "")
    ]  # fmt: skip
    assert house.queued(message) == (house.node.number, Stage.STARTED, 1, message.created)
    assert house.movements(message) == [("reserve", -PRICE)]
    assert house.balance() == CREDIT - PRICE
    assert house.rows("SELECT ingress_key, message_id, code FROM tb_ingress") == [(KEY.hex(), message.id, "accepted")]


def test_all_of_it_or_nothing(house: House) -> None:
    message = house.message(ingress_key=KEY)
    with pytest.raises(Unwritable):
        house.commit(Accept(message, started=True), Accept(house.message(id=message.id), started=True))
    assert [house.rows(f"SELECT * FROM tb_{table}") for table in ("messages", "queue", "ingress")] == [[], [], []]  # noqa: S608
    assert house.balance() == CREDIT


@pytest.mark.parametrize(
    ("started", "ours", "stage", "attempt"),
    [(True, True, Stage.STARTED, 1), (False, True, Stage.WAITING, 0), (False, False, Stage.WAITING, 0)],
    ids=["started", "waiting", "anybody's"],
)
def test_where_an_accepted_message_stands(house: House, started: bool, ours: bool, stage: Stage, attempt: int) -> None:
    message = house.message()
    house.commit(Accept(message, started, ours))
    assert house.queued(message) == (house.node.number * ours, stage, attempt, message.created)


def test_what_costs_nothing_moves_no_money(house: House) -> None:
    message = house.accepted(price=0)
    house.commit(*takes(message, "1"))
    house.hear("1", State.UNDELIVERABLE)
    assert house.movements(message) == []
    assert house.cdr(message) == (0, 0, "UNDELIVERABLE", "undeliverable")


def test_words_longer_than_their_columns_are_cut(house: House) -> None:
    message = house.accepted()
    house.commit(Take(message, 1, 1, 1, Submitted("F" * 300, State.ENROUTE, "c" * 300), last=True, expires=LATER))
    assert house.state(message) == (State.ENROUTE, "", "c" * 255)
    assert house.rows("SELECT provider_id FROM tb_parts") == [("f" * 80,)]
    assert house.hear("f" * 300, State.REJECTED, error="E" * 300) is True
    assert house.cdr(message) == (0, 0, "REJECTED", "rejected")
    assert house.state(message)[2] == "error " + "E" * 249
    assert house.hear("9" * 300, State.REJECTED, error="E" * 300) is False
    assert house.rows("SELECT provider_id, error FROM tb_receipts") == [("9" * 80, "E" * 32)]


@pytest.mark.parametrize(
    "text",
    [
        "😀👩‍👩‍👧‍👦 𝄞 𠜎", "\U0010ffff\uffff\ue000", "'\"`", "\\ \\n \\u0041 \\' \\\\", "100% %s %(rows)s %%",
        ":rows :name ::", "", '{"a": ["b", null]}', "[1,2]", "null", "007", "1e5", "true", " lead and trail ",
        "'; DROP TABLE tb_users; --", "tab\tline\r\nend\x0b\x01\x7f", "\u2028\u2029\u200b\ufeff", "é é",
        "ПРИВЕТ שלום مرحبا", "a\u0301" * 50, "x" * 20_000,
    ],
    ids=ascii,
)  # fmt: skip
def test_texts_survive_unchanged(shared_house: House, text: str) -> None:
    message = shared_house.accepted("admin", text=text)
    assert shared_house.rows("SELECT text FROM tb_messages ORDER BY id DESC LIMIT 1") == [(text,)]
    found = shared_house.db.read_batch("load_queue", [(message.id,)], node=shared_house.node.number)
    assert found[0][11] == text


@pytest.mark.parametrize("text", ["\ud800", "x\udfffy"], ids=ascii)
def test_what_is_no_unicode_is_unwritable(house: House, text: str) -> None:
    with pytest.raises(Unwritable):
        house.commit(Accept(house.message(text=text), started=True))


def test_a_batch_of_two_thousand(house: House) -> None:
    messages = [house.message("admin", ingress_key=n.to_bytes(16, "big")) for n in range(2000)]
    assert not any(house.commit(*(Accept(message, started=True) for message in messages)).results)
    house.commit(*(take for n, message in enumerate(messages) for take in takes(message, f"id{n}")))
    assert house.rows("SELECT COUNT(*) FROM tb_queue WHERE stage = 2 AND node = 0") == [(2000,)]
    assert house.balance("admin") == -2000 * PRICE


# -- repeats


def test_a_repeat_gets_the_first_answer_and_costs_nothing(house: House, engine: Engine) -> None:
    first, same_batch, later, restarted = (house.message(ingress_key=KEY) for _ in range(4))
    repeat = Repeat(first.id, "accepted", "")
    assert house.commit(Accept(first, True), Accept(same_batch, True)).results == [None, repeat]
    assert house.commit(Accept(later, True)).results == [repeat]
    after = House(engine)
    assert after.commit(Accept(restarted, True)).results == [repeat]
    after.close()
    assert house.balance() == CREDIT - PRICE
    assert house.rows("SELECT id FROM tb_messages") == [(first.id,)]


def test_a_repeat_gets_the_amended_answer(house: House) -> None:
    first = house.accepted(ingress_key=KEY)
    house.commit(Amend(KEY, "provider_refused", "no such number: 'ő'"))
    repeat = Repeat(first.id, "provider_refused", "no such number: 'ő'")
    assert house.commit(Accept(house.message(ingress_key=KEY), True)).results == [repeat]


def test_a_refusal_is_remembered_once(house: House) -> None:
    first = Remember(KEY, "opted_out", "The recipient has opted out")
    repeat = Repeat(None, "opted_out", "The recipient has opted out")
    second = Remember(KEY, "no_credit", "Not enough credit")
    assert house.commit(first, second).results == [None, repeat]
    assert house.commit(second, Accept(house.message(ingress_key=KEY), True)).results == [repeat, repeat]
    assert house.balance() == CREDIT


def test_without_a_key_nothing_is_a_repeat(house: House) -> None:
    assert house.commit(*(Accept(house.message(), True) for _ in range(3))).results == [None] * 3
    assert house.rows("SELECT * FROM tb_ingress") == []


# -- credit


def refused(results: list[object]) -> list[bool]:
    return [isinstance(result, NoCredit) for result in results]


def test_credit_ends_within_a_batch(house: House) -> None:
    written = house.commit(*(Accept(house.message(price=300_000), True) for _ in range(5)))
    assert refused(written.results) == [False, False, False, True, True]
    assert written.balances == {house.users["alice"]: 100_000}


def test_the_last_cent_may_be_spent(house: House) -> None:
    assert refused(house.commit(Accept(house.message(price=CREDIT), True)).results) == [False]
    assert refused(house.commit(Accept(house.message(price=1), True)).results) == [True]


def test_money_that_another_process_has_spent_is_gone(house: House, engine: Engine) -> None:
    other = House(engine, number=7)
    other.accepted(price=CREDIT - PRICE + 1)
    other.close()
    message = house.message()
    assert refused(house.commit(Accept(message, True)).results) == [True]
    assert house.movements(message) == []


def test_money_that_another_process_has_booked_counts(house: House) -> None:
    with house.db.transaction():
        assert credit_user(house.db, house.ids, "bob", Micros(PRICE)) == PRICE
    assert refused(house.commit(*(Accept(house.message("bob"), True) for _ in range(4))).results) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("user", "price", "affordable"), [("bob", PRICE, 2), ("admin", 10**12, 5)], ids=["postpaid", "admin"]
)
def test_limits(house: House, user: str, price: int, affordable: int) -> None:
    written = house.commit(*(Accept(house.message(user, price=price), True) for _ in range(5)))
    assert refused(written.results).count(False) == affordable
    assert house.balance(user) == -affordable * price


# -- on the way


def test_started(house: House) -> None:
    message = house.message()
    house.commit(Accept(message, started=False))
    before = now_millis()
    house.commit(Start(((message.id, 2),)))
    queued = house.queued(message)
    assert queued is not None
    assert queued[:3] == (house.node.number, Stage.STARTED, 2)
    assert before <= queued[3] <= now_millis()


def test_postponed(house: House) -> None:
    message = house.accepted()
    house.commit(Postpone(message.id, 2, LATER))
    assert house.queued(message) == (house.node.number, Stage.WAITING, 2, LATER)
    assert house.state(message)[0] is State.QUEUED


def test_what_is_said_last_of_a_message_counts(house: House) -> None:
    postponed, started = house.accepted(), house.accepted()
    house.commit(
        Start(((postponed.id, 2),)),
        Postpone(postponed.id, 3, LATER),
        Postpone(started.id, 2, LATER),
        Start(((started.id, 2),)),
    )
    assert house.queued(postponed) == (house.node.number, Stage.WAITING, 3, LATER)
    found = house.queued(started)
    assert found is not None
    assert found[:3] == (house.node.number, Stage.STARTED, 2)


def test_what_another_process_has_claimed_is_not_taken_back(house: House) -> None:
    started, postponed = house.accepted(), house.accepted()
    house.db.write_batch("claim_queue", [(m.id, house.node.number, 9) for m in (started, postponed)])
    house.commit(Start(((started.id, 2),)), Postpone(postponed.id, 2, LATER))
    assert [queued and queued[0] for queued in map(house.queued, (started, postponed))] == [9, 9]
    house.commit(*takes(started, "1"))
    assert house.queued(started) == (0, Stage.TAKEN, 1, LATER)


@pytest.mark.parametrize(("state", "waits"), [(State.ENROUTE, True), (State.ACCEPTED, False)])
def test_taken(house: House, state: State, waits: bool) -> None:
    message = house.accepted()
    submitted = Submitted("0x00AB", state, "OK: 'queued'")
    house.commit(Take(message, 1, 1, 1, submitted, last=True, expires=LATER))
    assert house.state(message) == (state, "", "OK: 'queued'")
    assert house.queued(message) == ((0, Stage.TAKEN, 1, LATER) if waits else None)
    assert house.cdr(message) == (60, PRICE, state, "")
    assert house.rows("SELECT part, total, attempt, gateway_id, provider_id, state FROM tb_parts") == [
        (1, 1, 1, message.gateway_id, "ab", "")
    ]


def test_the_cdr_is_of_its_message(house: House) -> None:
    message = house.taken("1", message=house.accepted(parts=1, cost=Micros(20_000)))
    assert house.rows(
        "SELECT id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price, cost,"
        " currency, state, reason, comment FROM tb_cdrs"
    ) == [
        (message.id, message.id, "SMS", "MT", message.user_id, message.gateway_id, "36201234567", "36301112233",
         message.created, 60, 1, PRICE, 20_000, "EUR", "ENROUTE", "", "")
    ]  # fmt: skip


def test_nothing_is_billed_before_the_last_part_is_taken(house: House) -> None:
    message = house.accepted(parts=2)
    first, second = takes(message, "1", "2")
    house.commit(first)
    assert house.queued(message) == (house.node.number, Stage.STARTED, 1, message.created)
    assert house.rows("SELECT * FROM tb_cdrs") == []
    house.commit(second)
    assert house.cdr(message) == (60, PRICE, "ENROUTE", "")


@pytest.mark.parametrize("state", [State.REJECTED, State.UNDELIVERABLE, State.EXPIRED, State.UNKNOWN])
def test_failed(house: House, state: State) -> None:
    message = house.accepted()
    house.commit(failure(message, state))
    assert house.state(message) == (state, "refused_by_provider", "no such number")
    assert house.cdr(message) == (0, 0, state, "refused_by_provider")
    assert house.movements(message) == [("reserve", -PRICE), ("refund", PRICE)]
    assert house.queued(message) is None
    assert house.balance() == CREDIT


def test_a_part_that_was_taken_does_not_bill_a_message_that_failed(house: House) -> None:
    message = house.accepted(parts=2)
    house.commit(takes(message, "1", "2")[0], failure(message))
    assert house.cdr(message) == (0, 0, "REJECTED", "refused_by_provider")
    assert house.hear("1", State.UNDELIVERABLE) is True
    assert house.movements(message) == [("reserve", -PRICE), ("refund", PRICE)]


def test_many_failures_are_refunded_at_once(house: House) -> None:
    messages = [house.accepted(user) for user in ("alice", "bob", "admin") for _ in range(2)]
    written = house.commit(*map(failure, messages))
    assert written.balances == {house.users["alice"]: CREDIT, house.users["bob"]: 0, house.users["admin"]: 0}


def test_a_message_has_one_end(house: House) -> None:
    message = house.taken("1")
    with pytest.raises(Unwritable):
        house.commit(failure(message))
    assert house.movements(message) == [("reserve", -PRICE)]


def test_in_doubt(house: House) -> None:
    message = house.accepted()
    expires = Millis(now_millis() + 1000)
    house.commit(Doubt(message, "timed out", expires))
    assert house.state(message) == (State.UNKNOWN, "no_answer", "timed out")
    assert house.cdr(message) == (60, PRICE, "UNKNOWN", "no_answer")
    assert house.queued(message) == (0, Stage.DOUBT, 0, expires)
    assert house.balance() == CREDIT - PRICE


def test_the_refund_of_a_user_who_is_gone_stops_nobody(house: House) -> None:
    gone = house.message("bob")
    stays = house.accepted()
    house.commit(Accept(gone, True))
    with house.db.transaction():
        credit_user(house.db, house.ids, "bob", Micros(PRICE))
    execute(house, "DELETE FROM tb_users WHERE username = 'bob'")
    house.commit(failure(gone), failure(stays))
    assert house.balance() == CREDIT
    assert house.commit(Accept(house.message("bob"), True)).results != [None]


def execute(house: House, statement: str) -> None:
    connection = house.engine.connect()
    connection.cursor().execute(statement)
    connection.close()
