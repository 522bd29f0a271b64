"""Months of business by SQL: CDRs with their messages, parts and movements of money, that the checks believe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from voipsms.model import Millis
from voipsms.store.database import Database
from voipsms.store.ids import first_id

_PAGE = 2000
PRICE, COST = 50_000, 30_000  # millionths
TARGETS = ("36301112233", "491511234567", "447797712345", "447400123456", "12125550123", "14165550123")
_FINAL = (("DELIVERED", ""), ("DELIVERED", ""), ("DELIVERED", ""), ("UNDELIVERABLE", "undeliverable"))


def at(text: str) -> Millis:
    """UTC where it has no zone."""
    value = datetime.fromisoformat(text)
    return Millis(round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Months:
    """`count` final messages from `start` on, evenly until `stop`. Of four one fails, and is given its price back."""

    users: Sequence[int]
    gateways: Sequence[int]
    start: Millis
    stop: Millis
    count: int
    currency: str = "EUR"
    text: str = "Hello"

    def furnish(self, db: Database) -> None:
        """Balances fall by what is charged."""
        for first in range(0, self.count, _PAGE):
            self._page(db, range(first, min(self.count, first + _PAGE)))

    def _page(self, db: Database, numbers: range) -> None:
        messages = [self._message(n) for n in numbers]
        movements = [
            (message[4], message[0], kind, amount, message[1], "")
            for n, message in zip(numbers, messages, strict=True) for kind, amount in _movements(n)
        ]  # fmt: skip
        deltas: Counter[int] = Counter()
        for user, _, _, amount, _, _ in movements:
            deltas[user] += amount
        first = first_id(messages[0][1]) | 1 << 20  # of another node than the messages' ids
        with db.transaction():
            db.write_batch("insert_messages", messages)
            db.write_batch("insert_parts", [(m[0], 1, 1, 1, m[5], f"p{m[0]}", m[17]) for m in messages])
            db.write_batch("insert_cdrs", [_cdr(n, m[0]) for n, m in zip(numbers, messages, strict=True)])
            db.write_batch("insert_ledger", [(first + n, *row) for n, row in enumerate(movements)])
            db.write_batch("apply_balances", list(deltas.items()))

    def _message(self, n: int) -> tuple[Any, ...]:
        created = self.start + (self.stop - self.start) * n // self.count
        state, _ = _FINAL[n % 4]
        user, gateway = self.users[n % len(self.users)], self.gateways[n // 2 % len(self.gateways)]
        return (
            first_id(Millis(created)) | (1 << 12) | n % 2048, created, "MT", "sip", user, gateway, "36201234567",
            TARGETS[n % len(TARGETS)], self.text, "gsm7", 1 + n % 2, 60, PRICE, COST, self.currency, "192.0.2.1", None,
            state, created,
        )  # fmt: skip


def _cdr(n: int, message_id: int) -> tuple[Any, ...]:
    state, reason = _FINAL[n % 4]
    return message_id, int(not reason), state, reason, "error 001" if reason else ""


def _movements(n: int) -> Iterator[tuple[str, int]]:
    yield "reserve", -PRICE
    if _FINAL[n % 4][1]:
        yield "refund", PRICE
