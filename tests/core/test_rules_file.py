"""Rules as a file: what is written is read again; what is wrong is named with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.rulebook import LONGEST_PATTERN, MOST_OF_EACH, MOST_RULES, compile_rule, compile_rules, read_rows
from voipsms.rules_file import read_toml, write_toml
from voipsms.store.rules import RuleError, RuleText

WHOLE = """\
# The rules of voipsms, in order, for `voipsms rule import`; docs/rules.md tells what can stand here.

[[rule]]
name = "No premium numbers"
enabled = true
when = [
    { field = "to", starts = ["3690", "3691"] },
    { field = "user", is = "boss", not = true },
]
then = [
    { do = "refuse", text = "Premium numbers are blocked" },
]

[[rule]]
name = "A \\"quoted\\" \\\\ \\u0001\\n one"
enabled = false
when = []
then = [
    { do = "answer", code = 403, text = "" },
]
"""


def test_the_file_is_stable() -> None:
    assert write_toml(read_toml(WHOLE, "x")) == WHOLE


def test_other_ways_to_write_it() -> None:
    text = "[[rule]]\nname='a'\nthen=[{do='stop'}]\n[[rule]]\nname='b'\n[[rule.then]]\ndo='gateway'\nname='g'\n"
    assert read_toml(text, "x") == [
        RuleText("a", True, (), ({"do": "stop"},)), RuleText("b", True, (), ({"do": "gateway", "name": "g"},)),
    ]  # fmt: skip
    assert read_toml("", "x") == []


UNREADABLE = {
    "cut off half-way": (WHOLE[: len(WHOLE) // 2], r"^rules.toml: .*(line|end)"),
    "no TOML": ("<xml/>", r"^rules.toml: .*line 1"),
    "another table": ("[rules]\n", r"^rules.toml: rules: must be \[\[rule\]\]"),
    "one table, not several": ("[rule]\nname = 'a'\n", r"^rules.toml: rule: must be"),
    "no table": ("rule = [1]\n", r"^rules.toml: rule 1: must be"),
    "an unknown key": ("[[rule]]\nname = 'a'\nif = []\n", r"^rules.toml: rule 1: if: must be one of name, enabled"),
    "no name": ("[[rule]]\nthen = []\n", r"^rules.toml: rule 1: must have a name"),
    "enabled by a word": ("[[rule]]\nname = 'a'\nenabled = 'yes'\n", r"enabled is true or false"),
    "conditions that are none": ("[[rule]]\nname = 'a'\nwhen = 'x'\n", r"rule 1 \(a\): when, then: must be tables"),
    "brackets without end": ("a = " + "[" * 100_000, r"^rules.toml: "),
}


@pytest.mark.parametrize("text, right", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(text: str, right: str) -> None:
    with pytest.raises(RuleError, match=right):
        read_toml(text, "rules.toml")


STOP = {"do": "stop"}
TO = {"field": "to", "is": "1"}


def when(*conditions: Any) -> dict[str, Any]:
    return {"when": conditions, "then": (STOP,)}


def then(**action: Any) -> dict[str, Any]:
    return {"then": (action,)}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no action": ({}, "must have 1 to 50 actions"),
    "too many": ({"then": (STOP,) * (MOST_OF_EACH + 1)}, "must have 1 to 50 actions"),
    "no table": (when("x"), "rule 'r', when 1: must be a table"),
    "no field": (when({"is": "1"}), "when 1: field: must be one of from, to, text, user, direction"),
    "an unknown field": (when(TO, {"field": "cc", "is": "1"}), "when 2: field: must be one of"),
    "a field of requests": (when({"field": "method", "is": "MESSAGE"}), "field: must be one of from, to"),
    "nothing compared": (when({"field": "to"}), "must have one of is, starts, has, matches"),
    "two comparisons": (when({"field": "to", "is": "1", "has": "1"}), "must have one of is, starts"),
    "an unknown comparison": (when({**TO, "like": "1"}), "like: is not understood here"),
    "a number": (when({"field": "to", "is": 1}), "is: must be a text, or several"),
    "an empty text": (when({"field": "to", "is": ""}), "is: must be a text"),
    "no texts": (when({"field": "to", "is": []}), "is: must be a text"),
    "too many texts": (when({"field": "to", "is": ["1"] * 1001}), "is: must be 1000 texts at the most"),
    "a long text": (when({"field": "to", "is": "1" * 1001}), "is: must have 1000 characters"),
    "NUL": (when({"field": "to", "is": "\0"}), "is: must be without NUL"),
    "half a character": (when({"field": "to", "is": "\ud83d"}), "is: must be without NUL and halves"),
    "not by a word": (when({**TO, "not": "yes"}), "not: must be true or false"),
    "a bad pattern": (when({"field": "to", "matches": "a("}), r"when 1: matches: character 2: missing \)"),
    "a long pattern": (when({"field": "to", "matches": "a" * (LONGEST_PATTERN + 1)}), "must have 255 characters"),
    "several patterns": (when({"field": "to", "matches": ["a"]}), "matches: must be a text"),
    "an unknown action": (then(do="explode"), "then 1: do: must be one of rewrite, prefix, gateway"),
    "no do": (then(name="x"), "then 1: do: must be one of"),
    "a word too much": (then(do="stop", text="x"), "then 1: text: is not understood here"),
    "rewrite the user": (then(do="rewrite", field="user", pattern="a"), "field: must be one of from, to, text"),
    "rewrite without a pattern": (then(do="rewrite", field="to"), "pattern: must be a text"),
    "a group too many": (then(do="rewrite", field="to", pattern="(a)", by="$2"), r"by: \$2: the pattern has 1 groups"),
    "an empty prefix": (then(do="prefix", field="to", text=""), "text: must be a text"),
    "no gateway": (then(do="gateway"), "name: must be a text"),
    "two lines": (then(do="refuse", text="a\nb"), "text: must be one line"),
    "copy to nobody": (then(do="copy"), "number: must be a text"),
    "copy to no number": (then(do="copy", number="bob"), "'bob' is not a possible phone number"),
    "copy to no address": (then(do="copy", mail="bob"), "mail: must be an address"),
    "copy to two addresses": (then(do="copy", mail="a@b.example,c@d.example"), "mail: must be an address"),
    "an address with a header": (then(do="copy", mail="a@b.example?bcc=c@d.example"), "mail: must be an address"),
    "copy to both": (then(do="copy", mail="a@b.example", number="1234"), "number: is not understood here"),
    "a program without a path": (then(do="run", command="rm -rf /"), "command: must begin with the program's path"),
    "a file as a webhook": (then(do="webhook", url="file:///etc/passwd"), "url: must be http"),
    "an answer below 200": (then(do="answer", code=100), "code: must be a whole number, 200 to 699"),
    "an answer by words": (then(do="answer", code="403"), "code: must be a whole number"),
    "an answer by truth": (then(do="answer", code=True), "code: must be a whole number"),
    "an answer with a line end": (then(do="answer", code=403, text="a\r\nX: y"), "text: must be one line"),
    "an answer and more": ({"then": ({"do": "answer", "code": 403}, STOP)}, "answer must be the only action"),
    "a request by its text": (
        {"when": ({"field": "text", "is": "a"},), "then": ({"do": "answer", "code": 403},)},
        "field: must be one of method, number, from",
    ),
}


@pytest.mark.parametrize("parts, right", WRONG.values(), ids=WRONG)
def test_what_is_wrong(parts: dict[str, Any], right: str) -> None:
    with pytest.raises(RuleError, match=right):
        compile_rule(RuleText("r", True, **parts))


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_names(name: str) -> None:
    with pytest.raises(RuleError, match="a name has 1 to 64 printable characters"):
        compile_rule(RuleText(name, True, (), (STOP,)))


def test_two_of_a_name_and_too_many() -> None:
    with pytest.raises(RuleError, match="rule 'a': there are two of this name"):
        compile_rules([RuleText("a", True, (), (STOP,)), RuleText("a", False, (), (STOP,))])
    with pytest.raises(RuleError, match="there are 1001 rules"):
        compile_rules(RuleText(str(n), True, (), (STOP,)) for n in range(MOST_RULES + 1))


def test_one_that_is_disabled_has_to_be_right_too() -> None:
    with pytest.raises(RuleError, match="do: must be one of"):
        compile_rules([RuleText("a", False, (), ({"do": "later"},))])


ROWS = [
    ("good", 1, "[]", json.dumps([STOP])),
    ("off", 0, "[]", json.dumps([STOP])),
    ("no JSON", 1, "[", "[]"),
    ("no array", 1, "1", "[]"),
    ("no rule", 1, "[]", json.dumps([{"do": "dance"}])),
    ("words", 1, json.dumps(["x"]), json.dumps([STOP])),
]


def test_a_row_that_somebody_has_spoilt_takes_no_other_along() -> None:
    assert [rule.name for rule in read_rows(tuple(ROWS)).of_messages] == ["good"]


DOCUMENTED = (Path(__file__).parents[2] / "docs/rules.md").read_text()


def test_the_examples_of_the_document_can_be_imported() -> None:
    files = re.findall(r"```toml\n(.*?)```", DOCUMENTED, re.DOTALL)
    assert [len(compile_rules(read_toml(file, "x")).of_messages) for file in files] == [2, 1, 0]
    actions = re.findall(r"^\| `(\{ do = .*?\})` \|", DOCUMENTED, re.MULTILINE)
    assert len(actions) == 9
    for action in actions:
        compile_rules(read_toml(f"[[rule]]\nname = 'x'\nthen = [{action}]\n", "x"))


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
value = st.one_of(text, st.booleans(), st.integers(-(2**62), 2**62), st.lists(text, max_size=4))
tables = st.lists(st.dictionaries(text, value, max_size=4), max_size=4).map(tuple)
texts = st.builds(RuleText, text, st.booleans(), tables, tables)


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, max_size=4))
def test_what_is_written_is_read_again(rules: list[RuleText]) -> None:
    assert read_toml(write_toml(rules), "x") == rules


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("[]{}=\"'\\rule.name=then \n", max_size=60)))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        for rule in read_toml(text, "x"):
            compile_rule(rule)
    except RuleError:
        return


@settings(max_examples=200, deadline=None)
@given(texts)
def test_no_rule_raises_anything_else(rule: RuleText) -> None:
    try:
        compile_rule(rule)
    except RuleError:
        return
