"""What an operator should know before a text gets lost in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from voipsms.cli import main
from voipsms.config import load, parse
from voipsms.dead_ends import dead_ends
from voipsms.errors import ConfigError
from voipsms.gateway import Gateway

MAIL = "[mail]\nserver = mail.example.com\nsender = sms@example.com\n"
CHAT = "[sip]\noutbound = sip:pbx.example.com\n"
BY_MAIL = "[global] smsreceive_route: {} sends mail, and [mail] server is empty"
BY_CHAT = "[global] smsreceive_route: {} sends by chat, and [sip] outbound is empty"
CLOSED = "gateway x: inbound_ip or inbound_key must be set: without them whatever comes is answered 403"
GATEWAY = "[gateway:x]\nsmsurl = https://example.com/\n"


def found(text: str) -> list[str]:
    return list(dead_ends(parse(text, Path("config.ini"))))


@pytest.mark.parametrize("route", range(5))
def test_routes_need_what_they_go_by(route: int) -> None:
    text = f"[global]\nsmsreceive_route = {route}\n"
    by_mail, by_chat = BY_MAIL.format(route), BY_CHAT.format(route)
    assert found(text + MAIL + CHAT) == []
    assert found(text + CHAT) == ([by_mail] if route in (2, 3, 4) else [])
    assert found(text + MAIL) == ([by_chat] if route in (1, 3, 4) else [])
    assert set(found(text)) == {*found(text + CHAT), *found(text + MAIL)}


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ("", []),
        ("inbound = generic\n", [CLOSED]),
        ("inbound = generic\ninbound_ip = 192.0.2.0/24\n", []),
        ("inbound = clickatell\ninbound_key = k\n", []),
        ("inbound = routo\n", [CLOSED]),
        ("inbound = routo\nuser = u\npassword = p\n", []),
        ("inbound = generic\nuser = u\npassword = p\n", [CLOSED]),
    ],
    ids=["nothing comes in", "nothing asked for", "addresses", "a key", "routo", "routo's own", "not for others"],
)
def test_providers_that_can_not_prove_themselves(settings: str, lines: list[str]) -> None:
    assert found(GATEWAY + settings) == lines


# -- mo.log


def written(tmp_path: Path, inbound_log: str) -> Path:
    file = tmp_path / "config.ini"
    file.write_text(f"[sip]\nlisten = udp:127.0.0.1:0\n[http]\nlisten = 127.0.0.1:0\n{GATEWAY}")
    file.write_text(file.read_text().replace("https://example.com/", f"null:\ninbound_log = {inbound_log}"))
    return file


@pytest.mark.parametrize(
    ("inbound_log", "said"),
    [
        ("missing", "gateway x: {}/missing: No such file or directory"),
        ("http://example.com/", "gateway x: inbound_log: must be a folder, or ftp://user:password@host/folder"),
        (".", ""),
    ],
)
def test_check_looks_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], inbound_log: str, said: str) -> None:
    assert main(["--config", str(written(tmp_path, inbound_log)), "check"]) == bool(said)
    assert capsys.readouterr().err.strip() == said.format(tmp_path)


async def test_what_is_no_place_for_it_ends_the_start(tmp_path: Path) -> None:
    config = load(written(tmp_path, "http://example.com/"))
    with pytest.raises(ConfigError, match="inbound_log"):
        async with Gateway(config):
            raise AssertionError
