"""A user's program, told by HTTP."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.carriers.deliveries import delivery, user
from tests.carriers.hook import Hook
from tests.connectors.http_rig import closed_port
from tests.connectors.provider import Provider
from tests.peers import certificates
from voipsms.carriers import hook_json
from voipsms.carriers.clickatell import FORM, mo_form, mo_soap, mo_xml, receipt_form, routo_receipt_form
from voipsms.carriers.port import NotCarried
from voipsms.carriers.webhook import FORMATS, WebhookCarrier, is_hook, request
from voipsms.connectors.verdict import LONGEST_COMMENT
from voipsms.model import Delivery, Reach, Subject

NOW = 1_700_000_000.9
RECEIPT = delivery("", subject=Subject.RECEIPT, fields=(("state", "DELIVERED"), ("sender", "36209999999")))
NOTICE = delivery("Low", subject=Subject.NOTICE)


@pytest.fixture
async def carrier() -> AsyncIterator[WebhookCarrier]:
    made = WebhookCarrier(lambda: NOW, timeout=5.0)
    yield made
    await made.close()


async def refusal(carrier: WebhookCarrier, told: Delivery, **reach: str) -> NotCarried:
    with pytest.raises(NotCarried) as caught:
        await carrier.carry(told, user(**reach))
    return caught.value


# -- what is asked


@pytest.mark.parametrize(
    ("kind", "retry", "told", "body"),
    [
        ("json", "clickatell", delivery(), hook_json.body(delivery())),
        ("json", "routo", RECEIPT, hook_json.body(RECEIPT)),
        ("json", "clickatell", NOTICE, hook_json.body(NOTICE)),
        ("post", "clickatell", delivery(), mo_form(delivery())),
        ("post", "clickatell", RECEIPT, receipt_form(RECEIPT)),
        ("post", "routo", RECEIPT, routo_receipt_form(RECEIPT)),
        ("xml", "clickatell", delivery(), mo_xml(delivery())),
        ("xml", "clickatell", RECEIPT, receipt_form(RECEIPT)),
        ("soap", "clickatell", delivery(), mo_soap(delivery())),
        ("soap", "routo", RECEIPT, routo_receipt_form(RECEIPT)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_posts(carrier: WebhookCarrier, hook: Hook, kind: str, retry: str, told: Delivery, body: bytes) -> None:
    url = hook.url("a?key=b#c")
    assert await carrier.carry(told, user(hook=url, hook_format=kind, hook_retry=retry)) == "HTTP 200"
    ((method, path, headers, octets),) = hook.requests
    assert (method, path, octets) == ("POST", "/a?key=b", body)
    assert headers["Content-Type"] == ("application/json" if kind == "json" else FORM)
    assert headers["X-VoipSMS-Delivery"] == "7000000000000000001"
    assert "X-VoipSMS-Signature" not in headers


@pytest.mark.parametrize(
    ("told", "body"), [(delivery("tűrő"), mo_form(delivery("tűrő"))), (RECEIPT, receipt_form(RECEIPT))],
    ids=["text", "receipt"],
)  # fmt: skip
@pytest.mark.parametrize(("path", "joined"), [("sms.asp", "?"), ("sms.asp?key=b", "&")], ids=["bare", "with a query"])
async def test_gets(carrier: WebhookCarrier, hook: Hook, told: Delivery, body: bytes, path: str, joined: str) -> None:
    await carrier.carry(told, user(hook=hook.url(path), hook_format="get"))
    ((method, asked, _, octets),) = hook.requests
    assert (method, asked, octets) == ("GET", f"/{path}{joined}{body.decode()}", b"")


async def test_json_is_signed_as_it_leaves(carrier: WebhookCarrier, hook: Hook) -> None:
    await carrier.carry(delivery(), user(hook=hook.url(), hook_secret="s3cret"))
    ((_, _, headers, body),) = hook.requests
    assert headers["X-VoipSMS-Signature"] == hook_json.signature("s3cret", 1_700_000_000, body)
    assert json.loads(body)["text"] == "Szia, 1 & 2 < 3"


async def test_credentials_in_the_address(carrier: WebhookCarrier, hook: Hook) -> None:
    await carrier.carry(delivery(), user(hook=hook.url(userinfo="alice:pw@")))
    ((_, path, headers, _),) = hook.requests
    assert (path, headers["Authorization"]) == ("/sms", "Basic YWxpY2U6cHc=")


# -- what is answered


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226])
async def test_any_2xx_is_taken(carrier: WebhookCarrier, hook: Hook, status: int) -> None:
    hook.answers = [(status, {}, "")]
    assert await carrier.carry(delivery(), user(hook=hook.url())) == f"HTTP {status}"


async def test_what_is_said_is_kept_on_one_line(carrier: WebhookCarrier, hook: Hook) -> None:
    hook.answers = [(200, {}, "thanks\r\n" + "x" * 1_000_000)]
    said = await carrier.carry(delivery(), user(hook=hook.url()))
    assert said.startswith("HTTP 200: thanks xxx")
    assert len(said) == LONGEST_COMMENT


@pytest.mark.parametrize(
    ("status", "headers", "lasting", "after"),
    [
        (301, {"Location": "/elsewhere"}, False, None),
        (307, {"Location": "/elsewhere"}, False, None),
        (400, {}, False, None),
        (404, {}, False, None),
        (410, {}, True, None),
        (429, {"Retry-After": "7"}, False, 7.0),
        (500, {}, False, None),
        (503, {"Retry-After": "999999999"}, False, 3600.0),
        (503, {"Retry-After": "soon"}, False, None),
        (503, {"Retry-After": "Tue, 14 Nov 2023 22:13:30 GMT"}, False, 9.1),
    ],
    ids=["moved", "redirected", "400", "404", "gone", "busy", "broken", "for long", "nonsense", "a date"],
)
async def test_all_else_is_not(
    carrier: WebhookCarrier, hook: Hook, status: int, headers: dict[str, str], lasting: bool, after: float | None
) -> None:
    hook.answers = [(status, headers, "no")]
    error = await refusal(carrier, delivery(), hook=hook.url())
    assert (error.why, error.lasting) == (f"HTTP {status}: no", lasting)
    assert error.after == (after if after is None else pytest.approx(after, abs=0.01))
    assert len(hook.requests) == 1


async def test_nobody_there(carrier: WebhookCarrier) -> None:
    port = closed_port()
    error = await refusal(carrier, delivery(), hook=f"http://alice:hush@127.0.0.1:{port}/hush?key=hush")
    assert (error.lasting, error.after) == (False, None)
    assert f"127.0.0.1:{port}" in error.why
    assert "hush" not in error.why


async def test_a_certificate_must_be_valid(carrier: WebhookCarrier, tmp_path: Path) -> None:
    shown = certificates.server(tmp_path, certificates.authority(tmp_path), "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    provider = Provider()
    await provider.start(context)
    error = await refusal(carrier, delivery(), hook=f"https://127.0.0.1:{provider.port}/ok")
    await provider.stop()
    assert "certificate verify failed" in error.why
    assert (error.lasting, provider.requests) == (False, [])


async def test_silence_ends(hook: Hook) -> None:
    hook.speaks.clear()
    carrier = WebhookCarrier(timeout=0.2)
    error = await refusal(carrier, delivery(), hook=hook.url())
    assert (error.why, error.lasting) == ("no answer within 0.2 s", False)
    await carrier.close()


@pytest.mark.parametrize(
    ("reach", "why"),
    [
        ({}, "no webhook is set"),
        ({"hook": "http://[::1"}, "the webhook's address is none"),
        ({"hook": "http://x/", "hook_format": "yaml"}, "'yaml' is no format of webhooks"),
        ({"hook": "http://x/" + "y" * 70_000}, "no request can be made of it: a URL of 70009 characters"),
    ],
    ids=["none any more", "no address", "no format", "too long"],
)
async def test_what_can_never_be_asked(carrier: WebhookCarrier, reach: dict[str, str], why: str) -> None:
    error = await refusal(carrier, delivery(), **reach)
    assert (error.why, error.lasting) == (why, True)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "json"])
def test_only_json_has_notices(kind: str) -> None:
    with pytest.raises(NotCarried, match="only JSON") as caught:
        request(NOTICE, Reach(hook="http://x/", hook_format=kind), 0.0)
    assert caught.value.lasting


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://example.com/sms?key=1", True),
        ("HTTP://user:pw@[::1]:8080/", True),
        ("ftp://example.com/", False),
        ("https:///sms", False),
        ("http://example.com:0/", False),
        ("http://example.com:99999/", False),
        ("http://example.com/\r\nX: y", False),
        ("http://example.com/a b", False),
        ("http://example.com/é", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_what_an_address_is(url: str, is_one: bool) -> None:
    assert is_hook(url) is is_one


# -- again


@pytest.mark.parametrize(
    ("retry", "pauses"),
    [("clickatell", [120.0, 240.0, 480.0, 960.0, 1500.0, None]), ("routo", [0.0, 0.0, 0.0, None]),
     ("another", [120.0, 240.0, 480.0, 960.0, 1500.0, None])],
    ids=["2, 4, 8, 16, 25 minutes", "3 more at once", "unknown"],
)  # fmt: skip
async def test_schedules(carrier: WebhookCarrier, retry: str, pauses: list[float | None]) -> None:
    to = user(hook="http://x/", hook_retry=retry)
    assert [carrier.pause(delivery(attempt=n), to) for n in range(1, len(pauses) + 1)] == pauses


async def test_one_that_fails_first(carrier: WebhookCarrier, hook: Hook) -> None:
    """A repeat says the same, so that it can be known for one."""
    hook.answers = [(500, {}, "down"), (503, {}, "still")]
    to = user(hook=hook.url(), hook_retry="routo")
    for attempt in (0, 1):
        await refusal(carrier, delivery(attempt=attempt), hook=hook.url(), hook_retry="routo")
    assert await carrier.carry(delivery(attempt=2), to) == "HTTP 200"
    assert len({body for *_, body in hook.requests}) == 1
    assert [headers["X-VoipSMS-Delivery"] for _, _, headers, _ in hook.requests] == ["7000000000000000001"] * 3


async def test_connections_are_used_again(carrier: WebhookCarrier, hook: Hook) -> None:
    to = user(hook=hook.url())
    for _ in range(5):
        await asyncio.gather(*(carrier.carry(delivery(), to) for _ in range(4)))
    assert len(hook.requests) == 20
    assert hook.connections <= 4
