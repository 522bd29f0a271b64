"""RoutoMessaging's status codes (its manual, seeds/001): the states of §4.3, the meanings of table 6.

A receipt by SMPP may have the code where SMPP 3.4 has a word; the numbers are not those of message_state.
"""

from __future__ import annotations

from voipsms.model import State

_STATES: dict[int, State] = {
    code: state
    for state, codes in {
        State.DELIVERED: (0,),
        State.EXPIRED: (3, 253),
        State.DELETED: (4, 252),
        State.UNDELIVERABLE: (5, 9, 251),
        State.ACCEPTED: (6, 250),  # 250 only in table 6, "Accepted"
        State.ENROUTE: (247, 248),  # only in table 6, "Sent", which ends nothing
        State.REJECTED: (1, 8, 10, 11, 49, 69, 72, 73, 80, 249),
    }.items()
    for code in codes
}

# What says a state to others in these codes.
CODES: dict[State, int] = {
    State.QUEUED: 248,
    State.ENROUTE: 248,
    State.ACCEPTED: 250,
    State.DELIVERED: 0,
    State.EXPIRED: 253,
    State.DELETED: 252,
    State.UNDELIVERABLE: 251,
    State.REJECTED: 249,
    State.UNKNOWN: 255,
}

MEANINGS: dict[int, str] = {
    0: "Delivered",
    1: "Rejected: message length is invalid",
    2: "Subscriber absent",
    3: "Device memory capacity exceeded",
    4: "Equipment protocol error",
    5: "Equipment not supported",
    6: "Equipment not SM equipped",
    7: "Unknown service centre",
    8: "Service centre congestion",
    9: "Undeliverable",
    10: "Rejected: invalid source address",
    11: "Invalid destination address",
    12: "Illegal subscriber",
    13: "Teleservice not provisioned",
    14: "Illegal equipment",
    15: "Call barred",
    16: "Facility not supported",
    17: "Subscriber busy for SM",
    18: "System failure",
    19: "Message waiting, list full",
    20: "Data missing",
    21: "Unexpected data value",
    22: "Resource limitation",
    23: "Initiating release",
    24: "Unknown alphabet",
    25: "USSD busy",
    26: "Duplicated invoke ID",
    27: "No supported service",
    28: "Mistyped parameter",
    29: "Unexpected response from peer",
    30: "Service completion failure",
    31: "No response from peer",
    32: "Invalid response received",
    34: "Invalid destination",
    49: "Message type not supported",
    50: "Destination blocked for sending",
    51: "Not enough money",
    52: "No price",
    67: "Invalid esm_class field data",
    69: "Rejected by SMSC",
    72: "Rejected: invalid source address TON",
    73: "Rejected: invalid source address NPI",
    80: "Rejected: invalid destination address TON",
    81: "Rejected: invalid destination address NPI",
    88: "Throttling error",
    97: "Rejected: invalid scheduled delivery time",
    100: "Error sending message",
    247: "Sent",
    248: "Sent",
    249: "Rejected",
    250: "Accepted",
    251: "Undeliverable",
    252: "Deleted",
    253: "Expired",
    254: "Roaming level not supported",
    255: "Unknown error",
}


def routo_state(code: str) -> State | None:
    """The state of a code; any other value is UNKNOWN, as §4.3 says. None: no number."""
    if not (code.isascii() and code.isdecimal()):
        return None
    return _STATES.get(int(code[:9]), State.UNKNOWN)


def routo_meaning(code: str) -> str:
    """What the manual says of a code; empty: nothing."""
    return MEANINGS.get(int(code[:9]), "") if code.isascii() and code.isdecimal() else ""
