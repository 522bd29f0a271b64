"""A provider that can be asked is asked before a message without a receipt becomes UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.house import NUMBER, house
from tests.core.stage import Carrier, until
from voipsms.errors import GatewayDown, SubmitError
from voipsms.model import Message, Millis, Receipt, State, Submission, Submitted
from voipsms.store.reader import Reader
from voipsms.upkeep import Upkeep

Answer = Callable[[Message, str], Receipt | SubmitError | None]


class Knowing(Carrier):
    """Takes everything, sends no receipts, but can be asked."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(lambda part: Submitted(f"m{part.number}", State.ENROUTE))
        self.answer = answer
        self.asked: list[str] = []

    async def query(self, message: Message, provider_id: str) -> Receipt | None:
        self.asked.append(provider_id)
        said = self.answer(message, provider_id)
        if isinstance(said, SubmitError):
            raise said
        return said

    async def cancel(self, message: Message, provider_id: str) -> None: ...

    async def replace(self, message: Message, provider_id: str, text: str) -> None: ...


def says(state: State) -> Answer:
    return lambda message, provider_id: Receipt(message.gateway_id, provider_id, state)


ANSWERS: dict[str, tuple[Answer, State]] = {
    "delivered": (says(State.DELIVERED), State.DELIVERED),
    "not delivered": (says(State.UNDELIVERABLE), State.UNDELIVERABLE),
    "nothing known": (lambda message, provider_id: None, State.UNKNOWN),
    "out of reach": (lambda message, provider_id: GatewayDown("no"), State.UNKNOWN),
}


@pytest.mark.parametrize("answer, state", ANSWERS.values(), ids=ANSWERS)
async def test_asked_before_given_up(tmp_path: Path, answer: Answer, state: State) -> None:
    carrier = Knowing(answer)
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        await at.intake.submit(Submission(door="test", payers=("alice",), sender=NUMBER, target=NUMBER, text="Hi"))
        await until(lambda: at.rows("tb_queue", "stage") == [(2,)])
        at.db.write_batch("move_queue", [(row[0], 0, 2, 1, 1) for row in at.rows("tb_queue", "id")])
        upkeep = Upkeep(at.journal, reader, at.accounts, at.queues, at.ids.node, lambda: True, lambda: Millis(10**9))
        try:
            await upkeep.sweep()
        finally:
            reader.close()
        assert at.rows("tb_messages", "state") == [(state.value,)]
        assert at.rows("tb_queue") == []
        assert carrier.asked == ["m1"]
