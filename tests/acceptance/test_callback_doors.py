"""Commands by HTTP, and a voucher that two gateways are asked for at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.callback_desk import ALICE, BOB, OURS, PINCODE, VOUCHERS, CallbackDesk, callback_desk
from tests.acceptance.rig import ask, ledger_holds
from tests.peers.gateway import PASSWORD, Gateway
from tests.peers.http_client import ask_http, coded, raw
from tests.peers.ports import free_port
from tests.peers.program import wait_until
from tests.peers.smsc import LiveSmsc
from tests.web.test_callback_door import BODY, EXAMPLE
from voipsms.smpp.behaviour import Options

WRITER = "3611111111"  # of the document's example


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallbackDesk]:
    with callback_desk(tmp_path_factory.mktemp("doors")) as running:
        yield running
        ledger_holds(running.gateway)


def _answers(at: CallbackDesk, phone: str) -> list[str]:
    return [text for _, text in at.reached(phone, 0)]


def test_the_documents_example(at: CallbackDesk) -> None:
    """To the letter. Its text is no command, and its sender no mobile, which an answer could go to."""
    before = at.texts()
    answer = raw(at.door, EXAMPLE % len(BODY) + BODY)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"OK\n")
    at.quiet(before + 1)
    assert at.outcome() == "none: wrong"
    assert ask(at.gateway, "SELECT sender, target, text FROM tb_messages WHERE direction = 'MO' ORDER BY id")[-1] == (
        WRITER, OURS, "*** *** *** ***",
    )  # fmt: skip
    assert "Messages to this target are not sent as SMS" in at.gateway.log.read_text()


PLACES = {
    "POST": (True, "/"),
    "POST, any path": (True, "/some/where.php"),
    "GET": (False, "/"),
    "GET, any path": (False, "/mo/of?x=1"),
}


@pytest.mark.parametrize("post, path", PLACES.values(), ids=PLACES)
def test_commands(at: CallbackDesk, post: bool, path: str) -> None:
    before, fields = at.texts(), coded({"from": ALICE, "to": OURS, "text": f"rating 3630111{len(path):04}"})
    said = len(_answers(at, ALICE))
    if post:
        got = ask_http(at.door, path, fields)
    else:
        got = ask_http(at.door, path + ("&" if "?" in path else "?") + fields)
    assert (got.status, got.text) == (200, "OK\n")
    at.quiet(before + 1)
    (answer,) = _answers(at, ALICE)[said:]
    assert answer == f"To +3630111{len(path):04}: SMS 0.01, call 0.06 a minute, USD."


@pytest.mark.parametrize("sender", ["", None, "anonymous", "alice"], ids=repr)
def test_a_hidden_sender_needs_credentials(at: CallbackDesk, sender: str | None) -> None:
    before, who = at.texts(), {} if sender is None else {"from": sender}
    said = len(at.smsc.submits())
    for text, outcome in (("balance", "none: wrong"), (f"balance {PINCODE}", "balance: balance")):
        assert at.request({**who, "to": OURS, "text": text}).status == 200
        before += 1
        at.quiet(before)
        assert at.outcome() == outcome
    assert len(at.smsc.submits()) == said


def test_the_same_id_is_one_command(at: CallbackDesk) -> None:
    before, credit, code = at.texts(), at.gateway.balance("bob"), at.codes.pop()
    fields: Mapping[str, str] = {"from": BOB, "to": OURS, "text": f"c {code}", "moMsgId": "5jv45"}
    for _ in range(3):
        assert at.request({**fields}).text == "OK\n"
    assert at.request({**fields, "text": "balance"}).text == "OK\n"
    at.quiet(before + 1)
    assert at.outcome() == "credit: credited"
    assert len(_answers(at, BOB)) == 1
    assert 4 < at.gateway.balance("bob") - credit < 5  # less the answer


BAD: Mapping[str, tuple[str, bytes | None, int]] = {
    "no text": ("POST", coded({"from": ALICE, "to": OURS}).encode(), 400),
    "no target": ("POST", coded({"from": ALICE, "text": "b"}).encode(), 400),
    "a target that is none": ("POST", coded({"from": ALICE, "to": "12 34 <x>", "text": "b"}).encode(), 400),
    "nothing": ("GET", None, 400),
    "XML that is none": ("POST", b"data=<a", 400),
    "text that is no UTF-8": ("POST", b"from=1&to=2&text=%ff%fe%fd&charset=UTF-8", 400),
    "too long": ("POST", b"text=" + b"x" * 2_000_000, 413),
    "another method": ("DELETE", None, 405),
}


@pytest.mark.parametrize("method, body, status", BAD.values(), ids=BAD)
def test_bad_requests(at: CallbackDesk, method: str, body: bytes | None, status: int) -> None:
    before = at.texts()
    got = ask_http(at.door, "/", body, method=method)
    assert (got.status, got.text[:3]) == (status, "ERR"), got.text
    assert "Traceback" not in at.gateway.log.read_text()
    assert at.texts() == before


def test_from_elsewhere(at: CallbackDesk) -> None:
    before = at.texts()
    with at.changed("global", httpsmcallbackip="203.0.113.0/24"):
        assert at.request({"from": ALICE, "to": OURS, "text": "balance"}).status == 403
    assert at.request({"from": ALICE, "to": OURS, "text": "balance"}).status == 200
    at.quiet(before + 1)


def test_no_secret_is_logged(at: CallbackDesk) -> None:
    """At level debug, however it comes, and where it is refused."""
    code, before = at.codes.pop(), at.texts()
    fields: dict[str, str | bytes] = {"from": ALICE, "to": OURS, "text": f"c alice {PASSWORD} {code}"}
    assert at.request(fields).status == 200
    assert ask_http(at.door, "/?" + coded({**fields, "text": f"balance {PINCODE}"})).status == 200
    at.quiet(before + 2)
    assert ask_http(at.door, "/?" + coded({"text": f"balance alice {PASSWORD} {PINCODE}"})).status == 400
    log = at.gateway.log.read_text()
    assert " debug " in log
    for secret in (PASSWORD, PINCODE, code, code.replace("-", "")):
        assert secret not in log


# -- two gateways


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/both.db" if request.param == "sqlite" else str(request.getfixturevalue("mysql_url"))


def test_a_voucher_is_redeemed_by_one_of_two_gateways(url: str, tmp_path: Path) -> None:
    """For whom, is chance; how often, is not."""
    doors = free_port(), free_port()
    with ExitStack() as stack:
        smsc = stack.enter_context(LiveSmsc(Options(endings=False)))
        gateways = [_gateway(tmp_path, smsc.port, url, door) for door in doors]
        gateways[0].add_user("alice", "10", ALICE)
        gateways[0].add_user("bob", "10", BOB)
        gateways[0].command("number", "add", OURS, "--user", "admin", "--callback")
        codes = gateways[0].command("voucher", "add", "--amount", "5", "--count", str(VOUCHERS)).split()
        for gateway in gateways:
            stack.enter_context(gateway)
        both = threading.Barrier(2)
        threads = stack.enter_context(ThreadPoolExecutor(2))

        def redeem(place: int, code: str) -> int:
            phone = (ALICE, BOB)[place]
            both.wait(10)
            return ask_http(doors[place], "/", coded({"from": phone, "to": OURS, "text": f"c {code}"})).status

        for code in codes:
            assert list(threads.map(redeem, (0, 1), (code, code))) == [200, 200]
        told = "SELECT comment, count(*) FROM tb_messages WHERE direction = 'MO' GROUP BY comment ORDER BY comment"
        wanted = [("credit: credited", VOUCHERS), ("credit: wrong_voucher", VOUCHERS)]
        wait_until(lambda: [tuple(row) for row in ask(gateways[0], told)] == wanted, "each used once", pause=0.05)
        for phone in (ALICE, BOB):
            wait_until(lambda phone=phone: len(smsc.submits(phone)) == VOUCHERS, "all answered")  # type: ignore[misc]
        assert gateways[0].balance("alice") + gateways[0].balance("bob") == 20 + 5 * VOUCHERS
        ledger_holds(gateways[1])


def _gateway(folder: Path, smsc: int, url: str, door: int) -> Gateway:
    own = folder / str(door)
    own.mkdir()
    changes: dict[str, dict[str, object]] = {
        "global": {"smsprice": "0", "country": "HU"},
        "callback": {"enabled": "true", "listen": f"127.0.0.1:{door}", "attempts": 100},
    }
    return Gateway(own, smsc, url, changes=changes)
