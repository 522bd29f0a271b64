"""The keywords of the Mizu document, and `{SELECT …}`."""

from __future__ import annotations

import re

import pytest

from tests.connectors.messages import message
from voipsms.connectors.dialects import DIALECTS
from voipsms.connectors.dialects.select import Select
from voipsms.connectors.template import RequestTemplate, compile_value, values
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId
from voipsms.values import replace

MESSAGE = replace(message("hi", number=77), client_ip="192.0.2.7")


@pytest.mark.parametrize(
    "template, sent",
    [
        ("[fromid] [fromnum] [tonum] [message]", "1 36301234567 36209876543 hi"),
        ("[smscounter] [smsid] [gatewayid] [clientip]", "9 77 4 192.0.2.7"),
        ("[user] [password] [apikey] [option]", "me secret key opt"),
        ("[ToNum][MESSAGE][SMSid]", "36209876543hi77"),
        ("[[tonum]] [1] [] [a1] [true] [FALSE] [null]", "[36209876543] [1] [] [a1] [true] [FALSE] [null]"),
        ("{ {tonum} } {{ tonum } %number {SELECTED}", "{ {tonum} } {{ tonum } %number {SELECTED}"),
        ("", ""),
    ],
)
def test_keywords(template: str, sent: str) -> None:
    settings = GatewaySettings(user="me", password="secret", apikey="key", option="opt")
    named = values(MESSAGE, gateway=settings, gateway_id=GatewayId(4), counter=9)
    assert compile_value("g", "k", template, dialect="mizu")(named) == sent


def test_sender_replaces_fromnum() -> None:
    compiled = RequestTemplate(GatewaySettings(smsurl="http://a.test/?f=[fromnum]", sender="ACME"))
    assert compiled.render(MESSAGE).url == "http://a.test/?f=ACME"


def test_further_keywords() -> None:
    template = compile_value("g", "k", "[message]-[State]", extra=("state",))
    assert template({**values(MESSAGE), "state": "x"}) == "hi-x"


@pytest.mark.parametrize(
    "template, error",
    [
        ("a[messag]", "character 2: unknown keyword [messag]; did you mean [message]?"),
        ("[messageId]", "character 1: unknown keyword [messageId]; did you mean [message]?"),
        ("a{SELECT [tonumm]}", "character 10: unknown keyword [tonumm]; did you mean [tonum]?"),
        ("a{SELECT 'x[tonumm]'}", "character 12: unknown keyword [tonumm]; did you mean [tonum]?"),
    ],
)
def test_unknown_keywords(template: str, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(f"[g] k: {error}")):
        compile_value("g", "k", template)


# -- statements ---------------------------------------------------------------------------------------------------

NAMED = {"tonum": "36209876543", "fromnum": "O'Neil \ud800", "message": "'; DROP TABLE x", "smsid": "77"}

STATEMENTS = {
    "plain": ("SELECT name FROM t WHERE n = [tonum]", "SELECT name FROM t WHERE n = ?", ["36209876543"]),
    "quoted": ("SELECT name FROM t WHERE n = '[tonum]'", "SELECT name FROM t WHERE n = ?", ["36209876543"]),
    "double quotes": ('SELECT name FROM t WHERE n = "[tonum]"', "SELECT name FROM t WHERE n = ?", ["36209876543"]),
    "within": ("SELECT a WHERE n LIKE '%[tonum]_'", "SELECT a WHERE n LIKE ?", ["%36209876543_"]),
    "two in one": ("SELECT '[tonum]-[SMSID]', [smsid]", "SELECT ?, ?", ["36209876543-77", "77"]),
    "case": ("select A from B where c=[TONUM]", "select A from B where c=?", ["36209876543"]),
    "values that would be SQL": ("SELECT '[message]'", "SELECT ?", ["'; DROP TABLE x"]),
    "half surrogate pairs": ("SELECT [fromnum]", "SELECT ?", ["O'Neil ?"]),
    "quotes in a string": ("SELECT 'it''s [tonum]'", "SELECT ?", ["it's 36209876543"]),
    "a string alone": ("SELECT 'it''s; -- {x} #' , \"a;b\"", "SELECT 'it''s; -- {x} #' , \"a;b\"", []),
    "a question mark": ("SELECT 'who?'", "SELECT ?", ["who?"]),
    "an empty string": ("SELECT '', [tonum]", "SELECT '', ?", ["36209876543"]),
    "names": ("SELECT `a;b` FROM `into`", "SELECT `a;b` FROM `into`", []),
    "operators": ("SELECT a->'$.b', 5 - -3, c || d", "SELECT a->'$.b', 5 - -3, c || d", []),
    "words in words": ("SELECT intox, forupdate FROM t", "SELECT intox, forupdate FROM t", []),
    "lines": ("SELECT a\n FROM t\n", "SELECT a\n FROM t", []),
    "nothing": ("SELECT 1", "SELECT 1", []),
}  # fmt: skip


def statement(sql: str) -> Select:
    pieces, selects = DIALECTS["mizu"](f"a{{{sql}}}[tonum]", 0, ())
    assert len(pieces) == 3
    (select,) = selects
    return select


@pytest.mark.parametrize("sql, compiled, bound", STATEMENTS.values(), ids=STATEMENTS)
def test_statements(sql: str, compiled: str, bound: list[str]) -> None:
    select = statement(sql)
    assert (select.sql, select.bind(NAMED)) == (compiled, bound)
    assert select.sql.count("?") == len(bound)


BAD_STATEMENTS = {
    "two": ("SELECT 1; SELECT 2", 10, "';' would end the statement: there can be one alone"),
    "one and its end": ("SELECT 1;", 10, "';' would end"),
    "comment": ("SELECT 1 -- x", 11, "'--' begins a comment, which could hide something"),
    "MySQL comment": ("SELECT 1 # x", 11, "'#' begins a comment"),
    "block comment": ("SELECT /*! 1 */ 1", 9, "'/*' begins a comment"),
    "end of a comment": ("SELECT 1 */ 1", 11, "'*/' begins a comment"),
    "outfile": ("SELECT 1 INTO OUTFILE '/tmp/x'", 11, "INTO would do more than read"),
    "dumpfile": ("SELECT 1 into dumpfile '/tmp/x'", 11, "into would do more than read"),
    "into a variable": ("SELECT 1 INTO @x", 11, "INTO would do more than read"),
    "for update": ("SELECT a FROM t FOR  UPDATE", 18, "FOR  UPDATE would do more than read"),
    "for share": ("SELECT a FROM t for share", 18, "for share would do more than read"),
    "lock in": ("SELECT a FROM t LOCK IN SHARE MODE", 18, "LOCK IN would do more than read"),
    "procedure": ("SELECT a FROM t PROCEDURE ANALYSE()", 18, "PROCEDURE would do more than read"),
    "a variable": ("SELECT @a := 1", 12, "':=' would set a variable"),
    "a question mark": ("SELECT ?", 9, "'?' stands for a value"),
    "a backslash": ("SELECT \\", 9, "'\\\\' means different things to different databases"),
    "a backslash in a string": ("SELECT 'a\\'", 9, "a backslash or NUL in a string"),
    "an open string": ("SELECT 'a", 9, '"\'" begins a string that does not end'),
    "an open name": ("SELECT `a", 9, "'`' begins a name that does not end"),
    "a value as a name": ("SELECT `[tonum]`", 9, "a value can't be the name of a table or a column"),
    "a brace": ("SELECT {d '2020-01-01'", 9, "a brace can stand in a string alone"),
    "NUL": ("SELECT \0", 9, "'\\x00' is not SQL"),
}


@pytest.mark.parametrize("sql, at, error", BAD_STATEMENTS.values(), ids=BAD_STATEMENTS)
def test_statements_that_could_be_more(sql: str, at: int, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(f"[g] k: character {at}: {error}")):
        compile_value("g", "k", f"{{{sql}}}")


@pytest.mark.parametrize("text", ["x{SELECT 1", "x{SELECT " + "1" * 4000 + "}"])
def test_statements_without_an_end(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^\[g\] k: character 2: a \{SELECT"):
        compile_value("g", "k", text)


def test_one_statement_in_several_places_is_asked_once() -> None:
    sql = "{SELECT name FROM t WHERE n = '[tonum]'}"
    compiled = RequestTemplate(GatewaySettings(
        smsurl=f"http://a.test/?a={sql}", smssenddata=f'{{"a":"{sql}","b":{sql},"c":{{SELECT 1}}}}',
        smssendheader=f"X: {sql}|Y: 1",
    ))  # fmt: skip
    one, two = compiled.selects
    assert (one.sql, two.sql) == ("SELECT name FROM t WHERE n = ?", "SELECT 1")
    assert {one.name, two.name} <= compiled.names
    request = compiled.render(MESSAGE, selected={one.name: 'x"&', two.name: "7"})
    assert request.url == "http://a.test/?a=x%22%26"
    assert request.body == b'{"a":"x\\"&","b":"x\\"&","c":7}'
    assert dict(request.headers)["X"] == "x%22&"
