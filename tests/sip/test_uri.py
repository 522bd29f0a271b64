"""URIs, addresses and Via values: read, refused, written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.sip.grammar import SipParseError, parse_params, split_values
from voipsms.sip.headers import COMPACT, Headers
from voipsms.sip.uri import NameAddr, Uri, Via

URIS = {
    "sip:example.com": Uri("sip", "", "example.com"),
    "SIP:Alice@Example.COM": Uri("sip", "Alice", "example.com"),
    "sips:alice:secret@example.com:5061": Uri("sips", "alice", "example.com", 5061, password="secret"),
    "sip:+362012;ext=1@gw;user=phone;lr": Uri("sip", "+362012;ext=1", "gw", None, {"user": "phone", "lr": ""}),
    "sip:a%20b@x?subject=a%26b&to=c": Uri("sip", "a b", "x", headers={"subject": "a&b", "to": "c"}),
    "sip:[2001:DB8::1]:5060;transport=TCP": Uri("sip", "", "2001:db8::1", 5060, {"transport": "TCP"}),
    "sip:*21#@x": Uri("sip", "*21#", "x"),
    "tel:+36-20-123;phone-context=%2b36": Uri("tel", "+36-20-123", params={"phone-context": "+36"}),
    "urn:service:sos": Uri("urn", "service:sos"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), URIS.items(), ids=URIS)
def test_uri(text: str, expected: Uri) -> None:
    assert Uri.parse(text) == expected
    assert Uri.parse(str(expected)) == expected


NOT_URIS = [
    "", "alice", "sip:", "sip:@x", "sip:a@", "sip:a@x:port", "sip:a@x:99999", "sip:a b@x", "sip:a%2@x", "sip:a@[::1",
    "sip:a@x;lr;lr", "sip:a@x;=1", "sip:a@b@c", "sip:é@x", "<sip:a@x>", "sip:a@x\n",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_URIS)
def test_not_a_uri(text: str) -> None:
    with pytest.raises(SipParseError):
        Uri.parse(text)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
pairs = st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), words)
hosts = st.sampled_from(["example.com", "10.0.0.1", "::1"])
ports = st.none() | st.integers(0, 65535)


@given(
    st.builds(
        Uri, st.sampled_from(["sip", "sips"]), words.filter(bool), hosts, ports, pairs, pairs, st.none() | words
    )
)  # fmt: skip
def test_uri_round_trip(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri


ADDRESSES = {
    "<sip:a@b>": NameAddr("", Uri("sip", "a", "b")),
    "sip:a@b;tag=1": NameAddr("", Uri("sip", "a", "b"), {"tag": "1"}),
    '"A \\"B\\" \\\\" <sip:a@b;lr>;tag=1': NameAddr('A "B" \\', Uri("sip", "a", "b", params={"lr": ""}), {"tag": "1"}),
    "Anonymous User <sip:a@b>;x=\"y;z\"": NameAddr("Anonymous User", Uri("sip", "a", "b"), {"x": "y;z"}),
    "<tel:+36201234567>": NameAddr("", Uri("tel", "+36201234567")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ADDRESSES.items(), ids=ADDRESSES)
def test_address(text: str, expected: NameAddr) -> None:
    assert NameAddr.parse(text) == expected
    assert NameAddr.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "<>", "a <sip:a@b", '"a <sip:a@b>', "<sip:a@b>tag=1", "sip:a@b?x=y", "<sip:a@b>;x=1;X=2", '<sip:a@b>;x="y',
     "<sip:a@b>, <sip:c@d>"],
)  # fmt: skip
def test_not_an_address(text: str) -> None:
    with pytest.raises(SipParseError):
        NameAddr.parse(text)


VIAS = {
    "SIP/2.0/UDP a.example": Via("UDP", "a.example"),
    "sip / 2.0 / tls [::1] : 5061 ; branch = x ; rport": Via("TLS", "::1", 5061, {"branch": "x", "rport": ""}),
}


@pytest.mark.parametrize(("text", "expected"), VIAS.items(), ids=VIAS)
def test_via(text: str, expected: Via) -> None:
    assert Via.parse(text) == expected
    assert Via.parse(str(expected)) == expected


SPLITS: dict[str, list[str]] = {
    "": [],
    " a , b,,c ": ["a", "b", "c"],
    '"a,b" <sip:c,d@e>;x="\\",", f': ['"a,b" <sip:c,d@e>;x="\\","', "f"],
    "<a>,<b>": ["<a>", "<b>"],
}


@pytest.mark.parametrize(("text", "expected"), SPLITS.items(), ids=SPLITS)
def test_split_values(text: str, expected: list[str]) -> None:
    assert split_values(text) == expected


@pytest.mark.parametrize("text", ['"a', "<a", 'a, "b', '<a, "b>"', '"a\\"'])
def test_unbalanced(text: str) -> None:
    with pytest.raises(SipParseError):
        split_values(text)


@given(st.text(st.sampled_from('ab"<>,;:=\\ @%[]/2.0SIP'), max_size=40))
def test_readers_raise_nothing_else(text: str) -> None:
    for read in (Uri.parse, NameAddr.parse, Via.parse, split_values, parse_params):
        with contextlib.suppress(SipParseError):
            read(text)


@pytest.mark.parametrize(("short", "full"), COMPACT.items())
def test_compact_names(short: str, full: str) -> None:
    headers = Headers([(short, "1"), (full.upper(), "2"), ("x-Other", "3")])
    assert headers.get_all(full.lower()) == headers.get_all(short.upper()) == ["1", "2"]
    assert list(headers) == [(full, "1"), (full, "2"), ("x-Other", "3")]
    assert ("X-OTHER" in headers, "y-other" in headers, headers.get("X-OTHER")) == (True, False, "3")
