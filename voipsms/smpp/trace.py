"""PDUs in words, for the debug log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from voipsms.masking import HIDDEN, mask_number
from voipsms.smpp.pdu import MESSAGE_PAYLOAD, Pdu
from voipsms.smpp.status import status
from voipsms.values import Value, field_names

Trace = Callable[[str, str], None]  # direction: `>` ours, `<` the peer's; text
Watch = Callable[[str, Pdu], None]

_NUMBERS: Final = frozenset({"source_addr", "destination_addr", "esme_addr"})


def _shown(name: str, value: str | int | bytes | tuple[Value, ...], mask: bool) -> str:
    if name == "password":
        return HIDDEN
    if isinstance(value, bytes):
        return f"{HIDDEN} ({len(value)})" if mask else value.hex()
    if isinstance(value, tuple):  # the destinations of submit_multi, or those that it was not taken for
        return f"[{', '.join(' '.join(_fields(one, mask)) for one in value)}]"
    return mask_number(value) if mask and name in _NUMBERS and isinstance(value, str) else str(value)


def _fields(record: Value, mask: bool) -> Iterator[str]:
    """What isn't at its default."""
    for name in field_names(record):
        value = getattr(record, name)
        if value not in ("", 0, b"", ()):
            yield f"{name}={_shown(name, value, mask)}"


def describe(pdu: Pdu, mask: bool) -> str:
    """Name, sequence number, status, and what isn't at its default. Never a password; with `mask` no texts either."""
    words = [pdu.name, f"#{pdu.sequence_number}"]
    if pdu.is_response or pdu.command_status:
        words.append(status(pdu.command_status).name + (f"({pdu.command_status:#x})" if pdu.command_status else ""))
    words += _fields(pdu.body, mask)
    for tag, octets in pdu.tlvs:
        text = f"{HIDDEN} ({len(octets)})" if mask and tag == MESSAGE_PAYLOAD else octets.hex()
        words.append(f"tlv{tag:#06x}={text}")
    return " ".join(words)


def watch(trace: Trace, mask: bool) -> Watch:
    """What a Session's `watch` is to be for this trace."""
    return lambda direction, pdu: trace(direction, describe(pdu, mask))
