"""What an operator sees of a running gateway: health, counters, reload."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.rig import House, ask, house, messages, settled
from tests.peers.gateway import NUMBER
from tests.peers.phone import Phone
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand

MOBILE = "36301112233"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("operation")) as running:
        yield running


def test_alive_ready_and_counted(started: House) -> None:
    gateway = started.gateway
    assert gateway.get("/healthz") == (200, "alive\n")
    status, body = gateway.get("/readyz")
    assert (status, json.loads(body)) == (
        200, {"ready": True, "parts": {"store": "usable", "gateway default": "usable"}},
    )  # fmt: skip
    assert gateway.get("/nowhere")[0] == 404
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send(MOBILE).status == 202
        assert softswitch.send("3612345678").status == 404
    settled(gateway, messages(gateway))
    assert gateway.metric("voipsms_messages_accepted_total", door="sip") == 1
    assert gateway.metric("voipsms_messages_refused_total", code="not_converted") == 1
    assert gateway.metric("voipsms_submits_total", gateway="default", outcome="taken") == 1
    assert gateway.metric("voipsms_receipts_total", state="DELIVERED") == 1
    assert gateway.metric("voipsms_store_up") == 1
    assert gateway.metric("voipsms_listener_up", listener=f"udp:127.0.0.1:{gateway.sip_port}") == 1


def test_an_smsc_that_goes_away_is_named_and_what_is_taken_waits(started: House) -> None:
    gateway = started.gateway
    started.smsc.stop()
    wait_until(lambda: not gateway.ready(), "not ready without its SMSC")
    status, body = gateway.get("/readyz")
    parts = json.loads(body)["parts"]
    assert (status, parts["store"]) == (503, "usable")
    assert parts["gateway default"] != "usable"
    assert gateway.get("/healthz")[0] == 200
    assert gateway.metric("voipsms_gateway_up", gateway="default") == 0
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send("36301112244").status == 202
    assert ask(gateway, "SELECT state FROM tb_messages WHERE target = '36301112244'") == [("QUEUED",)]
    started.smsc.start()
    settled(gateway, messages(gateway))
    assert ask(gateway, "SELECT state FROM tb_messages WHERE target = '36301112244'") == [("DELIVERED",)]


def test_a_reload_takes_new_settings(started: House) -> None:
    gateway = started.gateway
    with Phone(gateway.sip_port) as softswitch:
        gateway.reconfigure({"global": {"smsprice": "0.07", "sendsmsmessages": 2}})
        assert softswitch.send("3612345678").status == 202
        assert ask(gateway, "SELECT price FROM tb_messages WHERE target = '3612345678'") == [(70_000,)]
        gateway.reconfigure({"sip": {"trusted": "192.0.2.1"}})
        assert softswitch.send(MOBILE).status == 401
        gateway.reconfigure({})
        assert softswitch.send(MOBILE).status == 202


def test_a_reload_moves_what_waits_to_the_new_way(started: House) -> None:
    """The SMSC has got another address: messages that could not leave go there."""
    gateway, folder = started.gateway, started.gateway.file.parent
    started.smsc.stop()
    wait_until(lambda: not gateway.ready(), "not ready without its SMSC")
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send("36301112255").status == 202
    with SmscCommand(folder) as moved:
        gateway.reconfigure({"global": {"smsurl": f"SMPP;server=127.0.0.1;serverport={moved.port}"}})
        settled(gateway, messages(gateway))
        moved.saw(1, "36301112255")
        started.smsc.start()
        gateway.reconfigure({})
    wait_until(gateway.ready, "back at the first SMSC")


def test_a_bad_file_keeps_the_old_settings(started: House) -> None:
    gateway = started.gateway
    gateway.reconfigure({"global": {"smsprice": "free"}, "sip": {"trusted": ""}})
    said = gateway.said()
    assert "settings are not taken" in said
    assert "[global] smsprice: must be a decimal number" in said
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.send("36301112266").status == 202
    assert ask(gateway, "SELECT price FROM tb_messages WHERE target = '36301112266'") == [(10_000,)]
    gateway.reconfigure({})


def test_a_second_gateway_takes_over_by_reload(started: House) -> None:
    """The first gateway of the file takes what comes; the other one is bound and idle."""
    gateway, folder = started.gateway, started.gateway.file.parent
    with SmscCommand(folder) as second:
        url = f"SMPP;server=127.0.0.1;serverport={second.port}"
        gateway.reconfigure({"gateway:second": {"smsurl": url}})
        wait_until(gateway.ready, "both bound")
        assert "gateway second" in gateway.get("/readyz")[1]
        gateway.reconfigure({"global": {"smsurl": None}, "gateway:second": {"smsurl": url}})
        wait_until(gateway.ready, "the second one bound")
        with Phone(gateway.sip_port) as softswitch:
            assert softswitch.send("36301112277").status == 202
        settled(gateway, messages(gateway))
        second.saw(1, "36301112277")
        assert gateway.cdrs("--gateway", "second")[0]["from"] == NUMBER
        gateway.reconfigure({})


def test_garbage_from_the_smsc_is_survived(started: House) -> None:
    """A message from a phone has nowhere to go yet, so the SMSC has to keep it; the session lives on."""
    gateway, folder = started.gateway, started.gateway.file.parent
    with SmscCommand(folder, "--mo-count", "3", "--redeliver", "50") as talkative:
        gateway.reconfigure({"global": {"smsurl": f"SMPP;server=127.0.0.1;serverport={talkative.port}"}})
        wait_until(gateway.ready, "bound")
        with Phone(gateway.sip_port) as softswitch:
            assert softswitch.send("36301112288").status == 202
        settled(gateway, messages(gateway))
        assert gateway.ready()
        gateway.reconfigure({})
