"""What an SMSC says unasked, in deliver_sm or data_sm: a receipt, or a message from a phone or a part of one.

A header that lies is counted, and its message taken as a whole one, without the header where it can be told from text:
an SMSC repeats for ever what is refused, and who reads the text sees best what it was.
"""

from __future__ import annotations

from typing import Final

from voipsms import metrics
from voipsms.gateway_settings import SmppSettings
from voipsms.model import GatewayId, Inbound, Receipt, State
from voipsms.smpp.pdu import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    ESM_TYPE,
    ESM_UDHI,
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    DataMessage,
    Pdu,
    ShortMessage,
)
from voipsms.sms.dcs import decode_user_data
from voipsms.sms.joining import part_text
from voipsms.sms.receipt import MESSAGE_STATES, ReceiptText, looks_like_receipt, other_base, parse_receipt
from voipsms.sms.routo import routo_meaning, routo_state
from voipsms.sms.udh import NO_HEADER, BadHeader, Concatenation, Header, split
from voipsms.values import Value

_UCS2: Final = 8
_SPACE: Final = 0x20
_MOST_PARTS: Final = 255
_WHOLE: Final = Concatenation(0, 1, 1)
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
) -> Receipt | Inbound | None:
    """None: a receipt without an id.

    A receipt is what esm_class says is one (§5.2.12), what has the TLV receipted_message_id and a state or no text, or
    what looks like one. That TLV alone is not enough: Kannel's SMSC has it in texts from phones.
    """
    header, octets = _user_data(pdu, body)
    kind = body.esm_class & ESM_TYPE
    if kind in (ESM_RECEIPT, ESM_INTERMEDIATE) or _receipts(pdu, octets):
        return _receipt(gateway_id, pdu, body, _receipt_text(body, octets), kind == ESM_INTERMEDIATE, dialect)
    if looks_like_receipt(text := _receipt_text(body, octets)):
        return _receipt(gateway_id, pdu, body, text, False, dialect)
    return _inbound(gateway_id, body, header, octets, _place(pdu, header), dialect)


def _receipts(pdu: Pdu, octets: bytes) -> bool:
    named = pdu.tlv(RECEIPTED_MESSAGE_ID) is not None
    return named and (pdu.tlv(MESSAGE_STATE) is not None or not octets)


def _inbound(
    gateway_id: GatewayId,
    body: ShortMessage | DataMessage,
    header: Header,
    octets: bytes,
    place: Concatenation,
    dialect: Dialect,
) -> Inbound:
    """Without an id: SMPP has none for what comes from phones (user_message_reference is the sender's own count)."""
    coding = body.data_coding
    coding = _LATIN1_FIRST.get(coding, coding) if dialect.alphabet == "latin1" else coding
    text = (part_text if place.total > 1 else decode_user_data)(coding, octets)
    return Inbound(
        gateway_id, body.source_addr, body.destination_addr, text or "", octets if text is None else b"", header.rest,
        place.reference, place.total, place.number,
    )  # fmt: skip


def _user_data(pdu: Pdu, body: ShortMessage | DataMessage) -> tuple[Header, bytes]:
    """The header, and what follows it in short_message or message_payload."""
    octets = body.short_message if isinstance(body, ShortMessage) else b""
    octets = octets or pdu.tlv(MESSAGE_PAYLOAD) or b""
    if not body.esm_class & ESM_UDHI:
        return NO_HEADER, octets
    try:
        header, rest = split(octets)
    except BadHeader:
        metrics.count("malformed", "smpp_udh")
        return NO_HEADER, octets[_seeming_header(octets) :]
    if header.lies:
        metrics.count("malformed", "smpp_udh")
    return header, rest


def _seeming_header(octets: bytes) -> int:
    """Octets to leave away. SMSCs set UDHI where there is no header, too: no text begins with a control character, nor
    has any header of use more octets than a space's code."""
    return octets[0] + 1 if octets and octets[0] < min(_SPACE, len(octets)) else 0


def _place(pdu: Pdu, header: Header) -> Concatenation:
    """Where the part belongs: by its header, else by the TLVs of §5.3.2.22–24."""
    if place := header.concatenation:
        return place
    reference, total, number = map(pdu.tlv, (SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM))
    if reference is None or total is None or number is None:
        return _WHOLE
    place = Concatenation(int.from_bytes(reference), int.from_bytes(total), int.from_bytes(number))
    if not 1 <= place.number <= place.total <= _MOST_PARTS:
        metrics.count("malformed", "smpp_sar")
        return _WHOLE
    return place


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
