"""command_status: number, name, what it means, and what becomes of a submit that is answered with it.

SMPP 3.4 §5.1.3 and 5.0 §4.7.6 (where they name one differently, by 3.4). A number that is not here is kept as it came:
SMSCs have many of their own (0x400…0x4FF is theirs by the standard), and none of them may end a session.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Verdict(Enum):
    """What an answer's command_status says of the message, or of the session."""

    TAKEN = "taken"
    WAIT = "wait"  # the same again after a pause; nothing is wrong with the message
    RETRY = "retry"  # another attempt may work
    FAILOVER = "failover"  # this SMSC gives the same answer again, another one may not
    REFUSE = "refuse"  # any SMSC would give the same answer
    UNKNOWN = "unknown"  # it may have been taken; no status of the standard means that, some SMSCs' own do
    FAULT = "fault"  # the session or the account is wrong, whatever the message: it waits for a new session


@dataclass(frozen=True, slots=True)
class Status:
    number: int
    name: str
    verdict: Verdict
    text: str

    def __str__(self) -> str:
        return f"{self.name} ({self.number:#010x}): {self.text}"


ESME_ROK: Final = 0x00
ESME_RINVMSGLEN: Final = 0x01
ESME_RINVCMDLEN: Final = 0x02
ESME_RINVCMDID: Final = 0x03
ESME_RINVBNDSTS: Final = 0x04
ESME_RALYBND: Final = 0x05
ESME_RSYSERR: Final = 0x08
ESME_RINVSRCADR: Final = 0x0A
ESME_RINVDSTADR: Final = 0x0B
ESME_RINVMSGID: Final = 0x0C
ESME_RBINDFAIL: Final = 0x0D
ESME_RINVPASWD: Final = 0x0E
ESME_RINVSYSID: Final = 0x0F
ESME_RMSGQFUL: Final = 0x14
ESME_RINVSERTYP: Final = 0x15
ESME_RCANCELFAIL: Final = 0x11
ESME_RREPLACEFAIL: Final = 0x13
ESME_RINVNUMDESTS: Final = 0x33
ESME_RINVDLNAME: Final = 0x34
ESME_RINVDESTFLAG: Final = 0x40
ESME_RSUBMITFAIL: Final = 0x45
ESME_RTHROTTLED: Final = 0x58
ESME_RX_T_APPN: Final = 0x64
ESME_RX_P_APPN: Final = 0x65
ESME_RX_R_APPN: Final = 0x66
ESME_RQUERYFAIL: Final = 0x67
ESME_RINVOPTPARSTREAM: Final = 0xC0
ESME_ROPTPARNOTALLWD: Final = 0xC1
ESME_RINVPARLEN: Final = 0xC2

_T, _W, _A, _O = Verdict.TAKEN, Verdict.WAIT, Verdict.RETRY, Verdict.FAILOVER
_R, _F = Verdict.REFUSE, Verdict.FAULT

STATUSES: Final[dict[int, Status]] = {
    row[0]: Status(*row)
    for row in (
        (0x00, "ESME_ROK", _T, "no error"),
        (0x01, "ESME_RINVMSGLEN", _R, "message length not valid"),
        (0x02, "ESME_RINVCMDLEN", _O, "command length not valid"),
        (0x03, "ESME_RINVCMDID", _F, "command not known or not offered"),
        (0x04, "ESME_RINVBNDSTS", _F, "not bound for this command"),
        (0x05, "ESME_RALYBND", _F, "bound already"),
        (0x06, "ESME_RINVPRTFLG", _O, "priority flag not valid"),
        (0x07, "ESME_RINVREGDLVFLG", _O, "registered delivery flag not valid"),
        (0x08, "ESME_RSYSERR", _A, "system error at the SMSC"),
        (0x0A, "ESME_RINVSRCADR", _O, "source address not valid"),
        (0x0B, "ESME_RINVDSTADR", _R, "destination address not valid"),
        (0x0C, "ESME_RINVMSGID", _R, "message id not valid"),
        (0x0D, "ESME_RBINDFAIL", _F, "bind failed"),
        (0x0E, "ESME_RINVPASWD", _F, "wrong password"),
        (0x0F, "ESME_RINVSYSID", _F, "wrong system_id"),
        (0x11, "ESME_RCANCELFAIL", _R, "cancel failed"),
        (0x13, "ESME_RREPLACEFAIL", _R, "replace failed"),
        (0x14, "ESME_RMSGQFUL", _W, "message queue full"),
        (0x15, "ESME_RINVSERTYP", _O, "service type not valid"),
        (0x33, "ESME_RINVNUMDESTS", _O, "number of destinations not valid"),
        (0x34, "ESME_RINVDLNAME", _O, "distribution list name not valid"),
        (0x40, "ESME_RINVDESTFLAG", _O, "destination flag not valid"),
        (0x42, "ESME_RINVSUBREP", _O, "submit with replace not valid"),
        (0x43, "ESME_RINVESMCLASS", _O, "esm_class not valid"),
        (0x44, "ESME_RCNTSUBDL", _O, "can't submit to the distribution list"),
        # What SMSCs answer for want of anything better, passing troubles of their own included.
        (0x45, "ESME_RSUBMITFAIL", _A, "submit failed"),
        (0x48, "ESME_RINVSRCTON", _O, "source TON not valid"),
        (0x49, "ESME_RINVSRCNPI", _O, "source NPI not valid"),
        (0x50, "ESME_RINVDSTTON", _O, "destination TON not valid"),
        (0x51, "ESME_RINVDSTNPI", _O, "destination NPI not valid"),
        (0x53, "ESME_RINVSYSTYP", _F, "system_type not valid"),
        (0x54, "ESME_RINVREPFLAG", _O, "replace_if_present flag not valid"),
        (0x55, "ESME_RINVNUMMSGS", _O, "number of messages not valid"),
        (0x58, "ESME_RTHROTTLED", _W, "more messages a second than allowed"),
        (0x61, "ESME_RINVSCHED", _O, "scheduled delivery time not valid"),
        (0x62, "ESME_RINVEXPIRY", _O, "validity period not valid"),
        (0x63, "ESME_RINVDFTMSGID", _O, "predefined message not known"),
        (0x64, "ESME_RX_T_APPN", _A, "receiver has a temporary error"),
        (0x65, "ESME_RX_P_APPN", _R, "receiver has a permanent error"),
        (0x66, "ESME_RX_R_APPN", _R, "receiver rejects the message"),
        (0x67, "ESME_RQUERYFAIL", _A, "query failed"),
        (0xC0, "ESME_RINVOPTPARSTREAM", _O, "optional parameters can't be read"),
        (0xC1, "ESME_ROPTPARNOTALLWD", _O, "optional parameter not allowed"),
        (0xC2, "ESME_RINVPARLEN", _O, "parameter length not valid"),
        (0xC3, "ESME_RMISSINGOPTPARAM", _O, "expected optional parameter missing"),
        (0xC4, "ESME_RINVOPTPARAMVAL", _O, "optional parameter value not valid"),
        (0xFE, "ESME_RDELIVERYFAILURE", _A, "delivery failed"),
        (0xFF, "ESME_RUNKNOWNERR", _A, "unknown error"),
        # Since 5.0.
        (0x100, "ESME_RSERTYPUNAUTH", _O, "service type not allowed to this account"),
        (0x101, "ESME_RPROHIBITED", _O, "operation not allowed to this account"),
        (0x102, "ESME_RSERTYPUNAVAIL", _O, "service type not available"),
        (0x103, "ESME_RSERTYPDENIED", _O, "service type denied"),
        (0x104, "ESME_RINVDCS", _O, "data coding not valid"),
        (0x105, "ESME_RINVSRCADDRSUBUNIT", _O, "source subunit not valid"),
        (0x106, "ESME_RINVDSTADDRSUBUNIT", _O, "destination subunit not valid"),
        (0x107, "ESME_RINVBCASTFREQINT", _R, "broadcast frequency interval not valid"),
        (0x108, "ESME_RINVBCASTALIAS_NAME", _R, "broadcast alias name not valid"),
        (0x109, "ESME_RINVBCASTAREAFMT", _R, "broadcast area format not valid"),
        (0x10A, "ESME_RINVNUMBCAST_AREAS", _R, "number of broadcast areas not valid"),
        (0x10B, "ESME_RINVBCASTCNTTYPE", _R, "broadcast content type not valid"),
        (0x10C, "ESME_RINVBCASTMSGCLASS", _R, "broadcast message class not valid"),
        (0x10D, "ESME_RBCASTFAIL", _R, "broadcast failed"),
        (0x10E, "ESME_RBCASTQUERYFAIL", _R, "broadcast query failed"),
        (0x10F, "ESME_RBCASTCANCELFAIL", _R, "broadcast cancel failed"),
        (0x110, "ESME_RINVBCAST_REP", _R, "number of repeated broadcasts not valid"),
        (0x111, "ESME_RINVBCASTSRVGRP", _R, "broadcast service group not valid"),
        (0x112, "ESME_RINVBCASTCHANIND", _R, "broadcast channel not valid"),
    )
}


def status(number: int) -> Status:
    """What is known of a command_status; another attempt may work where nothing is."""
    return STATUSES.get(number) or Status(number, "status", Verdict.RETRY, "not in SMPP")


def verdict_of(number: int, overrides: Iterable[tuple[int, str]] = ()) -> Verdict:
    """What becomes of a submit that is answered so. `overrides`: command_status and Verdict's word, as a gateway's
    setting `status` has them."""
    for known, word in overrides:
        if known == number:
            return Verdict(word)
    return status(number).verdict
