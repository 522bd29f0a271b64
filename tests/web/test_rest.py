"""/api/v1 on a real store: who may, what is answered, and what is in the tables then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.core.stage import until
from tests.web.conftest import Serve
from tests.web.rest_rig import NUMBER, TARGET, TEXT, Api, api, ask
from voipsms.model import State, Submitted
from voipsms.settings import GlobalSettings
from voipsms.store.ids import moment, now_millis
from voipsms.web import app
from voipsms.web.rest import idempotency

PROBLEM = "application/problem+json"


def messages(at: Api) -> int:
    return len(at.house.rows("tb_messages"))


# -- sending


async def test_a_message(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        found = await at("POST", "/messages", {**TEXT, "from": NUMBER})
        assert (found.status, found.headers["content-type"]) == (202, "application/json")
        message_id = found.object["id"]
        assert found.object == {"id": message_id, "to": TARGET, "sent": False}
        assert found.headers["location"] == f"/api/v1/messages/{message_id}"
        [row] = at.house.rows("tb_messages", "id, door, sender, target, text, client_ip")
        assert row == (int(message_id), "rest", NUMBER, TARGET, "Hello", "192.0.2.7")
        assert at.house.balance() == 950_000


async def test_all_fields(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        binary = {"to": "+" + TARGET, "octets": "0102fF", "udh": "027000", "class": 2, "valid_for": 600}
        first = (await at("POST", "/messages", binary)).object["id"]
        second = (await at("POST", "/messages", TEXT | {"flash": True, "send_at": "2027-01-15T08:00:00+01:00"})).object
        one = (await at("GET", f"/messages/{first}")).object
        two = (await at("GET", f"/messages/{second['id']}")).object
        assert (one["octets"], one["udh"], one["class"], one["valid_for"]) == ("0102ff", "027000", 2, 600)
        assert (two["class"], two["send_at"], two["state"]) == (0, "2027-01-15T07:00:00.000Z", "QUEUED")
        assert two["waits"] == "for a provider, not before 2027-01-15T07:00:00.000Z"


async def test_the_provider_is_waited_for(tmp_path: Path) -> None:
    async with api(tmp_path, settings=GlobalSettings(smsthread=0)) as at:
        assert (await at("POST", "/messages", TEXT)).object["sent"] is True


async def test_several_targets_get_a_verdict_each(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        found = await at("POST", "/messages", {"to": [TARGET, "1"], "text": "Hello"})
        assert found.status == 207
        good, bad = found.object["messages"]
        assert (good["to"], good["status"]) == (TARGET, 202)
        assert (bad["to"], bad["status"], bad["problem"]["code"]) == ("1", 400, "impossible_number")
        assert (found.object["accepted"], found.object["refused"]) == (1, 1)


async def test_a_batch_of_a_thousand(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        batch = [{"to": f"3630{n:07d}", "text": f"number {n}"} for n in range(1000)]
        found = await at("POST", "/messages/batch", {"messages": batch}, user="root")
        verdicts = found.object["messages"]
        assert (found.status, found.object["accepted"]) == (207, 1000)
        texts = {str(row[0]): row[1] for row in at.house.rows("tb_messages", "id, text")}
        assert [texts[verdict["id"]] for verdict in verdicts] == [one["text"] for one in batch]
        too_many = await at("POST", "/messages/batch", {"messages": [*batch, TEXT]}, user="root")
        assert (too_many.status, messages(at)) == (422, 1000)


async def test_a_batch_ends_where_the_money_does(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        found = await at("POST", "/messages/batch", {"messages": [TEXT] * 25})
        assert (found.object["accepted"], found.object["refused"]) == (20, 5)
        assert {one["problem"]["code"] for one in found.object["messages"] if one["status"] != 202} == {"no_credit"}
        assert at.house.balance() == 0


# -- what is refused


@pytest.mark.parametrize(
    "body, status, code",
    [
        (b"{", 400, "malformed"),
        (b"", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
        (b'{"to":"\xff","text":"x"}', 400, "malformed"),
        (b"[" * 50_000, 400, "malformed"),
        ({}, 422, "invalid_request"),
        ({"to": TARGET}, 422, "invalid_request"),
        (TEXT | {"octets": "00"}, 422, "invalid_request"),
        ({"to": TARGET, "octets": "0"}, 422, "invalid_request"),
        ({"to": TARGET, "octets": "xx"}, 422, "invalid_request"),
        (TEXT | {"udh": "00"}, 422, "invalid_request"),
        ({"to": TARGET, "octets": "00", "udh": "0500"}, 400, "bad_user_data"),
        (TEXT | {"class": 4}, 422, "invalid_request"),
        (TEXT | {"class": 1, "flash": True}, 422, "invalid_request"),
        (TEXT | {"send_at": "tomorrow"}, 422, "invalid_request"),
        (TEXT | {"send_at": "9999-01-01T00:00:00Z"}, 422, "invalid_request"),
        (TEXT | {"send_at": 5}, 422, "invalid_request"),
        (TEXT | {"valid_for": 0}, 422, "invalid_request"),
        (TEXT | {"valid_for": "60"}, 422, "invalid_request"),
        (TEXT | {"txt": "x"}, 422, "invalid_request"),
        (TEXT | {"to": []}, 422, "invalid_request"),
        (TEXT | {"to": [TARGET] * 1001}, 422, "invalid_request"),
        (TEXT | {"text": ""}, 400, "empty_text"),
        (TEXT | {"text": "x" * 20_000}, 413, "too_long"),
        (TEXT | {"to": "+999"}, 400, "impossible_number"),
        (TEXT | {"to": "\ud800"}, 422, "invalid_request"),
        (TEXT | {"text": "a\ud800b"}, 422, "invalid_request"),
        (TEXT | {"\ud800": 1}, 422, "invalid_request"),
        (TEXT | {"to": "name"}, 404, "not_converted"),
        (b'{"to":"1","text":"' + b"x" * 100_000 + b'"}', 413, "body_too_long"),
    ],
    ids=str,
)  # fmt: skip
async def test_bodies_that_are_refused(tmp_path: Path, body: Any, status: int, code: str) -> None:
    async with api(tmp_path) as at:
        found = await at("POST", "/messages", body)
        assert (found.status, found.object["code"]) == (status, code), found.object
        assert found.headers["content-type"] == PROBLEM
        assert found.object["status"] == status
        assert found.object["type"] == f"/api/v1/docs#{code}"
        assert (messages(at), at.house.balance()) == (0, 1_000_000)


@pytest.mark.parametrize(
    "method, path, headers, status, code",
    [
        ("GET", "/balance", {"Authorization": ""}, 401, "denied"),
        ("GET", "/balance", {"Authorization": "Basic YTpi"}, 401, "denied"),
        ("GET", "/balance", {"Authorization": "Bearer wrong"}, 401, "denied"),
        ("GET", "/nothing", {"Authorization": "Bearer wrong"}, 401, "denied"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("PUT", "/messages", {}, 405, "method_not_allowed"),
        ("PATCH", "/messages/1", {}, 405, "method_not_allowed"),
        ("GET", "/messages/1", {}, 404, "not_found"),
        ("GET", "/messages/9999999999999999999", {}, 404, "not_found"),
        ("GET", "/messages/x", {}, 422, "invalid_request"),
        ("GET", "/messages?cursor=-1", {}, 422, "invalid_request"),
        ("GET", "/messages?limit=1001", {}, 422, "invalid_request"),
        ("GET", "/messages?since=x", {}, 422, "invalid_request"),
        ("GET", "/messages?state=LOST", {}, 422, "invalid_request"),
        ("GET", "/balance?user=bob", {}, 404, "not_found"),
        ("DELETE", "/messages/1", {}, 404, "not_found"),
    ],
    ids=str,
)  # fmt: skip
async def test_requests_that_are_refused(
    tmp_path: Path, method: str, path: str, headers: Mapping[str, str], status: int, code: str
) -> None:
    async with api(tmp_path) as at:
        found = await at(method, path, **headers)
        assert (found.status, found.object["code"], found.headers["content-type"]) == (status, code, PROBLEM)
        assert ("www-authenticate" in found.headers) == (status == 401)
        assert found.headers.get("allow", "") == {"/messages": "POST, GET", "/messages/1": "DELETE, GET"}.get(
            path if status == 405 else "", ""
        )


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", ""], ids=str)
async def test_other_media_types(tmp_path: Path, media: str) -> None:
    async with api(tmp_path) as at:
        found = await at("POST", "/messages", TEXT, Content_Type=media)
        assert (found.status, found.object["code"]) == (415, "media_type")
        assert (await at("POST", "/messages", TEXT, Content_Type="Application/JSON; charset=utf-8")).status == 202


async def test_a_body_is_not_read_for_who_has_no_key_or_when_it_says_it_is_too_long(tmp_path: Path) -> None:
    async def receive() -> Any:
        raise AssertionError("the body is read")

    async with api(tmp_path) as at:
        for headers, status in (
            ([(b"authorization", b"Bearer no")], 401),
            ([(b"authorization", b"Bearer alice-key"), (b"content-length", b"100001")], 413),
        ):
            events: list[Any] = []

            async def send(event: Any, events: list[Any] = events) -> None:
                events.append(event)

            scope = {
                "type": "http", "method": "POST", "path": "/api/v1/messages", "query_string": b"", "headers": headers,
                "client": ("192.0.2.7", 1),
            }  # fmt: skip
            await at.app(scope, receive, send)
            assert events[0]["status"] == status


async def test_the_store_is_away(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        at.house.journal.problem = "gone"
        for headers in ({}, {"Idempotency_Key": "k"}):
            found = await at("POST", "/messages", TEXT, **headers)
            assert (found.status, found.object["code"], found.headers["retry-after"]) == (503, "unavailable", "5")
        at.house.journal.problem = ""


async def test_a_fault_of_ours_is_told_by_an_id_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret words")

    async with api(tmp_path) as at:
        monkeypatch.setattr(at.house.intake, "submit", broken)
        found = await at("POST", "/messages", TEXT)
        assert (found.status, found.object["code"]) == (500, "internal_error")
        assert b"secret" not in found.body
        logged = capfd.readouterr().err
        assert found.object["id"] in logged
        assert "ZeroDivisionError" in logged


# -- idempotency


async def test_the_same_key_gets_the_same_answer(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        first = await at("POST", "/messages", TEXT, Idempotency_Key="k1")
        again = await at("POST", "/messages", TEXT, Idempotency_Key="k1")
        assert (again.status, again.body, again.headers["location"]) == (202, first.body, first.headers["location"])
        assert ("idempotent-replay" in first.headers, again.headers["idempotent-replay"]) == (False, "true")
        other = await at("POST", "/messages", TEXT | {"text": "other"}, Idempotency_Key="k1")
        assert (other.status, other.object["code"]) == (422, "key_reused")
        assert (await at("POST", "/messages/batch", {"messages": [TEXT]}, Idempotency_Key="k1")).status == 422
        assert (messages(at), at.house.balance()) == (1, 950_000)
        assert (await at("POST", "/messages", TEXT, user="bob", Idempotency_Key="k1")).status == 202
        assert messages(at) == 2


async def test_a_refusal_is_an_answer_too(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        for _ in range(2):
            found = await at("POST", "/messages", TEXT | {"text": ""}, Idempotency_Key="k1")
            assert (found.status, found.object["code"], found.headers["content-type"]) == (400, "empty_text", PROBLEM)
        assert found.headers["idempotent-replay"] == "true"


async def test_not_now_is_none(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        at.house.intake.draining = True
        assert (await at("POST", "/messages", TEXT, Idempotency_Key="k1")).status == 503
        batch = {"messages": [TEXT, TEXT]}
        assert (await at("POST", "/messages/batch", batch, Idempotency_Key="k2")).object["refused"] == 2
        at.house.intake.draining = False
        assert (await at("POST", "/messages", TEXT, Idempotency_Key="k1")).status == 202
        assert (await at("POST", "/messages/batch", batch, Idempotency_Key="k2")).object["accepted"] == 2


async def test_while_the_first_one_is_at_work(tmp_path: Path) -> None:
    async with api(tmp_path, lambda part: None, GlobalSettings(smsthread=0, smstimeout=20)) as at:
        first = asyncio.create_task(at("POST", "/messages", TEXT, Idempotency_Key="k1"))
        await until(lambda: bool(at.carrier.open))
        second = await at("POST", "/messages", TEXT, Idempotency_Key="k1")
        assert (second.status, second.object["code"], second.headers["retry-after"]) == (409, "still_running", "1")
        next(iter(at.carrier.open.values())).set_result(Submitted("A", State.ACCEPTED))
        assert (await first).object["sent"] is True
        assert (await at("POST", "/messages", TEXT, Idempotency_Key="k1")).object["sent"] is True


async def test_a_request_that_was_cut_off_is_done_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its messages were accepted, and the answer was never written: the process had died."""
    async with api(tmp_path) as at:
        batch = {"messages": [TEXT, TEXT | {"text": "two"}]}
        first = await at("POST", "/messages/batch", batch, Idempotency_Key="k1")
        at.house.db.write_batch("answer_requests", [
            (key, holder, 0, "") for key, holder in at.house.rows("tb_requests", "request_key, holder")
        ])  # fmt: skip
        assert (await at("POST", "/messages/batch", batch, Idempotency_Key="k1")).status == 409
        monkeypatch.setattr(idempotency, "STALE", -1000)
        again = await at("POST", "/messages/batch", batch, Idempotency_Key="k1")
        assert (again.object, messages(at)) == (first.object, 2)
        assert "idempotent-replay" not in again.headers


async def test_many_requests_at_once_with_one_key(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        found = await asyncio.gather(*(at("POST", "/messages", TEXT, Idempotency_Key="k1") for _ in range(30)))
        assert {one.status for one in found} <= {202, 409}
        assert messages(at) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe4"], ids=["empty", "long", "not ASCII"])
async def test_keys_that_are_none(tmp_path: Path, key: str) -> None:
    async with api(tmp_path) as at:
        found = await at("POST", "/messages", TEXT, Idempotency_Key=key)
        assert (found.status, found.object["code"]) == (422, "invalid_request")
        assert messages(at) == 0


# -- looking


async def test_pages(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        made = [await at.sent(text=f"number {n}") for n in range(7)]
        await until(lambda: len(at.house.rows("tb_cdrs")) == 7)
        for what in ("messages", "cdrs"):
            seen, path = [], f"/{what}?limit=3"
            while path:
                found = (await at("GET", path)).object
                seen.append([one["id"] for one in found[what]])
                path = f"/{what}?limit=3&cursor={found['next']}" if found["next"] else ""
            assert [one for page in seen for one in page] == made[::-1]
            assert [len(page) for page in seen] == [3, 3, 1]


async def test_filters(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        first = await at.sent()
        await until(lambda: len(at.house.rows("tb_cdrs")) == 1)
        second = await at.sent(to="36309998877", send_at="2027-01-15T08:00:00Z")
        created = (await at("GET", f"/messages/{first}")).object["created"]
        hour = moment(now_millis() + 3_600_000)
        for query, expected in (
            ("", [second, first]), (f"to={TARGET}", [first]), ("to=%2B36309998877", [second]),
            (f"from={NUMBER}", [second, first]), ("from=1", []), ("state=QUEUED", [second]),
            ("direction=MT", [second, first]), ("direction=MO", []), (f"since={created}", [second, first]),
            (f"until={created}", []), (f"since={hour}", []), (f"until={hour}", [second, first]),
            ("since=0001-01-01", [second, first]), ("since=9999-01-01", []),
        ):  # fmt: skip
            found = (await at("GET", f"/messages?{query}")).object
            assert [one["id"] for one in found["messages"]] == expected, query
            assert found["next"] is None


async def test_a_page_looks_at_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.store.pages.LOOKS", 0)
    async with api(tmp_path) as at:
        await at.sent()
        found = (await at("GET", "/messages")).object
        assert (found["messages"], found["next"]) == ([], str((1 << 63) - 1))


@pytest.mark.parametrize(
    "viewer, sees, cost", [("alice", True, None), ("shop", True, None), ("root", True, "0.00"), ("bob", False, None)]
)
async def test_who_sees_it(tmp_path: Path, viewer: str, sees: bool, cost: str | None) -> None:
    async with api(tmp_path) as at:
        message_id = await at.sent()
        await until(lambda: len(at.house.rows("tb_cdrs")) == 1)
        for path, key in (("/messages", "messages"), ("/cdrs", "cdrs")):
            found = (await at("GET", path, user=viewer)).object[key]
            assert [one["id"] for one in found] == [message_id] * sees
            assert [one["cost"] for one in found] == [cost] * sees
        for path in (f"/messages/{message_id}", f"/messages/{message_id}/events", "/balance?user=alice"):
            assert (await at("GET", path, user=viewer)).status == (200 if sees else 404)
        assert (await at("DELETE", f"/messages/{message_id}", user=viewer)).status == (409 if sees else 404)


async def test_a_story(tmp_path: Path) -> None:
    """What the resellers above pay is not the user's to know."""
    async with api(tmp_path) as at:
        message_id = await at.sent()
        await until(lambda: len(at.house.rows("tb_cdrs")) == 1)
        found = (await at("GET", f"/messages/{message_id}")).object
        events = [(event["kind"], event["detail"]) for event in found["events"]]
        assert events == [
            ("accepted", f"by rest from 192.0.2.7, {NUMBER} to {TARGET}, 1 part, gsm7"),
            ("reserve", "-0.05 EUR alice"), ("taken", "by carrier as ABC1"), ("ACCEPTED", ""),
        ]  # fmt: skip
        assert (found["cdr"]["id"], found["waits"], found["price"]) == (message_id, None, "0.05")
        alone = await at("GET", f"/messages/{message_id}/events")
        assert alone.object == {"events": found["events"]}
        above = (await at("GET", f"/messages/{message_id}/events", user="shop")).object["events"]
        assert [event["detail"] for event in above if event["kind"] == "reserve"] == [
            "-0.05 EUR alice", "-0.05 EUR shop",
        ]  # fmt: skip


async def test_balances(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        await at.sent()
        found = (await at("GET", "/balance")).object
        assert found == {"user": "alice", "balance": "0.95", "credit_limit": "0.00", "currency": "EUR"}
        assert (await at("GET", "/balance?user=alice", user="shop")).object["balance"] == "0.95"
        assert (await at("GET", "/balance?user=nobody", user="root")).status == 404


async def test_a_quote_sends_nothing(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        found = (await at("POST", "/quote", {"to": TARGET, "text": "ж" * 80})).object
        assert found == {
            "to": TARGET, "from": NUMBER, "coding": "ucs2", "parts": 2, "price": "0.05", "cost": None,
            "currency": "EUR", "gateway": "carrier",
        }  # fmt: skip
        refused = await at("POST", "/quote", {"to": "1", "text": "x"})
        assert (refused.status, refused.object["code"]) == (400, "impossible_number")
        assert (messages(at), at.house.balance(), at.carrier.seen) == (0, 1_000_000, [])


# -- taking back


async def test_cancelling(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        message_id = await at.sent(send_at="2027-01-15T08:00:00Z")
        found = await at("DELETE", f"/messages/{message_id}")
        assert (found.status, found.object) == (200, {"id": message_id, "state": "DELETED"})
        again = await at("DELETE", f"/messages/{message_id}")
        assert (again.status, again.object["code"]) == (409, "too_late")
        assert at.house.balance() == 1_000_000


async def test_another_process_has_not_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.cancelling.PATIENCE", 0.01)
    async with api(tmp_path) as at:
        message_id = await at.sent(send_at="2027-01-15T08:00:00Z")
        at.house.db.write_batch("claim_queue", [(int(message_id), at.house.ids.node, 77)])
        for queue in at.house.queues.values():
            queue.retain(set())
        found = await at("DELETE", f"/messages/{message_id}")
        assert (found.status, found.object) == (202, {"id": message_id, "state": None})


# -- documentation, and mounted


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attributes if name in ("href", "src")}


async def test_its_page_needs_no_script_and_no_other_host(tmp_path: Path) -> None:
    async with api(tmp_path) as at:
        found = await ask(at.app, "GET", "/docs", b"", {})
        page = _Page()
        page.feed(found.body.decode())
        assert found.status == 200
        assert "script" not in page.tags
        assert all(link.startswith(("#", "/api/v1/")) for link in page.links)
        for words in ("POST /api/v1/messages", "DELETE /api/v1/messages/{id}", 'id="no_credit"', "Idempotency-Key"):
            assert words.lower() in found.body.decode().lower()


async def test_behind_the_real_server(tmp_path: Path, serve: Serve) -> None:
    async with api(tmp_path) as at:
        server = await serve(app.build(dict, below={"/api/v1": at.app}))
        base = f"http://127.0.0.1:{server.port}"
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer alice-key"}) as session:
            async with session.post(f"{base}/api/v1/messages", json=TEXT) as answer:
                assert answer.status == 202
                place = answer.headers["Location"]
            async with session.get(base + place) as answer:
                assert (await answer.json())["text"] == "Hello"
            async with session.get(f"{base}/api/v1/openapi.json") as answer:
                assert (await answer.json())["servers"] == [{"url": "/api/v1"}]
            async with session.get(f"{base}/healthz") as answer:
                assert answer.status == 200
