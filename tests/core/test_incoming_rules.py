"""What rules make of a text from a phone: refused, forwarded, rewritten, copied, told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.world import ALICE, MOBILE, NUMBERS, USERS
from voipsms import metrics
from voipsms.directory import Directory
from voipsms.incoming_rules import Ruled, apply_in
from voipsms.model import Belongs, GatewayId, Incoming, MessageId, Millis, Msisdn, UserId
from voipsms.rulebook import compile_rules
from voipsms.rules import Copy, Rules, Tell, apply
from voipsms.store.rules import RuleError, RuleText
from voipsms.values import replace

IN = {"field": "direction", "is": "in"}
OUT = {"field": "direction", "is": "out"}
REFUSE = {"do": "refuse", "text": "No"}
TEXT = Incoming(MessageId(7), Millis(1), GatewayId(50), Msisdn(MOBILE), Msisdn("1234"), "Hello world")


def rules(*texts: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> Rules:
    return compile_rules(RuleText(f"r{n}", True, tuple(when), tuple(then)) for n, (when, then) in enumerate(texts))


def directory(*texts: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> Directory:
    """alice has ALICE, and bob the keyword fun of 1234."""
    found = Directory()
    plain = [(number, 0, "", user, 0) for number, user in NUMBERS]
    found.load(USERS, NUMBERS, [], virtual_numbers=[*plain, ("1234", 0, "fun", 2, 0)])
    found.rules = rules(*texts)
    return found


def test_no_rules() -> None:
    assert apply_in(directory(), TEXT) == Ruled(TEXT)


def test_rules_that_don_t_ask_for_the_direction_are_of_messages_that_go_out() -> None:
    assert apply_in(directory(([], [REFUSE]), ([OUT], [REFUSE])), TEXT) == Ruled(TEXT)


@pytest.mark.parametrize(
    "when",
    [IN, {"field": "direction", "is": ["in", "out"]}, {"field": "direction", "is": "out", "not": True},
     {"field": "direction", "matches": "^(in|out)$"}, {"field": "direction", "starts": "i"}],
    ids=["in", "both", "not out", "pattern", "starts"],
)  # fmt: skip
def test_refused(when: dict[str, Any]) -> None:
    assert apply_in(directory(([when], [REFUSE])), TEXT) == Ruled(TEXT, "No")


def test_rules_of_texts_from_phones_leave_others_alone() -> None:
    facts = {"from": ALICE, "to": MOBILE, "text": "Hi", "user": "alice", "direction": "out"}
    assert apply(rules(([IN], [REFUSE])).of_messages, facts).refusal is None


MATCHED: dict[str, tuple[dict[str, Any], Incoming, bool]] = {
    "from a list": ({"field": "from", "is": [MOBILE, "36309999999"]}, TEXT, True),
    "from none of them": ({"field": "from", "is": ["36309999999"]}, TEXT, False),
    "a pattern of senders": ({"field": "from", "matches": r"^3620\d{7}$"}, TEXT, True),
    "our number": ({"field": "to", "is": "1234"}, TEXT, True),
    "the text": ({"field": "text", "starts": "hello"}, TEXT, True),
    "the number's owner": ({"field": "user", "is": "alice"}, replace(TEXT, target=Msisdn(ALICE)), True),
    "the owner by keyword": ({"field": "user", "is": "bob"}, replace(TEXT, text="fun"), True),
    "nobody's": ({"field": "user", "is": "alice"}, TEXT, False),
}


@pytest.mark.parametrize(("when", "text", "refused"), MATCHED.values(), ids=MATCHED)
def test_conditions(when: dict[str, Any], text: Incoming, refused: bool) -> None:
    assert (apply_in(directory(([IN, when], [REFUSE])), text).refusal == "No") is refused


def test_rewritten() -> None:
    found = apply_in(
        directory(
            ([IN], [{"do": "rewrite", "field": "from", "pattern": "^36", "by": "0036"}]),
            ([IN], [{"do": "rewrite", "field": "to", "pattern": "^1234$", "by": ALICE}]),
            ([IN, {"field": "to", "is": ALICE}], [{"do": "prefix", "field": "text", "text": "[in] "}]),
        ),
        TEXT,
    )
    assert found == Ruled(replace(TEXT, source=Msisdn("00" + MOBILE), target=Msisdn(ALICE), text="[in] Hello world"))


def test_a_binary_message_stays_one() -> None:
    binary = replace(TEXT, text="", octets=b"\1\2")
    found = apply_in(directory(([IN], [{"do": "prefix", "field": "text", "text": "x"}])), binary)
    assert found == Ruled(binary)


def test_forwarded_and_told() -> None:
    found = apply_in(
        directory(
            ([IN], [{"do": "forward", "user": "bob"}, {"do": "webhook", "url": "https://a.example/in"}]),
            ([IN], [{"do": "copy", "number": "+36201234567"}, {"do": "stop"}]),
            ([IN], [REFUSE]),
        ),
        TEXT,
    )
    assert found.belongs == Belongs(UserId(2), "1234")
    assert found.refusal is None
    assert [type(effect) for effect in found.effects] == [Tell, Copy]


def failures() -> float:
    lines = metrics.exposition()[0].decode().splitlines()
    told = [line for line in lines if line.startswith('voipsms_rules_total{action="forward",outcome="failed"}')]
    return float(told[0].split()[-1]) if told else 0.0


def test_forwarded_to_nobody() -> None:
    before = failures()
    assert apply_in(directory(([IN], [{"do": "forward", "user": "carrier"}])), TEXT) == Ruled(TEXT)
    assert failures() == before + 1


def test_what_is_refused_is_not_told() -> None:
    found = apply_in(directory(([IN], [{"do": "copy", "number": "+36201234567"}, REFUSE])), TEXT)
    assert found == Ruled(TEXT, "No")


@pytest.mark.parametrize("octets", [b"", b"\0"])
def test_no_body_goes_to_the_trash(octets: bytes) -> None:
    empty = replace(TEXT, text="", octets=octets)
    assert apply_in(directory(), empty).refusal == ("The message has no text" if not octets else None)


def test_a_text_made_to_hold_up_a_pattern() -> None:
    slow = replace(TEXT, text="a" * 40)
    found = apply_in(directory(([IN, {"field": "text", "matches": "(a+)+b"}], [{"do": "stop"}])), slow)
    assert found == Ruled(slow, "A rule takes too long on this message")


WRONG: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = {
    "forward without a direction": ([], [{"do": "forward", "user": "bob"}], "forward is for texts from phones"),
    "forward of what goes out": ([OUT], [{"do": "forward", "user": "bob"}], "forward is for texts from phones"),
    "forward to nobody": ([IN], [{"do": "forward"}], "user: must be a text"),
    "a gateway of what comes in": ([IN], [{"do": "gateway", "name": "us"}], "gateway is for messages that go out"),
}


@pytest.mark.parametrize(("when", "then", "said"), WRONG.values(), ids=WRONG)
def test_wrong(when: list[dict[str, Any]], then: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(RuleError, match=said):
        rules((when, then))


def test_both_directions_may_have_a_gateway() -> None:
    both = {"field": "direction", "is": ["in", "out"]}
    known = directory(([both], [{"do": "gateway", "name": "us"}, {"do": "forward", "user": "bob"}]))
    assert apply_in(known, TEXT).belongs == Belongs(UserId(2), "1234")
