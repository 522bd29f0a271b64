"""What the log tells, and what it must never tell."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.rig import messages, settled
from tests.peers.gateway import NUMBER, PASSWORD, Changes, Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.phone import STRANGER, Phone
from tests.peers.program import wait_until
from tests.peers.smsc import SmscCommand

TEXT, LONG = "the-secret-text ✓", "another-secret-text " * 12
MOBILE, BY_HTTP, BIND, TOKEN = "36301112233", "36301112244", "pw-bind", "tok-123456"


@dataclass(frozen=True, slots=True)
class Told:
    gateway: Gateway
    lines: list[str]

    def about(self, *words: str) -> list[str]:
        return [line for line in self.lines if all(word in line for word in words)]


def _play(folder: Path, changes: Changes) -> Told:
    """One message by SMPP, a long one, a refused one, one by HTTP."""
    with SmscCommand(folder) as smsc, HttpProvider() as provider:
        smpp = f"SMPP;server=127.0.0.1;serverport={smsc.port};username=u;password={BIND}"
        settings: dict[str, dict[str, object]] = {"global": {"smsurl": smpp}}
        for section, keys in changes.items():
            settings.setdefault(section, {}).update(keys)
        gateway = Gateway(folder, changes=settings)
        gateway.add_user()
        with gateway:
            with Phone(gateway.sip_port, host=STRANGER) as phone:
                assert phone.send_as("bench", MOBILE, TEXT).status == 202
            with Phone(gateway.sip_port, "tcp") as softswitch:
                assert softswitch.send("36301110001", LONG).status == 202
                named = {"From": f'"+{NUMBER}" <sip:{NUMBER}@example.com>;tag=1', "Subject": TEXT}
                assert softswitch.send("3612345678", TEXT, fields=named).status == 404
                settled(gateway, messages(gateway))
                url = f"http://127.0.0.1:{provider.port}/sms?to=[tonum]&text=[message]&password={TOKEN}"
                gateway.configure({**settings, "global": {"smsurl": url}})
                _hang_up(gateway, settings)
                assert softswitch.send(BY_HTTP, TEXT).status == 202
            settled(gateway, messages(gateway))
    return Told(gateway, _log(gateway, settings).read_text().splitlines())


def _log(gateway: Gateway, settings: Changes) -> Path:
    name = settings.get("log", {}).get("file")
    return gateway.file.parent / str(name) if name else gateway.log


def _hang_up(gateway: Gateway, settings: Changes) -> None:
    """SIGHUP."""
    level = settings.get("log", {}).get("level", "warning")
    assert level in ("info", "debug")
    count = _log(gateway, settings).read_text().count("settings reloaded")
    gateway.hang_up()
    wait_until(lambda: _log(gateway, settings).read_text().count("settings reloaded") > count, "reloaded")


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return _play(tmp_path_factory.mktemp("info"), {"log": {"level": "info"}})


@pytest.fixture(scope="module")
def debug(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return _play(tmp_path_factory.mktemp("debug"), {"log": {"level": "debug"}})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Told:
    log = {"level": "debug", "mask": "false", "format": "json", "file": "gateway.log"}
    return _play(tmp_path_factory.mktemp("plain"), {"log": log})


def test_info_says_what_listens_where(info: Told) -> None:
    for transport in ("udp", "tcp"):
        assert len(info.about("listening", f"at={transport}:127.0.0.1:{info.gateway.sip_port}")) == 1
    assert len(info.about("listening", "what=http", f"127.0.0.1:{info.gateway.http_port}")) == 1
    assert info.about("bound", "127.0.0.1")
    assert info.about("stopped")


def test_info_has_one_line_a_message(info: Told) -> None:
    found = info.about(" message: ")
    assert len(found) == 4
    taken, failed, refused, by_http = found
    assert "taken" in taken
    assert ("failed" in failed, "ESME_RINVDSTADR" in failed, "parts=2" in failed) == (True, True, True)
    assert ("refused" in refused, "reason=not_converted" in refused) == (True, True)
    assert ("taken" in by_http, "gateway=default" in by_http) == (True, True)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info ", line) for line in found)


def test_debug_shows_every_exchange(debug: Told) -> None:
    for words in (
        ("sip: in", "MESSAGE sip:"), ("sip: out", "SIP/2.0 401"), ("sip: out", "SIP/2.0 202"),
        ("smpp: pdu", "bind_transceiver "), ("smpp: pdu", "submit_sm "), ("smpp: pdu", "submit_sm_resp"),
        ("smpp: pdu", "deliver_sm "), ("http: exchange", "GET http://127.0.0.1"), ("message: receipt", "DELIVERED"),
    ):  # fmt: skip
        assert debug.about(*words), words


@pytest.mark.parametrize("level", ["info", "debug"])
def test_nothing_that_is_masked_is_told(level: str, request: pytest.FixtureRequest) -> None:
    told: Told = request.getfixturevalue(level)
    everything = "\n".join(told.lines)
    texts = (TEXT, LONG.strip(), "the-secret-text", "another-secret-text", TEXT.encode("utf-16-be").hex())
    numbers = (MOBILE, BY_HTTP, NUMBER, "36301110001", "3612345678")
    for secret in (*texts, *numbers, BIND, TOKEN, PASSWORD, "Digest username"):
        assert secret not in everything, next(line for line in told.lines if secret in line)


def test_without_mask_texts_and_numbers_are_told_and_passwords_are_not(plain: Told) -> None:
    rows = [json.loads(line) for line in plain.lines]
    assert {"time", "level", "logger", "event"} <= set(rows[0])
    everything = "\n".join(map(str, rows))
    for shown in ("the-secret-text", MOBILE, NUMBER, BY_HTTP):
        assert shown in everything
    for secret in (BIND, TOKEN, PASSWORD, "Digest username"):
        assert secret not in everything
