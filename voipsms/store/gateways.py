"""What the tables know of gateways: orders by hand, what was sent today, how each process sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voipsms.model import GatewayId, Millis
from voipsms.store.database import Database
from voipsms.store.entries import Stage
from voipsms.store.ids import now_millis
from voipsms.values import Value

DAY = 86_400_000  # milliseconds
REASON = 255  # characters kept


def today(now: Millis) -> int:
    return now // DAY


class Seen(Value, frozen=True):
    """How a process sees a gateway: up, down, paused or out. `since`: UTC milliseconds."""

    state: str
    reason: str
    since: Millis


class Day(Value, frozen=True):
    """Parts that were sent today, by gateway: by one node, and by all others."""

    day: int
    own: Mapping[int, int]
    others: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """What `gateway list` shows of one gateway. `seen`: by each running process."""

    paused: bool = False
    seen: tuple[tuple[int, Seen], ...] = ()
    waiting: int = 0
    in_flight: int = 0
    sent: int = 0


def paused(db: Database) -> frozenset[int]:
    return frozenset(gateway_id for gateway_id, is_paused in db.read("gateway_orders") if is_paused)


def order(db: Database, gateway_id: GatewayId, pause: bool) -> None:
    """Inside a transaction. Running processes obey within a second."""
    if db.read("gateway_order", gateway_id=gateway_id):
        db.write("update_gateway", gateway_id=gateway_id, paused=int(pause))
    else:
        db.write("insert_gateway", gateway_id=gateway_id, paused=int(pause))


def read_day(db: Database, node: int, now: Millis) -> Day:
    own: dict[int, int] = {}
    others: defaultdict[int, int] = defaultdict(int)
    for gateway_id, by, sent in db.read("gateway_days", day=today(now)):
        if by == node:
            own[gateway_id] = sent
        else:
            others[gateway_id] += sent
    return Day(today(now), own, dict(others))


def write_day(db: Database, node: int, day: int, sent: Mapping[GatewayId, int]) -> int:
    """What this node has sent. Inside a transaction."""
    for gateway_id, parts in sent.items():
        db.write("delete_gateway_day", gateway_id=gateway_id, day=day, node=node)
        db.write("insert_gateway_day", gateway_id=gateway_id, day=day, node=node, sent=parts)
    return len(sent)


def forget_days(db: Database, before: int) -> int:
    """Inside a transaction."""
    return db.write("forget_gateway_days", day=before)


def write_states(db: Database, node: int, seen: Sequence[tuple[GatewayId, Seen]]) -> int:
    """All that this node sees. Inside a transaction."""
    db.write("delete_gateway_states", node=node)
    for gateway_id, one in seen:
        db.write(
            "insert_gateway_state", gateway_id=gateway_id, node=node, state=one.state, reason=one.reason[:REASON],
            since=one.since,
        )  # fmt: skip
    return 1


def _seen(db: Database) -> defaultdict[int, list[tuple[int, Seen]]]:
    """By gateway: what each living process sees."""
    seen: defaultdict[int, list[tuple[int, Seen]]] = defaultdict(list)
    for gateway_id, node, state, reason, since in db.read("gateway_states", now=now_millis()):
        seen[gateway_id].append((node, Seen(state, reason, Millis(since))))
    return seen


def unusable(db: Database) -> dict[int, str]:
    """The gateways that take nothing new now, with why: paused, or up in no process that is alive."""
    found = {gateway_id: one[0][1].reason for gateway_id, one in _seen(db).items() if not _is_up(one)}
    return found | dict.fromkeys(paused(db), "paused by hand")


def _is_up(seen: Sequence[tuple[int, Seen]]) -> bool:
    return any(one.state == "up" for _, one in seen)


def known(db: Database) -> defaultdict[int, Known]:
    """By gateway."""
    now, by_hand, seen = now_millis(), paused(db), _seen(db)
    counts: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])  # waiting, in flight, sent
    for gateway_id, stage, messages in db.read("gateway_queues"):
        counts[gateway_id][0 if stage == Stage.WAITING else 1] += messages
    for gateway_id, _, sent in db.read("gateway_days", day=today(now)):
        counts[gateway_id][2] += sent
    found = {
        gateway_id: Known(gateway_id in by_hand, tuple(seen[gateway_id]), *counts[gateway_id])
        for gateway_id in {*by_hand, *seen, *counts}
    }
    return defaultdict(Known, found)
