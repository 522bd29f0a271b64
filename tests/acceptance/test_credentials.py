"""Phones that are not behind the softswitch prove who they are: digest, RFC 3261 §22, RFC 8760."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.rig import House, ask, house, settled
from tests.peers import sipp
from tests.peers.gateway import NUMBER, PASSWORD, Gateway
from tests.peers.phone import STRANGER, Phone, answer_challenge, message
from tests.peers.program import wait_until
from voipsms.sip.digest import authorization
from voipsms.sip.headers import Headers
from voipsms.sip.message import Request

MOBILE = "36301112233"
NONCE = 1.0  # seconds
CHANGES = {"sip": {"trusted": "127.0.0.9", "nonce": NONCE, "realm": "example.com"}}


def _users(gateway: Gateway) -> None:
    gateway.add_user()
    gateway.add_user("eve", "10", "")
    gateway.add_user("bob", "10", "")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("credentials"), users=_users, changes=CHANGES) as running:
        yield running


@pytest.fixture(params=["udp", "tcp"])
def phone(request: pytest.FixtureRequest, started: House) -> Iterator[Phone]:
    with Phone(started.gateway.sip_port, request.param, STRANGER) as phone:
        yield phone


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_right_password_is_taken(algorithm: str, phone: Phone) -> None:
    assert phone.send_as("bench", MOBILE, algorithm=algorithm).status == 202


@pytest.mark.parametrize("user, password", [("bench", "wrong"), ("nobody", PASSWORD), ("admin", "")])
def test_wrong_credentials_are_challenged_again(user: str, password: str, phone: Phone) -> None:
    response = phone.send_as(user, MOBILE, password=password)
    assert response.status == 401
    assert not any("stale=true" in value for value in response.headers.get_all("WWW-Authenticate"))


def test_an_old_nonce_is_stale(phone: Phone) -> None:
    request = message(MOBILE)
    challenge = phone.exchange(request)
    signed = answer_challenge(request, challenge, "bench")
    made = time.monotonic()
    wait_until(lambda: time.monotonic() > made + NONCE + 0.1, "the nonce is old")
    response = phone.exchange(signed)
    assert response.status == 401
    assert all("stale=true" in value for value in response.headers.get_all("WWW-Authenticate"))
    assert phone.exchange(answer_challenge(request, response, "bench")).status == 202


def test_credentials_for_another_request_are_wrong(phone: Phone) -> None:
    request = message(MOBILE)
    offered = phone.exchange(request).headers.get_all("WWW-Authenticate")
    value = authorization(offered, "MESSAGE", "sip:36309999999@127.0.0.1", "bench", PASSWORD, cnonce="c")
    stolen = Request("MESSAGE", request.uri, Headers([*request.headers, ("Authorization", value)]), request.body)
    assert phone.exchange(stolen).status == 401


def test_used_credentials_are_not_taken_again(phone: Phone) -> None:
    request = message(MOBILE)
    signed = answer_challenge(request, phone.exchange(request), "bench")
    assert phone.exchange(signed).status == 202
    replayed = message("36309999999", fields={"Authorization": signed.headers.get("Authorization")})
    assert phone.exchange(replayed).status == 401


def test_who_guesses_is_locked_out_and_nobody_else(started: House) -> None:
    with Phone(started.gateway.sip_port, host=STRANGER) as guesser:
        answers = [guesser.send_as("eve", MOBILE, password=f"guess-{n}").status for n in range(5)]
        assert answers == [401, 401, 401, 401, 403]
        locked = guesser.send_as("eve", MOBILE)
        assert locked.status == 403
        assert "Too many wrong credentials" in locked.headers.get("Reason")
        assert guesser.send_as("bob", MOBILE).status == 202
    with Phone(started.gateway.sip_port, host="127.0.0.3") as herself:
        assert herself.send_as("eve", MOBILE).status == 202


def test_the_authenticated_user_pays_whatever_the_phone_says(started: House) -> None:
    target = "36301114002"
    with Phone(started.gateway.sip_port, host=STRANGER) as phone:
        asserted = {"P-Asserted-Identity": "<sip:bench@example.com>", "From": "<sip:bench@example.com>;tag=1"}
        request = message(target, fields=asserted)
        assert phone.exchange(answer_challenge(request, phone.exchange(request), "bob")).status == 202
    question = (
        "SELECT u.username, m.sender FROM tb_messages AS m JOIN tb_users AS u ON u.id = m.user_id"
        " WHERE m.target = '36301114002'"
    )
    assert ask(started.gateway, question) == [("bob", "bench")]


def test_nobody_sends_from_a_number_that_is_not_theirs(started: House) -> None:
    with Phone(started.gateway.sip_port, host=STRANGER) as phone:
        request = message("36301114003", sender="36209999999")
        assert phone.exchange(answer_challenge(request, phone.exchange(request), "bench")).status == 202
    assert ask(started.gateway, "SELECT sender FROM tb_messages WHERE target = '36301114003'") == [(NUMBER,)]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_answers_the_challenge(transport: str, started: House, tmp_path: Path) -> None:
    """It knows MD5 only and stops at a challenge that it doesn't know, as some phones do."""
    started.gateway.reconfigure({**CHANGES, "sip": {**CHANGES["sip"], "digest": "MD5"}})
    rows = [("36301115001", "bench", "signed by sipp", sipp.credentials("bench", PASSWORD))]
    port = started.gateway.sip_port
    uri = ("-auth_uri", f"36301115001@127.0.0.1:{port}")  # sipp leaves the user out by itself
    assert sipp.send(tmp_path, port, "message-digest", rows, transport=transport, options=uri).successful == 1
    started.gateway.reconfigure(CHANGES)


def test_credentials_used_before_a_restart_are_not_taken_again(started: House) -> None:
    request = message(MOBILE)
    with Phone(started.gateway.sip_port, host=STRANGER) as phone:
        signed = answer_challenge(request, phone.exchange(request), "bench")
        assert phone.exchange(signed).status == 202
        started.gateway.restart()
        replayed = message("36309999999", fields={"Authorization": signed.headers.get("Authorization")})
        other_text = Request("MESSAGE", signed.uri, replayed.headers, b"bought by somebody else")
        assert phone.exchange(other_text).status == 401


def test_all_that_was_taken_is_delivered(started: House) -> None:
    taken = len(ask(started.gateway, "SELECT id FROM tb_messages"))
    assert taken >= 10
    settled(started.gateway, taken)
