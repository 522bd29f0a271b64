"""Gateways that are neither HTTP nor SMPP: a program, a SIP trunk, mail, a plugin, null."""

from __future__ import annotations

import email
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.acceptance.rig import ledger_holds, messages, settled
from tests.peers.gateway import NUMBER, Gateway
from tests.peers.phone import Phone
from tests.peers.ports import free_port
from tests.peers.program import wait_until
from tests.peers.sipp import Answerer

TARGET, PRICE = "36301234567", Decimal("0.01")
TEXT = "-rf 'it''s' $(touch evil) \"q\" [tonum] {{ 7*7 }} é✓"

Settings = dict[str, dict[str, object]]
Received = Callable[[], list[str]]  # the texts that arrived
Way = Callable[[Path], Iterator[tuple[Settings, Received]]]

PROGRAM = """#!/bin/sh
cat >>got
case "$2" in refuse*) echo no such number >&2; exit 65;; esac
echo "ID: p-$1"
"""
PLUGIN = """
from pathlib import Path

def connector(gateway, folder):
    return Ours(folder / "got")

class Ours:
    def __init__(self, file):
        self.file = file

    def send(self, message):
        if message.text.startswith("refuse"):
            raise KeyError(message.text)
        with self.file.open("a") as file:
            file.write(message.text + "\\n")
        return f"p-{message.target}"
"""


def _program(folder: Path) -> Iterator[tuple[Settings, Received]]:
    (folder / "send.sh").write_text(PROGRAM)
    (folder / "send.sh").chmod(0o755)
    told = folder / "got"
    yield (
        {"global": {"smsurl": "./send.sh [tonum] [message]"}},
        lambda: [json.loads(line)["message"] for line in told.read_text().splitlines()] if told.exists() else [],
    )
    assert not (folder / "evil").exists()


def _plugin(folder: Path) -> Iterator[tuple[Settings, Received]]:
    (folder / "ours.py").write_text(PLUGIN)
    told = folder / "got"
    settings: Settings = {"global": {"smsurl": None}, "gateway:ours": {"plugin": "ours.py"}}
    yield settings, lambda: told.read_text().splitlines() if told.exists() else []


def _trunk(folder: Path) -> Iterator[tuple[Settings, Received]]:
    with Answerer(folder, 202) as sipp:
        url = f"sip:+[tonum]@127.0.0.1:{sipp.port}"
        yield {"global": {"smsurl": url}}, lambda: [text for _, text in sipp.received()]


class Mailbox:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.original_content, bytes)
        payload = email.message_from_bytes(envelope.original_content).get_payload(decode=True)
        assert isinstance(payload, bytes)
        self.texts.append(payload.decode().rstrip("\r\n"))
        return "250 OK"


def _mail(folder: Path) -> Iterator[tuple[Settings, Received]]:
    box, port = Mailbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        mail = {"server": "127.0.0.1", "port": port, "tls": "none", "sender": "gw@acme.test"}
        yield {"global": {"smsurl": "mailto:[tonum]@sms.test?subject=[message]"}, "mail": mail}, lambda: box.texts
    finally:
        server.stop()


WAYS: dict[str, Way] = {"program": _program, "plugin": _plugin, "trunk": _trunk, "mail": _mail}
REFUSALS = {"program": "exit 65: (no such number)", "plugin": "the plugin raised KeyError"}


@contextmanager
def running(folder: Path, changes: Settings) -> Iterator[Gateway]:
    gateway = Gateway(folder, changes=changes)
    gateway.add_user()
    with gateway:
        yield gateway


@pytest.mark.parametrize("way", WAYS)
def test_a_message_leaves(way: str, tmp_path: Path) -> None:
    with contextmanager(WAYS[way])(tmp_path) as (changes, received), running(tmp_path, changes) as gateway:
        with Phone(gateway.sip_port) as softswitch:
            assert softswitch.send(TARGET, TEXT).status == 202
            wait_until(lambda: received() == [TEXT], "the text there")
            settled(gateway, 1)
            if way in REFUSALS:
                assert softswitch.send(TARGET, "refuse this").status == 202
                settled(gateway, 2)
        cdrs = gateway.cdrs()
        assert (cdrs[0]["state"], cdrs[0]["from"], cdrs[0]["price"]) == ("ACCEPTED", NUMBER, PRICE)
        if way in REFUSALS:
            assert (cdrs[1]["state"], cdrs[1]["comment"], cdrs[1]["price"]) == ("REJECTED", REFUSALS[way], 0)
        assert len(cdrs) == messages(gateway)
        ledger_holds(gateway)


def test_null_by_chance(tmp_path: Path) -> None:
    url = "null:delay=1;error=0.5;refuse=0.3;seed=5"
    with running(tmp_path, {"global": {"smsurl": url, "retries": 2, "retrydelay": 0.05, "faults": 0}}) as gateway:
        with Phone(gateway.sip_port) as softswitch:
            for number in range(30):
                assert softswitch.send(f"363012345{number:02d}", "x").status == 202
        settled(gateway, 30)
        states = [cdr["state"] for cdr in gateway.cdrs()]
        assert len(states) == 30
        assert set(states) == {"ACCEPTED", "REJECTED", "UNDELIVERABLE"}
        ledger_holds(gateway)


def test_a_plugin_that_fails_at_load_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text("raise ValueError('not today')")
    gateway = Gateway(tmp_path, changes={"global": {"smsurl": None}, "gateway:ours": {"plugin": "ours.py"}})
    ran = gateway.run("run")
    assert ran.returncode == 1
    assert "[gateway:ours] plugin: ours.py: ValueError: not today" in ran.stderr.splitlines()[-1]
