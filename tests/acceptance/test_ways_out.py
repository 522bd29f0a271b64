"""One gateway of each kind in one process, chosen by routes: what leaves, and the CDR that it comes to."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.rig import ask, ledger_holds, messages, settled
from tests.peers.gateway import NUMBER, Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.phone import Phone
from tests.peers.program import wait_until

TEXT = "Hi & 'bye' $(x) é"
PRICE = Decimal("0.01")
NAME = "{SELECT username FROM tb_users WHERE id = [fromid] AND '[message]' <> 'nobody'}"
SCRIPT = """#!/bin/sh
cat > "$1.json"
printf '%s|' "$@" > "$1.args"
case "$2" in *01) echo refused; exit 1;; esac
echo "ID: p-$2"
"""
PLUGIN = """
from voipsms.errors import SubmitRefused
from voipsms.model import State, Submitted


class Mine:
    def send(self, message):
        if message.target.endswith("01"):
            raise SubmitRefused("not by this plugin")
        if message.target.endswith("02"):
            raise KeyError("a fault of its own")
        return Submitted(f"plugin-{message.target}", State.ACCEPTED)


def connector(gateway, folder):
    return Mine()
"""


@dataclass(frozen=True)
class Out:
    gateway: Gateway
    provider: HttpProvider
    folder: Path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Out]:
    folder = tmp_path_factory.mktemp("ways")
    script = folder / "send.sh"
    script.write_text(SCRIPT)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (folder / "mine.py").write_text(PLUGIN)
    with HttpProvider() as provider:
        base = f"http://127.0.0.1:{provider.port}"
        ways: dict[str, dict[str, object]] = {
            "verified": {
                "smsurl": f"{base}/send?to=[tonum]&text=[message]", "smsmethod": "get", "smsverifydelay": 10,
                "smsverifyurl": f"{base}/ask?id=[messageId]&to=[tonum]", "timeout": 0.5, "retries": 1,
            },
            "selected": {
                "smsurl": f"{base}/sel?to=[tonum]&text=[message]&name={NAME}", "smsmethod": "get",
            },
            "filed": {"smsurl": f"{base}/file"},
            "program": {"smsurl": f"./send.sh {folder}/ran [tonum] '[message]'"},
            "plugin": {"plugin": "mine.py"},
            "nothing": {"smsurl": "null:"},
        }  # fmt: skip
        changes = {f"gateway:{name}": keys for name, keys in ways.items()}
        gateway = Gateway(folder, level="info", changes={"global": {"smsurl": None}, **changes})
        gateway.add_user()
        gateway.command("db", "upgrade")
        (folder / "smssenddata.txt").write_text('{"to": [tonum], "text": "[message]"}\n')
        for digit, name in enumerate(ways):
            gateway.command("route", "add", "--gateway", name, "--prefix", f"3630{digit}")
        with gateway:
            wait_until(gateway.ready, "ready")
            yield Out(gateway, provider, folder)
    ledger_holds(gateway)


def send(out: Out, target: str, text: str = TEXT) -> dict[str, object]:
    with Phone(out.gateway.sip_port) as phone:
        assert phone.send(target, text).status == 202
    settled(out.gateway, messages(out.gateway))
    [cdr] = [row for row in out.gateway.cdrs() if row["to"] == target]
    return cdr


VERIFIED = {
    "it was sent": ("36300112233", 60, "ACCEPTED", "", ""),
    "it was not": ("36300112207", 0, "REJECTED", "refused_by_provider", "it was not sent"),
    "no answer": ("36300112208", 60, "ACCEPTED", "", "not verified"),
}


@pytest.mark.parametrize("target, duration, state, reason, comment", VERIFIED.values(), ids=VERIFIED)
def test_verified(out: Out, target: str, duration: int, state: str, reason: str, comment: str) -> None:
    cdr = send(out, target)
    assert (cdr["duration"], cdr["state"], cdr["reason"]) == (duration, state, reason)
    assert comment in str(cdr["comment"])
    first, second = out.provider.to(target)[:2]
    assert parse_qs(urlsplit(first.path).query) == {"to": [target], "text": [TEXT]}
    assert parse_qs(urlsplit(second.path).query)["id"] == [{"33": "abc-1", "07": "7", "08": "8"}[target[-2:]]]


def test_selected(out: Out) -> None:
    assert send(out, "36301112233")["state"] == "ACCEPTED"
    [request] = out.provider.requests[-1:]
    assert parse_qs(urlsplit(request.path).query)["name"] == ["bench"]


def test_a_statement_without_a_row_fails_its_message(out: Out) -> None:
    cdr = send(out, "36301112244", "nobody")
    assert (cdr["state"], cdr["price"]) == ("REJECTED", 0)
    assert "finds no row" in str(cdr["comment"])


def test_a_body_from_a_file(out: Out) -> None:
    assert send(out, "36302112233")["state"] == "ACCEPTED"
    assert json.loads(out.provider.requests[-1].body) == {"to": 36302112233, "text": TEXT}


def test_an_edited_file_is_taken_by_reload(out: Out) -> None:
    (out.folder / "smssenddata.txt").write_text('{"number": [tonum], "words": "[message]"}\n')
    out.gateway.reload()
    assert send(out, "36302112244")["state"] == "ACCEPTED"
    assert json.loads(out.provider.requests[-1].body) == {"number": 36302112244, "words": TEXT}


def test_a_program(out: Out) -> None:
    cdr = send(out, "36303112233")
    assert (cdr["state"], cdr["comment"]) == ("ACCEPTED", "exit 0: ID: p-36303112233")
    assert (out.folder / "ran.args").read_text() == f"{out.folder}/ran|36303112233|{TEXT}|"
    told = json.loads((out.folder / "ran.json").read_text())
    assert (told["tonum"], told["message"], told["fromnum"]) == ("36303112233", TEXT, NUMBER)


def test_a_program_that_refuses(out: Out) -> None:
    assert send(out, "36303112201")["state"] == "REJECTED"


PLUGINS = {
    "takes": ("36304112233", "ACCEPTED", ""),
    "refuses": ("36304112201", "REJECTED", "not by this plugin"),
    "fails by itself": ("36304112202", "REJECTED", "KeyError"),
}


@pytest.mark.parametrize("target, state, comment", PLUGINS.values(), ids=PLUGINS)
def test_a_plugin(out: Out, target: str, state: str, comment: str) -> None:
    cdr = send(out, target)
    assert cdr["state"] == state
    assert comment in str(cdr["comment"])


def test_nothing(out: Out) -> None:
    assert send(out, "36305112233")["price"] == PRICE


EXPLAINED = {
    "verified": ("36300112255", "GET http://127.0.0.1:"),
    "selected": ("36301112255", "name=bench"),
    "filed": ("36302112255", "POST http://127.0.0.1:"),
    "program": ("36303112255", "send.sh"),
    "plugin": ("36304112255", "mine.py"),
    "nothing": ("36305112255", ""),
}


@pytest.mark.parametrize("gateway, target, words", [(k, *v) for k, v in EXPLAINED.items()], ids=EXPLAINED)
def test_explained(out: Out, gateway: str, target: str, words: str) -> None:
    before = len(out.provider.requests)
    rows = out.gateway.table("explain", "--user", "bench", "--to", target, TEXT)
    steps = {row["step"]: row["result"] for row in rows}
    assert steps[f"gateway {gateway}"].startswith("chosen")
    assert words in "\n".join(row["result"] for row in rows if row["step"] == "request")
    assert len(out.provider.requests) == before
    assert (target,) not in ask(out.gateway, "SELECT target FROM tb_messages")


def test_checked(out: Out) -> None:
    assert "usable" in out.gateway.command("check")
