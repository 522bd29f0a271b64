"""What an SMSC says unasked, in deliver_sm or data_sm: a receipt, or a message from a phone."""

from __future__ import annotations

from typing import Final

from voipsms.gateway_settings import SmppSettings
from voipsms.model import GatewayId, Receipt, State
from voipsms.smpp.pdu import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    ESM_TYPE,
    ESM_UDHI,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
    DataMessage,
    Pdu,
    ShortMessage,
)
from voipsms.sms.dcs import decode_user_data
from voipsms.sms.receipt import MESSAGE_STATES, ReceiptText, looks_like_receipt, other_base, parse_receipt
from voipsms.sms.routo import routo_meaning, routo_state
from voipsms.sms.udh import BadHeader, split
from voipsms.values import Value

_UCS2: Final = 8
_NO_TEXT: Final = ReceiptText(id="", state=None)
_LATIN1_FIRST: Final = {0: 3, 1: 0}


class Dialect(Value, frozen=True):
    """How an SMSC writes: see the settings of these names."""

    msgid: str = "auto"
    receiptcodes: str = "smpp"
    alphabet: str = "gsm"


def dialect_of(smpp: SmppSettings) -> Dialect:
    return Dialect(smpp.msgid, smpp.receiptcodes, smpp.alphabet)


STANDARD: Final = Dialect()


def read(
    gateway_id: GatewayId, pdu: Pdu, body: ShortMessage | DataMessage, dialect: Dialect = STANDARD
) -> Receipt | str | None:
    """A receipt, or the text of a message (octets that are no text in hexadecimal); None: a receipt without an id.

    A receipt is what esm_class says is one (§5.2.12), what has the TLV receipted_message_id, or what looks like one.
    """
    octets = _user_data(pdu, body)
    kind = body.esm_class & ESM_TYPE
    if kind in (ESM_RECEIPT, ESM_INTERMEDIATE) or pdu.tlv(RECEIPTED_MESSAGE_ID) is not None:
        return _receipt(gateway_id, pdu, body, _receipt_text(body, octets), kind == ESM_INTERMEDIATE, dialect)
    if looks_like_receipt(text := _receipt_text(body, octets)):
        return _receipt(gateway_id, pdu, body, text, False, dialect)
    coding = body.data_coding
    decoded = decode_user_data(_LATIN1_FIRST.get(coding, coding) if dialect.alphabet == "latin1" else coding, octets)
    return octets.hex() if decoded is None else decoded


def _user_data(pdu: Pdu, body: ShortMessage | DataMessage) -> bytes:
    """short_message or message_payload, without its header."""
    octets = body.short_message if isinstance(body, ShortMessage) else b""
    octets = octets or pdu.tlv(MESSAGE_PAYLOAD) or b""
    if body.esm_class & ESM_UDHI:
        try:
            return split(octets)[1]
        except BadHeader:
            pass  # SMSCs set UDHI where there is no header: the octets are all text then
    return octets


def _receipt_text(body: ShortMessage | DataMessage, octets: bytes) -> str:
    """Receipts are ASCII whatever alphabet is the SMSC's default, so that _ and @ in ids stay what they are."""
    return octets.decode("utf-16-be" if body.data_coding == _UCS2 else "latin-1", "replace")


def _receipt(
    gateway_id: GatewayId, pdu: Pdu, body: ShortMessage | DataMessage, text: str, intermediate: bool, dialect: Dialect
) -> Receipt | None:
    """Its addresses are the message's, the other way round (§2.11). The TLVs win over the text (§5.3.2.12, §5.3.2.35):
    they are the SMSC's own fields, the text is for people.
    """
    parsed = parse_receipt(text) or _NO_TEXT
    provider_id = _provider_id(pdu.tlv(RECEIPTED_MESSAGE_ID), parsed.id, dialect.msgid)
    if not provider_id:
        return None
    written, meaning = (parsed.state, "") if dialect.receiptcodes == "smpp" else _by_routo(parsed)
    number = pdu.tlv(MESSAGE_STATE)
    state = MESSAGE_STATES.get(number[-1]) if number else None
    state = State.ENROUTE if intermediate else state or written
    comment = text[:160] if state is None else meaning
    error, sender, target = _error(pdu, parsed), body.destination_addr, body.source_addr
    return Receipt(gateway_id, provider_id, state or State.UNKNOWN, error, comment, sender, target)


def _provider_id(receipted: bytes | None, written: str, msgid: str) -> str:
    """The TLV has what the answer to the submit had (§5.3.2.12), unless it is the text's own spelling again."""
    told = receipted.rstrip(b"\0").decode("latin-1") if receipted else written
    return other_base(told, msgid) if msgid != "auto" and told == written else told


def _by_routo(parsed: ReceiptText) -> tuple[State | None, str]:
    """The code stands where others have a word, or in `err` where the word says nothing."""
    if (state := routo_state(parsed.word)) is not None:
        return state, "" if state is State.DELIVERED else routo_meaning(parsed.word)
    state = routo_state(parsed.error) if parsed.state in (None, State.UNKNOWN) else None
    return state or parsed.state, "" if parsed.state is State.DELIVERED else routo_meaning(parsed.error)


def _error(pdu: Pdu, parsed: ReceiptText) -> str:
    network = pdu.tlv(NETWORK_ERROR_CODE)  # §5.3.2.31: an octet for the kind of network, two for its code
    return str(int.from_bytes(network[1:3], "big")) if network and len(network) == 3 else parsed.error
