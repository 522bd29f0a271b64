"""Texts from phones by HTTP: every format, each stored once, answered after its commit, and given to its user."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql
import pytest

from tests.acceptance.rig import Rows, ask, ledger_holds
from tests.inbound.test_clickatell import GET, MIZU, SOAP, XML, filled
from tests.peers.gateway import Gateway
from tests.peers.http_client import FORM, Said, ask_http, coded
from tests.peers.http_provider import HttpProvider
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand
from voipsms.config import mysql_parameters

PHONE, OURS = "36301112233", "36201110001"
CLICK, ROUTO, ANY, ICEWARP = "/mo/click", "/mo/routo", "/mo/any", "/sms/deliver.html"
MIZU_API = "/mvapireq/?apientry=smsreceive&authkey=server%20key"
NOWHERE = "http://127.0.0.1:9/sms"
CHANGES: dict[str, dict[str, object]] = {
    "global": {"smsprice": "0.03", "smsreceive_route": 1},
    "database": {"busy": "0.1"},
    "http": {"authkey": "server key"},
    "gateway:click": {"smsurl": NOWHERE, "inbound": "clickatell", "inbound_ip": "127.0.0.1"},
    "gateway:routo": {"smsurl": NOWHERE, "inbound": "routo", "user": "ruser", "password": "rpass"},
    "gateway:any": {"smsurl": NOWHERE, "inbound": "generic", "inbound_key": "k"},
    "gateway:ice": {"smsurl": NOWHERE, "inbound": "icewarp", "inbound_key": "p", "sender": OURS},
}
MARKS = {
    "smsreceive_from": "<origin>,,</origin>,", "smsreceive_to": "<dest>,,</dest>,",
    "smsreceive_message": "<body>,,</body>,", "smsreceive_check": "from-acme",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class At:
    gateway: Gateway
    hook: HttpProvider  # alice's program

    def post(self, path: str, body: str | bytes, kind: str = FORM) -> Said:
        return ask_http(self.gateway.http_port, path, body, kind)

    def get(self, path: str) -> Said:
        return ask_http(self.gateway.http_port, path)

    def stored(self, text: str) -> Rows:
        rows = ask(self.gateway, "SELECT sender, target, state, text FROM tb_messages")
        return [row[:3] for row in rows if row[3] == text]

    def heard(self, text: str) -> list[dict[str, object]]:
        found = [json.loads(request.body) for request in list(self.hook.requests)]
        return [told for told in found if told["text"] == text]

    def delivered(self, text: str) -> dict[str, object]:
        """Waits for a text at its user's, and for the record of that. Raises TimeoutError."""
        wait_until(lambda: bool(self.heard(text)), f"{text!r} at its user's")
        wait_until(lambda: [row[2] for row in self.stored(text)] == ["DELIVERED"], f"{text!r} stored once", pause=0.05)
        (told,) = self.heard(text)
        return told


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    folder, url = tmp_path_factory.mktemp("providers"), "sqlite:///voipsms.db"
    with contextlib.ExitStack() as stack:
        if request.param == "mariadb":
            server = request.getfixturevalue("mariadb")
            url = server.new_database()
            stack.callback(server.drop_database, url)
        smsc, hook = stack.enter_context(SmscCommand(folder)), stack.enter_context(HttpProvider())
        gateway = Gateway(folder, smsc.port, url, level="info", changes=CHANGES)
        gateway.add_user("alice", "10", OURS)
        gateway.command(
            "user", "reach", "alice", "--route", "0", "--hook", f"http://127.0.0.1:{hook.port}/sms", "--hook-retry",
            "routo",
        )  # fmt: skip
        stack.enter_context(gateway)
        yield At(gateway, hook)
        ledger_holds(gateway)


# -- formats


def _numbers(text: str) -> str:
    """The manuals' examples with numbers of ours."""
    for one in ("279991235642", "3611111111"):
        text = text.replace(one, PHONE)
    for one in ("27123456789", "3622222222"):
        text = text.replace(one, OURS)
    return text


def _xml(mark: str, text: str) -> str:
    told = XML.replace("handset_number_here", PHONE).replace("mo_number_here", OURS)
    return told.replace("fa6ba35b330ce1bc7e2008e5d92d57aa", mark).replace("<text>xxx", f"<text>{text}")


def _soap(mark: str, text: str) -> str:
    told = {"from": PHONE, "to": OURS, "timestamp": "2007-02-26 14:36:50", "charset": "UTF-8", "udh": ""}
    return filled(SOAP, **told, momsgid=mark, text=text)


def _routo(text: str, dcs: str = "0") -> dict[str, str | bytes]:
    return {"user": "ruser", "pass": "rpass", "dcs": dcs, "org": PHONE, "dest": OURS, "message": text}


def _ice(**fields: str) -> str:
    return ICEWARP + "?" + coded({"id": "ice", "pass": "p", "number": f"+{PHONE}", **fields})


@dataclass(frozen=True, slots=True)
class Case:
    path: str
    body: str | None
    text: str
    at: str = ""  # when the phone sent it
    said: str = "OK"
    kind: str = FORM


ANSI = "2008-08-06T07:43:50.000Z"
LATER = "2007-02-26T12:36:50.000Z"
HANDSET = {"from": PHONE, "to": OURS}
CASES = {
    "Clickatell GET": Case(f"{CLICK}?{_numbers(GET)}", None, "Hereisthe messagetext", ANSI),
    "Clickatell POST": Case(CLICK, _numbers(MIZU), "Test 1 2 3", "2009-07-04T19:39:40.000Z"),
    "Clickatell XML by GET": Case(f"{CLICK}?{coded({'data': _xml('x-1', 'xml get')})}", None, "xml get", LATER),
    "Clickatell XML by POST": Case(CLICK, coded({"data": _xml("x-2", "a &lt;b&gt; &amp; c")}), "a <b> & c", LATER),
    "Clickatell XML as printed": Case(CLICK, "data=" + _xml("x-3", "xml bare"), "xml bare", LATER),
    "Clickatell SOAP by GET": Case(f"{CLICK}?{coded({'data': _soap('s-1', 'soap get')})}", None, "soap get", LATER),
    "Clickatell SOAP by POST": Case(CLICK, coded({"Data": _soap("s-2", "soap & post")}), "soap & post", LATER),
    "Clickatell SOAP as body": Case(CLICK, _soap("s-3", "soap body"), "soap body", LATER, kind="text/xml"),
    "latin-1": Case(CLICK, coded({**HANDSET, "moMsgId": "c-1", "charset": "ISO-8859-1", "text": "d\xe9j\xe0".encode(
        "latin-1")}), "déjà"),
    "UTF-16BE": Case(CLICK, coded({**HANDSET, "moMsgId": "c-2", "charset": "UTF-16BE", "text": "Szőlő 😀".encode(
        "utf-16-be")}), "Szőlő 😀"),
    "UTF-8": Case(CLICK, coded({**HANDSET, "moMsgId": "c-3", "charset": "UTF-8", "text": "Žluťoučký ✓"}),
                  "Žluťoučký ✓"),
    "Routo GET": Case(f"{ROUTO}?{coded(_routo('routo get'))}", None, "routo get"),
    "Routo POST, UCS-2": Case(ROUTO, coded(_routo("Ő ✓".encode("utf-16-be").hex(), "8")), "Ő ✓"),
    "generic GET": Case(f"{ANY}?{coded({'key': 'k', **HANDSET, 'message': 'any get'})}", None, "any get"),
    "generic form": Case(f"{ANY}?key=k", coded({**HANDSET, "message": "any förm"}), "any förm"),
    "generic JSON": Case(f"{ANY}?key=k", json.dumps({**HANDSET, "message": "any jsőn"}), "any jsőn",
                         kind="application/json"),
    "IceWarp": Case(_ice(data="deliver me ű"), None, "deliver me ű", said="True"),
    "Mizu GET": Case(f"{MIZU_API}&{coded({**HANDSET, 'message': 'mizu get'})}&now=5", None, "mizu get"),
    "Mizu POST": Case(MIZU_API, coded({**HANDSET, "message": "mizu pöst"}), "mizu pöst"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_text_of_every_format(at: At, case: Case) -> None:
    """And a second time: answered the same, stored once."""
    for _ in range(2):
        answer = at.get(case.path) if case.body is None else at.post(case.path, case.body, case.kind)
        assert (answer.status, answer.text.split()[0]) == (200, case.said), answer.text
    told = at.delivered(case.text)
    assert (told["from"], told["to"], told["type"]) == (PHONE, OURS, "message")
    if case.at:
        assert told["timestamp"] == case.at


def test_octets_by_icewarp(at: At) -> None:
    octets = bytes(range(0, 256, 9))
    assert at.get(_ice(data=base64.b64encode(octets).decode(), binary="1")).status == 200
    wait_until(lambda: any(octets.hex().encode() in request.body for request in at.hook.requests), "the octets")


def test_cut_marks(at: At) -> None:
    """smsreceive_…: `from1,from2,to1,to2`, and words that have to be there."""
    body = "<sms by='from-acme'><origin>{}</origin><dest>{}</dest><body>{}</body></sms>"
    at.gateway.reconfigure({**CHANGES, "global": {**CHANGES["global"], **MARKS}})
    try:
        for path, text in ((f"{ANY}?key=k", "cut out"), (MIZU_API, "cut by Mizu, & on")):
            assert at.post(path, body.format(PHONE, OURS, text), "text/xml").status == 200
            at.delivered(text)
        for path in (f"{ANY}?key=k", MIZU_API):
            stranger = body.format(PHONE, OURS, "stranger").replace("from-acme", "from-x")
            assert at.post(path, stranger, "text/xml").status == 400
        assert at.stored("stranger") == []
    finally:
        at.gateway.reconfigure(CHANGES)


# -- repeats, commits, parts


def click(mark: str, text: str, udh: str = "") -> str:
    return f"{CLICK}?{coded({**HANDSET, 'moMsgId': mark, 'charset': 'UTF-8', 'text': text, 'udh': udh})}"


def test_a_repeat_after_a_restart(at: At) -> None:
    assert at.get(click("r-1", "before the restart")).status == 200
    at.delivered("before the restart")
    at.gateway.restart()
    assert (at.get(click("r-1", "before the restart")).text, at.get(click("r-2", "after it")).text) == ("OK\n", "OK\n")
    at.delivered("after it")
    at.delivered("before the restart")  # once, still


def test_a_repeat_is_known_by_its_id_alone(at: At) -> None:
    """Another id: another text; the same text of another provider, too."""
    repeats = at.gateway.metric("voipsms_inbound_total", door="http", outcome="repeat")
    for path in (click("i-1", "same words"), click("i-1", "same words"), click("i-2", "same words")):
        assert at.get(path).status == 200
    assert at.get(f"{ANY}?{coded({'key': 'k', 'msgid': 'i-1', **HANDSET, 'message': 'same words'})}").status == 200
    wait_until(lambda: len(at.heard("same words")) == 3, "all three")
    assert len(at.stored("same words")) == 3
    assert at.gateway.metric("voipsms_inbound_total", door="http", outcome="repeat") == repeats + 1


@contextmanager
def locked(gateway: Gateway) -> Iterator[None]:
    """Nobody can write to the table of what comes in."""
    if gateway.url.startswith("mysql"):
        with pymysql.connect(**mysql_parameters(gateway.url)) as other, other.cursor() as cursor:  # type: ignore[call-overload]
            cursor.execute("LOCK TABLES tb_inbound WRITE")
            yield
            cursor.execute("UNLOCK TABLES")
        return
    with contextlib.closing(sqlite3.connect(gateway.file.parent / "voipsms.db")) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.rollback()


def test_no_answer_before_the_commit(at: At) -> None:
    with locked(at.gateway):
        refused = at.get(click("l-1", "kept in the end"))
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert not at.heard("kept in the end")
    wait_until(at.gateway.ready, "the store is usable again")
    assert at.get(click("l-1", "kept in the end")).status == 200
    at.delivered("kept in the end")


def test_what_was_answered_survives_a_kill(at: At) -> None:
    for n in range(20):
        assert at.get(click(f"k-{n}", f"killed {n}")).status == 200
    at.gateway.kill()
    at.gateway.start()
    for n in range(20):
        wait_until(lambda n=n: [row[2] for row in at.stored(f"killed {n}")] == ["DELIVERED"], f"text {n}")  # type: ignore[misc]
        assert at.heard(f"killed {n}")


PARTS = ("First part, ", "second part.")


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in order", "the second first"])
def test_parts(at: At, order: tuple[int, int]) -> None:
    mark = f"p-{order[0]}"
    texts = [f"{mark} {PARTS[0]}", PARTS[1]]
    for number in order:
        assert at.get(click(f"{mark}-{number}", texts[number - 1], f"0500033302{number:02d}")).status == 200
    told = at.delivered("".join(texts))
    assert (told["parts"], told["complete"]) == (2, True)


def test_parts_across_a_restart(at: At) -> None:
    assert at.get(click("q-2", "two", "050003440202")).status == 200
    at.gateway.kill()
    at.gateway.start()
    assert at.get(click("q-2", "two", "050003440202")).status == 200  # the provider comes again
    assert at.get(click("q-1", "one and ", "050003440201")).status == 200
    at.delivered("one and two")


def test_an_emoji_that_is_cut_in_two(at: At) -> None:
    octets = "😀".encode("utf-16-be")
    for number, half in enumerate((octets[:2], octets[2:]), 1):
        fields = {**HANDSET, "moMsgId": f"e-{number}", "charset": "UTF-16BE", "udh": f"0500035502{number:02d}"}
        assert at.get(f"{CLICK}?{coded({**fields, 'text': half})}").status == 200
    at.delivered("😀")


def test_nothing_of_all_this_is_in_the_log(at: At) -> None:
    said = at.gateway.log.read_text()
    assert not [word for word in ("rpass", "server key", "killed 7", "any get", "Traceback") if word in said]
