"""A database with a house in it: an admin, users, two gateways, one node; and the proof that its tables agree."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from voipsms.model import (
    FAILED,
    FINAL,
    Coding,
    GatewayId,
    Message,
    MessageId,
    Micros,
    Millis,
    Msisdn,
    Receipt,
    State,
    Submitted,
    UserId,
    UserType,
)
from voipsms.store import migrate, node
from voipsms.store.accounts import ADMIN, NewUser, add_user
from voipsms.store.commit import Commit
from voipsms.store.database import Database, Engine, Row
from voipsms.store.entries import Accept, Entry, Fail, Hear, Stage, Take, Written
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.orphans import Orphans
from voipsms.store.told import Asked, Finals

PRICE = Micros(50_000)
CREDIT = Micros(1_000_000)
LEASE = Millis(10_000)
LATER = Millis(4_000_000_000_000)  # in the year 2096


class House:
    """`commit` does what the journal does with a batch. Another one on the same engine is another process."""

    def __init__(self, engine: Engine, *, refund: bool = True, number: int = 0) -> None:
        self.engine = engine
        self.db = Database(engine)
        migrate.upgrade(self.db)
        self.refund = refund
        if number:
            self.node = node.Node(number, f"process {number}", 0)
            self.db.write("insert_node", node=number, holder=self.node.holder, lease=now_millis() + LEASE, mark=0)
        else:
            self.node = node.acquire(self.db, now_millis(), Millis(now_millis() + LEASE))
        self.ids = IdSource(self.node.number)
        self.orphans = Orphans()
        self._witness: Any = None
        self.asked: Asked | None = None  # who is told of final states
        self.users = {name: UserId(user_id) for user_id, name, *_ in self.db.read("users")}
        if not self.users:
            self._furnish()

    def _furnish(self) -> None:
        with self.db.transaction():
            for new, credit in (
                (NewUser(ADMIN, UserType.ADMIN, "EUR"), Micros(0)),
                (NewUser("alice", UserType.ENDUSER, "EUR"), CREDIT),
                (NewUser("bob", UserType.ENDUSER, "EUR", credit_limit=Micros(2 * PRICE)), Micros(0)),
                (NewUser("smsc", UserType.SMSGW, "EUR"), Micros(0)),
                (NewUser("other", UserType.SMSGW, "EUR"), Micros(0)),
            ):
                self.users[new.name] = add_user(self.db, self.ids, new, credit)

    def gateway(self, name: str = "smsc") -> GatewayId:
        return GatewayId(self.users[name])

    def message(self, user: str = "alice", *, price: int = PRICE, **fields: Any) -> Message:
        wanted: dict[str, Any] = {
            "id": MessageId(self.ids.next()), "created": now_millis(), "door": "sip", "user_id": self.users[user],
            "gateway_id": self.gateway(), "sender": "36201234567", "target": Msisdn("36301112233"), "text": "Hello",
            "coding": Coding.GSM7, "parts": 1, "duration": 60, "price": Micros(price), "cost": Micros(0),
            "currency": "EUR", "client_ip": "192.0.2.1",
        }  # fmt: skip
        return Message(**wanted | fields)

    # -- writing

    def commit(self, *entries: Entry) -> Written:
        with self.db.transaction():
            finals = Finals(self.asked, self.ids) if self.asked is not None else None
            commit = Commit(self.db, self.ids, now_millis(), self.node.number, self.refund, self.orphans, finals)
            return commit.write(list(entries))

    def accepted(self, user: str = "alice", *, price: int = PRICE, **fields: Any) -> Message:
        message = self.message(user, price=price, **fields)
        assert self.commit(Accept(message, started=True)).results == [None]
        return message

    def taken(self, *provider_ids: str, state: State = State.ENROUTE, message: Message | None = None) -> Message:
        """A message of as many parts as ids, each taken under its id."""
        message = message or self.accepted(parts=len(provider_ids))
        self.commit(*takes(message, *provider_ids, state=state))
        return message

    def hear(self, provider_id: str, state: State = State.DELIVERED, error: str = "", gateway: str = "smsc") -> object:
        return self.commit(Hear(Receipt(self.gateway(gateway), provider_id, state, error))).results[0]

    # -- reading

    def rows(self, statement: str) -> list[Row]:
        """Through a connection of its own, so only what is committed."""
        if self._witness is None:
            self._witness = self.engine.connect()
        cursor = self._witness.cursor()
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]

    def state(self, message: Message) -> tuple[State, str, str]:
        found = {row[0]: row[1:] for row in self.rows("SELECT id, state, reason, comment FROM tb_messages")}
        state, reason, comment = found[message.id]
        return State(state), reason, comment

    def cdr(self, message: Message) -> tuple[int, int, str, str]:
        """(duration, price, state, reason)"""
        found = {row[0]: row[1:] for row in self.rows("SELECT msgid, duration, price, state, reason FROM tb_cdrs")}
        duration, price, state, reason = found[message.id]
        return duration, price, state, reason

    def queued(self, message: Message) -> tuple[int, Stage, int, int] | None:
        """(node, stage, attempt, due); None: it is not in the queue."""
        for message_id, node_, stage, attempt, due in self.rows("SELECT id, node, stage, attempt, due FROM tb_queue"):
            if message_id == message.id:
                return node_, Stage(stage), attempt, due
        return None

    def movements(self, message: Message) -> list[tuple[str, int]]:
        rows = self.rows("SELECT msgid, kind, amount FROM tb_ledger ORDER BY id")
        return [(kind, amount) for message_id, kind, amount in rows if message_id == message.id]

    def balance(self, user: str = "alice") -> int:
        return int(self.db.read("user_by_name", username=user)[0][1])

    def orphaned(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT provider_id FROM tb_receipts ORDER BY id")]

    def check(self) -> None:
        """`voipsms ledger check`, and what must hold of every message."""
        assert self.db.read("wrong_balances") == []
        assert self.db.read("wrong_charges") == []
        assert self.db.read("uneven_charges") == []
        assert self.db.read("missing_cdrs") == []
        assert self.db.read("wrong_calls") == []
        calls = {
            row[0] for row in self.rows("SELECT msgid FROM tb_cdrs WHERE type = 'CALL' UNION SELECT id FROM tb_calls")
        }
        queue: dict[int, int] = {row[0]: row[1] for row in self.rows("SELECT id, stage FROM tb_queue")}
        cdrs: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for row in self.rows("SELECT msgid, id, state, duration, price FROM tb_cdrs"):
            cdrs[row[0]].append(row[1:])
        kinds = [row for row in self.rows("SELECT msgid, kind, user_id FROM tb_ledger") if row[0] is not None]
        kinds = [row for row in kinds if row[0] not in calls]  # which reserve as they go on
        assert len(kinds) == len(set(kinds)), "a message is charged once and refunded once, to each who pays"
        expired = {row[0] for row in self.rows("SELECT message_id FROM tb_events WHERE kind = 'EXPIRED'")}
        columns = "id, state, duration, price, direction"
        for message_id, state, duration, price, direction in self.rows(f"SELECT {columns} FROM tb_messages"):  # noqa: S608
            whole, stage = (duration, price), queue.pop(message_id, None)
            if direction == "MO":
                _check_received(message_id, State(state), whole, stage, cdrs[message_id])
            else:
                late = self.refund and state == State.DELIVERED and message_id in expired  # its refund stands
                _check_message(message_id, State(state), (0, 0) if late else whole, stage, cdrs[message_id])
        both = "SELECT m.id FROM tb_messages AS m JOIN tb_inbound AS i ON i.id = m.id"
        assert self.rows(both) == [], "settled, and to be settled again"
        assert not queue, "nothing waits that is no message"

    def reconnect(self) -> None:
        """After its server was restarted."""
        self.close()
        self._witness = None

    def close(self) -> None:
        self.db.close()
        if self._witness is not None:
            self._witness.close()


def _check_message(
    message_id: int, state: State, whole: tuple[int, int], stage: int | None, cdrs: list[tuple[Any, ...]]
) -> None:
    assert state in FINAL or stage is not None, "neither final nor waiting"
    if stage in (Stage.WAITING, Stage.STARTED, Stage.UNVERIFIED):
        assert (state, cdrs) == (State.QUEUED, [])
        return
    assert [(cdr[0], cdr[1]) for cdr in cdrs] == [(message_id, state)], "one CDR, which says what the message says"
    billed = cdrs[0][2:]
    assert billed in (whole, (0, 0))
    assert state in FAILED or state is State.UNKNOWN or billed == whole
    assert stage is None or state in (State.ENROUTE, State.UNKNOWN), "a final message still waits"


def _check_received(
    message_id: int, state: State, whole: tuple[int, int], stage: int | None, cdrs: list[tuple[Any, ...]]
) -> None:
    assert stage is None, "no provider is to take what comes from one"
    assert [(cdr[0], cdr[1]) for cdr in cdrs] == [(message_id, state)], "one CDR, which says what the message says"
    assert cdrs[0][2:] in (whole, (0, 0))


def takes(message: Message, *provider_ids: str, state: State = State.ENROUTE, attempt: int = 1) -> list[Entry]:
    total = len(provider_ids)
    return [
        Take(message, n, total, attempt, Submitted(provider_id, state), last=n == total, expires=LATER)
        for n, provider_id in enumerate(provider_ids, 1)
    ]


def failure(message: Message, state: State = State.REJECTED) -> Fail:
    return Fail(message, state, "refused_by_provider", "no such number")
