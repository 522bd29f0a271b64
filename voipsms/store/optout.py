"""Who has opted out of what, and which confirmations of that are still to come: inside a transaction where it writes.

A number of one account's own is in tb_optout: nobody sends from it any more. What concerns one account of several is
in tb_stops. Whoever changes one leaves the phone's number in tb_stop_changes, for the other processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voipsms.errors import VoipSmsError
from voipsms.model import Message, MessageId, Millis, UserId, UserType
from voipsms.store.database import Database, Row
from voipsms.store.ids import IdSource, first_id
from voipsms.values import Value

KEEP = 86_400_000  # milliseconds that changes are kept
CLAIM = 60_000  # milliseconds after which a message that was to be a confirmation, and isn't there, is none


ANYBODY = UserId(0)


class OptOutError(VoipSmsError):
    """What an operator asks for can't be."""


class Stop(Value, frozen=True):
    """`user_id` ANYBODY: whichever account sends. `sender`: a number, a tagged range, '' all of that account."""

    user_id: UserId
    sender: str
    keyword: str = ""


class Confirmation(Value, frozen=True):
    """That a phone which has said STOP is to be told so. `text_id`: of the text that said it."""

    number: str
    user_id: UserId
    sender: str
    text_id: MessageId
    due: Millis
    attempt: int = 0
    message_id: MessageId = MessageId(0)  # of the user's own message
    claimed: Millis = Millis(0)  # when that was


Pending = tuple[str, UserId, str]  # phone, account, sender
Scopes = dict[str, tuple[tuple[UserId, str], ...]]  # by phone: of which account, from which sender


def record(
    db: Database, ids: IdSource, number: str, stops: Sequence[Stop], expected: Confirmation | None, now: Millis
) -> bool:
    """Whether anything of that is new; only then a confirmation is expected."""
    new = [stop for stop in stops if _insert(db, number, stop, now)]
    if not new:
        return False
    if expected is not None:
        db.write(
            "insert_confirmation", number=number, user_id=expected.user_id, sender=expected.sender,
            text_id=expected.text_id, due=expected.due,
        )  # fmt: skip
    _tell(db, ids, number)
    return True


def _insert(db: Database, number: str, stop: Stop, now: Millis) -> bool:
    if not stop.user_id:
        return bool(db.write("insert_optout", number=number, sender=stop.sender, created=now))
    return bool(
        db.write(
            "insert_stop", number=number, user_id=stop.user_id, sender=stop.sender, keyword=stop.keyword, created=now
        )
    )


def of_phone(db: Database, number: str) -> list[Stop]:
    wide = [Stop(ANYBODY, sender) for (sender,) in db.read("optouts_of", number=number)]
    return wide + [Stop(UserId(user_id), *rest) for user_id, *rest in db.read("stops_of", number=number)]


def lift(db: Database, ids: IdSource, number: str, stops: Iterable[Stop]) -> bool:
    """Whether any of them was there; what was to be confirmed of it isn't any more."""
    found = [stop for stop in stops if _delete(db, number, stop)]
    for stop in found:
        db.write("lift_confirmations", number=number, sender=stop.sender, user_id=stop.user_id)
    if found:
        _tell(db, ids, number)
    return bool(found)


def _delete(db: Database, number: str, stop: Stop) -> bool:
    if not stop.user_id:
        return bool(db.write("delete_optout", number=number, sender=stop.sender))
    return bool(
        db.write("delete_stop", number=number, user_id=stop.user_id, sender=stop.sender, keyword=stop.keyword)
    )  # fmt: skip


def _tell(db: Database, ids: IdSource, number: str) -> None:
    db.write("insert_stop_change", id=ids.next(), number=number)


def user(db: Database, name: str) -> UserId:
    """Raises OptOutError."""
    rows = db.read("user_by_name", username=name)
    if not rows or rows[0][3] == UserType.SMSGW:
        raise OptOutError(f"there is no user {name!r}")
    return UserId(rows[0][0])


# -- what other processes have changed


def changed(db: Database, since: Millis) -> Scopes:
    """All that the phones have opted out of whose rows were changed since then."""
    numbers = [number for (number,) in db.read("stop_changes", after=first_id(since))]
    return scopes(db, numbers)


def scopes(db: Database, numbers: Sequence[str]) -> Scopes:
    found: Scopes = dict.fromkeys(numbers, ())
    for number, user_id, sender in db.read_batch("scopes_of", [(number,) for number in numbers]) if numbers else ():
        found[number] = tuple(dict.fromkeys((*found[number], (UserId(user_id), sender))))
    return found


def forget_changes(db: Database, now: Millis) -> int:
    return db.write("forget_stop_changes", before=first_id(Millis(now - KEEP)))


# -- confirmations


def pending(db: Database, now: Millis) -> set[Pending]:
    """For which the user's own message is waited."""
    return {(number, UserId(user_id), sender) for number, user_id, sender, _ in db.read("confirmations", now=now)}


def confirm(db: Database, message: Message, now: Millis) -> bool:
    """Whether this message, which isn't accepted yet, is the one that confirms."""
    return bool(
        db.write(
            "confirm_stop", number=message.target, user_id=message.user_id, sender=message.sender,
            message_id=message.id, now=now, before=now - CLAIM,
        )
    )  # fmt: skip


def due(db: Database, now: Millis) -> list[Confirmation]:
    return [_confirmation(row) for row in db.read("due_confirmations", now=now)]


def _confirmation(row: Row) -> Confirmation:
    number, user_id, sender, text_id, at, attempt, message_id, claimed = row
    return Confirmation(
        number, UserId(user_id), sender, MessageId(text_id), Millis(at), attempt, MessageId(message_id), Millis(claimed)
    )


def claim(db: Database, one: Confirmation, later: Millis) -> bool:
    """Whether it is ours until then: nobody else has taken it."""
    return bool(db.write("claim_confirmation", later=later, due=one.due, **_names(one)))


def retry(db: Database, one: Confirmation, at: Millis) -> int:
    return db.write("retry_confirmation", due=at, **_names(one))


def finish(db: Database, one: Confirmation) -> int:
    return db.write("delete_confirmation", **_names(one))


def accepted(db: Database, message_id: MessageId) -> bool:
    return bool(db.read("message_exists", id=message_id))


def _names(one: Confirmation) -> dict[str, object]:
    return {"number": one.number, "user_id": one.user_id, "sender": one.sender, "text_id": one.text_id}
