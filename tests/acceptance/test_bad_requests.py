"""What must not be taken, sent to the running listener: a clear refusal, counted, nothing stored, nobody disturbed."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds
from tests.inbound.test_clickatell import SOAP
from tests.peers.gateway import NUMBER, PASSWORD, Gateway
from tests.peers.http_client import FORM, JSON, Said, ask_http, coded, raw
from tests.peers.program import wait_until
from voipsms.web.server import LONGEST_HEAD

PHONE = "36301112233"
NOWHERE = "http://127.0.0.1:9/sms"
PROOF = {"authkey": "server key", "authid": "bench", "authpwd": PASSWORD}
CHANGES: dict[str, dict[str, object]] = {
    "global": {"smsreceive_route": 1, "smsreceive_ip": "203.0.113.9"},
    "http": {"authkey": "server key", "attempts": 1_000_000, "body": 300_000},
    "gateway:click": {"smsurl": NOWHERE, "inbound": "clickatell", "inbound_ip": "127.0.0.1"},
    "gateway:far": {"smsurl": NOWHERE, "inbound": "clickatell", "inbound_ip": "203.0.113.9"},
    "gateway:keyed": {"smsurl": NOWHERE, "inbound": "generic", "inbound_key": "right"},
    "gateway:routo": {"smsurl": NOWHERE, "inbound": "routo", "user": "ruser", "password": "rpass"},
    "gateway:open": {"smsurl": NOWHERE, "inbound": "generic"},
    "gateway:ice": {"smsurl": NOWHERE, "inbound": "icewarp", "inbound_key": "p", "sender": NUMBER},
}
SLOW = 50  # connections that never end their requests
HUNDRED_MB = 100_000_000


class Others:
    """A well-behaved caller beside all this: asks again and again, and keeps how long each answer took."""

    def __init__(self, gateway: Gateway) -> None:
        self.answers: list[tuple[str, float]] = []
        self._path = "/mvapireq/?" + coded({**PROOF, "apientry": "rating", "bnum": PHONE})
        self._port, self._over = gateway.http_port, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(0.03):
            before = time.monotonic()
            answer = ask_http(self._port, self._path).text.partition(" ")[0]
            self.answers.append((answer, time.monotonic() - before))

    def __enter__(self) -> Others:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class Slow:
    """Connections whose requests never end; `answers` waits for what each is told at last."""

    def __init__(self, port: int, *begins: bytes) -> None:
        self._open = [socket.create_connection(("127.0.0.1", port), timeout=40) for _ in range(SLOW)]
        for n, peer in enumerate(self._open):
            peer.sendall(begins[n % len(begins)])

    def drip(self) -> None:
        for peer in self._open:
            peer.sendall(b"x")

    def answers(self) -> list[bytes]:
        found = []
        for peer in self._open:
            with peer:
                found.append(peer.recv(4096).partition(b"\r\n")[0])
        return found


@dataclass(frozen=True, slots=True)
class At:
    house: House
    bearer: str
    slow: Slow
    others: Others

    @property
    def gateway(self) -> Gateway:
        return self.house.gateway

    def stored(self) -> tuple[int, ...]:
        tables = ("tb_messages", "tb_inbound", "tb_joining", "tb_outbox", "tb_ledger", "tb_requests", "tb_receipts")
        return tuple(ask(self.gateway, f"SELECT count(*) FROM {table}")[0][0] for table in tables)  # noqa: S608

    def refused(self) -> float:
        """How many have been counted, as bad input or as unproven."""
        lines = re.findall(
            r"^voipsms_(?:malformed|messages_refused)_total\{.*\} (\S+)$", self.gateway.get("/metrics")[1], re.MULTILINE
        )
        return sum(map(float, lines))


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    with house(tmp_path_factory.mktemp("bad"), changes=CHANGES) as running:
        gateway = running.gateway
        bearer = gateway.command("user", "key", "bench").split()[-1]
        head = b"POST /mo/click HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: 100\r\n\r\n"
        post = head % FORM.encode() + b"from=3630"
        slow = Slow(gateway.http_port, b"GET /mo/click?from=36", b"GET / HTTP/1.1\r\nX: y", post)
        with Others(gateway) as others:
            yield At(running, bearer, slow, others)
        ledger_holds(gateway)
        assert "Traceback" not in gateway.log.read_text()


@dataclass(frozen=True, slots=True)
class Bad:
    path: str
    body: str | bytes | None = None
    status: int = 400
    kind: str = FORM
    headers: dict[str, str] = field(default_factory=dict)
    begins: str = "ERROR "
    method: str = ""


GOOD: dict[str, str | bytes] = {"from": PHONE, "to": NUMBER, "text": "bad", "moMsgId": "b-1"}
SMS: dict[str, str | bytes] = {"anum": NUMBER, "bnum": PHONE, "message": "bad"}


def click(**changed: str | bytes) -> str:
    return "/mo/click?" + coded({**GOOD, **changed})


def xml(inner: str, before: str = "") -> Bad:
    return Bad("/mo/click", f'<?xml version="1.0"?>{before}<clickmo>{inner}</clickmo>', kind="text/xml")


def mizu(*without: str, more: str = "", **changed: str | bytes) -> str:
    fields = {**PROOF, "apientry": "sendsms", **SMS, **changed}
    return "/mvapireq/?" + coded({name: value for name, value in fields.items() if name not in without}) + more


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
NUMBERS = f"<from>{PHONE}</from><to>{NUMBER}</to><moMsgId>x</moMsgId>"
REST = "/api/v1/messages"
TEXT = '{"to": "36301112233", "text": "bad"}'

CASES = {
    "text is missing": Bad("/mo/click?" + coded({n: v for n, v in GOOD.items() if n != "text"})),
    "from is missing": Bad("/mo/click?" + coded({n: v for n, v in GOOD.items() if n != "from"})),
    "doubled": Bad(click() + "&text=again"),
    "doubled in URL and body": Bad(click(), "text=again"),
    "a hundred and one parameters": Bad(click() + "&a=1" * 101),
    "no such charset": Bad(click(charset="EBCDIC-37")),
    "text is not in its charset": Bad(click(charset="UTF-8", text=b"\xff\xfe")),
    "half a unit of UTF-16": Bad(click(charset="UTF-16BE", text=b"\x00")),
    "a name as our number": Bad(click(to="acme'; DROP TABLE tb_users; --")),
    "a line end in the sender": Bad(click(**{"from": "361\r\nX-Evil: 1"})),
    "an endless sender": Bad(click(**{"from": "3" * 300})),
    "an endless text": Bad("/mo/click", coded({**GOOD, "text": "x" * 16_001})),
    "an entity": xml(f"{NUMBERS}<text>&me;</text>", '<!DOCTYPE a [<!ENTITY me "x">]>'),
    "a file by an entity": xml(f"{NUMBERS}<text>&f;</text>", '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
    "a billion laughs": xml(f"{NUMBERS}<text>&l9;</text>", f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>'),
    "a DTD elsewhere": xml(f"{NUMBERS}<text>x</text>", '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">'),
    "deeply nested": xml("<a>" * 20_000 + "</a>" * 20_000),
    "many elements": xml(NUMBERS + "<text>x</text>" + "<a/>" * 20_000),
    "broken XML": xml(f"{NUMBERS}<text>x"),
    "broken SOAP": Bad("/mo/click", coded({"data": SOAP[:-30]})),
    "XML of no encoding": Bad("/mo/click", '<?xml version="1.0" encoding="x-y"?><a/>', kind="text/xml"),
    "long XML": xml(f"{NUMBERS}<text>{'x' * 250_000}</text>"),
    "udh: its length lies": Bad(click(udh="0500033302")),
    "udh: part 7 of 3": Bad(click(udh="050003330307")),
    "udh: part 0": Bad(click(udh="050003330300")),
    "udh: an element past the end": Bad(click(udh="0500FF330301")),
    "udh: no hexadecimal": Bad(click(udh="xyz")),
    "a body over the limit": Bad("/mo/click", "x" * 300_001, 413),
    "a body of another kind": Bad("/mo/click", b"\x89PNG", 415, "image/png"),
    "another method": Bad(click(), "x=1", 405, method="PUT"),
    "no such gateway": Bad("/mo/nobody?from=1", status=404),
    "no receipts of IceWarp": Bad("/dlr/ice?pass=p", status=404, begins=""),
    "a wrong code of a receipt": Bad("/dlr/click?apiMsgId=a&status=099"),
    "another address": Bad("/mo/far?" + coded(GOOD), status=403),
    "a forged address": Bad("/mo/far?" + coded(GOOD), status=403, headers={"X-Forwarded-For": "203.0.113.9"}),
    "a forged list of addresses": Bad(
        "/mo/far?" + coded(GOOD), status=403,
        headers={"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "Forwarded": "for=203.0.113.9"},
    ),
    "a wrong key": Bad("/mo/keyed?key=wrong&from=361&to=362&message=bad", status=403),
    "no key": Bad("/mo/keyed?from=361&to=362&message=bad", status=403),
    "Routo's password": Bad("/mo/routo?" + coded(
        {"user": "ruser", "pass": "wrong", "dcs": "0", "org": PHONE, "dest": NUMBER, "message": "bad"}), status=403),
    "a gateway without proof": Bad("/mo/open?from=361&to=362&message=bad", status=403),
    "IceWarp's pass": Bad(f"/sms/deliver.html?id=ice&pass=q&number={PHONE}&data=bad", status=403, begins="False "),
    "IceWarp's script for another": Bad("/sms/deliver.html?id=click&pass=p&number=361&data=bad", status=403, begins=""),
    "Mizu: no text": Bad(mizu("message")),
    "Mizu: no entry": Bad(mizu("apientry")),
    "Mizu: doubled": Bad(mizu(more="&ANUM=1")),
    "Mizu: doubled, in two spellings": Bad(mizu(more="&txt=again")),
    "Mizu: no UTF-8": Bad(mizu(message=b"\xff")),
    "Mizu: another charset": Bad(mizu(), "a=b", 415, f"{FORM}; charset=utf-7"),
    "Mizu: nested JSON": Bad("/mvapireq/", '{"message": ' + "[" * 50_000 + "]" * 50_000 + "}", kind=JSON),
    "Mizu: 101 targets": Bad(mizu(bnum=",".join(str(36301000000 + n) for n in range(101)))),
    "Mizu: a wrong password": Bad(mizu(authpwd="wrong"), status=200, begins="ERROR denied "),
    "Mizu: a wrong server key": Bad(mizu(authkey="wrong"), status=200, begins="ERROR denied "),
    "Mizu: a wrong signature": Bad(mizu("authpwd", authmd5="0" * 32, authsalt="s"), status=200, begins="ERROR denied "),
    "Mizu: a user as an admin": Bad(mizu(apientry="asendsms"), status=200, begins="ERROR not_allowed "),
    "Mizu: a number that can't be": Bad(mizu(bnum="12"), status=200, begins="ERROR impossible_number "),
    "smsreceive from another address": Bad(
        "/mvapireq/?apientry=smsreceive&authkey=server%20key&from=361&to=362&message=bad", status=200,
        headers={"X-Forwarded-For": "203.0.113.9"}, begins="ERROR denied ",
    ),
    "REST: a wrong key": Bad(REST, TEXT, 401, JSON, {"Authorization": "Bearer wrong"}, "{"),
    "REST: no key": Bad(REST, TEXT, 401, JSON, {"Authorization": ""}, "{"),
    "REST: no JSON": Bad(REST, '{"to": ', 400, JSON, begins="{"),
    "REST: deeply nested": Bad(REST, "[" * 100_000, 400, JSON, begins="{"),
    "REST: not UTF-8": Bad(REST, b'{"to": "\xff"}', 400, JSON, begins="{"),
    "REST: a field too many": Bad(REST, '{"to": "36301112233", "text": "bad", "now": 1}', 422, JSON, begins="{"),
    "REST: no text": Bad(REST, '{"to": "36301112233"}', 422, JSON, begins="{"),
    "REST: a form": Bad(REST, "to=1", 415, FORM, begins="{"),
    "REST: too long": Bad(REST, TEXT + " " * 300_000, 413, JSON, begins="{"),
    "REST: an endless key": Bad(REST, TEXT, 422, JSON, {"Idempotency-Key": "x" * 256}, "{"),
    "REST: udh that lies": Bad(REST, TEXT.replace('"text": "bad"', '"octets": "00", "udh": "0500033303"'), 400, JSON,
                               begins="{"),
}  # fmt: skip


def ask_bad(at: At, bad: Bad) -> Said:
    headers = bad.headers
    if bad.path.startswith("/api/") and "Authorization" not in headers:
        headers = {"Authorization": f"Bearer {at.bearer}", **headers}
    return ask_http(at.gateway.http_port, bad.path, bad.body, bad.kind, method=bad.method, headers=headers)


def test_what_trickles_in(at: At) -> None:
    """An octet more ends no request, and gives none of them more time: see the last test but one."""
    at.slow.drip()
    assert at.refused() == 0


@pytest.mark.parametrize("bad", CASES.values(), ids=CASES)
def test_refused(at: At, bad: Bad) -> None:
    before, counted = at.stored(), at.refused()
    answer = ask_bad(at, bad)
    assert answer.status == bad.status, answer.text
    assert answer.text.startswith(bad.begins)
    assert len(answer.body) < 2000
    assert "x-evil" not in answer.headers
    assert at.stored() == before
    assert at.refused() > counted


def test_100_mb_that_are_streamed(at: At) -> None:
    """In chunks, so that nobody knows before; the connection ends long before they do."""
    before, counted = at.stored(), at.refused()
    piece = b"10000\r\n" + b"<a>x</a>" * 0x2000 + b"\r\n"
    memory = at.gateway.rss_bytes()
    with socket.create_connection(("127.0.0.1", at.gateway.http_port), timeout=30) as peer:
        peer.sendall(
            b"POST /mo/click HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        sent = 0
        try:
            while sent < HUNDRED_MB:
                peer.sendall(piece)
                sent += len(piece)
            answer = peer.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert answer.startswith(b"HTTP/1.1 413 ") or (not answer and sent < HUNDRED_MB)
    assert at.gateway.rss_bytes() - memory < 20_000_000
    assert at.stored() == before
    assert at.refused() > counted


POST = b"POST /mo/click HTTP/1.1\r\nHost: x\r\n"
HEADS = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    "no path": (b"GET\r\n\r\n", b"400"),
    "an endless header": (b"GET / HTTP/1.1\r\nX: " + b"x" * (LONGEST_HEAD + 1), b"431"),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000, b"431"),
    "an endless path": (b"GET /" + b"x" * (LONGEST_HEAD + 1), b"431"),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nfrom=1", b"400"),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    "a length below nothing": (POST + b"Content-Length: -1\r\n\r\n", b"400"),
    "100 MB announced": (POST + b"Connection: close\r\nContent-Length: 100000000\r\n\r\n", b"413"),
    "a chunk that is none": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"400"),
    "a bare CR in a header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rY: b\r\n\r\n", b"400"),
}  # fmt: skip


@pytest.mark.parametrize("octets, status", HEADS.values(), ids=HEADS)
def test_a_head_that_is_none(at: At, octets: bytes, status: bytes) -> None:
    before, counted = at.stored(), at.refused()
    assert raw(at.gateway.http_port, octets).startswith(b"HTTP/1.1 " + status)
    assert at.stored() == before
    assert at.refused() > counted


def test_who_hangs_up_in_between(at: At) -> None:
    before = at.stored()
    body = coded({**GOOD, "moMsgId": "hung"}).encode()
    head = b"POST /mo/click HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", at.gateway.http_port), timeout=10) as peer:
            peer.sendall(head % (FORM.encode(), len(body) + 1) + body)
    assert ask_http(at.gateway.http_port, "/healthz").status == 200
    assert at.stored() == before


def test_requests_that_never_end(at: At) -> None:
    """Begun before all other tests: each is told so, and counted."""
    answers = at.slow.answers()
    assert [answer for answer in answers if answer != b"HTTP/1.1 408 Request Timeout"] == []
    assert at.gateway.metric("voipsms_malformed_total", door="http") >= SLOW


def test_others_are_not_disturbed(at: At) -> None:
    words, times = zip(*at.others.answers, strict=True)
    assert set(words) == {"OK"}
    assert len(times) > 50
    assert max(times) < 2
    wait_until(at.gateway.ready, "ready, still")
    assert ask_http(at.gateway.http_port, click(text="a good one")).status == 200
    wait_until(lambda: bool(ask(at.gateway, "SELECT 1 FROM tb_messages WHERE text = 'a good one'")), "it is stored")
