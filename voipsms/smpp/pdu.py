"""What SMPP 3.4 PDUs are: command ids, TLV tags, mandatory parameters, and the frozen values that they become.

The only importer of smpplib, which gives the vocabulary: ids, tags, and the mandatory parameters of the PDUs that it
has (not submit_multi, cancel_sm, replace_sm, outbind). Its own reader is not used: 2.2.4 takes a truncated
submit_sm for a whole one, leaks KeyError and struct.error, stops at a TLV that it doesn't know, and costs 30 µs a PDU.
See codec.py.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from smpplib import command as smpplib_command
from smpplib import command_codes, consts

from voipsms.errors import ProtocolError
from voipsms.smpp.status import status
from voipsms.values import Value

RESPONSE: Final = 0x80000000  # §5.1.2: this bit makes the answer's id of the request's
HEADER_LENGTH: Final = 16
LONGEST: Final = 65536  # octets; message_payload alone may be 64 KiB - 1, and nobody carries more than a few KiB
LONGEST_STRING: Final = 255  # octets; system_ids and ids longer than the standard's 16 and 65 are about

_NAMES: Final[dict[int, str]] = {code: name for name, code in command_codes.commands.items()}

GENERIC_NACK: Final[int] = command_codes.commands["generic_nack"]
BIND_RECEIVER: Final[int] = command_codes.commands["bind_receiver"]
BIND_TRANSMITTER: Final[int] = command_codes.commands["bind_transmitter"]
BIND_TRANSCEIVER: Final[int] = command_codes.commands["bind_transceiver"]
OUTBIND: Final[int] = command_codes.commands["outbind"]
QUERY_SM: Final[int] = command_codes.commands["query_sm"]
CANCEL_SM: Final[int] = command_codes.commands["cancel_sm"]
REPLACE_SM: Final[int] = command_codes.commands["replace_sm"]
SUBMIT_MULTI: Final[int] = command_codes.commands["submit_multi"]
SUBMIT_MULTI_RESP: Final[int] = command_codes.commands["submit_multi_resp"]
SUBMIT_SM: Final[int] = command_codes.commands["submit_sm"]
SUBMIT_SM_RESP: Final[int] = command_codes.commands["submit_sm_resp"]
DELIVER_SM: Final[int] = command_codes.commands["deliver_sm"]
DELIVER_SM_RESP: Final[int] = command_codes.commands["deliver_sm_resp"]
UNBIND: Final[int] = command_codes.commands["unbind"]
ENQUIRE_LINK: Final[int] = command_codes.commands["enquire_link"]
ALERT_NOTIFICATION: Final[int] = command_codes.commands["alert_notification"]
DATA_SM: Final[int] = command_codes.commands["data_sm"]
DATA_SM_RESP: Final[int] = command_codes.commands["data_sm_resp"]

RECEIPTED_MESSAGE_ID: Final[int] = consts.OPTIONAL_PARAMS["receipted_message_id"]
MESSAGE_STATE: Final[int] = consts.OPTIONAL_PARAMS["message_state"]
MESSAGE_PAYLOAD: Final[int] = consts.OPTIONAL_PARAMS["message_payload"]
NETWORK_ERROR_CODE: Final[int] = consts.OPTIONAL_PARAMS["network_error_code"]
SC_INTERFACE_VERSION: Final[int] = consts.OPTIONAL_PARAMS["sc_interface_version"]
SAR_MSG_REF_NUM: Final[int] = consts.OPTIONAL_PARAMS["sar_msg_ref_num"]
SAR_TOTAL_SEGMENTS: Final[int] = consts.OPTIONAL_PARAMS["sar_total_segments"]
SAR_SEGMENT_SEQNUM: Final[int] = consts.OPTIONAL_PARAMS["sar_segment_seqnum"]
CONGESTION_STATE: Final = 0x0428  # SMPP 5.0 §4.8.4.18

ESM_UDHI: Final = 0x40  # §5.2.12: short_message begins with a user data header
ESM_TYPE: Final = 0x3C  # the message type's bits
ESM_RECEIPT: Final = 0x04
ESM_INTERMEDIATE: Final = 0x20


class PduError(ProtocolError):
    """Octets that are not a PDU, or a value that no PDU can carry; `command_status` is the answer that it gets."""

    def __init__(self, text: str, command_status: int, *, command_id: int = 0, sequence_number: int = 0) -> None:
        super().__init__(f"{text}, {status(command_status).name}")
        self.command_status = command_status
        self.command_id = command_id
        self.sequence_number = sequence_number


Tlvs = tuple[tuple[int, bytes], ...]  # (tag, value) as they came; unknown tags and repeats are kept


class ShortMessage(Value, frozen=True):
    """submit_sm §4.4.1 and deliver_sm §4.6.1; the strings are ISO 8859-1, so that no octet is lost."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class Answer(Value, frozen=True):
    """submit_sm_resp §4.4.2, deliver_sm_resp §4.6.2, data_sm_resp §4.7.2."""

    message_id: str = ""


class Nothing(Value, frozen=True):
    """generic_nack, unbind, enquire_link and their answers; the answers to cancel_sm and replace_sm."""


class Bind(Value, frozen=True):
    """bind_transmitter, bind_receiver, bind_transceiver §4.1."""

    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class BindAnswer(Value, frozen=True):
    system_id: str = ""


class DataMessage(Value, frozen=True):
    """data_sm §4.7.1; its text is the TLV message_payload."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


class Destination(Value, frozen=True):
    """An SME's address among those of submit_multi, §4.5.1.1."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class DistributionList(Value, frozen=True):
    """A list that the SMSC keeps, §4.5.1.2."""

    dl_name: str = ""


class MultiMessage(Value, frozen=True):
    """submit_multi §4.5.1: 1 to 254 destinations (255 fit the octet that counts them)."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addresses: tuple[Destination | DistributionList, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class Unsuccess(Value, frozen=True):
    """A destination that submit_multi was not taken for, §4.5.2.1."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


class MultiAnswer(Value, frozen=True):
    """submit_multi_resp §4.5.2."""

    message_id: str = ""
    unsuccess_sme: tuple[Unsuccess, ...] = ()


class Query(Value, frozen=True):
    """query_sm §4.8.1."""

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QueryAnswer(Value, frozen=True):
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class Cancel(Value, frozen=True):
    """cancel_sm §4.9.1; without a message_id every message between the two addresses is meant."""

    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class Replace(Value, frozen=True):
    """replace_sm §4.10.1, which knows no data_coding: the text is coded as the one that it replaces."""

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class Outbind(Value, frozen=True):
    """outbind §4.1.7, which has no answer but the ESME's bind_receiver."""

    system_id: str = ""
    password: str = ""


class Alert(Value, frozen=True):
    """alert_notification §4.12.1, which has no answer."""

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""


Body = (
    ShortMessage | Answer | Nothing | Bind | BindAnswer | Outbind | DataMessage | MultiMessage | MultiAnswer | Query
    | QueryAnswer | Cancel | Replace | Alert
)  # fmt: skip
NOTHING: Final = Nothing()


class Pdu(Value, frozen=True):
    command_id: int
    command_status: int
    sequence_number: int
    body: Body = NOTHING
    tlvs: Tlvs = ()

    @property
    def name(self) -> str:
        return command_name(self.command_id)

    @property
    def is_response(self) -> bool:
        return self.command_id >= RESPONSE

    def tlv(self, tag: int) -> bytes | None:
        """The first TLV of this tag."""
        for known, value in self.tlvs:
            if known == tag:
                return value
        return None


def command_name(command_id: int) -> str:
    return _NAMES.get(command_id) or f"command {command_id:#010x}"


def has_answer(command_id: int) -> bool:
    """Whether a request has an answer of its own (§2.3); anything else is answered by generic_nack or by nothing."""
    return command_id | RESPONSE in _NAMES and command_id != 0


# -- which PDU has which body -------------------------------------------------------------------------------------


class Parameter(Enum):
    """How a mandatory parameter is written."""

    STRING = "C-octet string"
    OCTET = "integer of one octet"
    TEXT = "sm_length and short_message"
    DESTINATIONS = "number_of_dests and dest_address(es)"
    UNSUCCESS = "no_unsuccess and unsuccess_sme(s)"


Layout = tuple[tuple[str, Parameter], ...]  # mandatory parameters in their order

_BY_NAME: Final = {
    "short_message": Parameter.TEXT,
    "dest_addresses": Parameter.DESTINATIONS,
    "unsuccess_sme": Parameter.UNSUCCESS,
}


def _smpplibs_layout(name: str) -> Layout:
    known = smpplib_command.factory(name, sequence=0)
    return tuple(
        (field, Parameter.STRING if known.params[field].type is str else Parameter.OCTET)
        for field in known.params_order
        if not known.field_is_optional(field)
    )


def _layout(name: str, kind: type[Body]) -> Layout:
    if name not in _WITHOUT_SMPPLIB:
        return _smpplibs_layout(name)
    by_type = {"str": Parameter.STRING, "int": Parameter.OCTET}
    return tuple(
        (field, _BY_NAME.get(field) or by_type[kind.__annotations__[field]]) for field in kind.__struct_fields__
    )


_BODIES: Final[dict[str, type[Body]]] = {
    "generic_nack": Nothing,
    "bind_receiver": Bind,
    "bind_receiver_resp": BindAnswer,
    "bind_transmitter": Bind,
    "bind_transmitter_resp": BindAnswer,
    "bind_transceiver": Bind,
    "bind_transceiver_resp": BindAnswer,
    "query_sm": Query,
    "query_sm_resp": QueryAnswer,
    "submit_sm": ShortMessage,
    "submit_sm_resp": Answer,
    "deliver_sm": ShortMessage,
    "deliver_sm_resp": Answer,
    "submit_multi": MultiMessage,
    "submit_multi_resp": MultiAnswer,
    "cancel_sm": Cancel,
    "cancel_sm_resp": Nothing,
    "replace_sm": Replace,
    "replace_sm_resp": Nothing,
    "outbind": Outbind,
    "unbind": Nothing,
    "unbind_resp": Nothing,
    "enquire_link": Nothing,
    "enquire_link_resp": Nothing,
    "alert_notification": Alert,
    "data_sm": DataMessage,
    "data_sm_resp": Answer,
}

_WITHOUT_SMPPLIB: Final = frozenset(
    {"submit_multi", "submit_multi_resp", "cancel_sm", "cancel_sm_resp", "replace_sm", "replace_sm_resp", "outbind"}
)

LAYOUTS: Final[dict[int, tuple[type[Body], Layout]]] = {
    command_codes.commands[name]: (kind, _layout(name, kind)) for name, kind in _BODIES.items()
}
# What an ESME may ask of an SMSC for a message, by the body that asks it.
COMMANDS: Final[dict[type[Body], int]] = {
    ShortMessage: SUBMIT_SM,
    MultiMessage: SUBMIT_MULTI,
    DataMessage: DATA_SM,
    Query: QUERY_SM,
    Cancel: CANCEL_SM,
    Replace: REPLACE_SM,
}
