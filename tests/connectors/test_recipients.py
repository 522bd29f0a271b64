from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.connectors.recipients import judge_each
from voipsms.connectors.verdict import Outcome, Rules, rules
from voipsms.gateway_settings import GatewaySettings

T, R, L = Outcome.TAKEN, Outcome.REFUSED, Outcome.TEMPORARY
ONE, TWO, THREE = "36301111111", "36302222222", "36303333333"


def said(success: str = "", fail: str = "", regex: str = "") -> Rules:
    return rules(GatewaySettings(smssuccessstring=success, smsfailstring=fail, smsidregex=regex))


def told(
    status: int, text: str, targets: list[str], by: Rules = said(), # noqa: B008
) -> list[tuple[Outcome, str]]:  # fmt: skip
    return [(verdict.outcome, verdict.provider_id) for verdict in judge_each(status, text, targets, by)]


@pytest.mark.parametrize(
    "text, first, second",
    [
        # lines and what stands between semicolons
        (f"ID: a1 To: {ONE}\nID: b2 To: {TWO}", (T, "a1"), (T, "b2")),
        (f"ID: a1 To: {ONE}\r\nERR: 114, Cannot route message To: {TWO}\r\n", (T, "a1"), (R, "")),
        (f"OK:a1b2:0.07:{ONE};OK:c3d4:0.07:{TWO}", (T, "a1b2"), (T, "c3d4")),
        (f"ERR: busy, try later To: 00{TWO}\nID: a1 To: +{ONE}", (T, "a1"), (L, "")),
        ("ID: a1\nID: b2", (T, "a1"), (T, "b2")),
        ("ID: a1\nERR: 105, Invalid number", (T, "a1"), (R, "")),
        ("ID: a1\nID: b2\nID: c3", (T, ""), (T, "")),
        (f"OK\n{TWO} rejected", (T, ""), (R, "")),
        # JSON by number
        (f'{{"messages":[{{"to":"{ONE}","messageId":"a"}},{{"to":"{TWO}","messageId":"b"}}]}}', (T, "a"), (T, "b")),
        (f'{{"messages":[{{"to":"{TWO}","messageId":"b"}},{{"to":"{ONE}","messageId":"a"}}]}}', (T, "a"), (T, "b")),
        (f'{{"to":["{ONE}","{TWO}"],"r":[{{"n":{ONE},"id":"a"}},{{"n":{TWO},"error":"no"}}]}}', (T, "a"), (T, "")),
        (f'{{"r":[{{"n":{ONE},"id":"a"}},{{"n":{TWO},"error":"bad number"}}]}}', (T, "a"), (R, "")),
        (f'{{"r":{{"{ONE}":{{"id":"a","ok":true}},"{TWO}":{{"ok":false}}}}}}', (T, "a"), (R, "")),
        (f'{{"id":"x","items":[{{"recipient":{ONE},"status":"sent"}},{{"recipient":{TWO},"status":"failed"}}]}}',
         (T, ""), (R, "")),
        (f'{{"accepted":["{ONE}"],"rejected":["{TWO}"]}}', (T, ""), (R, "")),
        (f'{{"status":"queued","rejected":["{TWO}"],"to":"{ONE},{TWO}"}}', (T, ""), (R, "")),
        (f'{{"success":false,"r":[{{"to":"{ONE}"}},{{"to":"{TWO}","ok":true}}]}}', (R, ""), (T, "")),
        (f'{{"r":[{{"to":"a\\"}}{ONE}","id":"1"}},{{"to":"{TWO}","id":"2"}}]}}', (T, "1"), (T, "2")),
        # JSON in order
        ('{"message_uuid":["a","b"]}', (T, "a"), (T, "b")),
        ('["a-000001","b-000002"]', (T, "a-000001"), (T, "b-000002")),
        ('{"messages":[{"status":"0","message-id":"a"},{"status":"4","error-text":"Bad"}]}', (T, "a"), (R, "")),
        ('{"messages":[{"message-id":"a"},{"error-text":"Bad number"}]}', (T, "a"), (R, "")),
        ('{"messages":[{"status":"ok"},{"status":"failed"}]}', (R, ""), (R, "")),
        ('{"id":"one for all"}', (T, ""), (T, "")),
        ('{"messageId":"m-1"}', (T, ""), (T, "")),
        # XML
        (f'<r><m to="{ONE}"><id>a</id></m><m to="{TWO}"><error>no such number</error></m></r>', (T, "a"), (R, "")),
        (f"<r><m><n>+{TWO}</n><id>b</id></m><m><n>{ONE}</n><id>é</id></m></r>", (T, ""), (T, "b")),
        (f'<r><m to="{ONE}" id="a"/><m to="{TWO}" id="b"/></r>', (T, "a"), (T, "b")),
        ("<r><id>a</id><id>b</id></r>", (T, "a"), (T, "b")),
        (f'<r><status>failed</status><m to="{ONE}"/><m to="{TWO}" id="b"/></r>', (R, ""), (R, "")),
        (f'<r><m to="{ONE}"><n/></m><m to="{TWO}"><m id="b"/></m></r>', (T, ""), (T, "b")),
        # what tells nothing of single ones
        ("OK", (T, ""), (T, "")),
        ("ID: a1", (T, ""), (T, "")),
        ("ERR: 105", (R, ""), (R, "")),
        (f"sent to {ONE},{TWO}", (T, ""), (T, "")),
        ("", (T, ""), (T, "")),
        ('{"r":[', (T, ""), (T, "")),
    ],
)  # fmt: skip
def test_each_gets_its_own(text: str, first: tuple[Outcome, str], second: tuple[Outcome, str]) -> None:
    assert told(200, text, [ONE, TWO]) == [first, second]


@pytest.mark.parametrize(
    "status, by, text, outcomes",
    [
        (200, said(success="QUEUED"), f"QUEUED {ONE}\nHELD {TWO}", [T, R]),
        (200, said(fail="HELD"), f"OK {ONE}\nHELD {TWO}", [T, R]),
        (200, said(fail="re:code [2-9]"), f"code 1 {ONE}\ncode 2 {TWO}", [T, R]),
        (200, said(success="done"), f"done\n{ONE}\n{TWO}", [T, T]),
        (200, said(fail="nope"), f"nope\n{ONE}\n{TWO}", [R, R]),
        (400, said(), f'[{{"to":"{ONE}","id":"a"}},{{"to":"{TWO}"}}]', [R, R]),
        (503, said(), f"OK {ONE}\nOK {TWO}", [L, L]),
        (302, said(), "", [R, R]),
    ],
)
def test_the_operator_s_words_and_the_status(status: int, by: Rules, text: str, outcomes: list[Outcome]) -> None:
    assert [outcome for outcome, _ in told(status, text, [ONE, TWO], by)] == outcomes


def test_ids_by_the_operator_s_pattern() -> None:
    text = f"{ONE}=<x>\n{TWO}=<y>"
    assert told(200, text, [ONE, TWO], said(regex="<(.)>")) == [(T, "x"), (T, "y")]


def test_comments_are_each_one_s_own() -> None:
    found = judge_each(200, f"ID: a1 To: {ONE}\nERR: 1 To: {TWO}", [ONE, TWO, THREE])
    assert [verdict.comment for verdict in found] == [
        f"HTTP 200: ID: a1 To: {ONE}", f"HTTP 200: ERR: 1 To: {TWO}", f"HTTP 200: ID: a1 To: {ONE} ERR: 1 To: {TWO}"
    ]  # fmt: skip


def test_one_recipient_is_judged_by_the_whole() -> None:
    assert told(200, '{"id":"x"}', [ONE]) == [(T, "x")]


def test_a_thousand_recipients() -> None:
    targets = [str(36_300_000_000 + number) for number in range(1000)]
    text = json.dumps({"messages": [{"to": target, "id": f"i{target}"} for target in reversed(targets)]})
    assert told(200, text, targets) == [(T, f"i{target}") for target in targets]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from([ONE, TWO, "+" + ONE])
names = st.sampled_from(["error", "id", "to", "rejected", ONE])
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
markup = st.lists(
    st.sampled_from(["<r>", "</r>", "<m id='1'/>", ONE, TWO, "<![CDATA[", "]]>", "é", "\n", ";"]), max_size=9
)


@settings(max_examples=300, deadline=None)
@given(text=trees.map(json.dumps) | markup.map("".join) | markup.map(lambda pieces: f"<r>{''.join(pieces)}</r>"))
def test_no_answer_raises(text: str) -> None:
    assert len(judge_each(200, text, [ONE, TWO])) == 2


@pytest.mark.parametrize(
    "text",
    ["[" + "1," * 32_000 + "1]", "<r>" + "<m/>" * 16_000 + "</r>", "a;" * 32_000, f"{ONE} {TWO} " * 2_600],
    ids=["JSON", "XML", "lines", "numbers"],
)
def test_no_answer_takes_long(text: str) -> None:
    """Each takes tens of milliseconds; a loop in a loop would take minutes."""
    assert len(judge_each(200, text, [ONE, TWO])) == 2
