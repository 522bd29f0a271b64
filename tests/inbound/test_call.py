from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.rig import FORM, by_get, by_post
from voipsms.inbound.call import MOST_PARAMETERS, Malformed, Unsupported, read_call


@pytest.mark.parametrize(
    "query, kind, body, parameters",
    [
        (b"", "", b"", {}),
        (b"a=1&B=2", "", b"", {"a": (b"1",), "b": (b"2",)}),
        (b"a=1", FORM, b"b=2", {"a": (b"1",), "b": (b"2",)}),
        (b"a=1", FORM + "; charset=utf-8", b"b=2\r\n", {"a": (b"1",), "b": (b"2",)}),
        (b"a=1", "", b"A=2", {"a": (b"1", b"2")}),
        (b"a=%00%e9+%2B%", "", b"", {"a": (b"\0\xe9 +%",)}),
        (b"a&&=", "", b"", {"a": (b"",), "": (b"",)}),
        (b"", "application/json", b'{"a": "\xc3\xa9", "b": 5, "c": null, "d": [1], "e": {"f": 1}}',
         {"a": b"\xc3\xa9", "b": b"5"}),
        (b"a=1", "text/xml", b"<b>2</b>", {"a": (b"1",)}),
    ],
    ids=["nothing", "query", "both", "charset and line end", "twice", "octets", "empty ones", "JSON", "XML"],
)  # fmt: skip
def test_parameters(query: bytes, kind: str, body: bytes, parameters: dict[str, object]) -> None:
    found = read_call(query, kind, body).parameters
    assert found == {name: (value,) if isinstance(value, bytes) else value for name, value in parameters.items()}


@pytest.mark.parametrize(
    "kind, body, xml",
    [
        (FORM, b"data=<a>1&2</a>", b"<a>1&2</a>"),
        (FORM, b"\r\nData= <a>b+c</a>", b" <a>b+c</a>"),
        (FORM, b"<a/>", b"<a/>"),
        ("application/soap+xml; charset=utf-8", b"<a/>", b"<a/>"),
        ("text/plain", b"x=1", b"x=1"),
        (FORM, b"data=%3Ca/%3E", b""),
    ],
    ids=["bare", "bare with blanks", "without a name", "SOAP", "text", "coded"],
)
def test_bodies_that_are_no_forms(kind: str, body: bytes, xml: bytes) -> None:
    assert by_post(body, kind).body == xml


def test_the_whole_request_is_one_text() -> None:
    assert read_call(b"a=%C3%A9", FORM, b"b=x+y%26").whole == "a=é\nb=x y&"
    assert read_call(b"", "text/plain", b"from+%31").whole == "from+%31"
    assert read_call(b"a=%E9", "", b"").whole == "a=é"


@pytest.mark.parametrize(
    "kind, body, error",
    [
        (FORM, b"a=1&" * MOST_PARAMETERS, Malformed),
        ("application/json", b"[1]", Malformed),
        ("application/json", b"1", Malformed),
        ("application/json", b"{", Malformed),
        ("application/json", b'{"a": "\xff"}', Malformed),
        ("application/json", b"[" * 100_000, Malformed),
        ("application/json", b'{"a": ' + b"9" * 5000 + b"}", Malformed),
        ("application/json", b"{" + b",".join(b'"%d": 1' % n for n in range(101)) + b"}", Malformed),
        ("multipart/form-data; boundary=x", b"--x", Unsupported),
        ("image/png\r\nX: y", b"x", Unsupported),
    ],
    ids=["too many", "list", "number", "half", "no UTF-8", "deep", "long number", "too many in JSON", "multipart",
         "picture"],
)  # fmt: skip
def test_what_is_no_call(kind: str, body: bytes, error: type[Malformed]) -> None:
    with pytest.raises(error) as caught:
        by_post(body, kind)
    assert str(caught.value).isprintable()


def test_a_parameter_given_twice_or_not_at_all() -> None:
    call = by_get("a=1&A=2&b=3&c=4")
    assert (call.needed("b"), call.octets("x", "C"), call.octets("x"), call.word("x")) == (b"3", b"4", None, "")
    assert (call.needed("b", "c"), call.needed("b", "a")) == (b"3", b"3")
    for wrong in (("a",), ("a", "b"), ("x",)):
        with pytest.raises(Malformed):
            call.needed(*wrong)


@given(st.binary(max_size=300), st.sampled_from(["", FORM, "application/json", "text/xml"]), st.binary(max_size=300))
def test_any_octets_are_a_call_or_malformed(query: bytes, kind: str, body: bytes) -> None:
    try:
        call = read_call(query, kind, body)
    except Malformed:
        return
    for name in call.parameters:
        try:
            assert isinstance(call.word(name), str)
        except Malformed:
            assert len(call.parameters[name]) > 1
