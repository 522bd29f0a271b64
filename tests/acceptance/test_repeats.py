"""The same Call-ID, CSeq and From tag always get the first answer again; nothing is sent or paid twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.rig import House, house, ledger_holds, messages, settled, taken_at_last
from tests.peers.gateway import Gateway
from tests.peers.phone import Phone, message

POOR = "36201110000"


def _users(gateway: Gateway) -> None:
    gateway.add_user()
    gateway.add_user("poor", "0", POOR)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("repeats"), users=_users) as running:
        yield running


def test_a_retransmission_is_answered_from_memory(started: House) -> None:
    request, before = message("36301112201"), messages(started.gateway)
    with Phone(started.gateway.sip_port) as softswitch:
        first = softswitch.exchange(request, branch="z9hG4bKsame")
        again = softswitch.exchange(request, branch="z9hG4bKsame")
        assert (first.status, first.to_bytes()) == (202, again.to_bytes())
    assert messages(started.gateway) == before + 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_another_branch_gets_the_first_answer(transport: str, started: House) -> None:
    """As when a proxy forks, or turns to the next gateway after a timeout."""
    request, before = message("36301112202"), messages(started.gateway)
    with Phone(started.gateway.sip_port, transport) as softswitch:
        assert [softswitch.exchange(request).status for _ in range(3)] == [202] * 3
    assert messages(started.gateway) == before + 1


DIFFERENT = {
    "CSeq": {"CSeq": "2 MESSAGE"},
    "From tag": {"From": "<sip:bench@example.com>;tag=other"},
    "Call-ID": {"Call-ID": "other"},
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_differs_is_another_message(change: dict[str, str], started: House) -> None:
    fields: dict[str, str | None] = {
        "Call-ID": f"first-{sorted(change)}", "CSeq": "1 MESSAGE", "From": "<sip:bench@example.com>;tag=1"
    }  # fmt: skip
    before = messages(started.gateway)
    with Phone(started.gateway.sip_port) as softswitch:
        assert softswitch.send("36301112203", fields=fields).status == 202
        assert softswitch.send("36301112203", fields={**fields, **change}).status == 202
    assert messages(started.gateway) == before + 2


def test_refusals_are_answers_too(started: House) -> None:
    """Credit that comes later changes nothing for a request that was refused."""
    refused = message("36301112204", sender=POOR)
    with Phone(started.gateway.sip_port) as softswitch:
        assert softswitch.exchange(refused).status == 402
        started.gateway.command("user", "credit", "poor", "1")
        taken_at_last(softswitch, "36301112204", POOR)
        assert softswitch.exchange(refused).status == 402


def test_a_taken_message_stays_taken_when_it_could_be_taken_no_more(started: House) -> None:
    gateway, request = started.gateway, message("36301112207", sender=POOR)
    with Phone(gateway.sip_port) as softswitch:
        assert softswitch.exchange(request).status == 202
        gateway.command("user", "credit", "poor", f"-{gateway.balance('poor')}")
        gateway.restart()
        assert softswitch.send("36301112207", sender=POOR).status == 402
        assert softswitch.exchange(request).status == 202


@pytest.mark.parametrize("end", [Gateway.stop, Gateway.kill], ids=["stopped", "killed"])
def test_first_answers_outlive_a_restart(end: object, started: House) -> None:
    gateway, target = started.gateway, f"3630111220{5 if end is Gateway.stop else 6}"
    requests = {
        202: message(target),
        403: message(target, sender="nobody"),
        404: message("3612345678"),
        484: message("99912345678901"),
        413: message(target, "x" * 2000),
    }
    with Phone(gateway.sip_port) as softswitch:
        assert [softswitch.exchange(request).status for request in requests.values()] == list(requests)
        before = messages(gateway)
        gateway.stop() if end is Gateway.stop else gateway.kill()
        gateway.start()
        answers = [softswitch.exchange(request) for request in requests.values()]
    assert [answer.status for answer in answers] == list(requests)
    assert all(answer.headers.get("Reason") for answer in answers if answer.status >= 300)
    assert messages(gateway) == before


def test_nothing_was_sent_or_paid_twice(started: House) -> None:
    settled(started.gateway, messages(started.gateway))
    started.smsc.saw(messages(started.gateway))
    assert len(started.smsc.submits()) == messages(started.gateway)
    ledger_holds(started.gateway)
