from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.connectors.http_rig import Connect, Traced, closed_port, submit
from tests.connectors.messages import message
from tests.connectors.provider import Provider
from voipsms.connectors.http import HttpConnector
from voipsms.connectors.http_verify import VerifyingHttpConnector
from voipsms.connectors.port import Verifier
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import State, Submitted


def verifier(connect: Connect, url: str, asked: str, **fields: Any) -> VerifyingHttpConnector:
    made = connect(url, kind=VerifyingHttpConnector, smsverifyurl=asked, **fields)
    assert isinstance(made, VerifyingHttpConnector)
    return made


async def test_the_first_answer_is_not_the_last(provider: Provider, connect: Connect) -> None:
    connector = verifier(
        connect, provider.url("id?to=[tonum]"), provider.url("ok?id=[messageId]&to=[tonum]"), smsverifydelay=1500
    )
    assert (connector.verify_delay, connector.free()) == (1.5, 20)
    first = await submit(connector)
    assert (first.provider_id, first.unverified) == ("abc-123", True)
    assert await connector.verify(message(), first.provider_id) == Submitted("abc-123", State.ACCEPTED, "HTTP 200: OK")
    method, path, _, _ = provider.requests[1]
    assert (method, parse_qsl(path.partition("?")[2])) == ("GET", [("id", "abc-123"), ("to", "36209876543")])


async def test_by_post(provider: Provider, connect: Connect) -> None:
    connector = verifier(
        connect, provider.url("ok"), provider.url("ok"), smssenddataverify='{"id": "[messageId]"}',
        smssenddata="to=[tonum]", smssendheader="X-Key: k",
    )  # fmt: skip
    await connector.verify(message(), 'a"b')
    ((method, _, headers, body),) = provider.requests
    assert (method, headers["Content-Type"], headers["X-Key"]) == ("POST", "application/json", "k")
    assert body == b'{"id": "a\\"b"}'


async def test_headers_of_a_file_hold_for_it(provider: Provider, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "smssendheader_2.txt").write_text("Authorization: Bearer [apikey]")
    (tmp_path / "smssenddata_2.txt").write_text("to=[tonum]")
    connector = verifier(
        connect, provider.url("ok"), provider.url("ok?id=[messageId]"), apikey="k", options={"folder": tmp_path}
    )
    await connector.verify(message(), "x")
    ((method, _, headers, _),) = provider.requests
    assert (method, headers["Authorization"]) == ("GET", "Bearer k")


@pytest.mark.parametrize(
    "path, error",
    [("fail", SubmitRefused), ("bad", SubmitRefused), ("busy", Throttled), ("broken", SubmitFailed),
     ("reset", OutcomeUnknown), ("hang", OutcomeUnknown), ("moved", SubmitRefused)],
)  # fmt: skip
async def test_what_else_it_says(provider: Provider, connect: Connect, path: str, error: type[SubmitError]) -> None:
    connector = verifier(connect, provider.url("ok"), provider.url(path), timeout=0.3)
    with pytest.raises(error) as caught:
        await connector.verify(message(), "x")
    assert type(caught.value) is error
    assert (connector.ready, connector.free()) == (True, 20)


async def test_where_it_can_t_be_asked_the_gateway_stays(provider: Provider, connect: Connect) -> None:
    connector = verifier(connect, provider.url("ok"), f"http://127.0.0.1:{closed_port()}/")
    with pytest.raises(GatewayDown):
        await connector.verify(message(), "x")
    assert connector.ready


async def test_without_an_id_there_is_nothing_to_ask_for(provider: Provider, connect: Connect) -> None:
    asking = verifier(connect, provider.url("ok"), provider.url("ok?id=[messageid]"))
    with pytest.raises(SubmitFailed, match="no message id"):
        await asking.verify(message(), "")
    assert provider.requests == []
    knowing = verifier(connect, provider.url("ok"), provider.url("ok?to=[tonum]"))
    assert await knowing.verify(message(), "")


async def test_the_same_strings_judge_it(provider: Provider, connect: Connect) -> None:
    connector = verifier(connect, provider.url("ok"), provider.url("id"), smssuccessstring="OK")
    with pytest.raises(SubmitRefused):
        await connector.verify(message(), "x")
    slow = verifier(connect, provider.url("ok"), provider.url("big"), smssuccessstring=r"re:(\w+ ?)+!")
    with pytest.raises(OutcomeUnknown):
        await slow.verify(message(), "x")


async def test_both_requests_are_logged(provider: Provider, connect: Connect) -> None:
    traced = Traced()
    connector = verifier(
        connect, provider.url("first?t=[message]"), provider.url("ok?second=[messageId]"), options={"trace": traced}
    )
    await connector.verify(message(), "x")
    assert f"GET {provider.url('ok?second=x')}" in str(traced.fields["request"])
    assert f"GET {provider.url('first?t=hello')}" in await connector.describe(message())


async def test_only_a_gateway_with_a_second_address_verifies(provider: Provider, connect: Connect) -> None:
    assert isinstance(verifier(connect, provider.url("ok"), provider.url("ok")), Verifier)
    plain = connect(provider.url("ok"))
    assert not isinstance(plain, Verifier)
    assert not (await submit(plain)).unverified


def test_a_template_at_fault_stops_the_start() -> None:
    settings = GatewaySettings(smsurl="http://a.test/", smsverifyurl="http://b.test/?[messageID]&[nothing]", name="x")
    with pytest.raises(ConfigError, match=r"^\[gateway:x\] smsverifyurl: character 28: unknown keyword \[nothing\]"):
        VerifyingHttpConnector(*(2, settings, lambda: None))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"smsurl: character 16: unknown keyword"):
        HttpConnector(*(2, GatewaySettings(smsurl="http://a.test/?[messageid]"), lambda: None))  # type: ignore[arg-type]
