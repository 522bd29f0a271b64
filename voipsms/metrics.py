"""What is counted and measured, for Prometheus.

Every name stands in one of the tables below. Label children are bound once, so that counting on the hot path is a
dict look-up and an addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

Counted = Literal[
    "accepted",
    "refused",
    "submits",
    "receipts",
    "inbound",
    "malformed",
    "rules",
    "rewritings",
    "alerts",
    "deliveries",
    "commit_rows",
    "commit_failures",
    "commands",
    "calls",
    "callers_lost",
]
Measured = Literal["queue", "outbox", "gateway_up", "store_up", "listener_up", "sip_account_up", "calls_now"]
Child = TypeVar("Child", Counter, Gauge)

MOST_CHILDREN = 1000  # sets of labels; what comes after them is counted as "other"

registry = CollectorRegistry()
disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=registry)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"voipsms_{name}", meaning, labels, registry=registry)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"voipsms_{name}", meaning, labels, registry=registry)


_COUNTERS: dict[Counted, Counter] = {
    "accepted": _counter("messages_accepted", "Messages stored for sending", "door"),
    "refused": _counter("messages_refused", "Submissions refused", "code"),
    "submits": _counter("submits", "Parts offered to a provider", "gateway", "outcome"),
    "receipts": _counter("receipts", "Receipts by what they said; unmatched: for no part of ours", "state"),
    "inbound": _counter("inbound", "Texts from phones, and what became of them", "door", "outcome"),
    "malformed": _counter("malformed", "Input that its protocol does not allow", "door"),
    "rules": _counter("rules", "What rules asked to be done, and what became of it", "action", "outcome"),
    "rewritings": _counter("rewritings", "Numbers given to v_dialplansms, and what became of them", "outcome"),
    "alerts": _counter("alerts", "Alerts of gateways, and what became of them", "kind", "outcome"),
    "deliveries": _counter("deliveries", "Deliveries to users, and what became of each attempt", "channel", "outcome"),
    "commit_rows": _counter("commit_rows", "Rows written by commits"),
    "commit_failures": _counter("commit_failures", "Commits that failed and were tried anew"),
    "commands": _counter("callback_commands", "Texts of SMS callback, and what became of them", "action", "outcome"),
    "calls": _counter("calls", "Legs of calls by how they ended", "outcome"),
    "callers_lost": _counter("callers_lost", "Caller processes that ended by a fault"),
}
_GAUGES: dict[Measured, Gauge] = {
    "queue": _gauge("queue", "Parts waiting for a gateway", "gateway"),
    "outbox": _gauge("outbox", "Deliveries to users in memory"),
    "sip_account_up": _gauge("sip_account_up", "1 while the registrar has our registration", "account"),
    "calls_now": _gauge("calls_now", "Pairs of calls that are under way"),
    "gateway_up": _gauge("gateway_up", "1 while the gateway can take parts", "gateway"),
    "store_up": _gauge("store_up", "1 while the database can be written"),
    "listener_up": _gauge("listener_up", "1 while it listens", "listener"),
}
_COMMIT_SECONDS = Histogram(
    "voipsms_commit_seconds",
    "How long a commit took",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=registry,
)

Bound = dict[tuple[str, ...], Callable[[float], None]]
_inc: Bound = {}
_set: Bound = {}


def _child(metric: Child, labels: tuple[str, ...], bound: Bound) -> Child:
    if not labels:
        return metric
    return metric.labels(*labels if len(bound) < MOST_CHILDREN else ["other"] * len(labels))


def count(name: Counted, *labels: str, amount: int = 1) -> None:
    """One more of `name`; as many labels as its row names."""
    inc = _inc.get((name, *labels))
    if inc is None:
        inc = _child(_COUNTERS[name], labels, _inc).inc
        if len(_inc) < MOST_CHILDREN:
            _inc[name, *labels] = inc
    inc(amount)


def measure(name: Measured, value: float, *labels: str) -> None:
    """`name` stands at `value` now."""
    put = _set.get((name, *labels))
    if put is None:
        put = _child(_GAUGES[name], labels, _set).set
        if len(_set) < MOST_CHILDREN:
            _set[name, *labels] = put
    put(value)


def committed(seconds: float, rows: int) -> None:
    """One commit of so many rows took so long."""
    _COMMIT_SECONDS.observe(seconds)
    count("commit_rows", amount=rows)


def exposition() -> tuple[bytes, str]:
    """Everything as Prometheus reads it, with its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
