"""Texts that the gateway itself sends: to whom, how often, and never in a circle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.core.world import ALICE, BOB, FIXED, MOBILE, directory
from voipsms.accept import accept
from voipsms.automatic import HOUR, MOST, MOST_ASKED, PHONES, QUIET, Automatic
from voipsms.errors import NoCredit, OptedOut, Refused, StoreError, Unavailable
from voipsms.model import GatewayId, Incoming, MessageId, Millis, Msisdn, Submission, UserId
from voipsms.numbers_book import NumberBook
from voipsms.settings import GlobalSettings
from voipsms.values import replace

ALICE_ID = UserId(1)
TEXT = "You will no longer receive messages from 36201234567."


@dataclass
class Desk:
    """An intake that remembers what it was given; and a clock."""

    now: Millis = Millis(1_800_000_000_000)
    fault: Exception | None = None
    seen: list[Submission] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.automatic = self.process()

    def process(self) -> Automatic:
        """Another one, or after a start."""
        known = directory()
        known.book = NumberBook([("36205550000", 1, "", 2, 0), ("36205560000", 0, "fun", 2, 0)])
        return Automatic(self, known, GlobalSettings, lambda: self.now)

    async def submit(self, submission: Submission) -> object:
        if self.fault:
            raise self.fault
        self.seen.append(submission)
        return None

    async def send(self, target: str = MOBILE, text: str = TEXT, key: bytes = b"") -> bool:
        return await self.automatic.send(ALICE_ID, ALICE, target, text, key)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    assert all(len(one.ingress_key) == 16 for one in desk.seen)


async def test_is_billed_and_free_of_what_binds_others(desk: Desk) -> None:
    assert await desk.send()
    (sent,) = desk.seen
    assert (sent.door, sent.payers, sent.sender, sent.target, sent.text) == ("auto", ("alice",), ALICE, MOBILE, TEXT)
    assert sent.free_sender
    assert sent.exempt


TARGETS = [
    ("a mobile", MOBILE, True),
    ("another phone", FIXED, True),
    ("a short code", "1234", False),
    ("a name", "BANK", False),
    ("nothing", "", False),
    ("a number of an account", BOB, False),
    ("a number of a range", "36205550000", False),
    ("a shared number", "36205560000", False),
    ("one of ours, spelled otherwise", "+36 20 555 0000", False),
]


@pytest.mark.parametrize("target, sent", [row[1:] for row in TARGETS], ids=[row[0] for row in TARGETS])
async def test_only_to_phones(desk: Desk, target: str, sent: bool) -> None:
    assert await desk.send(target) is sent
    assert len(desk.seen) is int(sent)


async def test_nobody_pays(desk: Desk) -> None:
    assert not await desk.automatic.send(UserId(999), ALICE, MOBILE, TEXT)
    assert not await desk.send(text="")
    assert desk.seen == []


async def test_few_to_a_phone(desk: Desk) -> None:
    assert [await desk.send(text=f"text {n}") for n in range(MOST + 1)] == [True] * MOST + [False]
    assert await desk.send(FIXED)
    desk.now = Millis(desk.now + HOUR)
    assert await desk.send()


async def test_the_same_once_in_ten_minutes(desk: Desk) -> None:
    assert [await desk.send(), await desk.send(), await desk.send(text="another")] == [True, False, True]
    desk.now = Millis(desk.now + QUIET)
    assert await desk.send()
    assert len(desk.seen) == 3


async def test_what_is_kept_is_bounded(desk: Desk) -> None:
    for n in range(PHONES + 5):
        await desk.send(f"3620{n:07}")
    assert len(desk.automatic._told) == PHONES


async def test_one_occasion_is_one_request_to_every_process(desk: Desk) -> None:
    await desk.send(key=b"the STOP of somebody")
    desk.automatic = desk.process()
    desk.now = Millis(desk.now + 5 * HOUR)
    await desk.send(key=b"the STOP of somebody")
    await desk.send(FIXED, key=b"the STOP of somebody")
    first, again, other = (one.ingress_key for one in desk.seen)
    assert first == again != other


async def test_without_a_key_ten_minutes_are_one_occasion(desk: Desk) -> None:
    for after in (0, QUIET):
        desk.now = Millis(1_800_000_000_000 + after)
        desk.automatic = desk.process()
        await desk.send()
    assert desk.seen[0].ingress_key != desk.seen[1].ingress_key


@pytest.mark.parametrize(
    "fault", [NoCredit(), Unavailable(), StoreError("gone")], ids=lambda fault: type(fault).__name__
)
async def test_is_refused(desk: Desk, fault: Exception) -> None:
    desk.fault = fault
    assert not await desk.send()


OPTED_OUT = "36201110000"


@pytest.mark.parametrize("exempt, refusal", [(False, OptedOut), (True, None)])
def test_who_has_opted_out_is_told_so(exempt: bool, refusal: type[Refused] | None) -> None:
    asked = Submission("auto", ("alice",), ALICE, OPTED_OUT, TEXT, exempt=exempt)

    def decide() -> str:
        made = accept(asked, directory(), GlobalSettings(), lambda _: (GatewayId(50),), "", MessageId(1), Millis(1))
        return made.target

    if refusal is None:
        assert decide() == OPTED_OUT
    else:
        with pytest.raises(refusal):
            decide()


INCOMING = Incoming(MessageId(1), Millis(1), GatewayId(50), Msisdn(MOBILE), Msisdn(ALICE), "HELP")
HEARD: list[tuple[str, dict[str, str], bool]] = [
    ("a word", {}, True),
    ("a text", {"text": "Is the shop open on Sunday?"}, True),
    ("from a short code", {"source": "1234"}, False),
    ("from a name", {"source": "BANK"}, False),
    ("from one of our numbers", {"source": BOB}, False),
    ("from a range of ours", {"source": "36205550000"}, False),
    ("STOP", {"text": "Stop."}, False),
    ("our own confirmation", {"text": TEXT}, False),
    ("our own confirmation, forwarded", {"text": f"Fwd: {TEXT.upper()}\n-- \nSent from a phone"}, False),
    ("not delivered", {"text": "Undeliverable: your message of 10:32"}, False),
    ("a report", {"text": "Delivery Status Notification (Failure)"}, False),
    ("a report in words", {"text": "Message not delivered to +36201234567"}, False),
    ("out of office", {"text": "I'm away"}, True),
    ("out of office, said so", {"text": "Out of office: back on Monday"}, False),
    ("auto-reply", {"text": "[Auto-Reply] I am driving"}, False),
    ("automatic in French", {"text": "Réponse automatique : absent"}, False),
]


@pytest.mark.parametrize("changes, answered", [row[1:] for row in HEARD], ids=[row[0] for row in HEARD])
def test_programs_are_not_answered(desk: Desk, changes: dict[str, str], answered: bool) -> None:
    assert desk.automatic.answerable(replace(INCOMING, **changes)) is answered


async def test_what_a_phone_was_told_is_known_when_it_comes_back(desk: Desk) -> None:
    said = "Nobody of that name is here, sorry"
    heard = replace(INCOMING, text=f"> {said}")
    assert desk.automatic.answerable(heard)
    await desk.send(text=said)
    assert not desk.automatic.answerable(heard)
    assert desk.automatic.answerable(replace(heard, source=Msisdn(FIXED)))


async def test_answers_to_commands_are_more(desk: Desk) -> None:
    """To users' own phones, too, and the same one again; but not without end."""

    async def answer(target: str = BOB, key: bytes = b"") -> bool:
        return await desk.automatic.send(ALICE_ID, ALICE, target, TEXT, key, asked=True)

    for n in range(MOST_ASKED):
        assert await answer(key=b"%d" % n)
    assert not await answer(key=b"x")
    assert not await answer("1234")
    assert not await answer("36205550000"), "a range is no phone"
    assert not await desk.send(BOB)
    desk.now = Millis(desk.now + HOUR)
    assert await answer()
