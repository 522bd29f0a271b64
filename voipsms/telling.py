"""What the operator hears: one line a message at `info`, everything else at `debug`, all of it counted."""

from __future__ import annotations

from voipsms import metrics
from voipsms.errors import NodeLost, Refused, StoreError
from voipsms.log import get_logger, masking
from voipsms.masking import mask_number, mask_text
from voipsms.model import Message, Receipt, Submission
from voipsms.money import decimal
from voipsms.store.entries import Entry

_message = get_logger("message")
_store = get_logger("store")

_ENDS = ("taken", "failed")  # what makes the one line of a message


def accepted(message: Message) -> None:
    metrics.count("accepted", message.door)
    _message.debug("accepted", id=message.id, target=message.target, parts=message.parts, text=message.text)


def refused(submission: Submission, refusal: Refused) -> None:
    metrics.count("refused", refusal.code)
    _message.info(
        "refused", door=submission.door, payer=submission.payers[0], target=submission.target, reason=refusal.code,
        why=str(refusal),
    )  # fmt: skip


def outcome(message: Message, gateway: str, outcome: str, detail: str) -> None:
    metrics.count("submits", gateway, outcome)
    tell = _message.info if outcome in _ENDS else _message.debug
    tell(
        outcome, id=message.id, user=message.user_id, sender=message.sender, target=message.target,
        parts=message.parts, price=decimal(message.price), gateway=gateway,
        detail=_masked(detail, message) if masking() else detail,
    )  # fmt: skip


def _masked(detail: str, message: Message) -> str:
    """Some providers' answers repeat the number and the text."""
    for whole, mask in ((message.text, mask_text), (message.target, mask_number), (message.sender, mask_number)):
        detail = detail.replace(whole, mask(whole)) if whole in detail and len(whole) > 1 else detail
    return detail


def receipt(heard: Receipt, matched: bool) -> None:
    metrics.count("receipts", heard.state if matched else "unmatched")
    _message.debug("receipt", provider_id=heard.provider_id, state=heard.state, error=heard.error, matched=matched)


def store_up(problem: str) -> None:
    metrics.measure("store_up", int(not problem))
    if problem:
        metrics.count("commit_failures")
        _store.error("the store is out of reach; new messages get 503 until it is back", why=problem)
    else:
        _store.warning("the store is back")


def dropped(entry: Entry, error: StoreError) -> None:
    _store.error("an entry can't be written and is dropped", entry=type(entry).__name__, why=str(error))


def lost(error: NodeLost) -> None:
    _store.error("stopping: what is in memory belongs to another process now", why=str(error))
