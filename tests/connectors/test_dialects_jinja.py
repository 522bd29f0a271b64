"""Plain Jinja2: what may be written, what it makes, and what is refused with its place."""

from __future__ import annotations

import re

import pytest

from tests.connectors.messages import message
from voipsms.connectors import places
from voipsms.connectors.places import Scanner
from voipsms.connectors.template import RequestTemplate, compile_value, values
from voipsms.errors import ConfigError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding
from voipsms.values import replace

MESSAGE = replace(message('Jó "nap"', sender="ACME & Co", number=77), parts=2)
HUNGARIAN, BRITISH = "36209876543", "447911123456"


def rendered(template: str, scanner: Scanner = places.plain) -> str:
    named = values(MESSAGE, gateway=GatewaySettings(user="me", password="p:w", apikey="k&y", option="o"))
    return compile_value("g", "k", template, scanner, dialect="jinja")(named)


WRITTEN = {
    "name": ("to {{ tonum }}!", "to 36209876543!"),
    "no spaces": ("{{tonum}}", "36209876543"),
    "all names": (
        "{{tonum}},{{fromnum}},{{fromid}},{{smsid}},{{smscounter}},{{gatewayid}},{{clientip}},{{user}},{{password}},{{apikey}},"
        "{{option}},{{parts}},{{dcs}},{{binary}},{{unicode}},{{octets}},{{udh}}",
        "36209876543,ACME & Co,1,77,0,2,,me,p:w,k&y,o,2,0,,,,",
    ),
    "urlencode": ("{{ fromnum|urlencode }}", "ACME%20%26%20Co"),
    "json": ("{{ message|json }}", '"J\\u00f3 \\"nap\\""'),
    "xml": ("{{ fromnum|xml }}", "ACME &#38; Co"),
    "hex": ("{{ message|hex }}", "4AC3B320226E617022"),
    "ucs2hex": ("{{ message|ucs2hex }}", "004A00F3002000220" + "06E006100700022"),
    "b64": ("{{ message|b64 }}", "SsOzICJuYXAi"),
    "e164": ("{{ tonum|e164 }} {{ fromnum|e164 }} {{ '1234'|e164 }}", "+36209876543 ACME & Co 1234"),
    "national": ("{{ tonum|national }} {{ '447911123456'|national }}", "06209876543 07911123456"),
    "national of e164": ("{{ tonum|e164|national }}", "06209876543"),
    "national of none": ("{{ fromnum|national }} {{ '1234'|national }} {{ '999999999999'|national }}",
                         "ACME & Co 1234 999999999999"),
    "other filters": ("{{ ' aB '|trim|upper }}{{ message|length }}{{ fromnum|lower }}", "AB8acme & co"),
    "chain": ("{{ 'é'|hex|b64 }}", "QzNBOQ=="),
    "joined": ("{{ user ~ ':' ~ password }}", "me:p:w"),
    "joined, encoded": ("{{ (user ~ ':' ~ password)|b64 }}", "bWU6cDp3"),
    "constant": ("{{ '{{' }}{{ \"}}\" }}{{ 5 }}", "{{}}5"),
    "choice": ("{{ 'long' if parts > 1 else 'short' }}", "long"),
    "choice of one": ("[{{ 'x' if binary }}]", "[]"),
    "slice": ("{{ message[:2] }}{{ message[3:6] }}{{ message[5:] }}", 'Jó"naap"'),
    "comparison": ("{{ parts == 2 }}", "True"),
    "if": ("{% if parts > 1 %}long{% endif %}", "long"),
    "if not": ("{% if not parts > 1 %}short{% else %}long{% endif %}", "long"),
    "elif": ("{% if parts == 1 %}a{% elif parts == 2 %}b{% else %}c{% endif %}", "b"),
    "numbers as texts": ("{% if '10' > '9' and tonum >= 36000000000 %}y{% endif %}", "y"),
    "equal texts": ("{% if option == 'o' and user != 'o' %}y{% endif %}", "y"),
    "within": ("{% if 'nap' in message and '3' not in message %}y{% endif %}", "y"),
    "length": ("{% if message|length <= 8 or unicode %}y{% endif %}", "y"),
    "nested": ("{% if user %}{% if unicode %}a{% else %}b{% endif %}{% endif %}", "b"),
    "for": ("{% for n in targets %}<{{ n }}:{{ loop.index }}{{ loop.last }}>{% endfor %}", "<36209876543:1True>"),
    "white space": ("a  {{- tonum -}}  b {%- if user -%} c {%- endif %} d", "a36209876543bc d"),
    "comment": ("a{# {{ nothing }} #}b {#- x -#} c", "abc"),
    "mizu's keywords": ("[tonum] %data% {{ tonum }}", "[tonum] %data% 36209876543"),
    "newline at the end": ("{{ tonum }}\n", "36209876543\n"),
    "one brace": ("{ {tonum} }", "{ {tonum} }"),
}  # fmt: skip


@pytest.mark.parametrize("template, sent", WRITTEN.values(), ids=WRITTEN)
def test_what_is_written(template: str, sent: str) -> None:
    assert rendered(template) == sent


PLACED = {
    "percent": (places.form, "{{ fromnum }}", "ACME%20%26%20Co"),
    "percent once": (places.form, "{{ fromnum|urlencode }}", "ACME%20%26%20Co"),
    "percent twice": (places.form, "{{ fromnum|urlencode|urlencode }}", "ACME%2520%2526%2520Co"),
    "percent of hexadecimal": (places.form, "{{ message|hex }}", "4AC3B320226E617022"),
    "percent of base64": (places.form, "{{ 'a'|b64 }}", "YQ%3D%3D"),
    "percent of JSON": (places.form, "{{ 'a'|json }}", "%22a%22"),
    "JSON string": (places.json_text, '"{{ message }}"', '"J\\u00f3 \\"nap\\""'),
    "JSON string once": (places.json_text, '"{{ message|json }}"', '"J\\u00f3 \\"nap\\""'),
    "JSON string of XML": (places.json_text, '"{{ message|xml }}"', '"J&#243; &#34;nap&#34;"'),
    "JSON value": (places.json_text, "{{ message }}", '"J\\u00f3 \\"nap\\""'),
    "JSON value once": (places.json_text, "{{ message|json }}", '"J\\u00f3 \\"nap\\""'),
    "JSON number": (places.json_text, "[{{ tonum }},{{ tonum|json }},{{ tonum|e164 }}]",
                    '[36209876543,"36209876543","+36209876543"]'),
    "JSON number of a loop": (places.json_text, "[{% for n in targets %}{{ n }}{% endfor %}]", "[36209876543]"),
    "XML": (places.xml, "<a>{{ fromnum }}</a>", "<a>ACME &#38; Co</a>"),
    "XML once": (places.xml, "<a b='{{ fromnum|xml }}'>{{ '<'|xml }}</a>", "<a b='ACME &#38; Co'>&#60;</a>"),
    "CDATA": (places.xml, "<a><![CDATA[{{ fromnum|xml }}]]></a>", "<a><![CDATA[]]>ACME &#38; Co<![CDATA[]]></a>"),
    "header": (places.header, "{{ fromnum }}", "ACME%20&%20Co"),
    "header once": (places.header, "{{ fromnum|urlencode }}", "ACME%20%26%20Co"),
    "header, base64": (places.header, "Basic {{ (user ~ ':' ~ password ~ '?')|b64 }}", "Basic bWU6cDp3Pw=="),
}  # fmt: skip


@pytest.mark.parametrize("scanner, template, sent", PLACED.values(), ids=PLACED)
def test_every_value_is_escaped_once_by_its_place(scanner: Scanner, template: str, sent: str) -> None:
    assert rendered(template, scanner) == sent


REFUSED = {
    "unknown name": ("a{{ nothing }}", "character 2: unknown name 'nothing'; there are "),
    "unknown filter": ("a{{ tonum|safe }}", "character 2: unknown filter 'safe'; there are urlencode, json, xml, "),
    "nothing": ("{{ }}", "character 1: "),
    "two": ("{{ tonum tonum }}", "character 1: "),
    "open value": ("ab{{ tonum }", "character 3: {{ is not closed"),
    "open statement": ("ab{% if tonum", "character 3: {% is not closed"),
    "open comment": ("ab{# tonum", "character 3: {# is not closed"),
    "open if": ("ab{% if tonum %}", "character 3: this if is not ended"),
    "open for": ("ab{% for n in targets %}", "character 3: this for is not ended"),
    "end of nothing": ("ab{% endif %}", "character 3: there is no if that this could end"),
    "end of another": ("{% if tonum %}{% endfor %}", "character 15: there is no for that this could end"),
    "else of nothing": ("ab{% else %}", "character 3: there is no if that this could belong to"),
    "else of a for": ("{% for n in targets %}{% else %}{% endfor %}", "character 23: there is no if that"),
    "else twice": ("{% if tonum %}{% else %}{% else %}{% endif %}", "character 25: there is no if that"),
    "elif after else": ("{% if tonum %}{% else %}{% elif tonum %}{% endif %}", "character 25: there is no if that"),
    "elif of nothing": ("{% if tonum %}{% elif %}{% endif %}", "character 15: "),
    "include": ("x{% include 'a' %}", "character 2: {% include %} is not allowed; if, elif, else and for over targets"),
    "import": ("x{% import 'a' as b %}", "character 2: {% import %} is not allowed"),
    "set": ("x{% set a = 1 %}", "character 2: {% set %} is not allowed"),
    "macro": ("x{% macro a() %}{% endmacro %}", "character 2: {% macro %} is not allowed"),
    "raw": ("x{% raw %}{% endraw %}", "character 2: {% raw %} is not allowed"),
    "extends": ("x{% extends 'a' %}", "character 2: {% extends %} is not allowed"),
    "filter block": ("x{% filter upper %}{% endfilter %}", "character 2: {% filter %} is not allowed"),
    "call": ("{{ message.upper() }}", "character 1: Call is not allowed"),
    "attribute": ("{{ message.__class__ }}", "character 1: .__class__ is not allowed"),
    "item": ("{{ message['__class__'] }}", "character 1: only a slice such as message[:160]"),
    "index": ("{{ message[0] }}", "character 1: only a slice"),
    "step": ("{{ message[::0] }}", "character 1: only a slice"),
    "computed slice": ("{{ message[parts:] }}", "character 1: a slice goes from one number to another"),
    "arithmetic": ("{{ parts + 1 }}", "character 1: Add is not allowed"),
    "repetition": ("{{ 'a' * 1000000000 }}", "character 1: Mul is not allowed"),
    "list": ("{{ [tonum] }}", "character 1: List is not allowed"),
    "dict": ("{{ {'a': 1} }}", "character 1: Dict is not allowed"),
    "float": ("{{ 1.5 }}", "character 1: a float is not allowed"),
    "none": ("{{ none }}", "character 1: a NoneType is not allowed"),
    "test": ("{{ tonum is defined }}", "character 1: Test is not allowed"),
    "filter's arguments": ("{{ tonum|trim('3') }}", "character 1: trim takes nothing in parentheses"),
    "many filters": ("{{ tonum" + "|hex" * 9 + " }}", "character 1: more than 8 filters in one expression"),
    "long": ("{{ '" + "x" * 500 + "' }}", "character 1: an expression can have 500 characters"),
    "deep": ("{{ " + "(" * 240 + "1" + ")" * 240 + " }}", "character 1: "),
    "deep not": ("{{ " + "not " * 120 + "1 }}", "character 1: "),
    "deep blocks": ("{% if user %}" * 11, "character 131: more than 10 blocks in each other"),
    "for over anything": ("{% for n in range(10) %}{% endfor %}", "character 1: a for must be {% for n in targets %}"),
    "for over a text": ("{% for n in message %}{% endfor %}", "character 1: a for must be"),
    "for with a known name": ("{% for message in targets %}{% endfor %}", "character 1: a for must be"),
    "for with a word": ("{% for loop in targets %}{% endfor %}", "character 1: a for must be"),
    "for in a for": ("{% for n in targets %}{% for m in targets %}", "character 23: a for must be"),
    "for with a filter": ("{% for n in targets if n %}{% endfor %}", "character 1: a for must be"),
    "loop outside": ("{{ loop.index }}", "character 1: .index is not allowed"),
    "loop's other": ("{% for n in targets %}{{ loop.cycle }}{% endfor %}", "character 23: unknown loop.cycle"),
    "loop itself": ("{% for n in targets %}{{ loop }}{% endfor %}", "character 23: unknown name 'loop'"),
    "its name outside": ("{% for n in targets %}{% endfor %}{{ n }}", "character 35: unknown name 'n'"),
    "targets": ("{{ targets }}", "character 1: unknown name 'targets'"),
    "rest after else": ("{% if user %}{% else x %}{% endif %}", "character 14: 'x' is too much here"),
    "rest after endif": ("{% if user %}{% endif x %}", "character 14: 'x' is too much here"),
    "statement in an if": ("{% if user %}{{ tonum }}{% if %}{% endif %}{% endif %}", "character 25: "),
    "escape's name": ("{{ tonum|as_plain }}", "character 1: unknown filter 'as_plain'"),
}  # fmt: skip


@pytest.mark.parametrize("template, error", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_with_its_place(template: str, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(f"[g] k: {error}")):
        compile_value("g", "k", template, dialect="jinja")


ELSEWHERE = "this ends in another place than it began"
MOVED = {
    "quote": ('{"a":"{% if user %}"{% endif %}}', f"character 7: {ELSEWHERE}"),
    "members in an arm": ('{"a":"{% if user %}x{% else %}y","b":"z{% endif %}"}', ""),
    "quotes of a string in one arm": ('{"a":{% if user %}"x{% else %}"y{% endif %}"}', f"character 6: {ELSEWHERE}"),
    "quote in a loop": ('{"a":"{% for n in targets %}"{% endfor %}"}', f"character 7: {ELSEWHERE}"),
    "half an escape": ('{"a":"{% if user %}\\{% endif %}n"}', "character 20: a value can't end an escape"),
    "tag": ("<a>{% if user %}<b{% endif %}></a>", f"character 4: {ELSEWHERE}"),
    "comment": ("<a>{% if user %}<!-- {% endif %}--></a>", f"character 4: {ELSEWHERE}"),
    "half a mark": ("<a><{% if user %}!-- {% endif %} --></a>", "character 5: a mark of XML is cut in two here"),
    "half a mark in an arm": ("<a>{% if user %}]{% endif %}]></a>", f"character 4: {ELSEWHERE}"),
    "half a mark by a comment": ("<a><!{# x #}-- --></a>", "character 13: a mark of XML is cut in two here"),
    "half an entity": ("<a>{% if user %}&am{% endif %}p;</a>", "character 17: a value can't end an entity"),
    "doctype": ("<!DOCTYPE a><a>{{ tonum }}</a>", "character 1: '<!DOCTYPE' is not allowed here"),
}


@pytest.mark.parametrize("body, error", MOVED.values(), ids=MOVED)
def test_a_branch_leaves_the_place_as_it_found_it(body: str, error: str) -> None:
    settings = GatewaySettings(smsurl="http://a.test", smssenddata=body)
    if not error:
        assert RequestTemplate(settings).render(MESSAGE).body == b'{"a":"y","b":"z"}'
        return
    with pytest.raises(ConfigError, match="^" + re.escape(f"[global] smssenddata: {error}")):
        RequestTemplate(settings)


@pytest.mark.parametrize(
    "url, error",
    [
        ("http://a.test/{% if user %}?x=1{% endif %}", f"character 15: {ELSEWHERE}"),
        ("http://{% if user %}a{% else %}b{% endif %}.test/", "character 8: "),
        ("http://a.test/?a=%4{% if user %}1{% endif %}", "character 18: '%' must be followed by two"),
    ],
)
def test_branches_in_a_url(url: str, error: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(f"[global] smsurl: {error}")):
        RequestTemplate(GatewaySettings(smsurl=url))


def test_a_whole_request() -> None:
    compiled = RequestTemplate(GatewaySettings(
        smsurl="https://api.test/{{ tonum|national }}/sms?long={% if parts > 1 %}1{% else %}0{% endif %}",
        smssendheader="Authorization: Basic {{ (user ~ ':' ~ password)|b64 }}|X-Key: {{ apikey|urlencode }}",
        smssenddata='{"to":[{% for n in targets %}{"n":"{{ n|e164 }}"}{% if not loop.last %},{% endif %}{% endfor %}],'
        '"text":{{ message|json }}{% if unicode %},"unicode":true{% endif %}}',
        user="me", password="p:w", apikey="k&y",
    ))  # fmt: skip
    request = compiled.render(replace(MESSAGE, coding=Coding.UCS2), targets=(HUNGARIAN, BRITISH))
    assert request.url == "https://api.test/06209876543/sms?long=1"
    assert request.body == (
        b'{"to":[{"n":"+36209876543"},{"n":"+447911123456"}],"text":"J\\u00f3 \\"nap\\"","unicode":true}'
    )
    assert dict(request.headers)["Authorization"] == "Basic bWU6cDp3"
    assert dict(request.headers)["X-Key"] == "k%26y"
