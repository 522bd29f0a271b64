"""One message's whole story, by the command and by REST, of one to a phone and one from it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.desk import Desk, desk
from tests.acceptance.rig import one
from tests.peers.gateway import Gateway
from tests.peers.program import wait_until

ALICE, PHONE, SECRET = "36201110001", "36301112233", "secret-of-the-smsc"


def _users(gateway: Gateway) -> None:
    gateway.add_user("alice", "10", ALICE)
    gateway.command("user", "reach", "alice", "--log", ".")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("story"), _users, {"global": {"smsprice": "0.03"}}) as running:
        yield running


@pytest.fixture(scope="module")
def key(at: Desk) -> str:
    """alice's bearer key, as it is printed."""
    return at.gateway.command("user", "key", "alice").split()[-1]


def _message(at: Desk, direction: str) -> str:
    """Waits until it is delivered; its id."""
    where = f"FROM tb_messages WHERE direction = '{direction}' AND state = 'DELIVERED'"
    wait_until(lambda: one(at.gateway, f"SELECT count(*) {where}") == 1, f"the {direction}")
    return str(one(at.gateway, f"SELECT id {where}"))


def _told(at: Desk, key: str, message_id: str, path: str = "") -> Any:
    url = f"http://127.0.0.1:{at.gateway.http_port}/api/v1/messages/{message_id}{path}"
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return json.load(answer)


def test_of_a_message_to_a_phone(at: Desk, key: str) -> None:
    at.sent("alice", PHONE, "x" * 200)
    message_id = _message(at, "MT")
    shown = at.gateway.command("message", message_id)
    [told] = json.loads(at.gateway.command("message", message_id, "--format", "json"))
    kinds = [event["kind"] for event in told["events"]]
    assert kinds[:2] == ["accepted", "reserve"]
    assert {"taken", "ENROUTE", "receipt", "DELIVERED"} <= set(kinds)
    assert kinds[-1] == "DELIVERED"
    requests = [line for line in told["would_be_sent"] if line.startswith("submit_sm ")]
    assert len(requests) == 2
    assert all(f"destination_addr={PHONE}" in line for line in requests)
    for event in told["events"]:
        assert event["kind"] in shown
    submits = at.smsc.submits(PHONE)
    assert all(submit.id in shown for submit in submits)
    by_rest = _told(at, key, message_id)
    assert (by_rest["state"], by_rest["price"], by_rest["parts"]) == ("DELIVERED", "0.03", 2)
    assert [event["kind"] for event in by_rest["events"]] == kinds
    assert [event["kind"] for event in _told(at, key, message_id, "/events")["events"]] == kinds


def test_of_a_text_from_a_phone(at: Desk, key: str) -> None:
    at.wrote(PHONE, ALICE, "Szia!")
    message_id = _message(at, "MO")
    shown = at.gateway.command("message", message_id)
    by_rest = _told(at, key, message_id)
    kinds = [event["kind"] for event in by_rest["events"]]
    assert kinds[0] in ("received", "arrived")
    assert {"charge", "delivery", "DELIVERED"} <= set(kinds)
    assert (by_rest["direction"], by_rest["text"], by_rest["price"]) == ("MO", "Szia!", "0.01")
    assert all(kind in shown for kind in kinds)
    assert "text by log delivered: written" in shown
