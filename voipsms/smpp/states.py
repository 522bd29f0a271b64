"""Which end of a session may issue what, and when: SMPP 3.4 §2.2 and §2.3 as tables."""

from __future__ import annotations

from enum import Enum
from typing import Final

from voipsms.smpp.pdu import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    OUTBIND,
    QUERY_SM,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
)


class Side(Enum):
    __hash__ = object.__hash__  # Enum's own is written in Python, and asked for many times a PDU

    ESME = "ESME"
    SMSC = "SMSC"

    @property
    def peer(self) -> Side:
        return Side.SMSC if self is Side.ESME else Side.ESME


class State(Enum):
    """§2.2, and UNBOUND where the session ended by unbind."""

    __hash__ = object.__hash__

    OPEN = "OPEN"
    BOUND_TX = "BOUND_TX"
    BOUND_RX = "BOUND_RX"
    BOUND_TRX = "BOUND_TRX"
    UNBOUND = "UNBOUND"
    CLOSED = "CLOSED"


OPEN = frozenset({State.OPEN})
SENDS = frozenset({State.BOUND_TX, State.BOUND_TRX})  # the ESME does
RECEIVES = frozenset({State.BOUND_RX, State.BOUND_TRX})
BOUND = SENDS | RECEIVES
OVER = frozenset({State.UNBOUND, State.CLOSED})
BINDS = {
    BIND_TRANSMITTER: State.BOUND_TX,
    BIND_RECEIVER: State.BOUND_RX,
    BIND_TRANSCEIVER: State.BOUND_TRX,
}

LEGAL: Final[dict[tuple[Side, int], frozenset[State]]] = {  # §2.3: who may issue what, when
    (Side.ESME, BIND_TRANSMITTER): OPEN,
    (Side.ESME, BIND_RECEIVER): OPEN,
    (Side.ESME, BIND_TRANSCEIVER): OPEN,
    (Side.ESME, SUBMIT_SM): SENDS,
    (Side.ESME, SUBMIT_MULTI): SENDS,
    (Side.ESME, DATA_SM): SENDS,
    (Side.ESME, QUERY_SM): SENDS,
    (Side.ESME, CANCEL_SM): SENDS,
    (Side.ESME, REPLACE_SM): SENDS,
    (Side.SMSC, OUTBIND): OPEN,
    (Side.SMSC, DELIVER_SM): RECEIVES,
    (Side.SMSC, DATA_SM): RECEIVES,
    (Side.SMSC, ALERT_NOTIFICATION): RECEIVES,
    # Before a bind only since 5.0, but peers of every version do it, to see whether the port answers.
    (Side.ESME, ENQUIRE_LINK): BOUND | OPEN,
    (Side.SMSC, ENQUIRE_LINK): BOUND | OPEN,
    (Side.ESME, UNBIND): BOUND,
    (Side.SMSC, UNBIND): BOUND,
}
