"""What a commit writes down for stories, in words; see store/story.py."""

from __future__ import annotations

from voipsms.model import Incoming, Receipt
from voipsms.store.ids import moment


def of_receipt(receipt: Receipt, part: int) -> str:
    """`part` 0: the message has only one."""
    which = f"part {part}: " if part else ""
    error = f", error {receipt.error}" if receipt.error.strip("0") else ""
    comment = f": {receipt.comment}" if receipt.comment else ""
    return f"{which}{receipt.state}{error}{comment}"


def of_arrival(incoming: Incoming) -> str:
    """What its provider said of a text from a phone, which is in no table once that is settled."""
    said = [f"{incoming.parts} part{'s' * (incoming.parts > 1)}{'' if incoming.complete else ', not complete'}"]
    said += [f"the provider's id {incoming.provider_id}"] if incoming.provider_id else []
    said += [f"sent {moment(incoming.sent)}"] if incoming.sent else []
    return ", ".join(said)
