"""contract.md, "SIP MESSAGE in: the answer": what a softswitch gets, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.rig import House, ask, house, messages, settled, taken_at_last
from tests.peers import sipp
from tests.peers.gateway import NUMBER, Changes, Gateway
from tests.peers.phone import STRANGER, Fields, Phone, message
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request

MOBILE, FIXED, SHORT, OPTED_OUT, POOR = "36301112233", "3612345678", "12345", "36301119999", "36201110000"
COMPOSING = b"<?xml version='1.0'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state>"
CPIM = (
    "From: <sip:a@example.com>\r\nTo: <sip:b@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\nwrapped – ✓"
)
MIXED = (
    "--b1\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0=\r\n"
    "--b1\r\nContent-Type: text/plain\r\n\r\nthe text part\r\n--b1--\r\n"
)


def _users(gateway: Gateway) -> None:
    gateway.add_user()
    gateway.add_user("poor", "0", POOR)
    gateway.add_user("limited", "0", "36201110001", "--postpaid", "0.01")
    ask(gateway, f"INSERT INTO tb_optout (number, sender, created) VALUES ('{OPTED_OUT}', '', 1)")  # noqa: S608


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("answers"), users=_users) as running:
        yield running


@pytest.fixture(params=["udp", "tcp"])
def softswitch(request: pytest.FixtureRequest, started: House) -> Iterator[Phone]:
    with Phone(started.gateway.sip_port, request.param) as phone:
        yield phone


@dataclass(frozen=True, slots=True)
class Case:
    status: int
    target: str = MOBILE
    text: str | bytes = "Hello"
    sender: str = NUMBER
    fields: Fields = field(default_factory=dict)
    answered: Fields = field(default_factory=dict)  # headers of the answer and what stands in them; None: not there


def typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type}


def because(status: int, text: str) -> dict[str, str]:
    return {"Reason": f'SIP;cause={status};text="{text}"'}


CASES = {
    "stored": Case(202, answered={"Reason": None, "Contact": None}),
    "stored, UCS-2 in two parts": Case(202, text="ű✓" * 40),
    "target with +": Case(202, "+" + MOBILE),
    "target with 00": Case(202, "00" + MOBILE),
    "CPIM": Case(202, text=CPIM, fields=typed("message/cpim")),
    "multipart": Case(202, text=MIXED, fields=typed('multipart/mixed; boundary="b1"')),
    "Latin-1": Case(202, text="Árvíz".encode("latin-1"), fields=typed("text/plain; charset=ISO-8859-1")),
    "payer asserted": Case(202, sender="nobody", fields={"P-Asserted-Identity": "<sip:bench@example.com>"}),
    "payer asserted by number": Case(202, sender="nobody", fields={"P-Asserted-Identity": f"<tel:+{NUMBER}>"}),
    "payer in From": Case(202, sender="bench"),
    "asserted goes before From": Case(402, fields={"P-Asserted-Identity": "<sip:poor@example.com>"}),
    "is-composing": Case(200, text=COMPOSING, fields=typed("application/im-iscomposing+xml")),
    "IMDN": Case(200, text="<imdn/>", fields=typed("message/imdn+xml")),
    "nobody to bill": Case(403, sender="nobody", answered=because(403, "Nobody to bill for this sender")),
    "no credit": Case(402, sender=POOR, answered=because(402, "Not enough credit")),
    "not a mobile": Case(404, FIXED, answered=because(404, "Messages to this target are not sent as SMS")),
    "short code": Case(404, SHORT),
    "a name": Case(404, "alice"),
    "too many digits": Case(484, "3630111223344556677", answered=because(484, "Not a possible phone number")),
    "no country has it": Case(484, "99912345678901"),
    "opted out": Case(403, OPTED_OUT, answered=because(403, "The recipient has opted out")),
    "image": Case(415, text=b"\x89PNG", fields=typed("image/png"), answered={"Accept": "text/plain, message/cpim"}),
    "unknown charset": Case(415, fields=typed("text/plain; charset=klingon"), answered={"Accept": "text/plain"}),
    "compressed": Case(415, fields={"Content-Encoding": "gzip"}, answered={"Accept-Encoding": "identity"}),
    "300 parts": Case(413, text="x" * 153 * 300, answered={"Reason": "more than 255 parts"}),
    "11 parts": Case(413, text="x" * 153 * 11, answered={"Reason": "11 parts, at most 10"}),
    "10 parts": Case(202, text="x" * 153 * 10),
    "empty text": Case(400, text="", answered=because(400, "The message has no text")),
    "not UTF-8": Case(400, text=b"\xff\xfe\xfd"),
    "no hops left": Case(483, fields={"Max-Forwards": "0"}),
    "bad hops": Case(400, fields={"Max-Forwards": "many"}),
    "no From tag": Case(202, fields={"From": f"<sip:{NUMBER}@example.com>"}),
    "CSeq of another method": Case(400, fields={"CSeq": "1 INVITE"}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_answer(case: Case, softswitch: Phone, started: House) -> None:
    before = messages(started.gateway)
    response = softswitch.send(case.target, case.text, case.sender, case.fields)
    assert response.status == case.status
    for name, part in case.answered.items():
        assert (part in response.headers.get(name)) if part else name not in response.headers
    assert messages(started.gateway) - before == (case.status == 202)


def test_a_message_without_call_id_gets_400(softswitch: Phone) -> None:
    fields = (("Via", f"SIP/2.0/UDP {softswitch.sent_by};branch=z9hG4bKx;rport"), *message(MOBILE).headers)
    softswitch.write(Request("MESSAGE", "sip:1@x", Headers(f for f in fields if f[0] != "Call-ID")).to_bytes())
    assert softswitch.octets().startswith(b"SIP/2.0 400 ")


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "PUBLISH", "BYE", "FOO"])
def test_other_methods_get_405(method: str, softswitch: Phone) -> None:
    request = message(MOBILE, fields={"CSeq": f"1 {method}"})
    request = Request(method, request.uri, request.headers, request.body)
    response = softswitch.exchange(request)
    assert (response.status, response.headers.get("Allow")) == (405, "MESSAGE, OPTIONS")


@pytest.mark.parametrize("host, status", [("127.0.0.1", 200), (STRANGER, 405)], ids=["softswitch", "stranger"])
def test_a_register_is_the_softswitch_s_word(host: str, status: int, started: House) -> None:
    request = message(MOBILE, b"", fields={"CSeq": "1 REGISTER"})
    with Phone(started.gateway.sip_port, host=host) as phone:
        assert phone.exchange(Request("REGISTER", request.uri, request.headers)).status == status


def test_options_says_what_is_understood(softswitch: Phone) -> None:
    request = message("gateway", b"", fields={"CSeq": "1 OPTIONS"})
    response = softswitch.exchange(Request("OPTIONS", request.uri, request.headers))
    assert (response.status, response.headers.get("Allow")) == (200, "MESSAGE, OPTIONS")
    assert "text/plain" in response.headers.get("Accept")


def test_a_loop_is_broken(softswitch: Phone, started: House) -> None:
    been_here = f"SIP/2.0/UDP 127.0.0.1:{started.gateway.sip_port};branch=z9hG4bKours"
    assert softswitch.send(MOBILE, fields={"Via": been_here}).status == 482
    other_hop = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtheirs"
    assert softswitch.send(MOBILE, fields={"Via": other_hop}).status == 202


def test_the_sms_says_what_the_message_said(started: House) -> None:
    cases = {"36301113001": ("text/plain", "Árvíz {€}"), "36301113002": ("message/cpim", CPIM),
             "36301113003": ('multipart/mixed; boundary="b1"', MIXED)}  # fmt: skip
    with Phone(started.gateway.sip_port) as softswitch:
        for target, (kind, text) in cases.items():
            assert softswitch.send(target, text, fields=typed(kind)).status == 202
    settled(started.gateway, messages(started.gateway))
    submits = [started.smsc.submits(target)[0] for target in cases]
    assert [bytes.fromhex(submit["user_data"]) for submit in submits] == [
        "Árvíz {€}".encode("utf-16-be"), "wrapped – ✓".encode("utf-16-be"), b"the text part"
    ]  # fmt: skip
    assert {submit["source"] for submit in submits} == {NUMBER}


def test_credit_and_limit_are_used_up_to_the_last_message(started: House) -> None:
    with Phone(started.gateway.sip_port) as softswitch:
        answers = [softswitch.send(MOBILE, sender="limited").status for _ in range(2)]
        assert answers == [202, 402]
        started.gateway.command("user", "credit", "limited", "0.01")
        taken_at_last(softswitch, MOBILE, "limited")
        assert softswitch.send(MOBILE, sender="limited").status == 402


def test_too_long_a_body_by_tcp_is_refused_and_the_connection_ended(started: House) -> None:
    with Phone(started.gateway.sip_port, "tcp") as softswitch:
        assert softswitch.send(MOBILE, "x" * 1_000_000).status == 413
        with pytest.raises((ConnectionError, BrokenPipeError)):
            softswitch.send(MOBILE)


GARBAGE = {
    "octets": b"\x00\x01\x02\xff" * 50,
    "no blank line": b"MESSAGE sip:36301112233@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "60 kB of one header": b"MESSAGE sip:1@x SIP/2.0\r\nX: " + b"y" * 60_000,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_counted_and_disturbs_nothing(garbage: bytes, started: House) -> None:
    def malformed() -> float:
        return sum(started.gateway.metric("voipsms_malformed_total", door=d) for d in ("sip_malformed", "sip_too_big"))

    before = malformed()
    with Phone(started.gateway.sip_port) as softswitch:
        softswitch.write(garbage)
        assert softswitch.send(MOBILE).status == 202
    assert malformed() == before + 1


# -- what settings change -----------------------------------------------------------------------------------------

MODES: dict[int, dict[str, int]] = {
    0: {MOBILE: 404, FIXED: 404, SHORT: 404, "alice": 404},
    1: {MOBILE: 202, FIXED: 404, SHORT: 404, "alice": 404, "0630111223344556677": 484},
    2: {MOBILE: 202, FIXED: 202, SHORT: 404, "alice": 404, "0630111223344556677": 484},
    3: {MOBILE: 202, FIXED: 202, SHORT: 202, "alice": 484, "0630111223344556677": 484},
}


@pytest.fixture
def changed(started: House) -> Iterator[Gateway]:
    """The gateway, whose settings are as before afterwards."""
    yield started.gateway
    started.gateway.reconfigure({})


def statuses(gateway: Gateway, targets: dict[str, int]) -> dict[str, int]:
    with Phone(gateway.sip_port) as softswitch:
        return {target: softswitch.send(target).status for target in targets}


@pytest.mark.parametrize("mode", MODES)
def test_sendsmsmessages(mode: int, changed: Gateway) -> None:
    changed.reconfigure({"global": {"sendsmsmessages": mode}})
    assert statuses(changed, MODES[mode]) == MODES[mode]


SETTINGS: dict[str, tuple[Changes, dict[str, int]]] = {
    "enablesms": ({"global": {"enablesms": "false"}}, {MOBILE: 404}),
    "country": ({"global": {"country": "HU"}}, {"06301112233": 202, "301112233": 202, "061234567": 404}),
    "no gateway": ({"global": {"smsurl": None}}, {MOBILE: 480}),
    "maxparts": ({"global": {"maxparts": 1}}, {MOBILE: 202}),
}


@pytest.mark.parametrize("changes, expected", SETTINGS.values(), ids=SETTINGS.keys())
def test_setting(changes: Changes, expected: dict[str, int], changed: Gateway) -> None:
    changed.reconfigure(changes)
    assert statuses(changed, expected) == expected


def test_bill_to_pays_for_the_rest(changed: Gateway) -> None:
    changed.reconfigure({"sip": {"bill_to": "bench"}})
    with Phone(changed.sip_port) as softswitch:
        assert softswitch.send("36301114001", sender="stranger").status == 202
    settled(changed, messages(changed))
    user, sender = ask(changed, "SELECT user_id, sender FROM tb_messages WHERE target = '36301114001'")[0]
    assert sender == "stranger"
    assert ask(changed, "SELECT id FROM tb_users WHERE username = 'bench'") == [(user,)]


# -- by another implementation ------------------------------------------------------------------------------------

ROWS = {
    202: [(MOBILE, NUMBER, "by sipp"), ("+" + MOBILE, "bench", "Árvíztűrő")],
    402: [(MOBILE, POOR, "no money")],
    403: [(MOBILE, "nobody", "who?"), (OPTED_OUT, NUMBER, "no thanks")],
    404: [(FIXED, NUMBER, "fixed"), ("alice", NUMBER, "a name")],
    484: [("99912345678901", NUMBER, "nowhere")],
}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("status", ROWS)
def test_sipp_gets(status: int, transport: str, started: House, tmp_path: Path) -> None:
    port, rows = started.gateway.sip_port, ROWS[status]
    sent = sipp.send(tmp_path, port, "message", rows, expect=status, transport=transport)
    assert (sent.successful, sent.failed) == (len(rows), 0)


def test_strangers_are_challenged_whatever_they_assert(started: House) -> None:
    with Phone(started.gateway.sip_port, host=STRANGER) as stranger:
        response = stranger.send(MOBILE, fields={"P-Asserted-Identity": "<sip:bench@example.com>"})
    assert response.status == 401
    assert len(response.headers.get_all("WWW-Authenticate")) == 2
