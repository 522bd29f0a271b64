"""plugins/twilio.py on Twilio's own SDK, whose HTTP answers are played by `responses`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import requests
import responses
from urllib3.exceptions import MaxRetryError, NewConnectionError

from tests.connectors.messages import message
from tests.connectors.rig import Wakes, submit
from voipsms.connectors.plugin import PluginConnector
from voipsms.errors import (
    ConfigError,
    GatewayDown,
    OutcomeUnknown,
    RefusedHere,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Throttled,
)
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId, Part, State, Submitted
from voipsms.values import replace

ACCOUNT, TOKEN = "AC" + "0" * 32, "t0ken"
MESSAGES = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
FETCH = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}.json"
SID = "SM" + "1" * 32


@pytest.fixture
def twilio() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def connect(**fields: object) -> PluginConnector:
    told = {"plugin": "twilio.py", "user": ACCOUNT, "password": TOKEN, "timeout": 5.0, **fields}
    return PluginConnector(GatewayId(2), GatewaySettings(**told), Wakes(), Path("/nonexistent"))  # type: ignore[arg-type]


def form(twilio: responses.RequestsMock) -> dict[str, str]:
    (call,) = twilio.calls
    assert isinstance(call.request.body, str)
    return dict(parse_qsl(call.request.body))


async def test_taken(twilio: responses.RequestsMock) -> None:
    twilio.post(MESSAGES, status=201, json={"sid": SID, "status": "queued"})
    connector = connect()
    assert await submit(connector, "é & \U0001f600\r\n\0") == Submitted(SID, State.ACCEPTED, "Twilio: queued")
    assert form(twilio) == {"To": "+36209876543", "From": "+36301234567", "Body": "é & \U0001f600\r\n\0"}
    authorization = twilio.calls[0].request.headers["Authorization"]
    assert authorization == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    await connector.close()


@pytest.mark.parametrize(
    "fields, sent",
    [
        ({"sender": "ACME"}, {"From": "ACME"}),
        ({"sender": "12345"}, {"From": "12345"}),
        ({"sender": "MG" + "2" * 32}, {"MessagingServiceSid": "MG" + "2" * 32}),
        ({"option": "https://sms.test/dlr"}, {"From": "+36301234567", "StatusCallback": "https://sms.test/dlr"}),
    ],
    ids=["letters", "short code", "service", "receipts"],
)
async def test_senders_and_receipts(
    twilio: responses.RequestsMock, fields: dict[str, object], sent: dict[str, str]
) -> None:
    twilio.post(MESSAGES, status=201, json={"sid": SID, "status": "accepted"})
    taken = await submit(connect(**fields))
    assert taken.state is (State.ENROUTE if "option" in fields else State.ACCEPTED)
    assert form(twilio) == {"To": "+36209876543", "Body": "hello", **sent}


async def test_validity(twilio: responses.RequestsMock) -> None:
    twilio.post(MESSAGES, status=201, json={"sid": SID, "status": "accepted"})
    await connect().submit(Part(replace(message(), valid=99_999), 1, 1))
    assert form(twilio)["ValidityPeriod"] == "36000"


async def test_an_api_key(twilio: responses.RequestsMock) -> None:
    twilio.post(MESSAGES, status=201, json={"sid": SID, "status": "queued"})
    await submit(connect(apikey="SK" + "3" * 32))
    authorization = twilio.calls[0].request.headers["Authorization"]
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == "SK" + "3" * 32 + ":" + TOKEN


def fault(status: int, code: int, text: str) -> dict[str, object]:
    return {"status": status, "json": {"code": code, "message": text, "status": status}}


@pytest.mark.parametrize(
    "answer, error, comment",
    [
        (
            fault(400, 21211, "Invalid 'To' Phone Number"),
            SubmitRefused,
            "Twilio 400 21211: Unable to create record: Invalid 'To' Phone Number",
        ),
        (fault(401, 20003, "Authenticate"), SubmitRefused, "Twilio 401 20003: Unable to create record: Authenticate"),
        (fault(400, 21611, "queue is full"), Throttled, "Twilio 400 21611: Unable to create record: queue is full"),
        (fault(429, 20429, "Too Many Requests"), Throttled, None),
        (fault(500, 20500, "Internal"), SubmitFailed, "Twilio 500 20500: Unable to create record: Internal"),
        ({"status": 503, "body": "<html>"}, None, None),
        ({"status": 201, "body": "<html>"}, OutcomeUnknown, None),
        ({"body": requests.exceptions.ReadTimeout()}, OutcomeUnknown, "Twilio has not answered: ReadTimeout"),
        ({"body": requests.exceptions.ConnectionError("reset")}, OutcomeUnknown, None),
        ({"body": requests.exceptions.ConnectTimeout()}, GatewayDown, "Twilio can't be reached: ConnectTimeout"),
        ({"body": requests.exceptions.SSLError()}, GatewayDown, "Twilio can't be reached: SSLError"),
    ],
    ids=["bad number", "bad token", "queue full", "429", "500", "503 page", "201 page", "silence", "reset", "no way",
         "TLS"],
)  # fmt: skip
async def test_not_taken(
    twilio: responses.RequestsMock, answer: dict[str, object], error: type[SubmitError] | None, comment: str | None
) -> None:
    twilio.post(MESSAGES, **answer)
    with pytest.raises(error or SubmitError) as caught:
        await submit(connect())
    assert type(caught.value) is error or (error is None and isinstance(caught.value, OutcomeUnknown | SubmitFailed))
    assert comment in (None, caught.value.comment)
    assert TOKEN not in str(caught.value)
    assert len(twilio.calls) == 1  # never repeated


async def test_nobody_there(twilio: responses.RequestsMock) -> None:
    refused = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    nobody = requests.exceptions.ConnectionError(MaxRetryError(None, "/", refused))  # type: ignore[arg-type]
    twilio.post(MESSAGES, body=nobody)
    twilio.get(FETCH, body=nobody)
    connector = connect()
    with pytest.raises(GatewayDown, match="Twilio can't be reached"):
        await submit(connector)
    assert not connector.ready
    with pytest.raises(GatewayDown, match="Twilio can't be reached"):
        await connector.probe()


@pytest.mark.parametrize("status, works", [(200, True), (401, False)])
async def test_probe(twilio: responses.RequestsMock, status: int, works: bool) -> None:
    twilio.get(FETCH, status=status, json={"sid": ACCOUNT, "code": 20003, "message": "Authenticate", "status": status})
    if works:
        await connect().probe()
        return
    with pytest.raises(GatewayDown, match="Twilio 401 20003"):
        await connect().probe()


async def test_a_binary_message_is_for_another_gateway() -> None:
    with pytest.raises(RefusedHere):
        await connect().submit(Part(replace(message(""), octets=b"\1"), 1, 1))


async def test_described() -> None:
    (line,) = await connect().describe(message("hi"))
    assert line == "Twilio Messages.create: {'to': '+36209876543', 'body': 'hi', 'from_': '+36301234567'}"


async def test_without_credentials() -> None:
    with pytest.raises(ConfigError, match=r"\[global\] plugin: twilio\.py: ValueError: user, the account's SID"):
        connect(password="")
