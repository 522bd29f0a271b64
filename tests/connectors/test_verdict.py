from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.connectors.verdict import (
    ERROR_NAMES,
    FLAG_NAMES,
    ID_NAMES,
    LONGEST_ANSWER,
    STATUS_NAMES,
    Outcome,
    Rules,
    comment,
    judge,
    retry_after,
    rules,
)
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings

T, R, L = Outcome.TAKEN, Outcome.REFUSED, Outcome.TEMPORARY


@pytest.mark.parametrize(
    "status, body, outcome, provider_id",
    [
        # plain text
        (200, "ID: 0a1b2c3d4e5f", T, "0a1b2c3d4e5f"),
        (200, "id=42", T, "42"),
        (200, "MessageID: abc-1\r\n", T, "abc-1"),
        (200, "OK", T, ""),
        (200, "OK: 8f9a12bc", T, "8f9a12bc"),
        (200, "OK: message queued", T, ""),
        (200, "success", T, ""),
        (200, "Sent.", T, ""),
        (200, "0: Accepted for delivery", T, ""),
        (200, "3: Queued for later delivery", T, ""),
        (200, "no error", T, ""),
        (200, "", T, ""),
        (204, "", T, ""),
        (200, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", T, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        (200, "OK, sent: there was an error in the test, invalid", T, ""),
        (200, "ERR: 114, Cannot route message", R, ""),
        (200, "ERROR no credit, ID: 4", R, ""),
        (200, "auth_failed", R, ""),
        (200, "wrong_number", R, ""),
        (200, "not_allowed", R, ""),
        (200, "too_many_numbers", R, ""),
        (200, "no_message", R, ""),
        (200, "sys_error", R, ""),
        (200, "bad_operator", R, ""),
        (200, "Message not sent", R, ""),
        (200, "Insufficient funds", R, ""),
        (200, "Number rejected", R, ""),
        (200, "Access denied", R, ""),
        (200, "Error: try again later", L, ""),
        (200, "Throttled", L, ""),
        # forms
        (200, "status=ok&id=77", T, "77"),
        (200, "id=77&status=failed", R, ""),
        # JSON
        (200, '{"messageId":"m-1"}', T, "m-1"),
        (200, '{"message_id":12,"error":null}', T, "12"),
        (202, '{"data":{"id":"a1","errors":[]}}', T, "a1"),
        (200, '{"messages":[{"messageId":"x9","status":{"groupName":"PENDING","id":26}}]}', T, "x9"),
        (200, '{"messages":[{"messageId":"x9","status":{"groupName":"REJECTED","id":6}}]}', R, ""),
        (200, '{"success":true,"error":"","failed":0}', T, ""),
        (200, '{"success":false,"id":1}', R, ""),
        (200, '{"ok":1}', T, ""),
        (200, '{"status":"queued","text":"an error happened"}', T, ""),
        (200, '{"status":"failed","id":"5"}', R, ""),
        (200, '{"message-count":"1","messages":[{"status":"4","error-text":"Bad Credentials"}]}', R, ""),
        (200, '{"message-count":"1","messages":[{"status":"0","message-id":"0C00"}]}', T, "0C00"),
        (200, '{"error":{"code":0,"message":""},"id":"7"}', T, "7"),
        (200, '{"error":{"code":5,"message":"x"},"id":"7"}', R, ""),
        (200, '{"errors":[{"title":"Too many requests"}]}', L, ""),
        (200, '{"message":"Invalid number"}', R, ""),
        (200, '{"rejected":["36301234567"]}', R, ""),
        (200, '{"rejected":0,"invalid":null,"id":"8"}', T, "8"),
        (200, '{"sandbox":false,"cost":0.1}', T, ""),
        (200, '{"id":"' + "x" * 65 + '"}', T, ""),
        (200, '{"id":"a b\\n"}', T, ""),
        (200, '\ufeff {"id":"a"}', T, "a"),
        (200, '{"id":', T, ""),
        (200, "[" * 30_000, T, ""),
        (200, '{"a":' * 9_000 + "1" + "}" * 9_000, T, ""),
        (200, '{"n":' + "9" * 5000 + "}", T, ""),
        # XML
        (200, '<r><messageId>q1</messageId><error code="0"/></r>', T, "q1"),
        (200, '<?xml version="1.0" encoding="ISO-8859-1"?><message id="5"><status>queued</status></message>', T, "5"),
        (200, "<r><error><code>5</code></error></r>", R, ""),
        (200, '<string xmlns="http://x/">OK</string>', T, ""),
        (200, "<a:r xmlns:a='u'><a:fault>busy</a:fault></a:r>", L, ""),
        (200, "<r><status>failed", R, ""),
        (200, '<!DOCTYPE r [<!ENTITY e "failed">]><r>&e;</r>', T, ""),
        # pages for people
        (200, "<!DOCTYPE html><html><title>Welcome</title></html>", R, ""),
        (200, "<html><body>OK</body></html>", T, ""),
        # statuses
        (201, "x", T, ""),
        (300, "OK", R, ""),
        (301, "OK", R, ""),
        (302, "", R, ""),
        (400, "OK", R, ""),
        (401, "", R, ""),
        (402, '{"id":1}', R, ""),
        (404, "", R, ""),
        (408, "", L, ""),
        (425, "", L, ""),
        (429, "OK", L, ""),
        (500, "ERR", L, ""),
        (503, "", L, ""),
        (599, "", L, ""),
        (200, "\x00\x80\xff\x1b[31m", T, ""),
    ],
)
def test_the_guess(status: int, body: str, outcome: Outcome, provider_id: str) -> None:
    verdict = judge(status, body)
    assert (verdict.outcome, verdict.provider_id) == (outcome, provider_id)


def said(success: str = "", fail: str = "", regex: str = "") -> Rules:
    return rules(GatewaySettings(smssuccessstring=success, smsfailstring=fail, smsidregex=regex))


@pytest.mark.parametrize(
    "status, body, success, fail, outcome",
    [
        (200, "ERROR: but taken, ID: 5", "taken", "", T),
        (500, "taken", "taken", "", T),
        (200, "OK", "taken|accepted by us", "", R),
        (200, "accepted by us", "taken|accepted by us", "", T),
        (429, "OK", "taken", "", L),
        (200, "OK but held", "", "held", R),
        (200, "OK", "", "held", T),
        (200, "ERR", "", "held", R),
        (200, "OK held", "OK", "held", R),
        (503, "held", "", "held", R),
        (200, "ok", "OK", "", R),
        (200, "queued: 7", r"re:queued: \d+|sent", "", T),
        (200, "queued: x", r"re:queued: \d+|sent", "", R),
        (200, "yes", r"yes|re:queued: \d+", "", T),
        (200, "OK 12", "", r"re:^OK 1\d$", R),
        (200, "OK 2", "", r"re:^OK 1\d$", T),
        (503, "OK 12", r"re:OK", "", T),
    ],
)
def test_the_operator_s_words_come_first(status: int, body: str, success: str, fail: str, outcome: Outcome) -> None:
    assert judge(status, body, said(success, fail)).outcome is outcome


def test_an_id_beside_the_operator_s_word() -> None:
    assert judge(200, "ERROR taken, ID: 5", said("taken")).provider_id == "5"


@pytest.mark.parametrize(
    "body, regex, provider_id",
    [
        ("OK: ref=<a-1>", r"ref=<(.+?)>", "a-1"),
        ("OK: id=5 ref=<a-1>", r"ref=<(.+?)>", "a-1"),
        ("OK: id=5", r"ref=<(.+?)>", ""),
        ("OK: ref=<>", r"ref=<(.*?)>", ""),
        ("OK: ref=<a b>", r"ref=<(.*?)>", ""),
        ("OK: ref=<" + "x" * 65 + ">", r"ref=<(.*?)>", ""),
        ("OK", r"OK(x)?", ""),
        ("ERR: ref=<a-1>", r"ref=<(.+?)>", ""),
    ],
)
def test_the_id_by_the_operator_s_pattern(body: str, regex: str, provider_id: str) -> None:
    assert judge(200, body, said(regex=regex)).provider_id == provider_id


@pytest.mark.parametrize(
    "settings_, place",
    [
        (GatewaySettings(smssuccessstring="re:(a"), r"\[global\] smssuccessstring: character 1: missing \)"),
        (
            GatewaySettings(smsfailstring="a|re:b**", name="x"),
            r"\[gateway:x\] smsfailstring: character 3: multiple rep",
        ),
        (GatewaySettings(smsidregex="id=.+"), r"\[global\] smsidregex: must have a group"),
    ],
    ids=["success", "fail", "id"],
)
def test_a_pattern_at_fault_stops_the_start(settings_: GatewaySettings, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        rules(settings_)


@pytest.mark.parametrize(
    "location, told",
    [
        ("", "HTTP 302: a redirect, which is not followed: smsurl must be the final address"),
        ("http://[::1", "HTTP 302: a redirect, which is not followed: smsurl must be the final address"),
        ("https://b.test/x?password=p", "HTTP 302: a redirect to https://b.test/x, which is not followed: smsurl must "
         "be the final address"),
    ],
    ids=["nowhere", "no URL", "elsewhere"],
)  # fmt: skip
def test_a_redirect_is_refused_and_explained(location: str, told: str) -> None:
    verdict = judge(302, "<html>moved</html>", location=location)
    assert (verdict.outcome, verdict.comment) == (R, told)


@pytest.mark.parametrize(
    "status, text, shown",
    [
        (400, "ERR: 114\r\n\tno\x00 way\u2028!", "HTTP 400: ERR: 114 no way !"),
        (204, " ", "HTTP 204"),
        (200, "é" * 500, "HTTP 200: " + "é" * 190),
    ],
    ids=["one line", "empty", "long"],
)
def test_comments(status: int, text: str, shown: str) -> None:
    assert comment(status, text) == shown


@pytest.mark.parametrize(
    "value, seconds",
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("99999999999999999999", 3600.0),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=1000.0) == seconds


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=10)
names = st.sampled_from(["error", "id", "status", "success", "x", "messageId"])
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))


@settings(max_examples=300, deadline=None)
@given(body=st.text(max_size=60) | trees.map(json.dumps), status=st.integers(200, 599))
def test_no_answer_raises(body: str, status: int) -> None:
    verdict = judge(status, body)
    assert len(verdict.provider_id) <= 64
    assert verdict.comment.isprintable()


@pytest.mark.parametrize(
    "body",
    ["a" * LONGEST_ANSWER, " " * LONGEST_ANSWER, "<" * LONGEST_ANSWER, "id " * 20_000, "a=" * 30_000,
     "<a>" * 20_000, "a=b&" * 16_000, '{"error":' * 7_000, "1-" * 32_000, "id=" + "a" * 60_000],
)  # fmt: skip
def test_no_answer_takes_long(body: str) -> None:
    """Each takes milliseconds; an expression that backtracks would take minutes."""
    judge(200, body)


DOCUMENT = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| (\d{3}) \| `(.*)` \| (\w+) \| (\S*) ?\|$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("status, body, outcome, provider_id", EXAMPLES)
def test_the_document_s_examples(status: str, body: str, outcome: str, provider_id: str) -> None:
    verdict = judge(int(status), body)
    assert (verdict.outcome.value, verdict.provider_id) == (outcome, provider_id)


def test_the_document_has_examples_of_every_outcome() -> None:
    assert {outcome for _, _, outcome, _ in EXAMPLES} == {outcome.value for outcome in Outcome}


@pytest.mark.parametrize(
    "names", [ERROR_NAMES, FLAG_NAMES, STATUS_NAMES, {*ID_NAMES}], ids=["error", "flag", "status", "id"]
)
def test_the_document_s_names(names: set[str]) -> None:
    assert any(names <= set(re.findall(r"`(\w+)`", line)) for line in DOCUMENT.splitlines())
