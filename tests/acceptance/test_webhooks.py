"""Users' programs, told by HTTP: every format to the octet, signed, tried again, replayed, and after a crash."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.rig import House, Rows, ask, house, ledger_holds, run_here
from tests.peers.gateway import PASSWORD, ROOT, Gateway
from tests.peers.http_client import FORM, JSON, ask_http, coded
from tests.peers.http_provider import USUAL, Exchange, HttpProvider
from tests.peers.phone import Phone
from tests.peers.ports import free_port
from tests.peers.program import wait_until

PHONE = "36301112299"
FORMATS = ("json", "get", "post", "xml", "soap")
NUMBERS = {name: f"3620111000{n}" for n, name in enumerate((*FORMATS, "routo", "gone"), 1)}
CHANGES: dict[str, dict[str, object]] = {
    "global": {"smsprice": "0.03"},
    "gateway:click": {"smsurl": "http://127.0.0.1:9/", "inbound": "clickatell", "inbound_ip": "127.0.0.1"},
}
SENT = "2008-08-06 09:43:50"  # GMT+0200
TEXT = "Olá <&\"'> 100% + 1"
DELIVERY, SIGNATURE = "X-VoipSMS-Delivery", "X-VoipSMS-Signature"


@dataclass(frozen=True, slots=True)
class At:
    house: House
    hook: HttpProvider
    secrets: dict[str, str]
    nobody: int  # a port where the program of `gone` will be

    @property
    def gateway(self) -> Gateway:
        return self.house.gateway

    def take(self, user: str, text: str = TEXT, phone: str = PHONE, **more: str) -> None:
        fields = {"from": phone, "to": NUMBERS[user], "text": text, "charset": "UTF-8", "timestamp": SENT, **more}
        assert ask_http(self.gateway.http_port, "/mo/click?" + coded(fields)).status == 200

    def told(self, phone: str, count: int = 1) -> list[Exchange]:
        wait_until(lambda: len(self.hook.to(phone)) >= count, f"{count} requests about {phone}")
        return self.hook.to(phone)

    def messages(self, phone: str) -> Rows:
        """Their ids, their users', and their states."""
        return ask(self.gateway, f"SELECT id, user_id, state FROM tb_messages WHERE sender = '{phone}'")  # noqa: S608

    def message(self, phone: str) -> tuple[Any, ...]:
        (row,) = self.messages(phone)
        return row

    def becomes(self, phone: str, state: str) -> None:
        wait_until(lambda: [row[2] for row in self.messages(phone)] == [state], f"{phone}: {state}", pause=0.05)

    def waiting(self, phone: str, *words: str) -> dict[str, Any]:
        """The row of `outbox list` that is about a phone."""
        (row,) = (row for row in self.gateway.table("outbox", "list", *words) if row["from"] == phone)
        return row


def _furnish(gateway: Gateway, hook: int, nobody: int) -> dict[str, str]:
    """Accounts with their programs; returns the secrets of signatures."""
    secrets = {}
    for name, number in NUMBERS.items():
        run_here(gateway, "user", "add", name, "--password", PASSWORD, "--credit", "10", "--number", number)
        form = name if name in FORMATS else "post" if name == "routo" else "json"
        url = f"http://127.0.0.1:{nobody if name == 'gone' else hook}/sms?key=1"
        words = ["--hook", url, "--hook-format", form, "--receipts", "yes", "--route", "0"]
        words += ["--hook-retry", "clickatell" if name in FORMATS else "routo"]
        (row,) = json.loads(run_here(gateway, "user", "reach", name, *words, "--format", "json"))
        secrets[name] = row["hook_secret"]
    return secrets


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    url, nobody = "sqlite:///voipsms.db", free_port()
    secrets: dict[str, str] = {}
    with ExitStack() as stack:
        if request.param == "mariadb":
            server = request.getfixturevalue("mariadb")
            url = server.new_database()
            stack.callback(server.drop_database, url)
        hook = stack.enter_context(HttpProvider())

        def users(gateway: Gateway) -> None:
            secrets.update(_furnish(gateway, hook.port, nobody))

        folder = tmp_path_factory.mktemp("webhooks")
        running = stack.enter_context(house(folder, url, smsc=("--no-endings",), changes=CHANGES, users=users))
        yield At(running, hook, secrets, nobody)
        ledger_holds(running.gateway)


# -- what they get


def _expected(form: str, phone: str, api_id: str, message: str) -> tuple[str, str, bytes]:
    """Method, path and body, as Clickatell's two-way guide has them (§11.3)."""
    to, text, sent = NUMBERS[form], quote(TEXT, safe="", encoding="latin-1"), quote(SENT, safe="")
    query = (
        f"api_id={api_id}&from={phone}&to={to}&timestamp={sent}&text={text}&charset=ISO-8859-1&udh=&moMsgId={message}"
    )
    written = "Ol&#225; &lt;&amp;\"'&gt; 100% + 1"
    xml = (
        f'<?xml version="1.0"?>\n<clickmo><api_id>{api_id}</api_id><moMsgId>{message}</moMsgId><from>{phone}</from>'
        f"<to>{to}</to><timestamp>{SENT}</timestamp><text>{written}</text><charset>ISO-8859-1</charset><udh />"
        "</clickmo>"
    )
    soap = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        '<SOAP-ENV:Envelope SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
        ' xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" xmlns:tns="clickatell_mo">'
        '<SOAP-ENV:Body><tns:mo_callback xmlns:tns="clickatell_mo">'
        f'<api_id xsi:type="xsd:int">{api_id}</api_id><from xsi:type="xsd:string">{phone}</from>'
        f'<to xsi:type="xsd:string">{to}</to><timestamp xsi:type="xsd:string">{SENT}</timestamp>'
        '<charset xsi:type="xsd:string">ISO-8859-1</charset><udh xsi:type="xsd:string" />'
        f'<text xsi:type="xsd:string">{written}</text><momsgid xsi:type="xsd:string">{message}</momsgid>'
        "</tns:mo_callback></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return {
        "get": ("GET", f"/sms?key=1&{query}", b""),
        "post": ("POST", "/sms?key=1", query.encode()),
        "xml": ("POST", "/sms?key=1", b"data=" + quote(xml, safe="").encode()),
        "soap": ("POST", "/sms?key=1", b"data=" + quote(soap, safe="").encode()),
    }[form]


@pytest.mark.parametrize("form", FORMATS[1:])
def test_clickatells_formats(at: At, form: str) -> None:
    phone = f"3630220001{FORMATS.index(form)}"
    at.take(form, phone=phone)
    (request,) = at.told(phone)
    message, user, _ = at.message(phone)
    method, path, body = _expected(form, phone, str(user % 10**9), str(message))
    assert (request.method, request.path, request.body) == (method, path, body)
    assert request.content_type == ("" if form == "get" else FORM)
    assert SIGNATURE not in request.headers
    at.becomes(phone, "DELIVERED")


def _verifier(folder: Path) -> Any:
    """`verified` of docs/delivery.md, as its readers would copy it."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/delivery.md").read_text(), re.DOTALL)
    (folder / "verifier.py").write_text(code)
    spec = importlib.util.spec_from_file_location("verifier", folder / "verifier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.verified


def test_json_is_signed(at: At, tmp_path: Path) -> None:
    phone = "36302200021"
    at.take("json", "Szia ✓\r\nX-Evil: 1", phone)
    (request,) = at.told(phone)
    message, _, _ = at.message(phone)
    assert (request.method, request.path, request.content_type) == ("POST", "/sms?key=1", JSON)
    assert json.loads(request.body) == {
        "type": "message", "id": str(message), "delivery": request.headers[DELIVERY], "from": phone,
        "to": NUMBERS["json"], "text": "Szia ✓\r\nX-Evil: 1", "timestamp": "2008-08-06T07:43:50.000Z", "parts": 1,
        "complete": True, "udh": "", "gateway": "click",
    }  # fmt: skip
    assert "X-Evil" not in request.headers
    verified, signature = _verifier(tmp_path), request.headers[SIGNATURE]
    assert verified(signature, request.body, at.secrets["json"])
    assert not verified(signature, request.body + b" ", at.secrets["json"])
    assert not verified(signature, request.body, at.secrets["json"] + "x")
    assert not verified(signature, request.body, at.secrets["json"], datetime.now().timestamp() + 301)


def test_receipts(at: At) -> None:
    """In JSON, in Clickatell's words, in Routo's."""
    found = {}
    with Phone(at.gateway.sip_port) as softswitch:
        for n, name in enumerate(("json", "get", "post", "xml", "soap", "routo")):
            target = f"3630330001{n}"
            assert softswitch.send(target, sender=NUMBERS[name]).status == 202
            (found[name],) = at.told(target)
    told = json.loads(found["json"].body)
    ids: dict[str, int] = dict(ask(at.gateway, "SELECT sender, id FROM tb_messages WHERE direction = 'MT'"))
    assert (told["type"], told["state"], told["price"], told["from"]) == (
        "receipt", "DELIVERED", "0.03", NUMBERS["json"],
    )  # fmt: skip
    assert told["id"] == str(ids[NUMBERS["json"]])
    assert (found["get"].method, found["post"].method) == ("GET", "POST")
    for name in ("get", "post", "xml", "soap"):
        text = found[name].path if name == "get" else found[name].body.decode()
        assert f"apiMsgId={ids[NUMBERS[name]]}" in text
        assert text.endswith("&status=004")
    assert found["routo"].body.decode() == f"mess_id={ids[NUMBERS['routo']]}&status=0&number=36303300015"


# -- what they don't take


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_taken(at: At, status: int) -> None:
    phone = f"3630440{status}9"
    at.hook.usual = ((status, "" if status == 204 else "ERROR no, I don't mean it"),)
    at.take("json", phone=phone)
    at.becomes(phone, "DELIVERED")
    at.hook.usual = USUAL
    assert len(at.told(phone)) == 1


def test_three_more_at_once_and_a_replay(at: At) -> None:
    phone = "36305500021"
    at.hook.usual = ((500, "oops"), (503, "later"), (302, "elsewhere"), (404, "no"))
    at.take("routo", phone=phone)
    requests = at.told(phone, 4)
    at.becomes(phone, "UNDELIVERABLE")
    row = at.waiting(phone, "--failed", "--user", "routo")
    assert (row["state"], row["attempts"], row["channel"]) == ("failed", 4, "webhook")
    assert row["error"].startswith("HTTP 404")
    at.hook.usual = USUAL
    assert at.gateway.command("outbox", "replay", row["id"]) == "1 to be tried again\n"
    requests = at.told(phone, 5)
    at.becomes(phone, "DELIVERED")
    assert {request.headers[DELIVERY] for request in requests} == {row["id"]}
    assert len({request.body for request in requests}) == 1
    assert phone not in {row["from"] for row in at.gateway.table("outbox", "list")}


def test_failing_first_then_taken(at: At) -> None:
    phone = "36305500103"  # 500, then 200
    at.take("routo", phone=phone)
    at.becomes(phone, "DELIVERED")
    assert len(at.told(phone)) == 2


def test_clickatells_schedule(at: At) -> None:
    """Two minutes to the next attempt, also after a restart; 5 seconds asked for by `Retry-After` don't hurry it."""
    phone = "36305500022"
    at.hook.usual = ((500, "oops"),)
    at.take("json", phone=phone)
    at.told(phone)
    wait_until(lambda: at.waiting(phone)["attempts"] == 1, "the first attempt is over", pause=0.1)
    at.hook.usual = USUAL
    row = at.waiting(phone)
    due, created = (datetime.fromisoformat(row[name]) for name in ("due", "created"))
    assert timedelta(seconds=120) <= due - created < timedelta(seconds=125)
    assert (row["state"], row["error"][:8]) == ("waiting", "HTTP 500")
    at.gateway.restart()
    assert at.waiting(phone)["due"] == row["due"]
    assert len(at.told(phone)) == 1
    assert at.message(phone)[2] == "QUEUED"


def test_410_gone_is_for_good(at: At) -> None:
    phone = "36305500023"
    at.hook.usual = ((410, "gone"),)
    at.take("json", phone=phone)
    at.becomes(phone, "UNDELIVERABLE")
    at.hook.usual = USUAL
    assert len(at.told(phone)) == 1
    assert at.waiting(phone, "--failed")["attempts"] == 1


def test_nobody_there(at: At) -> None:
    phone = "36305500024"
    at.take("gone", phone=phone)
    at.becomes(phone, "UNDELIVERABLE")
    assert at.waiting(phone, "--failed")["attempts"] == 4
    with HttpProvider(at.nobody) as back:
        at.gateway.command("outbox", "replay", "--failed", "--user", "gone")
        at.becomes(phone, "DELIVERED")
        assert len(back.to(phone)) == 1


def test_silence_is_put_off(at: At) -> None:
    """10 seconds, and meanwhile nobody else waits, not even another phone's text to the same program."""
    at.take("json", phone="36305500105")
    at.told("36305500105")
    at.take("json", phone="36305500106")
    at.take("xml", phone="36305500107")
    at.becomes("36305500107", "DELIVERED")
    assert at.waiting("36305500105")["attempts"] == 0
    wait_until(lambda: at.waiting("36305500105")["attempts"] == 1, "put off", pause=0.2)
    assert "10 s" in at.waiting("36305500105")["error"]


def test_killed_in_between(at: At) -> None:
    """The program has the request, and nobody has its answer: it gets it again, and knows it for the same one."""
    phone = "36305500025"
    at.hook.usual = (None,)
    at.take("json", phone=phone)
    at.told(phone)
    at.gateway.kill()
    at.hook.usual = USUAL
    at.gateway.start()
    first, second = at.told(phone, 2)
    assert (first.headers[DELIVERY], first.body) == (second.headers[DELIVERY], second.body)
    assert first.headers[SIGNATURE]
    at.becomes(phone, "DELIVERED")
