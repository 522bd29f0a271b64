"""What the SMSC simulator does, in general and by the last four digits of the destination."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from voipsms.smpp.faults import Strike
from voipsms.smpp.status import (
    ESME_RBINDFAIL,
    ESME_RINVDSTADR,
    ESME_RMSGQFUL,
    ESME_ROK,
    ESME_RSUBMITFAIL,
    ESME_RSYSERR,
    ESME_RTHROTTLED,
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What becomes of one submit. `receipts`: the `stat` word of each one; None: the simulator's own state."""

    meaning: str
    command_status: int = ESME_ROK
    once: bool = False  # the status is for the first submit to the destination only
    answers: bool = True
    disconnects: bool = False
    early: bool = False  # the receipt leaves before the answer
    receipts: tuple[str | None, ...] = (None,)


USUAL: Final = Behaviour("accepted, with a receipt")
ENDINGS: Final[dict[str, Behaviour]] = {
    "0001": Behaviour("refused, ESME_RINVDSTADR", ESME_RINVDSTADR),
    "0002": Behaviour("ESME_RTHROTTLED once, then accepted", ESME_RTHROTTLED, once=True),
    "0003": Behaviour("no answer, no receipt", answers=False, receipts=()),
    "0004": Behaviour("the connection ends before the answer", answers=False, disconnects=True, receipts=()),
    "0005": Behaviour("receipt UNDELIV", receipts=("UNDELIV",)),
    "0006": Behaviour("receipt EXPIRED", receipts=("EXPIRED",)),
    "0007": Behaviour("the receipt comes before the answer", early=True),
    "0008": Behaviour("accepted, no receipt", receipts=()),
    "0009": Behaviour("ESME_RSYSERR always", ESME_RSYSERR),
    "0010": Behaviour("ESME_RMSGQFUL once, then accepted", ESME_RMSGQFUL, once=True),
    "0011": Behaviour("receipt DELIVRD twice", receipts=("DELIVRD", "DELIVRD")),
    "0012": Behaviour("receipt REJECTD", receipts=("REJECTD",)),
    "0013": Behaviour("no answer, but a receipt", answers=False),
    "0014": Behaviour("receipt ENROUTE, then DELIVRD", receipts=("ENROUTE", "DELIVRD")),
}


@dataclass(frozen=True, slots=True)
class Options:
    """The simulator's settings; shares are 0…1, times seconds."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    username: str = ""  # empty: any
    password: str = field(default="", repr=False)  # empty: any
    refuse_bind: int = ESME_ROK  # the command_status that every bind gets
    endings: bool = True  # ENDINGS hold
    receipts: bool = True  # where registered_delivery asks for one
    receipt_delay: float = 0.0
    state: str = "DELIVRD"
    ids: str = "same"  # one of ID_FORMS
    tlvs: bool = False  # receipted_message_id and message_state in receipts
    early: bool = False  # receipts before the answers
    elsewhere: bool = False  # receipts on another session than the submit's, where there is one
    redeliver: float = 1.0  # a receipt or MO that got a temporary error comes again after so long
    tps: float = 0.0  # above it ESME_RTHROTTLED; 0: no limit
    refuse: float = 0.0  # share of submits that get refuse_status
    refuse_status: int = ESME_RSUBMITFAIL
    silence: float = 0.0  # share of submits without an answer
    disconnect: int = 0  # the connection ends after every so many submits; 0: never
    response_delay: float = 0.0
    window: int = 1000  # deliver_sm without an answer, a session
    enquire: float = 30.0
    log: str = ""  # file of JSON lines, one a submit
    mo_count: int = 0
    mo_rate: float = 10.0  # a second
    mo_from: str = "36301234567"
    mo_to: str = "36300000000"
    mo_text: str = "hello"
    mo_reply: str = ""  # what the phones answer to each message that reaches them; empty: nothing
    seed: int = 1
    faults: tuple[Strike, ...] = ()
    tls_cert: str = ""  # PEM file: sessions go by TLS
    tls_key: str = ""
    tls_ca: str = ""  # PEM file: clients must show a certificate of this authority
    outbind: str = ""  # host:port of an ESME that is asked for a session
    outbind_password: str = field(default="", repr=False)


ID_FORMS: Final = {  # the id in the receipt, where the answer has the number in lower-case hexadecimal
    "same": "{:x}",
    "decimal": "{:d}",
    "upper": "{:X}",
    "padded": "{:020X}",
}

DEFAULT_BIND_REFUSAL: Final = ESME_RBINDFAIL
