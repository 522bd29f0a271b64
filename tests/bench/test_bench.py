"""The benchmark measures what it says it measures."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from bench import api, http, report
from bench.load import Load, generate, percentile
from bench.measure import Figures, measure
from tests.peers.kannel import Kannel
from tests.peers.sipp import Answerer
from tests.peers.smscsim import Smsc

PERCENTILES: dict[str, tuple[list[float], float, float]] = {
    "of nothing": ([], 0.5, 0.0),
    "of one": ([3.0], 0.99, 3.0),
    "median, even": ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
    "p99 of 100": ([float(n) for n in range(1, 101)], 0.99, 99.0),
    "p99 of 10": ([float(n) for n in range(1, 11)], 0.99, 10.0),
}


@pytest.mark.parametrize("values, share, expected", PERCENTILES.values(), ids=PERCENTILES)
def test_percentile(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize("pace", [(), (500,)], ids=["closed loop", "open loop"])
def test_sip_load_is_counted(pace: tuple[int, ...], tmp_path: Path) -> None:
    with Answerer(tmp_path, 202) as peer:
        load = generate("load_sip", peer.port, 50, 10, *pace)
        assert (load.accepted, load.answers, load.retransmitted) == (50, {"202": 50}, 0)
        assert 0 < load.p50_ms <= load.p99_ms <= load.max_ms
        assert load.ended - load.started >= (49 / 500 if pace else 0)


def test_sip_load_is_sent_again_until_answered() -> None:
    """A peer that hears each request only the second time, and answers 503 before it answers 202."""
    heard: dict[bytes, int] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))

        def answer() -> None:
            for _ in range(4):
                request, sender = peer.recvfrom(4096)
                heard[request] = heard.get(request, 0) + 1
                if heard[request] == 2:
                    status = b"503 Busy" if len(heard) == 1 else b"202 Accepted"
                    peer.sendto(b"SIP/2.0 " + status + b"\r\n" + request.split(b"\r\n", 1)[1], sender)

        thread = threading.Thread(target=answer)
        thread.start()
        load = generate("load_sip", peer.getsockname()[1], 1, 1)
        thread.join()
    assert (load.accepted, load.answers, load.retransmitted) == (1, {"503": 1, "202": 1}, 2)
    assert len({request.split(b"Call-ID: ")[1].split()[0] for request in heard}) == 2
    assert load.max_ms >= 1000


def test_kannel_is_measured_to_the_last_receipt(tmp_path: Path) -> None:
    with Smsc(tmp_path) as smsc, Kannel(tmp_path, smsc.port) as kannel:

        def load() -> Load:
            return generate("load_http", kannel.http_port, 200, 10)

        figures = measure("kannel", smsc, kannel.cpu_seconds, load)
        assert (figures.messages, figures.answers) == (200, {"202": 200})
        assert smsc.counts()["dlr_ack"] == 200
        assert figures.rate > 0
        assert figures.cpu_us > 0


@pytest.mark.parametrize("proof, pace", [("password", ()), ("secret", ()), ("secret", (500,))],
                         ids=["by password", "by authmd5", "open loop"])  # fmt: skip
def test_the_api_s_load_is_counted(tmp_path: Path, proof: str, pace: tuple[int, ...]) -> None:
    with Smsc(tmp_path) as smsc, api.started(tmp_path, smsc) as gateway:
        load = gateway.load(60, 5, proof, *pace)
        assert (load.accepted, load.answers) == (60, {"OK": 60})
        assert 0 < load.p50_ms <= load.p99_ms <= load.max_ms
        assert load.ended - load.started >= (59 / 500 if pace else 0)


def figures(name: str, rate: float = 0.0, cpu_us: float = 0.0, p99_ms: float = 0.0) -> Figures:
    return Figures(name, 10, rate, cpu_us, 1.0, 1.0, p99_ms, {})


def test_goals_are_ratios_of_one_run() -> None:
    runs = [
        {"kannel": figures("kannel", 1000, 600), "sqlite": figures("sqlite", 2000, 300)},
        {"kannel": figures("kannel", 2000, 400), "sqlite": figures("sqlite", 2000, 300)},
        {"paced": figures("paced", p99_ms=25)},
        {"kannel": figures("kannel", 1000, 500), "sqlite": figures("sqlite", 1600, 300)},
    ]
    assert [line.split()[-5:] for line in report.goals_table(runs)] == [
        ["1.60", "at", "least", "1.5", "ok"],
        ["0.60", "at", "most", "0.6", "ok"],
        ["25.00", "at", "most", "20", "MISSED"],
    ]


def test_the_http_connector_s_load_is_counted() -> None:
    figures = http.connector(200)
    assert (figures.messages, figures.answers) == (200, {"ACCEPTED": 200})
    assert figures.rate > 0
    assert 0 < figures.p50_ms <= figures.p99_ms
