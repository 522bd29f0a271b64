"""What was given up is seen, and tried again; on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.rig import House
from voipsms.model import Channel, Delivery, DeliveryId, MessageId, Millis, Subject, UserId
from voipsms.store import outbox
from voipsms.store.entries import Conclude, Post
from voipsms.store.ids import now_millis
from voipsms.store.replay import ANY, EVERYBODY, GIVEN_UP, Lifetime, replay, waiting

LIFETIME = Lifetime(60_000, 120_000)
FUTURE = Millis(4_000_000_000_000)


def made(house: House, user: str = "alice", channel: Channel = Channel.WEBHOOK) -> Delivery:
    wanted: dict[str, Any] = {
        "id": DeliveryId(house.ids.next()), "message_id": MessageId(0), "user_id": house.users[user],
        "channel": channel, "subject": Subject.TEXT, "source": "36301112233", "target": "36201234567", "text": "Szia",
        "created": now_millis(), "expires": FUTURE, "attempt": 6,
    }  # fmt: skip
    return Delivery(**wanted)


def posted(house: House, user: str = "alice", channel: Channel = Channel.WEBHOOK) -> Delivery:
    delivery = made(house, user, channel)
    house.commit(Post((delivery,)))
    return delivery


def given_up(house: House, user: str = "alice", channel: Channel = Channel.WEBHOOK) -> DeliveryId:
    delivery = posted(house, user, channel)
    house.commit(Conclude(delivery, False, "HTTP 500"))
    return delivery.id


def ids(house: House, stage: int = ANY, user: UserId = EVERYBODY) -> list[DeliveryId]:
    return [row[0] for row in waiting(house.db, stage, user)]


def claimed(house: House) -> list[Delivery]:
    with house.db.transaction():
        return outbox.claim(house.db, house.node.number, 5000)


def test_what_is_seen(house: House) -> None:
    failed, open_ = given_up(house), posted(house, "bob").id
    assert ids(house) == [failed, open_]
    assert ids(house, GIVEN_UP) == [failed]
    assert ids(house, user=house.users["bob"]) == [open_]
    assert ids(house, GIVEN_UP, house.users["bob"]) == []
    (row, _) = waiting(house.db, ANY, EVERYBODY)
    assert row[:7] == (failed, 0, "alice", "webhook", "text", "36301112233", "36201234567")
    assert row[10:] == (6, 1, "HTTP 500")


def test_it_is_tried_again_from_the_start(house: House) -> None:
    failed = given_up(house)
    assert claimed(house) == []
    before = now_millis()
    assert replay(house.db, EVERYBODY, LIFETIME) == 1
    (again,) = claimed(house)
    assert (again.id, again.attempt, again.text) == (failed, 0, "Szia")
    assert before + 120_000 <= again.expires <= now_millis() + 120_001
    assert ids(house, GIVEN_UP) == []


@pytest.mark.parametrize(
    ("channel", "lasts"), [(Channel.CHAT, 60_000), (Channel.MAIL, 120_000), (Channel.LOG, 120_000)]
)
def test_it_has_its_channels_time(house: House, channel: Channel, lasts: int) -> None:
    given_up(house, channel=channel)
    before = now_millis()
    replay(house.db, EVERYBODY, LIFETIME)
    (expires,) = (row[9] for row in waiting(house.db, ANY, EVERYBODY))
    assert before + lasts <= expires <= now_millis() + lasts + 1


def test_which(house: House) -> None:
    first, second, third, other = (given_up(house, name) for name in ("alice", "alice", "alice", "bob"))
    alice = house.users["alice"]
    assert replay(house.db, alice, LIFETIME, other) == 0
    assert replay(house.db, EVERYBODY, LIFETIME, second) == 1
    assert ids(house, GIVEN_UP) == [first, third, other]
    assert replay(house.db, EVERYBODY, LIFETIME, second) == 0
    assert replay(house.db, alice, LIFETIME) == 2
    assert ids(house, GIVEN_UP) == [other]


def test_what_waits_stays_as_it_is(house: House) -> None:
    delivery = posted(house)
    assert replay(house.db, EVERYBODY, LIFETIME) == 0
    assert replay(house.db, EVERYBODY, LIFETIME, delivery.id) == 0
    assert house.rows("SELECT attempt, node FROM tb_outbox") == [(6, house.node.number)]


def test_more_than_a_page(house: House) -> None:
    many = [made(house) for _ in range(1101)]
    house.commit(Post(tuple(many)))
    house.commit(*(Conclude(one, False, "HTTP 500") for one in many))
    assert ids(house, GIVEN_UP) == [one.id for one in many]
    assert replay(house.db, EVERYBODY, LIFETIME) == 1101
    assert ids(house, GIVEN_UP) == []
