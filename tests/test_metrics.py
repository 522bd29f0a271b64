from __future__ import annotations

import pytest

from voipsms import metrics


def value(sample: str) -> float:
    body, _ = metrics.exposition()
    found = [line.rsplit(" ", 1)[1] for line in body.decode().splitlines() if line.rsplit(" ", 1)[0] == sample]
    return float(found[0]) if found else 0.0


@pytest.mark.parametrize(
    "name, labels, sample",
    [
        ("accepted", ("sip",), 'voipsms_messages_accepted_total{door="sip"}'),
        ("refused", ("no_credit",), 'voipsms_messages_refused_total{code="no_credit"}'),
        ("submits", ("g", "taken"), 'voipsms_submits_total{gateway="g",outcome="taken"}'),
        ("receipts", ("unmatched",), 'voipsms_receipts_total{state="unmatched"}'),
        ("malformed", ("pdu",), 'voipsms_malformed_total{door="pdu"}'),
        ("commit_failures", (), "voipsms_commit_failures_total"),
    ],
)
def test_counters(name: metrics.Counted, labels: tuple[str, ...], sample: str) -> None:
    before = value(sample)
    metrics.count(name, *labels)
    metrics.count(name, *labels, amount=3)
    assert value(sample) == before + 4


@pytest.mark.parametrize(
    "name, labels, sample",
    [
        ("queue", ("g",), 'voipsms_queue{gateway="g"}'),
        ("gateway_up", ("g",), 'voipsms_gateway_up{gateway="g"}'),
        ("store_up", (), "voipsms_store_up"),
        ("listener_up", ("udp:127.0.0.1:5",), 'voipsms_listener_up{listener="udp:127.0.0.1:5"}'),
    ],
)
def test_gauges(name: metrics.Measured, labels: tuple[str, ...], sample: str) -> None:
    metrics.measure(name, 5, *labels)
    assert value(sample) == 5
    metrics.measure(name, False, *labels)
    assert value(sample) == 0


def test_commits() -> None:
    rows, slow = value("voipsms_commit_rows_total"), value('voipsms_commit_seconds_bucket{le="0.01"}')
    metrics.committed(0.007, 250)
    assert value("voipsms_commit_rows_total") == rows + 250
    assert value('voipsms_commit_seconds_bucket{le="0.01"}') == slow + 1


def test_labels_of_a_hostile_peer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_CHILDREN", len(metrics._inc) + 2)
    before = value('voipsms_malformed_total{door="other"}')
    for number in range(10):
        metrics.count("malformed", f"door-{number}")
    assert value('voipsms_malformed_total{door="other"}') == before + 8
    assert len(metrics._inc) == metrics.MOST_CHILDREN


def test_exposition_names_its_type_and_the_process() -> None:
    body, kind = metrics.exposition()
    assert kind.startswith("text/plain")
    assert b"process_cpu_seconds_total" in body
    assert b"_created" not in body
