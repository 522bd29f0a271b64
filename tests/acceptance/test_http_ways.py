"""What HTTP gateways can do beyond one request a message: several recipients in one, and asking whether it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.rig import ledger_holds, settled
from tests.peers.gateway import Gateway
from tests.peers.http_provider import HttpProvider
from tests.peers.phone import Phone

TARGETS = [f"363012345{ending}" for ending in ("11", "12", "01", "13", "14", "15")]


@pytest.fixture(scope="module")
def provider() -> Iterator[HttpProvider]:
    with HttpProvider() as provider:
        yield provider


def running(folder: Path, settings: dict[str, object]) -> Gateway:
    gateway = Gateway(folder, level="debug", changes={"global": {"timeout": 0.5, "on_unknown": "wait", **settings}})
    gateway.add_user()
    return gateway


def test_one_request_for_several(provider: HttpProvider, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{provider.port}/batch?to=[tonum]&text=[message]&key=[apikey]"
    with running(tmp_path, {"smsurl": url, "apikey": "hush-hush", "smsbatch": 3, "smsbatchwait": 5}) as gateway:
        with Phone(gateway.sip_port) as softswitch:
            for target in TARGETS:
                assert softswitch.send(target, "the same for all").status == 202
        settled(gateway, len(TARGETS))
        asked = [parse_qs(urlsplit(request.path).query)["to"][0].split(",") for request in provider.requests]
        assert asked == [TARGETS[:3], TARGETS[3:]]
        found = {cdr["to"]: (cdr["state"], cdr["duration"]) for cdr in gateway.cdrs()}
        assert found == {target: ("REJECTED", 0) if target.endswith("01") else ("ACCEPTED", 60) for target in TARGETS}
        ledger_holds(gateway)
    log = gateway.log.read_text()
    assert "&key=***" in log
    assert not any(secret in log for secret in ("hush-hush", *TARGETS))


def test_the_cdr_waits_for_the_second_answer(provider: HttpProvider, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{provider.port}/send?to=[tonum]"
    settings: dict[str, object] = {"smsurl": url, "smsverifyurl": f"{url}&id=[messageId]", "smsverifydelay": 50}
    with running(tmp_path, settings) as gateway:
        with Phone(gateway.sip_port) as softswitch:
            for ending in ("99", "07", "08"):
                assert softswitch.send(f"363076543{ending}", "was it sent?").status == 202
        settled(gateway, 3)
        found = {cdr["to"][-2:]: (cdr["state"], cdr["duration"], cdr["comment"]) for cdr in gateway.cdrs()}
        ledger_holds(gateway)
    assert found["99"] == ("ACCEPTED", 60, "HTTP 200: ID: abc-1")
    assert found["07"] == ("REJECTED", 0, "HTTP 200: ERR: it was not sent")
    assert found["08"][:2] == ("ACCEPTED", 60)
    assert found["08"][2] == "HTTP 200: ID: 8; not verified: no answer within 0.5 s"
    assert [exchange.path for exchange in provider.to("36307654307")] == [
        "/send?to=36307654307", "/send?to=36307654307&id=7"
    ]  # fmt: skip
