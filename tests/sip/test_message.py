"""Parsing, serializing and answering messages; what RFC 4475 tortures parsers with, in our own cases."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sip.messages import TYPICAL_OCTETS, changed, octets
from voipsms.errors import ProtocolError
from voipsms.sip.grammar import SipParseError
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request, Response, UnsafeHeader, answer_to, has_tag, parse_message, received_from
from voipsms.sip.uri import NameAddr, Uri, Via


def request(datagram: bytes) -> Request:
    found = parse_message(datagram)
    assert isinstance(found, Request)
    return found


def test_typical() -> None:
    found = request(TYPICAL_OCTETS)
    assert (found.method, found.uri) == ("MESSAGE", "sip:+36201234567@gw.example.com;user=phone")
    assert found.headers.get("call-id") == "asd88asd77a@1.2.3.4"
    assert found.headers.values("Allow") == ["INVITE", "ACK", "BYE", "MESSAGE"]
    assert (found.via.branch, found.from_addr.display, found.from_addr.tag) == ("z9hG4bK776asdhds", "Alice", "49583")
    assert (found.cseq, found.body) == (1, b"x" * 160)
    assert found.to_bytes() == TYPICAL_OCTETS


VALID: dict[str, tuple[bytes, Callable[[Request], object], object]] = {
    "blanks, folds, any case, compact names, several values a line": (
        octets(
            "MESSAGE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
            "TO :", " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
            'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>', "  ;", "  tag = 98asjd8",
            "MaX-fOrWaRdS: 0068", "Call-ID: wsinv.ndaksdj@192.0.2.1", "Content-Length   : 2",
            "cseq: 0009", "  MESSAGE", "NewFangledHeader:   newfangled value", " continued newfangled value",
            "UnknownHeaderWithUnusualValue: ;;,,;;,;", "Content-Type: text/plain",
            "v:  SIP  / 2.0  / TCP     spindle.example.com   ;", "  branch  =   z9hG4bK9ikj8  ,",
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=", " z9hG4bK30239",
            "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =", "      newvalue ;",
            "  secondparam ; q = 0.33",
            body=b"hi",
        ),
        lambda r: (r.via.host, r.via.branch, len(r.headers.values("Via")), r.from_addr.display, r.from_addr.tag, r.cseq,
                   has_tag(r.headers.get("To")), r.headers.get("newfangledheader"),
                   NameAddr.parse(r.headers.get("Contact")).params["q"]),
        ("spindle.example.com", "z9hG4bK9ikj8", 2, 'J Rosenberg \\"', "98asjd8", 9, True,
         "newfangled value continued newfangled value", "0.33"),
    ),
    "every token character in the method and in names": (
        changed("!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:"
                "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0", x="大停電",
                cseq="1 !interesting-Method0123456789_*+`.%indeed'~").replace(b"x:", b"extensionHeader-!.%*+_`'~:"),
        lambda r: (Uri.parse(r.uri).host, r.headers.get("extensionheader-!.%*+_`'~")),
        ("example.com", "大停電"),
    ),
    "escapes in a user": (
        changed("MESSAGE sip:sips%3Auser%40example.com@example.net SIP/2.0"), lambda r: Uri.parse(r.uri).user,
        "sips:user@example.com",
    ),
    "escaped NUL in a user": (
        changed(to="<sip:null-%00-null@example.com>"), lambda r: NameAddr.parse(r.headers.get("To")).uri.user,
        "null-\0-null",
    ),
    "percent in a method is no escape": (
        changed("RE%47IST%45R sip:a@b SIP/2.0", cseq="1 RE%47IST%45R"), lambda r: r.method, "RE%47IST%45R",
    ),
    "no blank between name and bracket": (
        changed(from_="caller<sip:caller@example.com>;tag=323"), lambda r: r.from_addr.display, "caller",
    ),
    "semicolons in the user": (
        changed("MESSAGE sip:user;par=u%40example.net@example.com SIP/2.0"), lambda r: Uri.parse(r.uri).user,
        "user;par=u@example.net",
    ),
    "unknown scheme": (
        changed("MESSAGE nobodyKnows:this-is-it SIP/2.0"), lambda r: Uri.parse(r.uri).scheme, "nobodyknows",
    ),
    "tel": (
        changed("MESSAGE tel:+36-20-1234567;phone-context=x SIP/2.0"), lambda r: Uri.parse(r.uri).user,
        "+36-20-1234567",
    ),
    "unknown header with odd contents": (changed(x_odd='"<;,'), lambda r: r.headers.get("X-Odd"), '"<;,'),
    "no body length in a datagram": (changed(body=b"abc", content_length=None), lambda r: r.body, b"abc"),
    "datagram longer than its Content-Length": (
        changed(body=b"hi\r\n\r\nmore", content_length="2"), lambda r: r.body, b"hi",
    ),
    "CRLFs before the start line": (b"\r\n\r\n" + changed(), lambda r: r.method, "MESSAGE"),
    "IPv6 everywhere": (
        changed("MESSAGE sip:bob@[2001:db8::10]:5070 SIP/2.0",
                via="SIP/2.0/UDP [2001:db8::9:1]:5071;received=[2001:db8::9:255];branch=z9hG4bKas3"),
        lambda r: (Uri.parse(r.uri).host, Uri.parse(r.uri).port, r.via.host, r.via.port, r.via.params["received"]),
        ("2001:db8::10", 5070, "2001:db8::9:1", 5071, "[2001:db8::9:255]"),
    ),
    "lower-case version": (changed("MESSAGE sip:a@b sip/2.0"), lambda r: r.uri, "sip:a@b"),
    "unknown transport": (changed(via="SIP/2.0/pigeon a.example;branch=z9hG4bK1"), lambda r: r.via.transport, "PIGEON"),
    "header that is empty": (changed(subject=""), lambda r: r.headers.get_all("s"), [""]),
    "Content-Length twice the same": (changed(body=b"x", l="1"), lambda r: r.body, b"x"),
    "octets that are Latin-1": (
        changed(subject="x").replace(b"subject: x", b"subject: \xe9"), lambda r: r.headers.get("Subject"), "é",
    ),
    "address without brackets": (
        changed(from_="sip:a@b;tag=7"), lambda r: (r.from_addr.uri.params, r.from_addr.tag), ({}, "7"),
    ),
    "comma in a quoted name": (changed(from_='"A, B" <sip:a@b>;tag=7'), lambda r: r.from_addr.display, "A, B"),
    "name in UTF-8": (changed(from_='"Őrségi" <sip:a@b>;tag=7'), lambda r: r.from_addr.display, "Őrségi"),
}  # fmt: skip


@pytest.mark.parametrize(("datagram", "read", "expected"), VALID.values(), ids=VALID)
def test_valid(datagram: bytes, read: Callable[[Request], object], expected: object) -> None:
    found = request(datagram)
    assert read(found) == expected
    again = request(found.to_bytes())
    assert again == Request(found.method, found.uri, again.headers, found.body)
    assert [field for field in again.headers if field[0] != "Content-Length"] == [
        field for field in found.headers if field[0] != "Content-Length"
    ]


# Status of the answer; None: there is no answering it.
INVALID: dict[str, tuple[bytes, int | None]] = {
    "nothing": (b"", None),
    "garbage": (b"\x00\x01\x02garbage", None),
    "no blank line": (changed()[:-2], None),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
    "no To": (changed(to=None), 400),
    "no From": (changed(from_=None), 400),
    "no Call-ID": (changed(call_id=None), 400),
    "no CSeq": (changed(cseq=None), 400),
    "no Via": (changed(via=None), None),
    "empty Call-ID": (changed(call_id=""), 400),
    "two Froms": (changed(f="<sip:eve@example.com>;tag=2"), 400),
    "two Call-IDs": (changed(i="c2"), 400),
    "CSeq of another method": (changed(cseq="1 INVITE"), 400),
    "CSeq beyond 2**31": (changed(cseq="36893488147419103232 MESSAGE"), 400),
    "CSeq just beyond": (changed(cseq="2147483648 MESSAGE"), 400),
    "CSeq negative": (changed(cseq="-1 MESSAGE"), 400),
    "CSeq in other digits": (changed(cseq="١ MESSAGE"), 400),
    "Max-Forwards beyond 255": (changed(max_forwards="300"), 400),
    "Max-Forwards a word": (changed(max_forwards="many"), 400),
    "Content-Length beyond the datagram": (changed(body=b"hi", content_length="9999"), 400),
    "Content-Length negative": (changed(body=b"hi", content_length="-999"), 400),
    "Content-Length of 20 digits": (changed(content_length="1" * 20), 400),
    "Content-Length two different": (changed(body=b"hi", l="1"), 400),
    "unterminated quote in To": (changed(to='"Mr. J. User <sip:j.user@example.com>'), 400),
    "unterminated bracket in To": (changed(to="<sip:j.user@example.com"), 400),
    "comma in an unquoted name": (changed(from_="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), 400),
    "blanks within the brackets": (changed(from_="< sip:a@example.com >;tag=43"), 400),
    "From that is no URI": (changed(from_="nobody;tag=1"), 400),
    "URI in brackets": (changed("MESSAGE <sip:user@example.com> SIP/2.0"), 400),
    "blank within the URI": (changed("MESSAGE sip:user@example.com; lr SIP/2.0"), 400),
    "two blanks in the request line": (changed("MESSAGE  sip:user@example.com  SIP/2.0"), 400),
    "blank after the request line": (changed("MESSAGE sip:user@example.com SIP/2.0  "), 400),
    "URI with an octet beyond ASCII": (changed("MESSAGE sip:é@example.com SIP/2.0"), 400),
    "no URI": (changed("MESSAGE SIP/2.0"), 400),
    "version 7": (changed("MESSAGE sip:a@b SIP/7.0"), 505),
    "method that is no token": (changed("MESS@GE sip:a@b SIP/2.0"), 400),
    "Via of nonsense": (changed(via="SIP/2.0/UDP ;;;;"), None),
    "Via with a port out of range": (changed(via="SIP/2.0/UDP a:70000;branch=z9hG4bK1"), None),
    "header without colon": (changed(x="1").replace(b"x: 1", b"nonsense"), 400),
    "known header without colon": (changed(subject="1").replace(b"subject: 1", b"subject"), 400),
    "header name with a blank": (changed(x="1").replace(b"x: 1", b"a b: 1"), 400),
    "NUL in a value": (changed(subject="a\0b"), None),
    "bell in a value": (changed(subject="a\x07b"), None),
    "bare CR in a value": (changed(subject="a\rVia: b"), None),
    "bare LF in a value": (changed(subject="a\nVia: b"), None),
    "all lines end in LF": (changed().replace(b"\r\n", b"\n"), None),
    "response without Via": (changed("SIP/2.0 200 OK", via=None), None),
    "response of status 4294967301": (changed("SIP/2.0 4294967301 better not break"), None),
    "response of status 700": (changed("SIP/2.0 700 what"), None),
    "response of version 3": (changed("SIP/3.0 200 OK"), None),
}  # fmt: skip


@pytest.mark.parametrize(("datagram", "status"), INVALID.values(), ids=INVALID)
def test_invalid(datagram: bytes, status: int | None) -> None:
    with pytest.raises(SipParseError) as caught:
        parse_message(datagram)
    partial = caught.value.request
    assert (caught.value.status if partial is not None else None) == status
    if partial is not None:
        received_from(partial, "192.0.2.1", 5070)
        answer = answer_to(partial, caught.value.status, str(caught.value), to_tag="t")
        assert answer.startswith(f"SIP/2.0 {status} ".encode())


def test_responses() -> None:
    for line, expected in [("SIP/2.0 200 OK", (200, "OK")), ("SIP/2.0 202 ", (202, "")), ("SIP/2.0 404", (404, ""))]:
        found = parse_message(changed(line, cseq="7 OPTIONS"))
        assert isinstance(found, Response)
        assert (found.status, found.reason) == expected
    assert isinstance(parse_message(changed("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять")), Response)


@pytest.mark.parametrize("end", range(0, len(TYPICAL_OCTETS), 7))
def test_truncated(end: int) -> None:
    with pytest.raises(SipParseError):
        parse_message(TYPICAL_OCTETS[:end])


def test_response_copies_and_tags() -> None:
    found = request(changed(via="SIP/2.0/TCP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2", v="SIP/2.0/UDP c"))
    answer = answer_to(found, 415, headers=[("Accept", "text/plain")], body=b"no", to_tag="xyz")
    assert answer == octets(
        "SIP/2.0 415 Unsupported Media Type",
        "Via: SIP/2.0/TCP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2",
        "Via: SIP/2.0/UDP c",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:bob@example.com>;tag=xyz",
        "Call-ID: c1",
        "CSeq: 1 MESSAGE",
        "Accept: text/plain",
        "Content-Length: 2",
        body=b"no",
    )


@pytest.mark.parametrize(
    ("to", "has"),
    [
        ("<sip:b@x>;tag=1", True), ("<sip:b@x;tag=1>", False), ("sip:b@x;tag=1", True), ("sip:b@x", False),
        ('"a;tag=1" <sip:b@x>', False), ('<sip:b@x>;y=";tag=1"', False), ('<sip:b@x>;y="z";TAG=1', True),
        ("<sip:b@x> ; tag = 1", True), ("<sip:b@x>;tagged=1", False),
    ],
)  # fmt: skip
def test_tag_of_the_request_stays(to: str, has: bool) -> None:
    assert has_tag(to) is has
    answer = answer_to(request(changed(to=to)), 200, to_tag="new")
    assert f"\r\nTo: {to if has else f'{to};tag=new'}\r\n".encode() in answer


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        ("SIP/2.0/UDP 10.0.0.5;branch=b", "SIP/2.0/UDP 10.0.0.5;branch=b;received=1.2.3.4"),
        ("SIP/2.0/UDP 1.2.3.4;branch=b", "SIP/2.0/UDP 1.2.3.4;branch=b"),
        ("SIP/2.0/UDP 1.2.3.4;rport;branch=b", "SIP/2.0/UDP 1.2.3.4;rport=99;branch=b;received=1.2.3.4"),
        ('SIP/2.0/UDP a;x=";rport";rport', 'SIP/2.0/UDP a;x=";rport";rport=99;received=1.2.3.4'),
        ("SIP/2.0/UDP 1.2.3.4;received=6.6.6.6", "SIP/2.0/UDP 1.2.3.4;received=1.2.3.4"),
        ("SIP/2.0/UDP 1.2.3.4 ; RPORT", "SIP/2.0/UDP 1.2.3.4 ;rport=99;received=1.2.3.4"),
        ("SIP/2.0/UDP a;rport=", "SIP/2.0/UDP a;rport=99;received=1.2.3.4"),
        ("SIP/2.0/UDP a;rport=7", "SIP/2.0/UDP a;rport=7;received=1.2.3.4"),
        ("SIP/2.0/UDP a, SIP/2.0/UDP b", "SIP/2.0/UDP a;received=1.2.3.4, SIP/2.0/UDP b"),
        ('SIP/2.0/UDP a;x="p,q"', 'SIP/2.0/UDP a;x="p,q";received=1.2.3.4'),
    ],
)
def test_received_and_rport(via: str, expected: str) -> None:
    found = request(changed(via=via))
    received_from(found, "1.2.3.4", 99)
    assert found.headers.get("Via") == expected
    assert found.via == Via.parse(expected if '"' in expected else expected.split(", ")[0])


@pytest.mark.parametrize("value", ["a\r\nVia: b", "a\nb", "a\rb", "a\0b", "a\r\n b"])
def test_nothing_can_be_injected(value: str) -> None:
    found = request(changed())
    builds: tuple[Callable[[], bytes], ...] = (
        lambda: answer_to(found, 403, value),
        lambda: answer_to(found, 403, headers=[("Reason", value)]),
        lambda: answer_to(found, 403, headers=[(f"X-{value}", "1")]),
        lambda: Request("MESSAGE", f"sip:{value}", found.headers).to_bytes(),
    )
    for build in builds:
        with pytest.raises(UnsafeHeader):
            build()


LONG = {
    "blanks in an address": changed(from_="\u3000" * 15_000),
    "blanks within a line": changed(subject="a\r\n b" + " " * 50_000 + "c"),
    "blanks after rport": changed(via="SIP/2.0/UDP a;rport" + " " * 50_000 + ";branch=z9hG4bK1"),
    "blanks in Via": changed(via="SIP/2.0/UDP a" + " " * 50_000 + "x"),
    "quotes": changed(to='"' + '\\"' * 25_000),
    "brackets": changed(to="<" * 50_000),
    "colons": changed(to="<sip:" + "a:" * 25_000 + ">"),
    "semicolons": changed(from_="<sip:a@b" + ";" * 50_000 + ">"),
    "parameters": changed(from_="<sip:a@b>" + "".join(f";p{n}" for n in range(7_000))),
    "Vias": octets("MESSAGE sip:a@b SIP/2.0", *["v: SIP/2.0/UDP a"] * 3_000),
}


@pytest.mark.parametrize("datagram", LONG.values(), ids=LONG)
def test_time_grows_with_length_only(datagram: bytes) -> None:
    """Quadratic patterns would take seconds here."""
    started = time.process_time()
    with contextlib.suppress(ProtocolError):
        received_from(request(datagram), "192.0.2.1", 5070)
    assert time.process_time() - started < 0.5


# -- properties ---------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_arbitrary_octets(datagram: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse_message(datagram)


SPLICES = [
    b"",
    b"\r\n",
    b"\r\n ",
    b'"',
    b"<",
    b">",
    b";",
    b",",
    b"=",
    b":",
    b"\0",
    b"\xff",
    b"%",
    b"\\",
    b" ",
    b"1",
    b"[",
]


@settings(max_examples=600)
@given(st.data())
def test_mutated_messages(data: st.DataObject) -> None:
    """Whatever is cut out of or put into a valid message, all that is raised is declared, also when answering."""
    mutated = TYPICAL_OCTETS
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        end = min(len(mutated), start + data.draw(st.integers(0, 20)))
        mutated = mutated[:start] + data.draw(st.sampled_from(SPLICES) | st.binary(max_size=4)) + mutated[end:]
    try:
        found = parse_message(mutated)
    except SipParseError as error:
        if error.request is None:
            return
        found = error.request
    if isinstance(found, Request):
        received_from(found, "192.0.2.1", 5070)
        assert answer_to(found, 400, to_tag="x").endswith(b"\r\n\r\n")


tokens = st.from_regex(r"[-.!%*_+`'~0-9A-Za-z]{1,12}", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)


@settings(max_examples=200)
@given(st.lists(st.tuples(tokens.map("X-".__add__), values)), st.binary(max_size=50), st.integers(0, 2**31 - 1), tokens)
def test_round_trip(extra: list[tuple[str, str]], body: bytes, cseq: int, method: str) -> None:
    fields = [
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK1"), ("From", "<sip:a@b>;tag=1"), ("To", "<sip:c@d>"), ("Call-ID", "x"),
        ("CSeq", f"{cseq} {method}"), *extra, ("Content-Length", str(len(body))),
    ]  # fmt: skip
    sent = Request(method, "sip:c@d", Headers(fields), body)
    assert parse_message(sent.to_bytes()) == sent
