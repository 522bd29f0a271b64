"""A part as the PDU that submits it: submit_sm, submit_multi or data_sm, by a gateway's settings (docs/smpp.md).

TON/NPI where the settings leave them open (-1), Routo's rule: names 5/0, numbers that begin with 0 (local) 2/1, short
codes of 3–6 digits 3/1, any other number 1/1 (international); no address at all is 0/0 (SMPP 3.4 §5.2.5, §5.2.6).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from voipsms.connectors import smpp_time
from voipsms.connectors.smpp_parts import NSMS
from voipsms.gateway_settings import SERVICE_TYPES, TONUM, GatewaySettings
from voipsms.model import Coding, Message, Part
from voipsms.senders import sender_for
from voipsms.smpp.pdu import (
    COMMANDS,
    ESM_UDHI,
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    DataMessage,
    Destination,
    DistributionList,
    MultiMessage,
    ShortMessage,
    Tlvs,
    command_name,
)
from voipsms.sms.dcs import is_octets, is_septets, smpp_data_coding
from voipsms.sms.udh import CONCATENATION_8, CONCATENATION_16, parse, serialize
from voipsms.values import field_names, replace

QOS_TIME_TO_LIVE: Final = 0x0017  # §5.3.2.9: data_sm's validity, in seconds
Submit = ShortMessage | MultiMessage | DataMessage
Address = tuple[int, int, str]  # TON, NPI, digits or name


def _millis() -> int:
    return time.time_ns() // 1_000_000


def ton_npi(address: str) -> tuple[int, int]:
    """What kind of address this is, see above; without +."""
    if address.isdecimal():
        if len(address) > 6:
            return (2, 1) if address[0] == "0" else (1, 1)
        if len(address) > 2:
            return 3, 1
        return 1, 1
    return (5, 0) if address else (0, 0)


class Composer:
    """`clock`: UTC milliseconds."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], int] = _millis) -> None:
        smpp = self._smpp = settings.smpp
        self._clock = clock
        self._service_type = SERVICE_TYPES[smpp.servicetype]
        self._priority = max(smpp.msgpriority, 0)
        self._registered = 1 if smpp.receipts else 0
        self._sender = smpp.senderaddress or settings.sender
        self._allowed = partial(sender_for, settings.senders, settings.sender_instead)
        self._expire = smpp.msgexpire
        self._source = lru_cache(maxsize=4096)(self._source_address)
        self._any_destination = smpp.destinationton < 0 and smpp.destinationnpi < 0
        self._sar = smpp.longsms == "sar" and smpp.version != 33  # 3.3 has no TLVs
        self._forced = smpp.datacoding
        self._hex = bool(smpp.hexstring)
        self._usual = smpp.datacoding < 0 and not smpp.hexstring
        self._recipients = smpp.recipients
        self._plain = not (smpp.recipients or smpp.isdata)  # each message by submit_sm, to its own target
        self._marks_flash = not (smpp.flash == "nsms" or smpp.systemtype.upper() == NSMS)
        gsm = 1 if smpp.alphabet == "latin1" else 0
        self._codings = {coding: smpp_data_coding(coding) for coding in Coding} | {Coding.GSM7: gsm}

    def compose(self, part: Part) -> tuple[Submit, Tlvs]:
        message, udh, user_data = part.message, part.udh, part.user_data
        tlvs: Tlvs = ()
        if udh:
            udh, tlvs = _as_sar(udh) if self._sar and part.total > 1 else (udh, tlvs)
            user_data = udh + user_data
        usual = self._usual and message.message_class is None
        data_coding = self._codings[message.coding] if usual else self._data_coding(message)
        scheduled, validity = "", self._expire
        if message.due or message.valid:
            scheduled, validity = self.schedule(message), self._validity(message)
        if len(user_data) > 140 and len(user_data) > (160 if is_septets(data_coding) else 140):
            tlvs, user_data = ((MESSAGE_PAYLOAD, user_data), *tlvs), b""
        source_ton, source_npi, sender = self._source(message.sender)
        target = message.target
        ton, npi = (1, 1) if self._any_destination and len(target) > 6 and target[0] != "0" else self._kind(target)
        short = ShortMessage(
            self._service_type,
            source_ton,
            source_npi,
            sender,
            ton,
            npi,
            target,
            ESM_UDHI if udh else 0,
            0,
            self._priority,
            scheduled,
            validity,
            self._registered,
            0,
            data_coding,
            0,
            user_data,
        )
        return (short, tlvs) if self._plain else self._otherwise(short, tlvs, message)

    def source(self, message: Message) -> Address:
        """The message's source address as it is submitted."""
        return self._source(message.sender)

    def _source_address(self, sender: str) -> Address:
        """Raises RefusedHere where this sender is not allowed."""
        smpp, address = self._smpp, (self._sender or self._allowed(sender)).removeprefix("+")
        ton, npi = ton_npi(address)
        return smpp.sourceton if smpp.sourceton >= 0 else ton, smpp.sourcenpi if smpp.sourcenpi >= 0 else npi, address

    def _kind(self, target: str) -> tuple[int, int]:
        ton, npi = ton_npi(target)
        smpp = self._smpp
        return (
            ton if smpp.destinationton < 0 else smpp.destinationton,
            npi if smpp.destinationnpi < 0 else smpp.destinationnpi,
        )

    # -- data_coding --

    def _data_coding(self, message: Message) -> int:
        binary = message.coding is Coding.BINARY
        if self._forced >= 0 and (not binary or is_octets(self._forced)):  # octets stay such, whatever texts are
            return self._forced
        coding = Coding.BINARY if self._hex else message.coding
        message_class = message.message_class
        if message_class is None or (message_class == 0 and not self._marks_flash):
            return self._codings[coding]
        return smpp_data_coding(coding, message_class)

    # -- times --

    def schedule(self, message: Message) -> str:
        """schedule_delivery_time; empty: at once, or not by this SMSC."""
        kind = "none" if self._smpp.isdata else self._smpp.scheduletime
        now = self._clock()
        if message.due <= now or kind == "none":
            return ""
        return smpp_time.absolute(message.due) if kind == "absolute" else smpp_time.relative(now, message.due)

    def _validity(self, message: Message) -> str:
        """A scheduled message's counts from its time on."""
        if not message.valid:
            return self._expire
        now = self._clock()
        return smpp_time.relative(now, max(now, message.due) + message.valid * 1000)

    # -- to several, or by data_sm --

    def _otherwise(self, short: ShortMessage, tlvs: Tlvs, message: Message) -> tuple[Submit, Tlvs]:
        names = [message.target if name == TONUM else name for name in self._recipients] or [message.target]
        if len(names) > 1 or self._smpp.recipienttype:
            return self._as_multi(short, names), tlvs
        ton, npi = self._kind(names[0])
        short = replace(short, dest_addr_ton=ton, dest_addr_npi=npi, destination_addr=names[0])
        return _as_data(short, tlvs, message.valid) if self._smpp.isdata else (short, tlvs)

    def _as_multi(self, short: ShortMessage, names: list[str]) -> MultiMessage:
        to: tuple[Destination | DistributionList, ...] = tuple(
            DistributionList(name) if self._smpp.recipienttype else Destination(*self._kind(name), name)
            for name in dict.fromkeys(names)
        )
        values = {name: getattr(short, name) for name in _SHARED}
        return MultiMessage(**values, dest_addresses=to)


_SHARED: Final = tuple(name for name in field_names(ShortMessage) if name in field_names(MultiMessage))
_DATA: Final = field_names(DataMessage)


def _as_data(short: ShortMessage, tlvs: Tlvs, valid: int) -> tuple[DataMessage, Tlvs]:
    """data_sm has its text, and how long it is valid, in TLVs."""
    if short.short_message or not tlvs or tlvs[0][0] != MESSAGE_PAYLOAD:
        tlvs = ((MESSAGE_PAYLOAD, short.short_message), *tlvs)
    if valid:
        tlvs = (*tlvs, (QOS_TIME_TO_LIVE, min(valid, 0xFFFFFFFF).to_bytes(4, "big")))
    return DataMessage(**{name: getattr(short, name) for name in _DATA}), tlvs


def _as_sar(udh: bytes) -> tuple[bytes, Tlvs]:
    """A header without its concatenation, and that as TLVs (§5.3.2.22 to §5.3.2.24)."""
    header = parse(udh)
    found = header.concatenation
    if found is None:
        return udh, ()
    rest = [element for element in header.elements if element.iei not in (CONCATENATION_8, CONCATENATION_16)]
    return serialize(rest) if rest else b"", (
        (SAR_MSG_REF_NUM, found.reference.to_bytes(2, "big")),
        (SAR_TOTAL_SEGMENTS, bytes((found.total,))),
        (SAR_SEGMENT_SEQNUM, bytes((found.number,))),
    )


# -- in words -----------------------------------------------------------------------------------------------------

_TLV_NAMES: Final = {
    MESSAGE_PAYLOAD: "message_payload",
    QOS_TIME_TO_LIVE: "qos_time_to_live",
    SAR_MSG_REF_NUM: "sar_msg_ref_num",
    SAR_TOTAL_SEGMENTS: "sar_total_segments",
    SAR_SEGMENT_SEQNUM: "sar_segment_seqnum",
}
_HEXADECIMAL: Final = frozenset({"esm_class", "data_coding"})


def in_words(body: Submit, tlvs: Tlvs) -> str:
    """The PDU as `voipsms explain` shows it: its command, every parameter, TLVs; octets in hexadecimal."""
    words = [command_name(COMMANDS[type(body)])]
    words += [f"{name}={_shown(name, getattr(body, name))}" for name in field_names(body)]
    words += [f"{_TLV_NAMES.get(tag, f'{tag:#06x}')}={value.hex()}" for tag, value in tlvs]
    return " ".join(words)


def _shown(name: str, value: object) -> str:
    if name in _HEXADECIMAL:
        return f"{value:#04x}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return ",".join(
            to.dl_name
            if isinstance(to, DistributionList)
            else f"{to.dest_addr_ton}/{to.dest_addr_npi}:{to.destination_addr}"
            for to in value
        )
    return str(value)
