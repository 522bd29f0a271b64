"""Clickatell's MO callbacks by GET, POST, XML and SOAP (seeds/000, §11.3), and its callbacks of message states."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from voipsms.inbound import characters, header, xml
from voipsms.inbound.call import Call, Malformed, Origin, bounded, identity, number, sender
from voipsms.model import Inbound, Millis, Receipt, State

_ZONE: Final = timezone(timedelta(hours=2))  # "MySQL format, GMT + 0200"
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d) ?(\d\d:\d\d:\d\d)", re.ASCII)  # the manual's GET has no blank in it

# Message status codes, HTTP API specification, appendix. Those that end nothing are ENROUTE.
STATES: Final[dict[int, tuple[State, str]]] = {
    1: (State.ENROUTE, "Message unknown, or its report is delayed"),
    2: (State.ENROUTE, "Queued for another attempt"),
    3: (State.ENROUTE, "Delivered to the network"),
    4: (State.DELIVERED, "Received by recipient"),
    5: (State.REJECTED, "Error with message"),
    6: (State.DELETED, "Message cancelled"),
    7: (State.UNDELIVERABLE, "Error delivering message to handset"),
    8: (State.ENROUTE, "Received by gateway"),
    9: (State.UNDELIVERABLE, "Routing error"),
    10: (State.EXPIRED, "Message expired"),
    11: (State.ENROUTE, "Queued for later delivery"),
    12: (State.REJECTED, "Out of credit"),
    13: (State.DELETED, "Cancelled by Clickatell"),
    14: (State.REJECTED, "Maximum MT limit exceeded"),
}


def message(origin: Origin, call: Call) -> Inbound:
    """Raises Malformed."""
    call = _within(call)
    place = header.read_hex(call.word("udh"))
    text = characters.decode(call.needed("text"), call.word("charset"), unicode=call.unicode)
    return Inbound(
        origin.gateway_id,
        sender(call.needed("from"), "from"),
        number(call.needed("to"), "to"),
        bounded(characters.whole(text, part=place.total > 1), "text"),
        udh=place.udh,
        reference=place.reference,
        total=place.total,
        number=place.number,
        provider_id=identity(call.octets("moMsgId"), "moMsgId"),
        sent=read_time(call.word("timestamp")),
    )


def receipt(origin: Origin, call: Call) -> Receipt:
    """Raises Malformed."""
    call = _within(call)
    names = ("cliMsgId", "apiMsgId") if origin.gateway.inbound_receipts == "ours" else ("apiMsgId", "cliMsgId")
    provider_id = next(filter(None, (identity(call.octets(name), name) for name in names)), "")
    if not provider_id:
        raise Malformed(f"{names[0]} is missing")
    code = call.word("status")
    if not (code.isascii() and code.isdecimal() and int(code[:9]) in STATES):
        raise Malformed("status must be 001 to 014")
    state, meaning = STATES[int(code[:9])]
    return Receipt(
        origin.gateway_id, provider_id, state, code if state is not State.DELIVERED else "",
        meaning if state is not State.DELIVERED else "", call.word("from"), call.word("to"),
    )  # fmt: skip


def read_time(text: str) -> Millis:
    """`YYYY-MM-DD HH:MM:SS` at GMT+0200; 0 for what is no time: the text is worth more than its date."""
    found = _TIME.fullmatch(text)
    try:
        told = datetime.fromisoformat(f"{found[1]} {found[2]}").replace(tzinfo=_ZONE) if found else None
    except ValueError:
        told = None
    return Millis(max(0, int(told.timestamp() * 1000)) if told else 0)


def _within(call: Call) -> Call:
    """What stands in XML or SOAP, either in the parameter `data` or by itself. Raises Malformed."""
    octets = call.octets("data") or call.body
    return Call(xml.leaves(octets), call.whole, unicode=True) if octets else call
