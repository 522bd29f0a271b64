"""A gateway reached by HTTP, `smsurl = http://…`, by GET and by POST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.rig import ask, ledger_holds, messages, one
from tests.peers.gateway import NUMBER, Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.phone import Phone
from tests.peers.program import wait_until

TEXT = 'Hi & "bye" 100% + ű=✓'
FAST = {"timeout": 0.5, "retries": 3, "retrydelay": 0.1}
PRICE = Decimal("0.01")
JSON_BODY = '{"to": [tonum], "from": "[fromnum]", "text": "[message]", "id": "[smsid]"}'


def _way(port: int, method: str) -> dict[str, object]:
    if method == "GET":
        return {"smsurl": f"http://127.0.0.1:{port}/send?to=[tonum]&from=[fromnum]&text=[message]&id=[smsid]&key=k"}
    header = "Content-Type: application/json | X-Token: secret"
    return {"smsurl": f"http://127.0.0.1:{port}/v1/sms", "smssenddata": JSON_BODY, "smssendheader": header}


@pytest.fixture(scope="module")
def provider() -> Iterator[HttpProvider]:
    with HttpProvider() as provider:
        yield provider


@pytest.fixture(scope="module", params=["GET", "POST"])
def gateway(
    request: pytest.FixtureRequest, provider: HttpProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    changes = {"global": {**_way(provider.port, request.param), **FAST, "on_unknown": "wait"}}
    gateway = Gateway(tmp_path_factory.mktemp("http"), level="info", changes=changes)
    gateway.add_user()
    with gateway:
        yield gateway


@dataclass(frozen=True, slots=True)
class Case:
    state: str
    requests: int
    paid: bool
    reason: str = ""
    comment: str = ""


CASES = {
    "99": Case("ACCEPTED", 1, True),
    "01": Case("REJECTED", 1, False, "refused_by_provider", "no such number"),
    "02": Case("REJECTED", 1, False, "refused_by_provider", "out of credit"),
    "03": Case("ACCEPTED", 2, True),
    "04": Case("UNDELIVERABLE", 3, False, "temporary_failure", "oops"),
    "05": Case("UNKNOWN", 1, True, "no_answer", "no answer within 0.5 s"),
    "06": Case("ACCEPTED", 2, True),
}


def _send(gateway: Gateway, target: str, text: str = TEXT) -> None:
    """Returns when there is a CDR."""
    count = messages(gateway)
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send(target, text).status == 202
    wait_until(lambda: one(gateway, "SELECT count(*) FROM tb_cdrs") == count + 1, "the CDR", pause=0.02)


@pytest.fixture(scope="module")
def sent(gateway: Gateway, provider: HttpProvider) -> tuple[str, dict[str, dict[str, Any]]]:
    """The numbers' common beginning, and the CDRs by their last two digits."""
    begin = f"36301{len(provider.requests) % 1000:04d}"  # other numbers for the other method
    for ending in CASES:
        _send(gateway, begin + ending)
    return begin, {cdr["to"][-2:]: cdr for cdr in gateway.cdrs()}


@pytest.mark.parametrize("ending", CASES)
def test_answer(ending: str, sent: tuple[str, dict[str, dict[str, Any]]], provider: HttpProvider) -> None:
    case, (begin, cdrs) = CASES[ending], sent
    cdr = cdrs[ending]
    assert (cdr["state"], cdr["reason"]) == (case.state, case.reason)
    assert case.comment in cdr["comment"]
    assert (cdr["duration"], cdr["price"]) == ((60, PRICE) if case.paid else (0, 0))
    assert len(provider.to(begin + ending)) == case.requests


def test_the_request(gateway: Gateway, sent: tuple[str, dict[str, dict[str, Any]]], provider: HttpProvider) -> None:
    """No value changes its shape."""
    begin, cdrs = sent
    (request,) = provider.to(begin + "99")
    expected = {"to": begin + "99", "from": NUMBER, "text": TEXT, "id": cdrs["99"]["msgid"]}
    if request.method == "GET":
        query = {
            name: values[0] for name, values in parse_qs(urlsplit(request.path).query, strict_parsing=True).items()
        }
        assert query == {**expected, "key": "k"}
    else:
        assert (request.path, request.content_type) == ("/v1/sms", "application/json")
        assert json.loads(request.body) == {**expected, "to": int(begin + "99")}


def test_the_money(gateway: Gateway, sent: tuple[str, dict[str, dict[str, Any]]]) -> None:
    paid = sum(case.paid for case in CASES.values())
    assert gateway.balance() == 1_000_000 - paid * PRICE
    ledger_holds(gateway)


@pytest.mark.parametrize(
    "policy, requests, state, paid", [("resend", 2, "UNKNOWN", True), ("fail", 1, "UNKNOWN", False)]
)
def test_silence(
    policy: str, requests: int, state: str, paid: bool, gateway: Gateway, sent: object, provider: HttpProvider
) -> None:
    method = provider.requests[-1].method
    gateway.reconfigure({"global": {**_way(provider.port, method), **FAST, "on_unknown": policy}})
    target = f"363{'0777' if policy == 'fail' else '0888'}{method == 'GET':02d}05"
    _send(gateway, target)
    cdr = next(cdr for cdr in gateway.cdrs() if cdr["to"] == target)
    assert (cdr["state"], cdr["reason"], cdr["price"]) == (state, "no_answer", PRICE if paid else 0)
    assert len(provider.to(target)) == requests


def test_a_provider_that_is_down_gets_it_when_it_is_back(gateway: Gateway, sent: object) -> None:
    with HttpProvider() as provider:
        port = provider.port
    gateway.reconfigure({"global": {**_way(port, "GET"), **FAST}})
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send("36307770199").status == 202
    wait_until(lambda: not gateway.ready(), "not ready while the provider is down")
    assert "gateway default" in gateway.get("/readyz")[1]
    before = one(gateway, "SELECT count(*) FROM tb_cdrs")
    with HttpProvider(port) as provider:
        wait_until(lambda: one(gateway, "SELECT count(*) FROM tb_cdrs") == before + 1, "the CDR")
        wait_until(gateway.ready, "ready again")
        assert len(provider.to("36307770199")) == 1
    assert ask(gateway, "SELECT state FROM tb_messages WHERE target = '36307770199'") == [("ACCEPTED",)]
