"""REST through the whole program, and the Mizu API's forms, addresses and sign-up codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.rig import House, house, ledger_holds, messages, run_here
from tests.peers.gateway import NUMBER, PASSWORD, Gateway
from tests.peers.http_client import JSON, Said, ask_http, coded
from tests.peers.http_provider import HttpProvider
from tests.peers.program import wait_until

TARGET = "36301112233"
PRICE = Decimal("0.01")
AUTHKEY = "server key"
CHANGES: dict[str, dict[str, object]] = {
    "global": {"uauthverify": "bench", "smpp_scheduletime": "none"},  # what is for later waits here, not there
    "http": {"authkey": AUTHKEY, "allow": "203.0.113.0/24", "attempts": 1000},
}


@dataclass(frozen=True, slots=True)
class At:
    house: House
    key: str

    @property
    def gateway(self) -> Gateway:
        return self.house.gateway

    def ask(self, path: str, told: object = None, method: str = "", **headers: str) -> Said:
        body = None if told is None else json.dumps(told)
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        proof = {"Authorization": f"Bearer {self.key}"}
        return ask_http(self.gateway.http_port, f"/api/v1/{path}", body, JSON, method=method, headers={**proof, **more})

    def balance(self) -> Decimal:
        return Decimal(self.ask("balance").object["balance"])

    def state(self, message_id: str, state: str) -> dict[str, Any]:
        """Waits until it has that; the message."""
        wait_until(lambda: self.ask(f"messages/{message_id}").object["state"] == state, state, pause=0.05)
        found: dict[str, Any] = self.ask(f"messages/{message_id}").object
        return found

    def mizu(self, entry: str, body: str | None = None, kind: str = "", **fields: str) -> str:
        proof = {"authkey": AUTHKEY, "authid": "bench", "authpwd": PASSWORD}
        path = "/mvapireq/?" + coded({"apientry": entry, **proof, **fields})
        return ask_http(self.gateway.http_port, path, body, kind).text.rstrip("\n")


def _users(gateway: Gateway) -> None:
    gateway.add_user()
    run_here(gateway, "user", "add", "root", "--password", PASSWORD, "--type", "admin")


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    url, folder = "sqlite:///voipsms.db", tmp_path_factory.mktemp("rest")
    with ExitStack() as stack:
        if request.param == "mariadb":
            server = request.getfixturevalue("mariadb")
            url = server.new_database()
            stack.callback(server.drop_database, url)
        running = stack.enter_context(house(folder, url, smsc=("--no-endings",), changes=CHANGES, users=_users))
        gateway = running.gateway
        yield At(running, run_here(gateway, "user", "key", "bench").split()[-1])
        ledger_holds(gateway)


def test_the_new_key_is_known_within_a_second(at: At) -> None:
    wait_until(lambda: at.ask("balance").status == 200, "the key known", 10)


def test_an_idempotency_key_across_a_kill(at: At) -> None:
    told, key = {"to": TARGET, "text": "once"}, "order-17"
    first = at.ask("messages", told, Idempotency_Key=key)
    assert (first.status, first.object["to"]) == (202, TARGET)
    count = messages(at.gateway)
    at.gateway.kill()
    at.gateway.start()
    again = at.ask("messages", told, Idempotency_Key=key)
    assert (again.status, again.body, again.headers["idempotent-replay"]) == (202, first.body, "true")
    other = at.ask("messages", {"to": TARGET, "text": "twice"}, Idempotency_Key=key)
    assert (other.status, other.object["code"]) == (422, "key_reused")
    assert messages(at.gateway) == count
    at.state(first.object["id"], "DELIVERED")


def test_a_quote_is_what_is_charged(at: At) -> None:
    told = {"to": TARGET, "text": "ő" * 100}
    quote = at.ask("quote", told).object
    assert (quote["parts"], quote["coding"], quote["currency"]) == (2, "ucs2", "USD")
    before = at.balance()
    message = at.ask("messages", told).object
    assert before - at.balance() == Decimal(quote["price"])
    assert Decimal(at.state(message["id"], "DELIVERED")["price"]) == Decimal(quote["price"])


def test_scheduled_then_cancelled(at: At) -> None:
    before = at.balance()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    message = at.ask("messages", {"to": TARGET, "text": "later", "send_at": later}).object["id"]
    assert at.balance() == before - PRICE
    cancelled = at.ask(f"messages/{message}", method="DELETE")
    assert (cancelled.status, cancelled.object) == (200, {"id": message, "state": "DELETED"})
    assert at.balance() == before
    again = at.ask(f"messages/{message}", method="DELETE")
    assert (again.status, again.object["code"]) == (409, "too_late")
    kinds = [event["kind"] for event in at.ask(f"messages/{message}/events").object["events"]]
    assert {"accepted", "reserve", "refund", "DELETED"} <= set(kinds)


def test_a_thousand_in_one_request(at: At) -> None:
    """A verdict each in their order, whatever is wrong with some; then all of them by pages."""
    before, count = at.balance(), messages(at.gateway)
    batch = [{"to": f"3630{n:07d}" if n % 100 else "12", "text": f"n {n}"} for n in range(1000)]
    answer = at.ask("messages/batch", {"messages": batch})
    verdicts = answer.object["messages"]
    assert answer.status == 207
    assert [verdict["to"] for verdict in verdicts] == [message["to"] for message in batch]
    taken = [verdict["id"] for verdict in verdicts if verdict["status"] == 202]
    assert len(taken) == 990
    assert messages(at.gateway) == count + 990
    assert before - at.balance() == 990 * PRICE
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = at.ask(f"messages?limit=300{f'&cursor={cursor}' if cursor else ''}").object
        found += [message["id"] for message in page["messages"]]
        cursor, pages = page["next"], pages + 1
    assert pages >= 4
    assert found == sorted(set(found), key=int, reverse=True)
    assert set(taken) <= set(found)
    too_many = at.ask("messages/batch", {"messages": [*batch, *batch[:1]]})
    assert too_many.status == 422


def test_forms_of_mizus_requests(at: At) -> None:
    """GET, form and JSON, any case, several targets by comma."""
    sms = {"ANUM": NUMBER, "To": TARGET, "Txt": "Szia"}
    assert re.fullmatch(r"OK \d+", at.mizu("SendSMS", **sms, now="1"))
    assert re.fullmatch(r"OK \d+", at.mizu("sms", coded(sms), "application/x-www-form-urlencoded"))
    assert re.fullmatch(r"OK \d+", at.mizu("sendsms", json.dumps(sms), JSON))
    several = at.mizu("sendsms", **{**sms, "To": f"{TARGET},12,36301112244"})
    assert re.fullmatch(r"OK \d+,\d+\nERROR 12 impossible_number .*", several)
    assert re.fullmatch(r"OK \d+ DELIVERED", at.mizu("sendsmssync", **sms))
    assert at.mizu("sendsms", bnum="12", message="x").startswith("ERROR impossible_number ")


def test_admins_only_from_where_they_may(at: At) -> None:
    """[http] allow; X-Forwarded-For of nobody's proxy changes nothing."""
    fields = {"authkey": AUTHKEY, "authid": "root", "authpwd": PASSWORD, "to": TARGET, "txt": "x"}
    path = "/mvapireq/?" + coded({"apientry": "asendsms", **fields})
    forged = ask_http(at.gateway.http_port, path, headers={"X-Forwarded-For": "203.0.113.7"})
    assert forged.text.startswith("ERROR not_allowed ")
    at.gateway.reconfigure({**CHANGES, "http": {**CHANGES["http"], "allow": "127.0.0.1"}})
    assert ask_http(at.gateway.http_port, path).text.startswith("OK ")


def test_sign_up_codes(at: At) -> None:
    """The code is read off the phone, which here is the SMSC's log; right once."""
    phone = "36301119990"
    answer = at.mizu("uauthverify", to=phone)
    assert answer.startswith("OK ")
    at.house.smsc.saw(1, phone)
    (submit,) = at.house.smsc.submits(phone)
    (code,) = re.findall(r"\d{6}", bytes.fromhex(submit["user_data"]).decode())
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    assert at.mizu("uauthverify", to=phone, code=wrong).startswith("ERROR wrong_code ")
    assert at.mizu("uauthverify", to=phone, code=code).startswith("OK")
    assert at.mizu("uauthverify", to=phone, code=code).startswith("ERROR wrong_code ")


# -- receipts by HTTP of what left by HTTP


@pytest.mark.parametrize("form", ["routo", "clickatell"])
def test_receipts_by_http(form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A late word of the provider settles each message: delivered, or failed and paid back."""
    with HttpProvider() as provider:
        changes: dict[str, dict[str, object]] = {
            "global": {
                "smsurl": f"http://127.0.0.1:{provider.port}/send?to=[tonum]&text=[message]&id=[smsid]",
                "inbound": form, "inbound_ip": "127.0.0.1", "inbound_receipts": "ours" if form == "routo" else "answer",
                "smsrefund": "true",
            },
            "http": {"attempts": 1000},
        }  # fmt: skip
        with house(tmp_path_factory.mktemp(form), changes=changes) as running:
            at = At(running, run_here(running.gateway, "user", "key", "bench").split()[-1])
            wait_until(lambda: at.ask("balance").status == 200, "the key known", 10)
            before, ids = at.balance(), {}
            for n, target in enumerate(("36302220011", "36302220012", "36302220013")):
                provider.usual = ((200, f"ID: click-{n}"),)
                ids[target] = at.ask("messages", {"to": target, "text": "x"}).object["id"]
                at.state(ids[target], "ENROUTE")
            for n, (target, message) in enumerate(ids.items()):
                word = {"routo": ("0", "249", "253"), "clickatell": ("004", "007", "010")}[form][n]
                fields = {"mess_id": message, "status": word, "number": target}
                if form == "clickatell":
                    fields = {"apiMsgId": f"click-{n}", "status": word, "to": target, "charge": "0.3"}
                for _ in range(2):  # a repeat changes nothing
                    assert ask_http(at.gateway.http_port, "/dlr/default?" + coded(fields)).text == "OK\n"
            at.state(ids["36302220011"], "DELIVERED")
            at.state(ids["36302220012"], "REJECTED" if form == "routo" else "UNDELIVERABLE")
            at.state(ids["36302220013"], "EXPIRED")
            assert before - at.balance() == PRICE
            ledger_holds(at.gateway)
