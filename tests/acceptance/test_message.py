"""`voipsms message ID`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.store.rig import House
from voipsms.cli import main
from voipsms.store.sqlite import SqliteEngine

CONFIG = """[global]
smsurl = SMPP;server=127.0.0.1;serverport=1;username=a;password=secret
[gateway:smsc]
smsurl = SMPP;server=127.0.0.1;serverport=1;username=a;password=secret
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.ini").write_text(CONFIG)
    return tmp_path / "config.ini"


def test_its_story(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house = House(SqliteEngine(config.parent / "voipsms.db", 1.0))
    message = house.taken("ABC1", message=house.accepted(text="Hello\nagain"))
    house.hear("ABC1")
    house.close()
    assert main(["--config", str(config), "message", str(message.id)]) == 0
    lines = [line.split(None, 2) for line in capsys.readouterr().out.splitlines() if line.startswith("2")]
    assert [line[1] for line in lines] == ["accepted", "reserve", "taken", "ENROUTE", "DELIVERED"]
    assert main(["--config", str(config), "message", str(message.id)]) == 0
    shown = capsys.readouterr().out
    assert "\nagain" not in shown
    assert "secret" not in shown
    assert main(["--config", str(config), "message", str(message.id), "--format", "json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["id"], found["state"], found["price"]) == (str(message.id), "DELIVERED", "0.05")
    assert [event["kind"] for event in found["events"]] == ["accepted", "reserve", "taken", "ENROUTE", "DELIVERED"]
    [request] = found["would_be_sent"]
    assert request.startswith("submit_sm ")
    assert "destination_addr=36301112233" in request


@pytest.mark.parametrize("message_id", ["5", "0", str(1 << 70)])
def test_there_is_none(config: Path, capsys: pytest.CaptureFixture[str], message_id: str) -> None:
    assert main(["--config", str(config), "message", message_id]) == 1
    assert capsys.readouterr().err == f"voipsms: there is no message {message_id} (any more)\n"
