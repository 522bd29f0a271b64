"""The deliver_sm that the SMSC simulator makes: receipts, and messages from phones."""

from __future__ import annotations

import time
from typing import Final

from voipsms.smpp.behaviour import ID_FORMS
from voipsms.smpp.pdu import ESM_RECEIPT, MESSAGE_PAYLOAD, MESSAGE_STATE, RECEIPTED_MESSAGE_ID, ShortMessage, Tlvs

MESSAGE_STATES: Final = {  # message_state, §5.2.28, of a receipt's `stat` word
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}

_PLAIN: Final = frozenset(chr(n) for n in (10, 13, *range(32, 127))) - frozenset(
    "@$_[]\\^`{|}~"
)  # 3GPP TS 23.038 §6.2.1


def receipt(submitted: ShortMessage, number: int, word: str, ids: str, with_tlvs: bool) -> tuple[ShortMessage, Tlvs]:
    """In appendix B's words. `number` is the message id, `ids` its form in the text."""
    now = time.strftime("%y%m%d%H%M", time.gmtime())
    delivered = "001" if word == "DELIVRD" else "000"
    error = "000" if word in ("DELIVRD", "ENROUTE") else "001"
    text = (
        f"id:{ID_FORMS[ids].format(number)} sub:001 dlvrd:{delivered} submit date:{now} done date:{now} "
        f"stat:{word} err:{error} text:"
    )
    tlvs: Tlvs = ()
    if with_tlvs:
        state = bytes((MESSAGE_STATES.get(word, MESSAGE_STATES["UNKNOWN"]),))
        tlvs = ((RECEIPTED_MESSAGE_ID, f"{number:x}\0".encode()), (MESSAGE_STATE, state))
    return ShortMessage(
        source_addr_ton=submitted.dest_addr_ton,
        source_addr_npi=submitted.dest_addr_npi,
        source_addr=submitted.destination_addr,
        dest_addr_ton=submitted.source_addr_ton,
        dest_addr_npi=submitted.source_addr_npi,
        destination_addr=submitted.source_addr,
        esm_class=ESM_RECEIPT,
        short_message=text.encode(),
    ), tlvs


def mobile_originated(source: str, destination: str, text: str) -> tuple[ShortMessage, Tlvs]:
    """A deliver_sm from a phone: what ASCII and the GSM alphabet write alike in the default alphabet, anything else (@
    for one) in UCS-2; long texts as payload."""
    octets, coding = (text.encode(), 0) if _PLAIN.issuperset(text) else (text.encode("utf-16-be"), 8)
    tlvs: Tlvs = ((MESSAGE_PAYLOAD, octets),) if len(octets) > 254 else ()
    message = ShortMessage(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=source,
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr=destination,
        data_coding=coding,
        short_message=b"" if tlvs else octets,
    )
    return message, tlvs
