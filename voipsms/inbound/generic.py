"""Messages of any provider by Mizu's `smsreceive_…` settings (seeds/002, "Configurations"); receipts by usual names."""

from __future__ import annotations

from typing import Final

from voipsms.inbound import characters
from voipsms.inbound.call import Call, Malformed, Origin, bounded, identity, number, sender, utf8
from voipsms.model import Inbound, Receipt, State
from voipsms.sms.receipt import read_state

LONGEST_WORD: Final = 64  # characters of a state
_IDS: Final = ("msgid", "messageid", "message_id", "smsid", "moMsgId")  # `id` alone may be anything
_RECEIPT_IDS: Final = (*_IDS, "id", "mess_id")
_STATES: Final = ("status", "state", "stat", "dlr_status", "delivery_status", "messagestatus")
_ERRORS: Final = ("err", "error", "error_code", "errorcode", "reason")
_TARGETS: Final = ("to", "number", "recipient", "msisdn", "bnum")
_SENDERS: Final = ("from", "sender", "anum")


def message(origin: Origin, call: Call) -> Inbound:
    """Raises Malformed, also where smsreceive_check is not in it."""
    sms = origin.sms
    if sms.smsreceive_check not in call.whole:
        raise Malformed("this is no incoming SMS")
    source, target, text = (
        find(spec, call, name)
        for name, spec in (
            ("from", sms.smsreceive_from), ("to", sms.smsreceive_to), ("message", sms.smsreceive_message),
        )
    )  # fmt: skip
    return Inbound(
        origin.gateway_id,
        sender(source.encode(), "from"),
        number(target.encode(), "to"),
        bounded(characters.whole(text, part=False), "message"),
        provider_id=identity(call.octets(*_IDS), _IDS[0]),
    )


def receipt(origin: Origin, call: Call) -> Receipt:
    """Raises Malformed, also for a word of state that nobody knows."""
    provider_id = identity(call.needed(*_RECEIPT_IDS), _RECEIPT_IDS[0])
    if not provider_id:
        raise Malformed("msgid is empty")
    state = read_state(utf8(call.needed(*_STATES))[:LONGEST_WORD])
    if state is None:
        raise Malformed("status is not a word that is known here")
    error = "" if state is State.DELIVERED else call.word(*_ERRORS)
    return Receipt(origin.gateway_id, provider_id, state, error, "", call.word(*_SENDERS), call.word(*_TARGETS))


def find(spec: str, call: Call, name: str) -> str:
    """The value that a setting points to: a parameter's name, or `from1,from2,to1,to2`. Raises Malformed."""
    marks = spec.split(",")
    found = _cut(marks, call.whole) if len(marks) == 4 else _parameter(spec.strip(), call)
    if found is None:
        raise Malformed(f"{name} is missing")
    return found


def _parameter(name: str, call: Call) -> str | None:
    octets = call.octets(name)
    return None if octets is None else utf8(octets)


def _cut(marks: list[str], whole: str) -> str | None:
    """What stands behind from1 or, where that isn't there, from2, up to the nearer of to1 and to2, else to the end."""
    begins = [mark for mark in marks[:2] if mark]
    mark = next((mark for mark in begins if mark in whole), None)
    if begins and mark is None:
        return None
    rest = whole.partition(mark)[2] if mark else whole
    ends = [rest.find(mark) for mark in marks[2:] if mark and mark in rest]
    return rest[: min(ends)] if ends else rest
