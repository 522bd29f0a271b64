"""The Mizu API and Mizu's console, as programs and operators use them."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.acceptance.rig import House, ask, house, ledger_holds, messages, settled
from tests.peers.gateway import NUMBER, PASSWORD, ROOT, Gateway
from tests.peers.program import wait_until

AUTHKEY = "server key"
TARGET = "36301112233"
SEND = {"anum": NUMBER, "bnum": TARGET, "message": "Hello, wörld"}
CHANGES = {"http": {"authkey": AUTHKEY, "attempts": 2, "lockout": 600, "body": 2048}}


def _users(gateway: Gateway) -> None:
    gateway.add_user()
    gateway.add_user("root", "0", "", "--type", "admin")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("mizu"), changes=CHANGES, users=_users) as found:
        yield found
        ledger_holds(found.gateway)


def get(gateway: Gateway, entry: str, user: str = "bench", **fields: object) -> str:
    proof = {"authkey": AUTHKEY, "authid": user, "authpwd": PASSWORD}
    return answer(gateway, {"apientry": entry, **proof, **fields})


def answer(gateway: Gateway, fields: Mapping[str, object]) -> str:
    status, body = gateway.get("/mvapireq/?" + urlencode(fields))
    assert status == 200
    return body.rstrip("\n")


def signed(user: str, secret: str, salt: str) -> dict[str, str]:
    md5 = hashlib.md5(f"{user}:{AUTHKEY}:{secret}:{salt}".encode()).hexdigest()
    return {"authkey": AUTHKEY, "authid": user, "authmd5": md5, "authsalt": salt}


def renewed(gateway: Gateway, user: str) -> str:
    """A new API secret, once the running gateway knows it."""
    secret = gateway.command("user", "secret", user).split()[-1]
    wait_until(lambda: ask_balance(gateway, user, secret), "the new secret known", pause=0.3)
    return secret


def ask_balance(gateway: Gateway, user: str, secret: str) -> bool:
    return answer(gateway, {"apientry": "balance", **signed(user, secret, secrets.token_hex())}).startswith("OK")


def test_a_message_is_sent_and_billed(at: House) -> None:
    before = at.gateway.balance()
    word, message = get(at.gateway, "sendsmssync", **SEND).split(maxsplit=1)
    assert (word, message.split()[1:]) == ("OK", ["DELIVERED"])
    assert (int(message.split()[0]), SEND["message"], "DELIVERED") in ask(
        at.gateway, "SELECT id, text, state FROM tb_messages"
    )
    assert before - at.gateway.balance() == Decimal("0.01")


def test_ok_comes_after_the_commit(at: House) -> None:
    before = messages(at.gateway)
    assert get(at.gateway, "asendsms", "root", **SEND).startswith("OK ")
    assert messages(at.gateway) == before + 1
    settled(at.gateway, before + 1)


def test_balance_and_rating(at: House) -> None:
    assert re.fullmatch(r"OK \d+\.\d\d USD", get(at.gateway, "balance"))
    assert get(at.gateway, "rating", bnum=TARGET) == "OK 0.01 USD"


def test_a_salt_holds_once_across_a_restart(tmp_path: Path) -> None:
    with house(tmp_path, changes={"http": {"authkey": AUTHKEY}}) as found:
        gateway = found.gateway
        fields = {"apientry": "sendsms", **signed("bench", renewed(gateway, "bench"), "salt"), **SEND}
        assert answer(gateway, fields).startswith("OK ")
        assert answer(gateway, fields) == "ERROR denied Wrong credentials"
        gateway.stop()
        gateway.start()
        assert answer(gateway, fields) == "ERROR denied Wrong credentials"
        assert messages(gateway) == 1


def test_wrong_passwords_lock_out_and_stay_out_of_the_log(at: House) -> None:
    fields = {"authkey": AUTHKEY, "authid": "mallory\r\nX: 1", "authpwd": "hunter2", "apientry": "balance"}
    found = [answer(at.gateway, fields) for _ in range(3)]
    assert found == ["ERROR denied Wrong credentials"] * 2 + ["ERROR locked_out Too many wrong credentials"]
    told = at.gateway.log.read_text()
    assert "wrong credentials too often" in told
    assert not re.search(r"hunter2|^X: 1|" + re.escape(PASSWORD), told, re.MULTILINE)
    assert at.gateway.metric("voipsms_messages_refused_total", code="locked_out") == 1
    assert get(at.gateway, "balance").startswith("OK ")


@pytest.mark.parametrize(
    "octets, status",
    [
        (b"GET /mvapireq/?apientry=balance&apientry=sms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /mvapireq/?apientry=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"400"),
        (b"DELETE /mvapireq/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"POST /mvapireq/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000,
         b"413"),
        (b"GET /mvapireq?apientry=drop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"400"),
    ],
    ids=["doubled", "charset", "method", "body too long", "without the slash"],
)  # fmt: skip
def test_bad_requests_are_told_so(at: House, octets: bytes, status: bytes) -> None:
    before = at.gateway.metric("voipsms_malformed_total", door="http")
    with socket.create_connection(("127.0.0.1", at.gateway.http_port), timeout=10) as peer, peer.makefile("rb") as said:
        peer.sendall(octets)
        head, _, body = said.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert body.startswith(b"ERROR ")
    assert at.gateway.metric("voipsms_malformed_total", door="http") == before + 1


def test_the_console_reads_lines_or_takes_one(at: House) -> None:
    lines = (
        "help\n\nasendsms,+36301112299,Hello, world\nbalance,bench\nrating,36301112299\nnothing\nQUIT\nbalance,bench\n"
    )
    command = [sys.executable, "-m", "voipsms", "--config", str(at.gateway.file), "console"]
    ran = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=ROOT, timeout=60)
    answers = ran.stdout.splitlines()
    assert (ran.returncode, ran.stderr) == (1, "")
    assert answers[:6] == ["OK", "asendsms,TONUMBER,TEXT", "balance,USER", "rating,NUMBER", "help", "quit"]
    assert [line.split()[0] for line in answers[6:]] == ["OK", "OK", "OK", "ERROR"]
    at.smsc.saw(1, "36301112299")
    assert ask(at.gateway, "SELECT text FROM tb_messages WHERE target = '36301112299'") == [("Hello, world",)]
    assert at.gateway.command("console", "rating,36301112299") == "OK 0.01 USD\n"


@pytest.mark.parametrize(
    "line, answer",
    [
        ("asendsms,36301112299", "ERROR it is asendsms,TONUMBER,TEXT\n"),
        ("asendsms,,x", "ERROR it is asendsms,TONUMBER,TEXT\n"),
        ("asendsms,12,x", "ERROR Not a possible phone number\n"),
        ("balance,nobody", "ERROR there is no user 'nobody'\n"),
        ("rating,bob", "ERROR Not a possible phone number\n"),
    ],
    ids=["no text", "no number", "no possible number", "nobody", "a name"],
)
def test_the_console_says_what_is_wrong(at: House, line: str, answer: str) -> None:
    ran = at.gateway.run("console", line)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, answer, "")


def test_keys_are_shown_once(at: House) -> None:
    told = at.gateway.command("user", "add", "carol", "--password", "x")
    secret, key = re.findall(r"^API (?:secret|key) (\S+)$", told, re.MULTILINE)
    assert (len(secret), len(key)) == (40, 43)
    stored = str(ask(at.gateway, "SELECT * FROM tb_api"))
    assert key not in stored
    assert key not in at.gateway.command("user", "key", "carol")
