from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.world import ALICE, BOB, CARRIER, FIXED, MOBILE, SETTINGS, directory, submission
from voipsms.accept import accept
from voipsms.errors import (
    BadUserData,
    EmptyText,
    ImpossibleNumber,
    NobodyToBill,
    NoCredit,
    NoGateway,
    NotConverted,
    OptedOut,
    Refused,
    TooLong,
    UserInactive,
)
from voipsms.model import Coding, GatewayId, Message, MessageId, Millis, Submission
from voipsms.settings import GlobalSettings


def decide(
    asked: Submission,
    settings: GlobalSettings = SETTINGS,
    gateways: tuple[GatewayId, ...] = (CARRIER,),
    bill_to: str = "",
) -> Message:
    return accept(asked, directory(), settings, lambda asked: gateways, bill_to, MessageId(7), Millis(9))


REFUSED: list[tuple[str, Submission, type[Refused]]] = [
    ("nobody", submission(payers=("mallory",)), NobodyToBill),
    ("nobody at all", submission(payers=("",)), NobodyToBill),
    ("a gateway's name", submission(payers=("carrier",)), NobodyToBill),
    ("inactive", submission(payers=("carol",)), UserInactive),
    ("prepaid, one millionth short", submission(payers=("poor",)), NoCredit),
    ("letters", submission(target="bob"), NotConverted),
    ("short code", submission(target="1234"), NotConverted),
    ("fixed line", submission(target=FIXED), NotConverted),
    ("impossible", submission(target="+361"), ImpossibleNumber),
    ("opted out of everything", submission(target="36201110000"), OptedOut),
    ("opted out of this sender", submission(target="36201110001"), OptedOut),
    ("no text", submission(text=""), EmptyText),
    ("a header of another length", submission(octets=b"x", udh=b"\x03\x00"), BadUserData),
    ("a header without room", submission(octets=b"x" * 9, udh=b"\x86" + b"h" * 134), BadUserData),
    ("eleven binary parts", submission(octets=b"x" * (134 * 10 + 1)), TooLong),
    ("eleven parts", submission(text="x" * (153 * 10 + 1)), TooLong),
    ("300 parts", submission(text="x" * 153 * 300), TooLong),
]


@pytest.mark.parametrize("asked, refusal", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refuses(asked: Submission, refusal: type[Refused]) -> None:
    with pytest.raises(refusal) as caught:
        decide(asked)
    assert type(caught.value) is refusal


def test_refuses_without_a_gateway() -> None:
    with pytest.raises(NoGateway):
        decide(submission(), gateways=())


def test_refuses_everything_when_switched_off() -> None:
    with pytest.raises(NotConverted):
        decide(submission(), replace(SETTINGS, enablesms=False))


PAYERS: list[tuple[str, tuple[str, ...], str, int]] = [
    ("by name", ("alice",), "", 1),
    ("by number", (ALICE,), "", 1),
    ("by number with plus", (f"+{BOB}",), "", 2),
    ("asserted before said", ("bob", "alice"), "", 2),
    ("the first that is known", ("sip-trunk-7", "alice"), "", 1),
    ("bill_to for the rest", ("stranger",), "pbx", 6),
    ("postpaid within the limit", ("bob",), "", 2),
    ("admin without limit", ("admin",), "", 4),
]


@pytest.mark.parametrize("payers, bill_to, user", [row[1:] for row in PAYERS], ids=[row[0] for row in PAYERS])
def test_who_pays(payers: tuple[str, ...], bill_to: str, user: int) -> None:
    assert decide(submission(payers=payers), bill_to=bill_to).user_id == user


SENDERS: list[tuple[str, str, tuple[str, ...], str, str]] = [
    ("the user's first number for a name", "alice", ("alice",), "", ALICE),
    ("another number of the user", "+36201234568", ("alice",), "", "36201234568"),
    ("not somebody else's number", BOB, ("alice",), "", ALICE),
    ("a user without numbers", "poor", ("pbx",), "", "poor"),
    ("the switch vouches", "+36301110000", ("stranger",), "pbx", "36301110000"),
    ("admins say what they like", "ACME", ("admin",), "", "ACME"),
    ("letters are cut to eleven", "AcmeCorporation", ("admin",), "", "AcmeCorpora"),
]


@pytest.mark.parametrize("said, payers, bill_to, sender", [r[1:] for r in SENDERS], ids=[r[0] for r in SENDERS])
def test_sender(said: str, payers: tuple[str, ...], bill_to: str, sender: str) -> None:
    assert decide(submission(sender=said, payers=payers), bill_to=bill_to).sender == sender


TEXTS: list[tuple[str, str, str, Coding, int]] = [
    ("plain", "Hi", "Hi", Coding.GSM7, 1),
    ("section sign", "§ 5", "§ 5", Coding.GSM7, 1),
    ("161 characters", "x" * 161, "x" * 161, Coding.GSM7, 2),
    ("unicode", "ő", "ő", Coding.UCS2, 1),
    ("emoji", "😀" * 36, "😀" * 36, Coding.UCS2, 2),
    ("NUL and half a pair", "a\0b\ud83d", "a�b�", Coding.UCS2, 1),
]


@pytest.mark.parametrize("text, kept, coding, parts", [r[1:] for r in TEXTS], ids=[r[0] for r in TEXTS])
def test_text(text: str, kept: str, coding: Coding, parts: int) -> None:
    found = decide(submission(text=text))
    assert (found.text, found.coding, found.parts) == (kept, coding, parts)


def test_transliterates_only_where_asked() -> None:
    asked = submission(text="“ő” – 1")
    assert decide(asked).coding is Coding.UCS2
    assert decide(asked, replace(SETTINGS, transliterate=True)).coding is Coding.GSM7


def test_price_and_duration_are_per_message() -> None:
    found = decide(submission(text="x" * 400), replace(SETTINGS, smsprice=Decimal("0.1"), smstime=30))
    assert (found.parts, found.price, found.duration, found.currency) == (3, 100_000, 30, "EUR")
    assert (found.id, found.created, found.gateway_id, found.target) == (7, 9, CARRIER, MOBILE)


def test_what_is_reserved_but_not_written_counts() -> None:
    known = directory()
    known.by_name["alice"].pending = 960_000
    with pytest.raises(NoCredit):
        accept(submission(), known, SETTINGS, lambda asked: (CARRIER,), "", MessageId(7), Millis(9))


@given(st.text(), st.text(), st.text(), st.sampled_from([0, 1, 2, 3]))
def test_nothing_but_a_refusal(target: str, sender: str, text: str, mode: int) -> None:
    settings = replace(SETTINGS, sendsmsmessages=mode)
    try:
        found = decide(submission(target=target, sender=sender, text=text, payers=("admin", sender)), settings)
    except Refused:
        return
    assert found.target.isascii()
    assert found.target.isdigit()
    assert "\0" not in found.text


@pytest.mark.parametrize(
    "octets, udh, parts",
    [(140, 0, 1), (141, 0, 2), (268, 0, 2), (269, 0, 3), (133, 7, 1), (134, 7, 2), (256, 7, 2), (257, 7, 3)],
)
def test_binary_parts(octets: int, udh: int, parts: int) -> None:
    header = bytes([udh - 1]) + bytes(udh - 1) if udh else b""
    message = decide(submission(text="ignored", octets=bytes(octets), udh=header))
    assert (message.coding, message.parts, message.text) == (Coding.BINARY, parts, "")
    assert (message.octets, message.udh) == (bytes(octets), header)
