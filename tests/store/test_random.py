"""Whatever dispatch and providers say in whatever order, the money adds up and nothing is left without an end."""

from __future__ import annotations

from random import Random

import pytest

from tests.store.rig import LATER, House, failure
from tests.store.test_terms import add, wants
from voipsms import recovery
from voipsms.errors import StoreError
from voipsms.model import FAILED, Message, Micros, Millis, Receipt, State, Submitted
from voipsms.store.database import Engine, Unwritable
from voipsms.store.entries import Accept, Doubt, Entry, Hear, Postpone, Start, Take
from voipsms.store.ids import now_millis
from voipsms.store.orphans import Orphans

RECEIPTS = (*FAILED, State.DELIVERED, State.DELIVERED, State.UNKNOWN, State.ENROUTE)


class Traffic:
    """Entries that may come, each message's in an order that may happen; a few that must not."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = Random(seed)
        self.waiting: list[Message] = []
        self.settled: list[Message] = []
        self.given: list[str] = []  # provider ids, used again now and then
        for name, reseller in (("big", ""), ("small", "big")):
            add(house, name, reseller)
        wants(house, "bob", reseller="small")
        wants(house, "small", monthly=150)
        self.steps = (self.accept, self.accept, self.take, self.take, self.take, self.fail, self.doubt, self.move,
                      self.hear, self.hear, self.hear, self.fail_twice)  # fmt: skip

    def entries(self) -> list[Entry]:
        return [entry for _ in range(self.random.randint(1, 12)) for entry in self.random.choice(self.steps)()]

    def next(self) -> Message | None:
        if not self.waiting:
            return None
        message = self.waiting.pop(self.random.randrange(len(self.waiting)))
        self.settled.append(message)
        return message

    def accept(self) -> list[Entry]:
        user = self.random.choice(["alice", "bob", "admin"])
        key = bytes([self.random.randrange(256)]) * self.random.randrange(2)
        price = self.random.choice([0, 1, 50_000, 50_000])
        chain = self.chain() if user == "bob" or self.random.random() < 0.2 else {}
        message = self.house.message(user, price=price, parts=self.random.choice([1, 1, 3]), ingress_key=key, **chain)
        return [Accept(message, started=self.random.random() < 0.8)]

    def chain(self) -> dict[str, object]:
        levels = ["small", "big"][: self.random.randint(1, 2)]
        charges = tuple((self.house.users[name], Micros(self.random.choice([0, 7, 40_000]))) for name in levels)
        return {"charges": charges, "counted": (self.house.users["small"],)}

    def provider_id(self) -> str:
        again = self.given and self.random.random() < 0.2
        self.given.append(self.random.choice(self.given) if again else f"{self.random.randrange(10**6):x}")
        return self.given[-1]

    def take(self) -> list[Entry]:
        if not (message := self.next()):
            return []
        state = self.random.choice([State.ENROUTE, State.ENROUTE, State.ACCEPTED])
        expires = self.random.choice([LATER, Millis(now_millis() - 1)])
        cut = self.random.random() < 0.1  # before the last part
        return [
            Take(message, n, message.parts, 1, Submitted(self.provider_id(), state), n == message.parts, expires)
            for n in range(1, message.parts + (not cut))
        ] or [failure(message)]  # fmt: skip

    def fail(self) -> list[Entry]:
        message = self.next()
        return [failure(message, self.random.choice([*FAILED, State.UNKNOWN]))] if message else []

    def doubt(self) -> list[Entry]:
        message = self.next()
        return [Doubt(message, "timed out", Millis(now_millis() - 1))] if message else []

    def move(self) -> list[Entry]:
        if not self.waiting:
            return []
        message_id = self.random.choice(self.waiting).id
        return [Postpone(message_id, 2, LATER), Start(((message_id, 2),))]

    def hear(self) -> list[Entry]:
        provider_id = self.random.choice(self.given) if self.given else "0"
        spelt = self.random.choice([provider_id.upper(), provider_id, f"00{provider_id}"])
        return [Hear(Receipt(self.house.gateway(), spelt, self.random.choice(RECEIPTS), error="042"))]

    def fail_twice(self) -> list[Entry]:
        """Late news of a message that another process has ended: refused, with all that is in its commit."""
        return [failure(self.random.choice(self.settled))] if self.settled and self.random.random() < 0.2 else []

    def commit(self) -> None:
        """As the journal does: what is refused is written one by one."""
        entries = self.entries()
        try:
            self.done(entries, self.house.commit(*entries).results)
        except Unwritable:
            for entry in entries:
                try:
                    self.done([entry], self.house.commit(entry).results)
                except StoreError:
                    continue

    def done(self, entries: list[Entry], results: list[object]) -> None:
        for entry, result in zip(entries, results, strict=True):
            if isinstance(entry, Accept) and result is None:
                self.waiting.append(entry.message)

    def upkeep(self) -> None:
        with self.house.db.transaction():
            if self.random.random() < 0.3:
                recovery.overdue(self.house.db, now_millis())
            found = recovery.orphans(self.house.db, 0)
        self.house.commit(*(Hear(receipt, orphan) for orphan, receipt in found))
        if self.random.random() < 0.3:
            self.house.orphans = Orphans()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("refund", [True, False], ids=["refund", "no-refund"])
def test_the_tables_agree(engine: Engine, seed: int, refund: bool) -> None:
    house = House(engine, refund=refund)
    traffic = Traffic(house, seed)
    for n in range(60):
        traffic.commit()
        if n % 7 == 6:
            traffic.upkeep()
        if n % 15 == 14:
            house.check()
    states = {row[0] for row in house.rows("SELECT state FROM tb_messages")}
    assert states >= {"DELIVERED", "UNKNOWN", "REJECTED"}
    assert house.balance("small") >= 0 <= house.balance("big")
    assert house.rows("SELECT refunded FROM tb_charges WHERE price > 0")
    counted = house.rows("SELECT COUNT(*) FROM tb_charges WHERE level = 1")[0][0]
    assert house.rows("SELECT sent FROM tb_terms WHERE monthly = 150") == [(counted,)]
    house.check()
    house.close()
