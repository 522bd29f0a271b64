"""Who hears what has become of a message: programs by webhook, phones by chat, as an IMDN where they asked for one.

A message is told of once; a second time only where it turns out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from voipsms.model import FAILED, Channel, Delivery, DeliveryId, MessageId, Millis, Reach, State, Subject, UserId
from voipsms.store.database import Database
from voipsms.store.ids import IdSource
from voipsms.values import Value

DAY = 86_400_000  # milliseconds: the least that a webhook is tried for, whose own schedule ends it
SHOWN = 40  # characters of the message that its sender is reminded of
ADDRESSED = 7  # digits from which a number is shown with +, not as a short code

# How the sentence for a phone goes on after "Your message to …".
_PHRASES: Mapping[State, str] = {
    State.ACCEPTED: "was sent",
    State.DELIVERED: "was delivered",
    State.UNKNOWN: "may not have been delivered: no receipt has come",
    State.EXPIRED: "was not delivered: it could not be in time",
    State.DELETED: "was not delivered: the network has deleted it",
    State.UNDELIVERABLE: "was not delivered: the phone can't be reached",
    State.REJECTED: "was not delivered: it was refused",
}
# RFC 5438 §7.2.1.1; of ACCEPTED nothing is known that could be said.
_DISPOSITIONS: Mapping[State, str] = {
    State.DELIVERED: "delivered",
    State.UNKNOWN: "error",
    **dict.fromkeys(FAILED, "failed"),
}


class Asked(Value, frozen=True):
    """Who wants to hear. `default`: smsnotify of phones that have no word of their own; `phones`: chat reaches them."""

    hooks: frozenset[UserId] = frozenset()
    notify: Mapping[UserId, str] = {}
    default: str = "none"
    phones: bool = False
    hold: Millis = Millis(DAY)  # how long chat is tried

    @classmethod
    def of(cls, reaches: Iterable[tuple[UserId, Reach]], notify: str, phones: bool, hold: Millis) -> Asked | None:
        """None: nobody wants to hear."""
        reaches = list(reaches)
        hooks = frozenset(user for user, reach in reaches if reach.receipts and reach.hook)
        own = {user: reach.notify for user, reach in reaches if reach.notify}
        return cls(hooks, own, notify, phones, hold) if phones or hooks else None

    def hook(self, user_id: UserId, before: State, state: State) -> bool:
        return user_id in self.hooks and _is_news(before, state)

    def phone(self, user_id: UserId, before: State, state: State) -> bool:
        if not self.phones or not _is_news(before, state):
            return False
        wanted = self.notify.get(user_id, self.default)
        return wanted == "all" or (wanted == "fail" and state in FAILED)


def _is_news(before: State, state: State) -> bool:
    """Who heard that a provider took a message for good need not hear that this was true."""
    if before is State.ACCEPTED:
        return state in FAILED
    return state is not before


class Final(Value, frozen=True):
    """A final state that a message of this user came to, and its state before. `user_id` None: not known yet."""

    user_id: UserId | None
    before: State
    state: State
    reason: str = ""


class Finals:
    """What of a transaction may have to be told, by message."""

    def __init__(self, asked: Asked, ids: IdSource) -> None:
        self._asked = asked
        self._ids = ids
        self._found: dict[int, Final] = {}

    def add(self, message_id: int, final: Final) -> None:
        """The last word of a commit counts, and what it was before the first."""
        if earlier := self._found.get(message_id):
            final = Final(final.user_id, earlier.before, final.state, final.reason)
        self._found[message_id] = final

    def deliveries(self, db: Database, now: Millis) -> list[Delivery]:
        """Inside the transaction that writes them."""
        asked, rows = self._asked, []
        for message_id, one in self._found.items():
            user_id = one.user_id
            must = (
                user_id is None
                or asked.hook(user_id, one.before, one.state)
                or asked.phone(user_id, one.before, one.state)
            )
            if must or asked.phones:
                rows.append((message_id, int(must)))
        found = db.read_batch("asked", rows) if rows else ()
        return [delivery for row in found for delivery in self._of(row, now)]

    def _of(self, row: Sequence[Any], now: Millis) -> list[Delivery]:
        message_id, user_id, door, _, target, text, created, *_, imdn_id, sent, on_delivery, on_failure = row
        final, asked = self._found[message_id], self._asked
        told: list[tuple[Channel, str, tuple[tuple[str, str], ...], int]] = []
        if asked.hook(user_id, final.before, final.state):
            told.append((Channel.WEBHOOK, "", _fields(row, final), max(DAY, asked.hold)))
        disposition = _DISPOSITIONS.get(final.state, "")
        if asked.phones and disposition and imdn_id and (on_delivery if final.state is State.DELIVERED else on_failure):
            fields = (("imdn", imdn_id), ("sent", sent or _iso(created)), ("disposition", disposition))
            told.append((Channel.CHAT, "", fields, asked.hold))
        elif door == "sip" and asked.phone(user_id, final.before, final.state):
            told.append((Channel.CHAT, sentence(target, final.state, text), (), asked.hold))
        return [
            Delivery(
                id=DeliveryId(self._ids.next()), message_id=MessageId(message_id), user_id=UserId(user_id),
                channel=channel, subject=Subject.RECEIPT, source=target, target=target, text=said, created=now,
                expires=Millis(now + lasts), fields=fields,
            )
            for channel, said, fields, lasts in told
        ]  # fmt: skip


def _fields(row: Sequence[Any], final: Final) -> tuple[tuple[str, str], ...]:
    _, _, _, sender, _, _, created, parts, price, currency, *_ = row
    return (
        ("state", final.state), ("reason", final.reason), ("sender", sender), ("accepted", str(created)),
        ("parts", str(parts)), ("price", str(price)), ("currency", currency),
    )  # fmt: skip


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).isoformat()


def sentence(target: str, state: State, text: str) -> str:
    """For a phone."""
    number = f"+{target}" if target.isdigit() and len(target) >= ADDRESSED else target
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return f"Your message to {number} {_PHRASES[state]}" + (f': "{shown}"' if shown else "")
