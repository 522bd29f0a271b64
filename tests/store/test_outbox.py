"""Deliveries in tb_outbox, what they do to messages from phones, and who is told of messages: on both engines."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.store.rig import House, takes
from voipsms import recovery
from voipsms.model import (
    Channel,
    Delivery,
    DeliveryId,
    Imdn,
    Message,
    MessageId,
    Millis,
    Reach,
    Receipt,
    State,
    Subject,
    Submitted,
    UserId,
)
from voipsms.store import outbox
from voipsms.store.entries import Accept, Conclude, Confirm, Defer, Divert, Doubt, Entry, Fail, Hear, Post, Take
from voipsms.store.ids import now_millis
from voipsms.store.told import Asked, Finals, sentence
from voipsms.values import replace

PAST, FUTURE = Millis(1000), Millis(4_000_000_000_000)


def delivery(house: House, **fields: Any) -> Delivery:
    wanted: dict[str, Any] = {
        "id": DeliveryId(house.ids.next()), "message_id": MessageId(0), "user_id": house.users["alice"],
        "channel": Channel.CHAT, "subject": Subject.TEXT, "source": "36301112233", "target": "36201234567",
        "text": "Szia 😀", "created": now_millis(), "expires": FUTURE,
    }  # fmt: skip
    return Delivery(**wanted | fields)


def posted(house: House, **fields: Any) -> Delivery:
    made = delivery(house, **fields)
    house.commit(Post((made,)))
    return made


def rows(house: House, columns: str = "id, node, stage, attempt, due, error") -> list[tuple[Any, ...]]:
    return house.rows(f"SELECT {columns} FROM tb_outbox ORDER BY id")  # noqa: S608


def claim(house: House, room: int = 100) -> list[Delivery]:
    with house.db.transaction():
        return outbox.claim(house.db, house.node.number, room)


def deferred(house: House, made: Delivery, due: Millis = PAST) -> None:
    house.commit(Defer(made.id, made.attempt, due, "not now"))


WHOLE = {
    "message_id": MessageId(7), "channel": Channel.MAIL, "subject": Subject.NOTICE, "source": "Ä" * 10,
    "text": "€" * 2000,
    "attempt": 3, "otherwise": Channel.MAIL, "address": "bob@example.com",
    "fields": (("state", "DELIVERED"), ("a", "ő")),
}  # fmt: skip


@pytest.mark.parametrize("fields", [{}, WHOLE], ids=["least", "everything"])
def test_a_delivery_comes_back_as_it_was(house: House, fields: dict[str, Any]) -> None:
    made = posted(house, **fields)
    deferred(house, made)
    assert claim(house) == [made]


def test_it_is_ours_until_it_is_deferred(house: House) -> None:
    made = posted(house)
    assert claim(house) == []
    assert rows(house) == [(made.id, house.node.number, 0, 0, made.created, "")]
    house.commit(Defer(made.id, 2, FUTURE, "480 Temporarily Unavailable"))
    assert rows(house) == [(made.id, 0, 0, 2, FUTURE, "480 Temporarily Unavailable")]
    assert claim(house) == [], "it is not due"


def test_what_is_due_is_claimed_once_the_oldest_first(house: House) -> None:
    made = [posted(house) for _ in range(3)]
    for one, due in zip(made, (30, 10, 20), strict=True):
        deferred(house, one, Millis(due))
    assert claim(house, room=2) == [made[1], made[2]]
    assert claim(house) == [made[0]]
    assert claim(house) == []


def test_only_its_process_defers_it(house: House) -> None:
    made = posted(house)
    other = House(house.engine, number=77)
    deferred(other, made)
    assert rows(house, "node, error") == [(house.node.number, "")]
    other.close()


def test_a_user_who_is_there_gets_what_is_not_due(house: House) -> None:
    mine = posted(house)
    others = posted(house, user_id=house.users["bob"])
    mail = posted(house, channel=Channel.MAIL)
    for one in (mine, others, mail):
        deferred(house, one, FUTURE)
    with house.db.transaction():
        found = outbox.claim_of(house.db, house.node.number, house.users["alice"], Channel.CHAT)
    assert found == [mine]
    lines = {(one.user_id, one.channel, one.source): FUTURE for one in (others, mail)}
    assert outbox.held(house.db) == lines


def test_what_a_dead_process_had_is_anybodys(house: House) -> None:
    dead = House(house.engine, number=77)
    made = posted(dead)
    with house.db.transaction():
        outbox.disown(house.db, house.node.number)
    assert claim(house) == [], "its lease runs"
    house.db.write("release_node", node=77, holder=dead.node.holder)
    with house.db.transaction():
        outbox.disown(house.db, house.node.number)
    assert claim(house) == [made]
    dead.close()


def test_strays_are_anybodys(house: House) -> None:
    known, stray, young = (posted(house, created=at) for at in (PAST, PAST, now_millis()))
    with house.db.transaction():
        outbox.free(house.db, house.node.number, {known.id}, Millis(PAST + 1))
    assert claim(house) == [stray]
    assert young.id in {row[0] for row in rows(house)}


def test_given_up_is_kept_for_a_while(house: House) -> None:
    made = posted(house)
    house.commit(Conclude(replace(made, attempt=5), False, "404 Not Found"))
    assert rows(house, "stage, node, attempt, error") == [(1, 0, 5, "404 Not Found")]
    assert claim(house) == []
    assert outbox.forget(house.db) == 0
    house.db.write("forget_outbox", before=FUTURE)
    assert rows(house) == []


def test_another_channel_takes_it_over(house: House) -> None:
    made = posted(house, otherwise=Channel.MAIL, attempt=4)
    other = replace(made, channel=Channel.MAIL, otherwise=None, attempt=0, expires=Millis(FUTURE + 1))
    house.commit(Divert(other, "480"))
    assert rows(house, "node, error") == [(house.node.number, "480")]
    deferred(house, other)
    assert claim(house) == [other]


# -- messages from phones


def arrived(house: House) -> MessageId:
    """A text from a phone whose deliveries are under way."""
    m = house.message(price=0, duration=0)
    house.db.post(
        {
            "insert_messages": [
                (m.id, m.created, "MO", "smpp", m.user_id, m.gateway_id, m.sender, m.target, m.text, m.coding, 1, 0, 0,
                 0, "EUR", "", None, "QUEUED", m.created)
            ],
            "insert_cdrs": [(m.id, 1, "QUEUED", "", "")],
        }
    )  # fmt: skip
    return m.id


ENDS: dict[
    str, tuple[tuple[tuple[bool, bool] | None, ...], State, str]
] = {  # (carried, late) of each; None: still open
    "carried": (((True, False),), State.DELIVERED, ""),
    "given up": (((False, False),), State.UNDELIVERABLE, "undeliverable"),
    "too late": (((False, True),), State.EXPIRED, "expired"),
    "one of two": (((False, False), (True, False)), State.DELIVERED, ""),
    "the other of two": (((True, False), (False, True)), State.DELIVERED, ""),
    "one given up, the other open": (((False, False), None), State.QUEUED, ""),
    "both given up": (((False, False), (False, True)), State.EXPIRED, "expired"),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["one commit", "a commit each"])
@pytest.mark.parametrize("ends, state, reason", ENDS.values(), ids=ENDS)
def test_the_end_of_a_message_from_a_phone(
    house: House, ends: tuple[tuple[bool, bool] | None, ...], state: State, reason: str, at_once: bool
) -> None:
    message_id = arrived(house)
    made = [posted(house, message_id=message_id) for _ in ends]
    entries: list[Entry] = [
        Conclude(one, end[0], "why", end[1]) for one, end in zip(made, ends, strict=True) if end is not None
    ]
    for batch in [entries] if at_once else [[entry] for entry in entries]:
        house.commit(*batch)
    assert house.rows("SELECT state, reason FROM tb_messages") == [(state, reason)]
    assert house.rows("SELECT state, reason FROM tb_cdrs") == [(state, reason)]


def test_a_receipt_settles_no_message(house: House) -> None:
    message = house.taken("id1")
    one = posted(house, message_id=message.id, subject=Subject.RECEIPT)
    other = posted(house, message_id=message.id, subject=Subject.RECEIPT)
    house.commit(Conclude(one, True, "ok"), Conclude(other, False, "no"))
    assert house.state(message)[0] is State.ENROUTE


# -- who is told of messages to phones

ALICE = "alice"


def asked(house: House, *, hook: bool = False, notify: str = "none", phones: bool = True) -> None:
    house.asked = Asked(
        frozenset({house.users[ALICE]} if hook else ()), {}, notify, phones, Millis(60_000)
    )  # fmt: skip


def told(house: House) -> list[tuple[str, str]]:
    """Channel, and what it says: the state for programs, the sentence or the IMDN's word for phones."""
    found = []
    for row in house.rows(f"SELECT {', '.join(COLUMNS)} FROM tb_outbox ORDER BY id"):  # noqa: S608
        one = outbox.delivery_of(row)
        assert (one.subject, one.source, one.user_id) == (Subject.RECEIPT, one.target, house.users[ALICE])
        fields = dict(one.fields)
        found.append((str(one.channel), fields.get("disposition") or fields.get("state") or one.text))
    return found


COLUMNS = (
    "id", "message_id", "user_id", "channel", "subject", "source", "target", "text", "created", "expires", "attempt",
    "otherwise", "address", "fields",
)  # fmt: skip


def hears(state: State) -> Any:
    def end(house: House, message: Message) -> list[Entry]:
        house.taken("id1", message=message)
        return [Hear(Receipt(house.gateway(), "id1", state))]

    return end


def fails(state: State) -> Any:
    return lambda house, message: [Fail(message, state, "why", "")]


def is_taken(state: State) -> Any:
    return lambda house, message: takes(message, "id1", state=state)


def confirmed(house: House, message: Message) -> list[Entry]:
    house.commit(Take(message, 1, 1, 1, Submitted("id1", State.ACCEPTED, unverified=True), True, FUTURE))
    return [Confirm(message, 1, Submitted("id1", State.DELIVERED), FUTURE)]


def both_at_once(house: House, message: Message) -> list[Entry]:
    return [*takes(message, "id1"), Hear(Receipt(house.gateway(), "id1", State.UNDELIVERABLE))]


FAILED_TEXT = 'Your message to +36301112233 was not delivered: the phone can\'t be reached: "Hello"'
SPELLED = {
    State.DELIVERED: 'Your message to +36301112233 was delivered: "Hello"',
    State.ACCEPTED: 'Your message to +36301112233 was sent: "Hello"',
    State.UNDELIVERABLE: FAILED_TEXT,
}
HEARD: dict[str, tuple[Any, bool, str, Imdn | None, list[tuple[str, str]]]] = {
    # what ends it; the webhook hears of receipts; smsnotify; what the phone asked for; what is told
    "nobody asked": (hears(State.DELIVERED), False, "none", None, []),
    "program": (hears(State.DELIVERED), True, "none", None, [("webhook", "DELIVERED")]),
    "program, refused": (fails(State.REJECTED), True, "none", None, [("webhook", "REJECTED")]),
    "program, confirmed": (confirmed, True, "none", None, [("webhook", "DELIVERED")]),
    "program, accepted": (is_taken(State.ACCEPTED), True, "none", None, [("webhook", "ACCEPTED")]),
    "program, under way": (is_taken(State.ENROUTE), True, "none", None, []),
    "program, not final": (hears(State.ENROUTE), True, "none", None, []),
    "program, taken and failed in one commit": (both_at_once, True, "none", None, [("webhook", "UNDELIVERABLE")]),
    "phone, failed": (hears(State.UNDELIVERABLE), False, "fail", None, [("chat", FAILED_TEXT)]),
    "phone, delivered": (hears(State.DELIVERED), False, "fail", None, []),
    "phone, all": (hears(State.DELIVERED), False, "all", None, [("chat", SPELLED[State.DELIVERED])]),
    "phone, all, accepted": (is_taken(State.ACCEPTED), False, "all", None, [("chat", SPELLED[State.ACCEPTED])]),
    "phone, none": (hears(State.UNDELIVERABLE), False, "none", None, []),
    "imdn, delivered": (hears(State.DELIVERED), False, "none", Imdn("m1", "", True, False), [("chat", "delivered")]),
    "imdn, not of failure": (hears(State.UNDELIVERABLE), False, "none", Imdn("m1", "", True, False), []),
    "imdn, failed": (fails(State.EXPIRED), False, "none", Imdn("m1", "", False, True), [("chat", "failed")]),
    "imdn, nothing known": (hears(State.UNKNOWN), False, "none", Imdn("m1", "", True, True), [("chat", "error")]),
    "imdn, accepted": (is_taken(State.ACCEPTED), False, "none", Imdn("m1", "", True, True), []),
    "imdn instead of a text": (fails(State.EXPIRED), False, "fail", Imdn("m1", "", False, True), [("chat", "failed")]),
    "text where the imdn isn't for it": (
        hears(State.UNDELIVERABLE), False, "fail", Imdn("m1", "", True, False), [("chat", FAILED_TEXT)],
    ),
    "everything": (
        hears(State.UNDELIVERABLE), True, "all", Imdn("m1", "", True, True),
        [("webhook", "UNDELIVERABLE"), ("chat", "failed")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("end, hook, notify, imdn, expected", HEARD.values(), ids=HEARD)
def test_told(
    house: House, end: Any, hook: bool, notify: str, imdn: Imdn | None, expected: list[tuple[str, str]]
) -> None:
    asked(house, hook=hook, notify=notify)
    message = house.accepted(imdn=imdn)
    written = house.commit(*end(house, message))
    assert told(house) == expected
    assert [(one.message_id, one.expires > one.created) for one in written.told] == [(message.id, True)] * len(expected)


def test_another_door_is_no_phone(house: House) -> None:
    asked(house, notify="all")
    message = house.accepted(door="api")
    house.commit(Fail(message, State.REJECTED, "why", ""))
    assert told(house) == []


def test_without_chat_no_phone_is_told(house: House) -> None:
    asked(house, hook=True, notify="all", phones=False)
    house.commit(Fail(house.accepted(imdn=Imdn("m1", "", True, True)), State.REJECTED, "why", ""))
    assert told(house) == [("webhook", "REJECTED")]


AGAIN: dict[str, tuple[list[Entry | State], list[str]]] = {
    "accepted, then delivered": ([State.DELIVERED], ["ACCEPTED"]),
    "accepted, then not delivered": ([State.UNDELIVERABLE], ["ACCEPTED", "UNDELIVERABLE"]),
    "accepted, then a receipt twice": ([State.UNDELIVERABLE, State.UNDELIVERABLE], ["ACCEPTED", "UNDELIVERABLE"]),
}


@pytest.mark.parametrize("later, expected", AGAIN.values(), ids=AGAIN)
def test_told_again_only_where_it_is_otherwise(house: House, later: list[State], expected: list[str]) -> None:
    asked(house, hook=True)
    house.taken("id1", state=State.ACCEPTED)
    for state in later:
        house.hear("id1", state)
    assert [said for _, said in told(house)] == expected


def test_a_late_receipt_corrects_what_was_told(house: House) -> None:
    asked(house, hook=True)
    message = house.accepted()
    house.commit(*takes(message, "id1"))
    with house.db.transaction():
        assert house.asked is not None
        assert recovery.overdue(house.db, Millis(FUTURE + 1), Finals(house.asked, house.ids)) == 1
    assert told(house) == [("webhook", "UNKNOWN")]
    assert rows(house, "node") == [(0,)], "whichever process is free delivers it"
    house.hear("id1", State.DELIVERED)
    assert [said for _, said in told(house)] == ["UNKNOWN", "DELIVERED"]


def test_doubt_is_told_when_its_time_is_over(house: House) -> None:
    asked(house, hook=True)
    house.commit(Doubt(house.accepted(), "", now_millis()))
    assert told(house) == []
    with house.db.transaction():
        assert house.asked is not None
        recovery.overdue(house.db, Millis(FUTURE + 1), Finals(house.asked, house.ids))
    assert told(house) == [("webhook", "UNKNOWN")]


def test_the_time_of_a_message_stands_in_for_the_phones(house: House) -> None:
    asked(house)
    messages = [house.accepted(imdn=Imdn("m1", sent, False, True)) for sent in ("2026-01-01T00:00:00Z", "")]
    house.commit(*(Fail(message, State.REJECTED, "why", "") for message in messages))
    times = [dict(outbox.delivery_of(row).fields)["sent"] for row in rows(house, ", ".join(COLUMNS))]
    assert times[0] == "2026-01-01T00:00:00Z"
    assert re.fullmatch(r"20..-..-..T..:..:..\+00:00", times[1])


def test_a_refused_message_asks_for_nothing(house: House) -> None:
    poor = house.message("bob", price=10**9, imdn=Imdn("m1", "", True, True))
    house.commit(Accept(poor, started=True))
    assert house.rows("SELECT * FROM tb_imdn") == []


REACHES: dict[str, tuple[Reach, bool, str, tuple[bool, bool, bool]]] = {
    # reach, phones, smsnotify; whether the program hears of delivery, the phone of failure, and of delivery
    "nothing": (Reach(), True, "none", (False, False, False)),
    "by the settings": (Reach(), True, "fail", (False, True, False)),
    "its own word comes first": (Reach(notify="all"), True, "none", (False, True, True)),
    "it wants none": (Reach(notify="none"), True, "all", (False, False, False)),
    "receipts without a hook": (Reach(receipts=True), True, "none", (False, False, False)),
    "hook without receipts": (Reach(hook="https://a"), True, "none", (False, False, False)),
    "hook": (Reach(hook="https://a", receipts=True), True, "none", (True, False, False)),
}


@pytest.mark.parametrize("reach, phones, notify, expected", REACHES.values(), ids=REACHES)
def test_who_asks(reach: Reach, phones: bool, notify: str, expected: tuple[bool, bool, bool]) -> None:
    user = UserId(1)
    found = Asked.of([(user, reach)], notify, phones, Millis(1))
    assert found is not None
    heard = (
        found.hook(user, State.ENROUTE, State.DELIVERED),
        found.phone(user, State.ENROUTE, State.UNDELIVERABLE),
        found.phone(user, State.ENROUTE, State.DELIVERED),
    )
    assert heard == expected


def test_nobody_asks() -> None:
    assert Asked.of([(UserId(1), Reach(notify="all"))], "all", False, Millis(1)) is None


SENTENCES = {
    "long text": ("36301112233", "x" * 60, f'Your message to +36301112233 was delivered: "{"x" * 39}…"'),
    "no text": ("36301112233", "", "Your message to +36301112233 was delivered"),
    "short code": ("1234", "Hi", 'Your message to 1234 was delivered: "Hi"'),
}


@pytest.mark.parametrize("target, text, expected", SENTENCES.values(), ids=SENTENCES)
def test_sentences(target: str, text: str, expected: str) -> None:
    assert sentence(target, State.DELIVERED, text) == expected
