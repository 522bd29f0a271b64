"""Templates at work in the connector: statements, files, binary parts, and values that try to become something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.connectors.http_rig import Connect, Wakes, submit
from tests.connectors.messages import message
from tests.connectors.nasty import NASTY, texts, unsurrogated
from tests.connectors.provider import Provider
from voipsms.connectors.http import HttpConnector
from voipsms.errors import RefusedHere, SubmitError, SubmitFailed, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Coding, GatewayId, Message, State
from voipsms.values import replace

# -- statements ---------------------------------------------------------------------------------------------------


class Database:
    """connectors.port.Selector: answers with what it was asked, or raises what it was given."""

    def __init__(self, fault: SubmitError | None = None) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self._fault = fault

    async def select(self, sql: str, values: Sequence[str]) -> str:
        self.asked.append((sql, list(values)))
        if self._fault is not None:
            raise self._fault
        return "|".join(values)


STATEMENT = "{SELECT name FROM t WHERE n = [tonum] AND m = '[message]'}"


async def test_a_statement_s_answer_is_a_value(provider: Provider, connect: Connect) -> None:
    database = Database()
    connector = connect(provider.url(f"ok?name={STATEMENT}&t=[message]"), options={"selector": database})
    await submit(connector, "a&b'")
    assert database.asked == [("SELECT name FROM t WHERE n = ? AND m = ?", ["36209876543", "a&b'"])]
    assert parse_qsl(provider.requests[0][1].partition("?")[2]) == [("name", "36209876543|a&b'"), ("t", "a&b'")]
    assert "name=36209876543%7Chello&" in (await connector.describe(message()))[0]


@pytest.mark.parametrize("fault", [SubmitRefused("no row"), SubmitFailed("gone")], ids=["no row", "out of reach"])
async def test_a_statement_without_an_answer_sends_nothing(
    provider: Provider, connect: Connect, fault: SubmitError
) -> None:
    connector = connect(provider.url(f"ok?name={STATEMENT}"), options={"selector": Database(fault)})
    with pytest.raises(type(fault)):
        await submit(connector)
    assert (provider.requests, connector.ready, connector.free()) == ([], True, 20)


async def test_a_statement_without_a_database_is_refused(provider: Provider, connect: Connect) -> None:
    with pytest.raises(SubmitRefused, match="no database"):
        await submit(connect(provider.url(f"ok?name={STATEMENT}")))


# -- files and methods --------------------------------------------------------------------------------------------


async def test_a_gateway_s_own_files(provider: Provider, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "smssenddata.txt").write_text("shared=[tonum]")
    (tmp_path / "smssenddata_2.txt").write_text('{"to": "[tonum]", "gw": [gatewayid], "n": [smscounter]}\n')
    (tmp_path / "smssendheader.txt").write_text("X-From: [fromnum]\n")
    connector = connect(provider.url("ok"), smsmethod="put", options={"folder": tmp_path})
    await submit(connector)
    await submit(connector)
    assert [(method, json.loads(body)) for method, _, _, body in provider.requests] == [
        ("PUT", {"to": "36209876543", "gw": 2, "n": number}) for number in (1, 2)
    ]
    assert provider.requests[0][2]["X-From"] == "36301234567"


async def test_a_post_without_a_body(provider: Provider, connect: Connect) -> None:
    await submit(connect(provider.url("ok?to=[tonum]"), smsmethod="post"))
    ((method, _, headers, body),) = provider.requests
    assert (method, headers["Content-Length"], body) == ("POST", "0", b"")


# -- binary messages ----------------------------------------------------------------------------------------------

ICEWARP = "ok?number=%number%&data=%data;hex%&udh=%udh;hex%&binary=%binary%&parts=%parts%"


def binary(octets: bytes, udh: bytes = b"") -> Message:
    return replace(message(""), octets=octets, udh=udh, coding=Coding.BINARY)


async def sent(provider: Provider, connector: HttpConnector, whole: Message) -> list[dict[str, str]]:
    for part in connector.split(whole):
        await connector.submit(part)
    return [dict(parse_qsl(path.partition("?")[2], keep_blank_values=True)) for _, path, _, _ in provider.requests]


async def test_octets_that_fit_leave_in_one(provider: Provider, connect: Connect) -> None:
    (only,) = await sent(provider, connect(provider.url(ICEWARP)), binary(b"\x00\xff" * 60, b"\x02\x70\x00"))
    assert bytes.fromhex(only["data"]) == b"\x00\xff" * 60
    assert bytes.fromhex(only["udh"]).endswith(b"\x70\x00")


async def test_octets_that_don_t_fit_leave_in_parts_with_headers(provider: Provider, connect: Connect) -> None:
    octets = bytes(range(256)) * 2
    parts = await sent(provider, connect(provider.url(ICEWARP)), binary(octets))
    assert b"".join(bytes.fromhex(part["data"]) for part in parts) == octets
    headers = [bytes.fromhex(part["udh"])[-5:] for part in parts]
    assert [(header[0], header[3], header[4]) for header in headers] == [(0, len(parts), n + 1) for n in range(4)]


async def test_a_text_is_left_to_the_provider_s_scissors(provider: Provider, connect: Connect) -> None:
    (part,) = connect(provider.url(ICEWARP)).split(message("x" * 1000))
    assert (part.number, part.total) == (1, 1)


async def test_octets_without_a_place_are_another_gateway_s(provider: Provider, connect: Connect) -> None:
    (part,) = (connector := connect(provider.url("ok?text=[message]"))).split(binary(b"\x01"))
    with pytest.raises(RefusedHere, match="binary"):
        await connector.submit(part)
    assert provider.requests == []


# -- values that would be more ------------------------------------------------------------------------------------


class Receiver:
    """A real HTTP parser on one connection after another: what the connector makes of values, as a server reads it."""

    def __init__(self) -> None:
        self.provider = Provider()
        self.connectors: dict[str, HttpConnector] = {}

    def connector(self, kind: str) -> HttpConnector:
        if kind not in self.connectors:
            url = self.provider.url("ok/[message]/x/ok?m=[message]&n=[fromnum]&end=1")
            header = f"X-Value: [message]|Content-Type: {KINDS[kind][0]}"
            made = GatewaySettings(smsurl=url, smssendheader=header, smssenddata=KINDS[kind][1], timeout=5.0)
            self.connectors[kind] = HttpConnector(GatewayId(2), made, Wakes())
        return self.connectors[kind]

    async def ask(self, kind: str, text: str, sender: str) -> tuple[str, str, dict[str, str], bytes] | None:
        self.provider.requests.clear()
        try:
            taken = await submit(self.connector(kind), text, sender=sender)
        except SubmitRefused:
            assert self.provider.requests == []
            return None
        assert taken.state is State.ACCEPTED
        (request,) = self.provider.requests
        return request


KINDS = {
    "form": ("application/x-www-form-urlencoded", "m=[message]&n=[fromnum]&end=1"),
    "JSON": ("application/json", '{"m": "[message]", "n": [fromnum], "end": 1}'),
    "XML": ("text/xml", '<r a="[message]"><m>[message]</m><n><![CDATA[[fromnum]]]></n><end/></r>'),
}


def read(kind: str, body: bytes) -> tuple[str, str]:
    """The two values, and nothing beside them."""
    if kind == "form":
        (_, text), (_, sender), end = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
        assert end == ("end", "1")
        return text, sender
    if kind == "JSON":
        whole = json.loads(body)
        assert (set(whole), whole["end"]) == ({"m", "n", "end"}, 1)
        return whole["m"], whole["n"]
    root = ElementTree.fromstring(body)
    assert [child.tag for child in root] == ["m", "n", "end"]
    assert set(root.attrib) == {"a"}
    assert not [grandchild for child in root for grandchild in child]
    return root[0].text or "", root[1].text or ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(text=" ".join(NASTY), sender=" ".join(NASTY))
@given(text=texts, sender=texts)
def test_no_value_changes_the_shape_of_a_request(text: str, sender: str) -> None:
    async def everywhere() -> None:
        receiver = Receiver()
        await receiver.provider.start()
        try:
            for kind in KINDS:
                check(kind, text, sender, await receiver.ask(kind, text, sender))
        finally:
            for connector in receiver.connectors.values():
                await connector.close()
            await receiver.provider.stop()

    asyncio.run(everywhere())


def check(kind: str, text: str, sender: str, request: tuple[str, str, dict[str, str], bytes] | None) -> None:
    if request is None:
        assert not text.strip(".")  # dots alone, which would change the path
        return
    method, path, headers, body = request
    wanted = [unsurrogated(value) for value in (text, sender)]
    bare, _, query = path.partition("?")
    assert (method, len(bare.split("/"))) == ("POST", 5)
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=True) == [
        ("m", wanted[0]), ("n", wanted[1]), ("end", "1")
    ]  # fmt: skip
    assert "X-Evil" not in headers
    assert set(headers) == {"Host", "X-Value", "Content-Type", "Accept", "User-Agent", "Accept-Encoding",
                            "Content-Length"}  # fmt: skip
    got = read(kind, body)
    if kind != "XML":  # which has no way to write some characters
        assert [unsurrogated(value) for value in got] == wanted
