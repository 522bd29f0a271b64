"""Rules: what matches, what is done, in which order, and within which bounds."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.patterns import searches
from voipsms.rulebook import compile_rule, compile_rules
from voipsms.rules import LONGEST_TEXT, MOST_EFFECTS, Condition, Copy, Outcome, Refuse, Rule, Rules, Slow, Tell, apply
from voipsms.store.rules import RuleText

FACTS = {"from": "36201234567", "to": "36301112233", "text": "Hello World", "user": "alice", "direction": "out"}
REQUEST = {"method": "MESSAGE", "number": "36301112233", "from": "alice"}
STOP = {"do": "stop"}


def rules(*texts: RuleText | dict[str, Any]) -> Rules:
    named = (text if isinstance(text, RuleText) else rule(f"rule {n}", **text) for n, text in enumerate(texts, 1))
    return compile_rules(named)


def rule(name: str = "rule", when: list[Any] | None = None, then: list[Any] | None = None) -> RuleText:
    return RuleText(name, True, tuple(when or ()), tuple(then or (STOP,)))


def applied(*texts: RuleText | dict[str, Any], **facts: str) -> Outcome:
    return apply(rules(*texts).of_messages, FACTS | facts)


MATCHING = {
    "always": ([], True),
    "is": ([{"field": "user", "is": "alice"}], True),
    "is, in other letters": ([{"field": "user", "is": "ALICE"}], True),
    "is one of several": ([{"field": "to", "is": ["3630", "36301112233"]}], True),
    "is not that": ([{"field": "user", "is": "bob"}], False),
    "is not a part of it": ([{"field": "user", "is": "ali"}], False),
    "starts": ([{"field": "to", "starts": "3630"}], True),
    "starts with one of several": ([{"field": "to", "starts": ["3620", "3630"]}], True),
    "doesn't start": ([{"field": "to", "starts": "30"}], False),
    "has": ([{"field": "text", "has": "lo w"}], True),
    "has none": ([{"field": "text", "has": ["bye", "low"]}], False),
    "matches": ([{"field": "text", "matches": r"Hello\s+W"}], True),
    "matches anywhere": ([{"field": "text", "matches": "World$"}], True),
    "matches the letters as they are": ([{"field": "text", "matches": "hello"}], False),
    "matches any letters": ([{"field": "text", "matches": "(?i)hello"}], True),
    "not": ([{"field": "user", "is": "bob", "not": True}], True),
    "not, though it is": ([{"field": "user", "is": "alice", "not": True}], False),
    "not false": ([{"field": "user", "is": "alice", "not": False}], True),
    "not a pattern": ([{"field": "from", "matches": "^44", "not": True}], True),
    "direction": ([{"field": "direction", "is": "out"}], True),
    "the other direction": ([{"field": "direction", "is": "in"}], False),
    "all of several": ([{"field": "user", "is": "alice"}, {"field": "to", "starts": "36"}], True),
    "all but one": ([{"field": "user", "is": "alice"}, {"field": "to", "starts": "44"}], False),
    "special letters": ([{"field": "user", "is": "STRASSE"}], False),
}


@pytest.mark.parametrize("when, matches", MATCHING.values(), ids=MATCHING)
def test_conditions(when: list[Any], matches: bool) -> None:
    assert applied({"when": when}).matched == (["rule 1"] if matches else [])


def test_folded_letters() -> None:
    assert applied({"when": [{"field": "text", "has": "strasse"}]}, text="Hauptstraße 1").matched


DONE = {
    "rewrite": ([{"do": "rewrite", "field": "to", "pattern": "^3630", "by": "4477"}], {"to": "44771112233"}),
    "rewrite by groups": (
        [{"do": "rewrite", "field": "to", "pattern": r"^36(\d\d)(.*)$", "by": "+$1-$2$$$0"}],
        {"to": "+30-1112233$36301112233"},
    ),
    "rewrite everywhere": ([{"do": "rewrite", "field": "text", "pattern": "o", "by": "0"}], {"text": "Hell0 W0rld"}),
    "take out": ([{"do": "rewrite", "field": "text", "pattern": " World", "by": ""}], {"text": "Hello"}),
    "take out without by": ([{"do": "rewrite", "field": "text", "pattern": " World"}], {"text": "Hello"}),
    "a group that found nothing": (
        [{"do": "rewrite", "field": "text", "pattern": "(x)?Hello", "by": "[$1]"}], {"text": "[] World"},
    ),
    "rewrite what isn't there": ([{"do": "rewrite", "field": "to", "pattern": "^44", "by": "55"}], {}),
    "a digit after a group": (
        [{"do": "rewrite", "field": "to", "pattern": "^(3)", "by": "$10"}], {"to": "306301112233"},
    ),
    "prefix": ([{"do": "prefix", "field": "to", "text": "99"}], {"to": "9936301112233"}),
    "prefix of the text": ([{"do": "prefix", "field": "text", "text": "[ACME] "}], {"text": "[ACME] Hello World"}),
    "rewrite the sender": ([{"do": "rewrite", "field": "from", "pattern": "^.*$", "by": "ACME"}], {"from": "ACME"}),
    "several": (
        [{"do": "prefix", "field": "text", "text": "a"}, {"do": "prefix", "field": "text", "text": "b"}],
        {"text": "baHello World"},
    ),
    "nothing after stop": ([STOP, {"do": "prefix", "field": "text", "text": "a"}], {}),
}  # fmt: skip


@pytest.mark.parametrize("then, changed", DONE.values(), ids=DONE)
def test_changes(then: list[Any], changed: dict[str, str]) -> None:
    outcome = applied({"then": then})
    assert outcome.facts == FACTS | changed
    assert outcome.changed == set(changed)


def test_the_next_rule_sees_what_the_one_before_has_changed() -> None:
    outcome = applied(
        {"then": [{"do": "rewrite", "field": "text", "pattern": "World", "by": "MOON"}]},
        {"when": [{"field": "text", "has": "moon"}], "then": [{"do": "gateway", "name": "night"}]},
        {"when": [{"field": "text", "has": "world"}], "then": [{"do": "gateway", "name": "day"}]},
    )
    assert (outcome.gateway, outcome.matched) == ("night", ["rule 1", "rule 2"])


ENDS = {
    "stop": (STOP, None),
    "refuse": ({"do": "refuse", "text": "No such words here"}, "No such words here"),
    "refuse without words": ({"do": "refuse"}, "Blocked by a rule"),
}


@pytest.mark.parametrize("action, refusal", ENDS.values(), ids=ENDS)
def test_the_end(action: dict[str, Any], refusal: str | None) -> None:
    outcome = applied({"then": [action]}, {"then": [{"do": "gateway", "name": "other"}]})
    assert (outcome.refusal, outcome.gateway, outcome.matched) == (refusal, "", ["rule 1"])


def test_the_last_choice_of_a_gateway_counts() -> None:
    choices = [{"then": [{"do": "gateway", "name": name}]} for name in ("a", "b")]
    assert applied(*choices).gateway == "b"


def test_what_is_done_beside_a_message() -> None:
    then = [
        {"do": "copy", "number": "+36 20 999 8877"},
        {"do": "copy", "mail": "archive@example.com"},
        {"do": "run", "command": "./notify.sh -- [tonum]"},
        {"do": "webhook", "url": "https://hooks.example.com/?to=[tonum]", "body": "x=[message]", "headers": "X-Key: 1"},
        {"do": "copy", "number": "+36209998877"},
    ]
    assert applied({"then": then}).effects == [
        Copy("+36209998877"),
        Tell("mail", "mailto:archive@example.com?subject=SMS%20from%20[fromnum]%20to%20[tonum]"),
        Tell("run", "./notify.sh -- [tonum]"),
        Tell("webhook", "https://hooks.example.com/?to=[tonum]", "x=[message]", "X-Key: 1"),
    ]


def test_only_so_much_is_done_beside_a_message() -> None:
    copies = [{"do": "copy", "number": f"+362099988{n:02}"} for n in range(MOST_EFFECTS + 5)]
    assert len(applied({"then": copies}).effects) == MOST_EFFECTS


def test_each_rule_is_looked_at_once() -> None:
    """One that makes its own condition true again does not loop."""
    feeds = {"when": [{"field": "text", "has": "a"}], "then": [{"do": "prefix", "field": "text", "text": "a"}]}
    assert applied(feeds, feeds, text="a").facts["text"] == "aaa"


def test_a_text_does_not_grow_without_end() -> None:
    doubles = {"then": [{"do": "rewrite", "field": "text", "pattern": r"(?s)^(.*)$", "by": "$1$1"}]}
    outcome = applied(*[doubles] * 30)
    assert len(outcome.facts["text"]) == LONGEST_TEXT + 1


def test_a_replacement_at_each_character_does_not_fill_the_memory() -> None:
    rewrite = {"do": "rewrite", "field": "text", "pattern": r"(?=(.*))", "by": "$1$1$1$1"}
    assert len(applied({"then": [rewrite]}, text="x" * 1000).facts["text"]) == LONGEST_TEXT + 1


SLOW = {
    "a condition": {"when": [{"field": "text", "matches": "(a+)+$"}]},
    "a rewriting": {"then": [{"do": "rewrite", "field": "text", "pattern": "(a+)+$", "by": ""}]},
    "negated": {"when": [{"field": "text", "matches": r"^(\w+\s?)*$", "not": True}]},
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_a_pattern_that_could_run_for_ever_is_stopped(slow: dict[str, Any]) -> None:
    began = time.process_time()
    with pytest.raises(Slow, match=r"rule 'rule 2': its pattern takes too long") as found:
        applied({"when": [{"field": "text", "has": "!"}]} | {"then": [{"do": "gateway", "name": "g"}]}, slow,
                text="a" * 5000 + "!")  # fmt: skip
    assert found.value.rule == "rule 2"
    assert time.process_time() - began < 2
    assert applied(slow, text="a").refusal is None, "the timer has ended with it"


def test_a_process_that_was_busy_with_something_else_gets_a_second_chance() -> None:
    """The timer counts all threads: what they took must not refuse a message, nor end the process."""
    asked = 0

    @searches
    def busy(value: str) -> bool:
        nonlocal asked
        asked += 1
        until = time.process_time() + (0.2 if asked == 1 else 0)
        while time.process_time() < until:
            pass
        return True

    trace = [("left", "over")]
    slow = Rule("r", (Condition("text", busy),), (Refuse("no"),))
    assert (apply([slow], FACTS, trace).refusal, asked) == ("no", 2)
    assert trace == [("r", "matches: refused: no")]


def test_the_trace_says_why() -> None:
    trace: list[tuple[str, str]] = []
    texts = (
        {"when": [{"field": "to", "starts": ["44", "49"]}], "then": [{"do": "refuse"}]},
        {"when": [{"field": "user", "is": "bob", "not": True}], "then": [{"do": "prefix", "field": "to", "text": "9"}]},
        {"then": [{"do": "gateway", "name": "g"}, {"do": "copy", "mail": "a@b.example"}, STOP]},
        {"then": [{"do": "refuse", "text": "never"}]},
    )
    apply(rules(*texts).of_messages, FACTS, trace)
    assert trace == [
        ("rule 1", "not this: to starts ['44', '49']"),
        ("rule 2", "matches: '9' in front of to"),
        ("rule 3", "matches: gateway g, copied by mail, no further rule"),
    ]


ANSWERS = {
    "by method": ([{"field": "method", "is": "MESSAGE"}], (200, "OK")),
    "by another method": ([{"field": "method", "matches": "^INV"}], None),
    "by number": ([{"field": "number", "matches": "^([0-9]).*"}], (200, "OK")),
    "by sender": ([{"field": "from", "is": ["bob", "carol"]}], None),
}


@pytest.mark.parametrize("when, answer", ANSWERS.values(), ids=ANSWERS)
def test_answers_to_sip_requests(when: list[Any], answer: tuple[int, str] | None) -> None:
    found = rules(rule(when=when, then=[{"do": "answer", "code": 200, "text": "OK"}]))
    assert apply(found.of_requests, REQUEST).answer == answer
    assert found.of_messages == ()


def test_rules_that_are_disabled_are_not_in_force() -> None:
    found = compile_rules([RuleText("off", False, (), (STOP,)), RuleText("on", True, (), (STOP,))])
    assert [one.name for one in found.of_messages] == ["on"]


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(max_examples=150, deadline=None)
@given(text=words, to=words, sender=words)
def test_no_value_is_read_as_anything_but_a_value(text: str, to: str, sender: str) -> None:
    """Groups of a message's text go into the result as they are; the other fields and effects stay."""
    outcome = applied(
        {"then": [{"do": "rewrite", "field": "text", "pattern": r"(?s)\A(.*)\Z", "by": "<$1|$0>"}]},
        {"then": [{"do": "run", "command": "./x [message]"}, {"do": "copy", "number": "+36209998877"}]},
        **{"text": text, "to": to, "from": sender},
    )
    assert outcome.facts == FACTS | {"text": f"<{text}|{text}>", "to": to, "from": sender}
    assert outcome.effects == [Tell("run", "./x [message]"), Copy("+36209998877")]
    assert (outcome.gateway, outcome.refusal, outcome.answer) == ("", None, None)


@settings(max_examples=100, deadline=None)
@given(word=words.filter(bool), text=words)
def test_plain_words_are_found_as_python_finds_them(word: str, text: str) -> None:
    compiled = compile_rule(rule(when=[{"field": "text", "has": word}]))
    assert bool(apply([compiled], FACTS | {"text": text}).matched) == (word.casefold() in text.casefold())
