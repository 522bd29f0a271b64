"""All that is known of one message, in order: from its own row, its parts, the money, its CDR, and tb_events.

tb_events has only what the others don't say: the states that a message had before (a kind in capitals), attempts that
failed, ways that were changed, receipts that changed nothing, what rules made of it, who asked to cancel it.
"""

from __future__ import annotations

from collections.abc import Iterator

from voipsms.model import Coding, GatewayId, Message, MessageId, Micros, Millis, Msisdn, State, UserId
from voipsms.money import decimal
from voipsms.store.database import Database, Row
from voipsms.store.entries import Stage
from voipsms.store.ids import moment
from voipsms.values import Value

_WAITS = {
    Stage.WAITING: "for a provider, not before",
    Stage.STARTED: "for the provider's answer, since",
    Stage.TAKEN: "for its receipt, until",
    Stage.DOUBT: "for a receipt with its numbers, until",
    Stage.UNVERIFIED: "to be verified, since",
}
# What comes first of all that happened in one millisecond.
_ORDER = ("accepted", "received", "arrived", "scheduled", "rules", "reserve", "attempt", "rerouted", "taken", "receipt")


class Event(Value, frozen=True):
    """`kind`: a state in capitals, else what happened. `of`: the account that alone it concerns; None: all who may see
    the message."""

    at: Millis
    kind: str
    detail: str
    of: UserId | None = None


class Taken(Value, frozen=True):
    """A part that a provider took. `state` '': no receipt yet."""

    number: int
    total: int
    attempt: int
    gateway: str
    provider_id: str
    state: str


class Story(Value, frozen=True):
    """`cdr`: as the statement has it; None: there is none yet. `waits_for`: None: it is over."""

    message: Message
    direction: str
    user: str
    gateway: str
    state: State
    reason: str
    comment: str
    changed: Millis
    waits_for: Stage | None
    waits_at: Millis
    node: int  # of the process that has it in memory; 0: none
    cdr: Row | None
    parts: list[Taken]
    events: list[Event]

    @property
    def waits(self) -> str:
        """For what, in words; '': it is over."""
        return "" if self.waits_for is None else f"{_WAITS[self.waits_for]} {moment(self.waits_at)}"


def read(db: Database, message_id: int) -> Story | None:
    """None: there is no such message (any more). Raises StoreError."""
    rows = db.read("story_message", id=message_id)
    if not rows:
        return None
    row = rows[0]
    cdr, parts = db.read("story_cdr", id=message_id), db.read("story_parts", id=message_id)
    stage, _, due, node = row[27:31]
    told = Story(
        message=_message(row), direction=row[2], user=row[5] or str(row[4]), gateway=row[7] or str(row[6]),
        state=State(row[19]), reason=row[20], comment=row[21], changed=Millis(row[22]),
        waits_for=None if stage is None else Stage(stage), waits_at=Millis(due or 0), node=node or 0,
        cdr=cdr[0] if cdr else None, parts=[Taken(*part) for part in parts], events=[],
    )  # fmt: skip
    told.events.extend(sorted(_events(db, told), key=_place))
    return told


def _message(row: Row) -> Message:
    octets, udh, due, valid = row[23:27]
    return Message(
        id=MessageId(row[0]), created=Millis(row[1]), door=row[3], user_id=UserId(row[4]), gateway_id=GatewayId(row[6]),
        sender=row[8], target=Msisdn(row[9]), text=row[10], coding=Coding(row[11]), parts=row[12], duration=row[13],
        price=Micros(row[14]), cost=Micros(row[15]), currency=row[16], client_ip=row[17], message_class=row[18],
        octets=bytes.fromhex(octets or ""), udh=bytes.fromhex(udh or ""), due=Millis(due or 0), valid=valid or 0,
    )  # fmt: skip


def _place(event: Event) -> tuple[int, int]:
    return event.at, _ORDER.index(event.kind) if event.kind in _ORDER else len(_ORDER)


def _events(db: Database, story: Story) -> Iterator[Event]:
    kept = [Event(Millis(at), kind, detail) for kind, detail, at in db.read("story_events", id=story.message.id)]
    yield from kept
    yield from _beginning(story)
    yield from map(_movement, db.read("story_movements", id=story.message.id))
    yield from map(_delivery, db.read("story_outbox", id=story.message.id))
    if story.state is not State.QUEUED:
        detail = ": ".join(filter(None, (story.reason, story.comment)))
        yield Event(story.changed, story.state, detail)
    states = [event.at for event in kept if event.kind.isupper()] + [story.changed]
    yield from _parts(story, Millis(min(states)))


def _beginning(story: Story) -> Iterator[Event]:
    message = story.message
    door = f"by {message.door}" + (f" from {message.client_ip}" if message.client_ip else "")
    if story.direction == "MO":
        yield Event(message.created, "received", f"{message.sender} to {message.target} by {story.gateway}")
    else:
        size = f"{message.parts} part{'s' * (message.parts > 1)}, {message.coding}"
        yield Event(message.created, "accepted", f"{door}, {message.sender} to {message.target}, {size}")
    if message.due:
        yield Event(message.created, "scheduled", f"not before {moment(message.due)}")
    if message.valid:
        yield Event(message.created, "scheduled", f"valid for {message.valid} s")


def _movement(row: Row) -> Event:
    user_id, user, kind, amount, created, comment, currency = row
    detail = f"{decimal(amount)} {currency} {user}" + (f": {comment}" if comment else "")
    return Event(Millis(created), kind, detail, UserId(user_id))


def _delivery(row: Row) -> Event:
    """One that is not over; tb_events has the others."""
    subject, channel, attempt, due, error, created = row
    failed = f", failed {attempt} times: {error}, again at {moment(due)}" if attempt else ""
    return Event(Millis(created), "delivery", f"{subject} by {channel} to be delivered{failed}")


def _parts(story: Story, taken: Millis) -> Iterator[Event]:
    """Their own times nobody keeps: by then all were taken, or the message had failed."""
    for part in story.parts:
        which = f"part {part.number} of {part.total} " if part.total > 1 else ""
        again = f", attempt {part.attempt}" if part.attempt > 1 else ""
        end = f", {part.state}" if part.state and part.total > 1 else ""
        yield Event(taken, "taken", f"{which}by {part.gateway} as {part.provider_id or 'no id'}{again}{end}")
