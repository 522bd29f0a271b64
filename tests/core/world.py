"""A directory of known users, and submissions to try on it."""

from __future__ import annotations

from voipsms.directory import Directory
from voipsms.model import Coding, GatewayId, Message, MessageId, Micros, Millis, Msisdn, Submission, UserId
from voipsms.settings import GlobalSettings
from voipsms.values import replace

MOBILE, FIXED, ALICE, BOB = "36201112233", "3614567890", "36201234567", "36309876543"
CARRIER = GatewayId(50)
USERS = [  # id, username, type, ha1_md5, ha1_sha256, enabled, balance, credit_limit, currency
    (1, "alice", "enduser", "a" * 32, "b" * 64, 1, 1_000_000, 0, "EUR"),
    (2, "bob", "enduser", "", "", 1, -900_000, 1_000_000, "EUR"),
    (3, "carol", "enduser", "", "", 0, 1_000_000, 0, "EUR"),
    (4, "admin", "admin", "", "", 1, -5_000_000, 0, "EUR"),
    (5, "poor", "enduser", "", "", 1, 49_999, 0, "EUR"),
    (6, "pbx", "enduser", "", "", 1, 1_000_000, 0, "EUR"),
    (50, "carrier", "smsgw", "", "", 1, 0, 0, "EUR"),
]
NUMBERS = [(ALICE, 1), ("36201234568", 1), (BOB, 2)]
OPTED_OUT = [("36201110000", 0, ""), ("36201110001", 0, ALICE)]  # number, account, sender
SETTINGS = GlobalSettings()
SUBMISSION = Submission(door="test", payers=("alice",), sender="alice", target=MOBILE, text="Hi")


def directory() -> Directory:
    found = Directory()
    found.load(USERS, NUMBERS, OPTED_OUT)
    return found


def submission(**changes: object) -> Submission:
    return replace(SUBMISSION, **changes)


def message(number: int = 1, text: str = "Hi", **changes: object) -> Message:
    made = Message(
        id=MessageId(number), created=Millis(1_800_000_000_000), door="test", user_id=UserId(1), gateway_id=CARRIER,
        sender=ALICE, target=Msisdn(MOBILE), text=text, coding=Coding.GSM7, parts=1, duration=60,
        price=Micros(50_000), cost=Micros(0), currency="EUR",
    )  # fmt: skip
    return replace(made, **changes)
