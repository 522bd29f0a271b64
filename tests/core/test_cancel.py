"""Messages that their users don't want any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.core.house import House, house
from tests.core.stage import Carrier, until
from voipsms.cancelling import Cancelling
from voipsms.errors import SubmitRefused, TooLate
from voipsms.model import Message, MessageId, Millis, Part, Receipt, State, Submission, Submitted, UserId
from voipsms.store import story
from voipsms.store.ids import now_millis
from voipsms.store.reader import Reader
from voipsms.store.story import Story
from voipsms.values import replace

ASKED = Submission(door="test", payers=("alice",), sender="alice", target="36301112233", text="Hello")


class Forgetful(Carrier):
    """A Querier. `stops`: the ids that it can still stop."""

    stops: frozenset[str] = frozenset({"ABC1"})

    async def query(self, message: Message, provider_id: str) -> Receipt | None:
        return None

    async def cancel(self, message: Message, provider_id: str) -> None:
        if provider_id not in self.stops:
            raise SubmitRefused("ESME_RCANCELFAIL")

    async def replace(self, message: Message, provider_id: str, text: str) -> None:
        raise SubmitRefused("ESME_RREPLACEFAIL")


def enroute(part: Part) -> Submitted:
    return Submitted(f"ABC{part.number}")


def later(asked: Submission = ASKED) -> Submission:
    return replace(asked, due=Millis(now_millis() + 3_600_000))


def told(at: House, message_id: int) -> Story:
    found = story.read(at.db, message_id)
    assert found is not None
    return found


def cancelling(at: House, reader: Reader) -> Cancelling:
    return Cancelling(at.journal, reader, at.queues, at.ids.node)


@pytest.fixture
def alice() -> UserId:
    return UserId(0)  # whoever is named: another than the payer shows in the comment


async def test_one_that_has_not_left_is_withdrawn_and_refunded(tmp_path: Path, alice: UserId) -> None:
    carrier = Carrier(enroute)
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(later())).message_id
        assert at.balance() == 950_000
        assert await cancelling(at, reader).cancel(told(at, message_id), told(at, message_id).message.user_id)
        found = told(at, message_id)
        assert (found.state, found.reason, found.comment) == (State.DELETED, "cancelled", "by its user")
        assert at.balance() == 1_000_000
        assert not any(len(queue) for queue in at.queues.values())
        with pytest.raises(TooLate, match="DELETED already"):
            await cancelling(at, reader).cancel(found, alice)
        reader.close()
    assert carrier.seen == []


async def test_one_that_waits_for_its_gateway(tmp_path: Path) -> None:
    carrier = Carrier(enroute, room=0)
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        first, second = [(await at.intake.submit(ASKED)).message_id for _ in range(2)]
        assert await cancelling(at, reader).cancel(told(at, first), UserId(7))
        assert told(at, first).comment == "by user 7"
        carrier.room = 10
        for queue in at.queues.values():
            queue.pump()
        await until(lambda: carrier.seen == [(second, 1)])
        await until(lambda: told(at, second).state is State.ENROUTE)
        reader.close()
    assert carrier.seen == [(second, 1)]


async def test_one_that_is_being_sent_stays(tmp_path: Path, alice: UserId) -> None:
    carrier = Carrier(lambda part: None)
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(ASKED)).message_id
        await until(lambda: bool(carrier.open))
        with pytest.raises(TooLate, match="may have left"):
            await cancelling(at, reader).cancel(told(at, message_id), alice)
        carrier.open[message_id, 1].set_result(Submitted("ABC1"))
        await until(lambda: told(at, message_id).state is State.ENROUTE)
        reader.close()


@pytest.mark.parametrize(
    "stops, state, balance",
    [(frozenset({"ABC1", "ABC2"}), State.DELETED, 1_000_000), (frozenset({"ABC1"}), State.ENROUTE, 950_000),
     (frozenset(), State.ENROUTE, 950_000)],
    ids=["all parts", "one of two", "none"],
)  # fmt: skip
async def test_a_provider_forgets_it(
    tmp_path: Path, alice: UserId, stops: frozenset[str], state: State, balance: int
) -> None:
    carrier = Forgetful(enroute, cut=2)
    carrier.stops = stops
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(ASKED)).message_id
        await until(lambda: told(at, message_id).state is State.ENROUTE)
        work = cancelling(at, reader).cancel(told(at, message_id), alice)
        if state is State.DELETED:
            assert await work
        else:
            with pytest.raises(TooLate, match="carrier has the message: ESME_RCANCELFAIL"):
                await work
        assert (told(at, message_id).state, at.balance()) == (state, balance)
        reader.close()


async def test_a_provider_without_ids_is_never_asked(tmp_path: Path, alice: UserId) -> None:
    """cancel_sm without one means every message to that number (SMPP 3.4 §4.9.1)."""
    carrier = Forgetful(lambda part: Submitted(""))
    carrier.stops = frozenset({""})
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(ASKED)).message_id
        await until(lambda: told(at, message_id).state is State.ENROUTE)
        with pytest.raises(TooLate, match="no id"):
            await cancelling(at, reader).cancel(told(at, message_id), alice)
        reader.close()


async def test_a_provider_that_can_not(tmp_path: Path, alice: UserId) -> None:
    async with house(tmp_path, Carrier(enroute)) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(ASKED)).message_id
        await until(lambda: told(at, message_id).state is State.ENROUTE)
        with pytest.raises(TooLate, match="can't be told"):
            await cancelling(at, reader).cancel(told(at, message_id), alice)
        reader.close()


async def test_another_process_has_it(tmp_path: Path, alice: UserId) -> None:
    """Who is asked has no queue; the house does what tb_cancels says."""
    async with house(tmp_path, Carrier(enroute)) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(later())).message_id
        other = Cancelling(at.journal, reader, {}, at.ids.node + 1)
        asking = asyncio.create_task(other.cancel(told(at, message_id), alice))
        await until(lambda: at.rows("tb_cancels") != [])
        await cancelling(at, reader).look()
        assert await asking
        assert (told(at, message_id).state, at.balance()) == (State.DELETED, 1_000_000)
        assert at.rows("tb_cancels") == []
        reader.close()


async def test_another_process_has_sent_it_meanwhile(tmp_path: Path, alice: UserId) -> None:
    carrier = Carrier(lambda part: None, room=0)
    async with house(tmp_path, carrier) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(ASKED)).message_id
        before = told(at, message_id)
        other = Cancelling(at.journal, reader, {}, at.ids.node + 1)
        carrier.room = 10
        for queue in at.queues.values():
            queue.pump()
        await until(lambda: bool(carrier.open))
        asking = asyncio.create_task(other.cancel(before, alice))
        await until(lambda: at.rows("tb_cancels") != [])
        await cancelling(at, reader).look()
        with pytest.raises(TooLate, match="has left"):
            await asking
        carrier.open[message_id, 1].set_result(Submitted("ABC1"))
        await until(lambda: told(at, message_id).state is State.ENROUTE)
        reader.close()


async def test_a_process_that_says_nothing(tmp_path: Path, alice: UserId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.cancelling.PATIENCE", 0.05)
    async with house(tmp_path, Carrier(enroute)) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(later())).message_id
        other = Cancelling(at.journal, reader, {}, at.ids.node + 1)
        assert not await other.cancel(told(at, message_id), alice)
        assert not await other.cancel(told(at, message_id), alice)
        assert len(at.rows("tb_cancels")) == 1
        reader.close()


async def test_it_looks_by_itself(tmp_path: Path, alice: UserId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipsms.cancelling.POLL", 0.01)
    async with house(tmp_path, Carrier(enroute)) as at:
        reader = Reader(at.db.engine)
        message_id = (await at.intake.submit(later())).message_id
        at.db.write("ask_to_cancel", id=message_id, user_id=alice, created=1)
        at.db.write("ask_to_cancel", id=MessageId(1), user_id=alice, created=1)
        running = asyncio.create_task(cancelling(at, reader).run())
        await until(lambda: at.rows("tb_cancels") == [])
        assert told(at, message_id).state is State.DELETED
        running.cancel()
        await asyncio.wait([running])
        reader.close()
