import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.house import NUMBER, house
from tests.core.stage import Carrier, settle, until
from tests.core.world import MOBILE
from voipsms.errors import (
    NobodyToBill,
    NoCredit,
    NotConverted,
    OutcomeUnknown,
    ProviderBusy,
    ProviderRefused,
    Refused,
    SubmitError,
    SubmitFailed,
    SubmitRefused,
    Unavailable,
)
from voipsms.intake import Taken
from voipsms.model import Message, Micros, Millis, Part, State, Submission, Submitted
from voipsms.settings import GlobalSettings
from voipsms.store.accounts import credit_user
from voipsms.store.ids import now_millis
from voipsms.values import replace

KEY = b"0123456789abcdef"
ASKED = Submission(door="test", payers=("alice",), sender="alice", target=MOBILE, text="Hi", ingress_key=KEY)
AT_ONCE = GlobalSettings(smsthread=0, smstimeout=5)


def taken(part: Part) -> Submitted:
    return Submitted(f"p{part.message.id}", State.ACCEPTED)


async def test_is_written_priced_and_sent(tmp_path: Path) -> None:
    carrier = Carrier(taken)
    async with house(tmp_path, carrier) as at:
        answer = await at.intake.submit(ASKED)
        assert at.rows("tb_messages", "id, sender, target, text, price") == [
            (answer.message_id, NUMBER, MOBILE, "Hi", 50_000)
        ]
        assert at.balance() == 950_000
        assert at.directory.by_name["alice"].balance == 950_000
        assert at.directory.by_name["alice"].pending == 0
        await until(lambda: at.rows("tb_queue") == [])
        assert at.rows("tb_cdrs", "id, duration, price, state") == [(answer.message_id, 60, 50_000, "ACCEPTED")]
    assert carrier.seen == [(answer.message_id, 1)]


async def test_the_same_request_gets_the_same_answer(tmp_path: Path) -> None:
    carrier = Carrier(taken)
    async with house(tmp_path, carrier) as at:
        first = await at.intake.submit(ASKED)
        assert await at.intake.submit(ASKED) == replace(first, repeated=True)
    async with house(tmp_path, carrier) as at:
        assert await at.intake.submit(ASKED) == replace(first, repeated=True)
        assert (len(at.rows("tb_messages")), at.balance()) == (1, 950_000)
        assert at.queues[next(iter(at.queues))]._room() == carrier.room
    assert len(carrier.seen) == 1


async def test_the_same_request_twice_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        answers = await asyncio.gather(*(at.intake.submit(ASKED) for _ in range(5)))
        assert len(set(answers)) == 1
        assert len(at.rows("tb_messages")) == 1


async def test_the_same_refusal_twice_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        asked = replace(ASKED, target="bob")
        answers = await asyncio.gather(*(at.intake.submit(asked) for _ in range(3)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {NotConverted}


async def test_a_refusal_is_remembered(tmp_path: Path) -> None:
    stranger = replace(ASKED, payers=("stranger",))
    async with house(tmp_path, Carrier(taken)) as at:
        with pytest.raises(NobodyToBill):
            await at.intake.submit(stranger)
    async with house(tmp_path, Carrier(taken)) as at:
        with pytest.raises(NobodyToBill):
            await at.intake.submit(ASKED)
        assert at.rows("tb_messages") == []


async def test_without_a_key_nothing_is_remembered(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        await at.intake.submit(replace(ASKED, ingress_key=b""))
        await at.intake.submit(replace(ASKED, ingress_key=b""))
        assert (len(at.rows("tb_messages")), at.rows("tb_ingress")) == (2, [])


async def test_money_runs_out_exactly(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken, room=100)) as at:
        asked = [replace(ASKED, ingress_key=bytes([n]) * 16) for n in range(30)]
        answers = await asyncio.gather(*map(at.intake.submit, asked), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Taken] * 20 + [NoCredit] * 10
        assert at.balance() == 0


async def test_credit_that_another_process_booked_is_seen_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        with at.db.transaction():
            credit_user(at.db, at.ids, "alice", Micros(-1_000_000))
        await at.accounts.refresh()
        with pytest.raises(NoCredit):
            await at.intake.submit(replace(ASKED, ingress_key=b"x" * 16))
        with at.db.transaction():
            credit_user(at.db, at.ids, "alice", Micros(50_000))
        assert isinstance(await at.intake.submit(ASKED), Taken)


async def test_money_that_another_process_spent_is_missed_in_the_commit(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        with at.db.transaction():
            credit_user(at.db, at.ids, "alice", Micros(-1_000_000))
        with pytest.raises(NoCredit):
            await at.intake.submit(ASKED)
        assert at.queues[next(iter(at.queues))]._room() == 10
        assert (at.rows("tb_messages"), at.balance()) == ([], 0)


async def test_draining(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken)) as at:
        at.intake.draining = True
        with pytest.raises(Unavailable) as caught:
            await at.intake.submit(ASKED)
        assert caught.value.retry_after
        assert at.rows("tb_ingress") == []


async def test_too_many_wait(tmp_path: Path) -> None:
    async with house(tmp_path, Carrier(taken, room=0), GlobalSettings(queue=2)) as at:
        for n in range(2):
            await at.intake.submit(replace(ASKED, ingress_key=bytes([n]) * 16))
        with pytest.raises(Unavailable):
            await at.intake.submit(ASKED)


WAITING: list[tuple[str, Callable[[Part], Submitted | SubmitError], type[Refused] | None, bool, str]] = [
    ("taken", taken, None, True, "sent"),
    ("refused", lambda part: SubmitRefused("no"), ProviderRefused, False, "provider_refused"),
    ("busy", lambda part: SubmitFailed("later"), ProviderBusy, False, "provider_busy"),
    ("no answer", lambda part: OutcomeUnknown("silence"), None, False, "accepted"),
]


@pytest.mark.parametrize("script, refusal, sent, kept", [row[1:] for row in WAITING], ids=[row[0] for row in WAITING])
async def test_the_sender_waits(
    tmp_path: Path,
    script: Callable[[Part], Submitted | SubmitError],
    refusal: type[Refused] | None,
    sent: bool,
    kept: str,
) -> None:
    for _ in range(2):  # the second time from the table
        async with house(tmp_path, Carrier(script), AT_ONCE) as at:
            if refusal:
                with pytest.raises(refusal):
                    await at.intake.submit(ASKED)
                assert at.balance() == 1_000_000
            else:
                assert (await at.intake.submit(ASKED)).sent is sent
            assert at.rows("tb_ingress", "code") == [(kept,)]
            assert len(at.rows("tb_messages")) == 1


async def test_the_sender_waits_in_vain(tmp_path: Path) -> None:
    carrier = Carrier(taken, room=0)
    async with house(tmp_path, carrier, GlobalSettings(smsthread=0, smstimeout=0.1)) as at:
        with pytest.raises(ProviderBusy):
            await at.intake.submit(ASKED)
        carrier.room = 1
        at.queues[next(iter(at.queues))].pump()
        await settle()
        assert (carrier.seen, at.balance()) == ([], 1_000_000)
        assert at.rows("tb_messages", "state") == [("UNDELIVERABLE",)]


async def test_the_provider_is_slower_than_the_sender_may_wait(tmp_path: Path) -> None:
    carrier = Carrier(lambda part: None)
    async with house(tmp_path, carrier, GlobalSettings(smsthread=0, smstimeout=0.1)) as at:
        assert (await at.intake.submit(ASKED)).sent is False
        next(iter(carrier.open.values())).set_result(Submitted("p", State.ACCEPTED))
        await until(lambda: at.rows("tb_messages", "state") == [("ACCEPTED",)])


class Calendar(Carrier):
    """Its provider keeps messages until they are due."""

    scheduled = True

    def schedule(self, message: Message) -> str:
        return str(message.due) if self.scheduled else ""


@pytest.mark.parametrize("settings", [GlobalSettings(), AT_ONCE], ids=["at once", "waiting sender"])
async def test_due_later(tmp_path: Path, settings: GlobalSettings) -> None:
    carrier = Carrier(taken)
    async with house(tmp_path, carrier, settings) as at:
        due = Millis(now_millis() + 300)
        answer = await at.intake.submit(replace(ASKED, due=due))
        assert not answer.sent
        assert at.rows("tb_queue", "stage, due") == [(0, due)]
        await until(lambda: bool(carrier.seen))
        assert now_millis() >= due
        await until(lambda: at.rows("tb_queue") == [])


async def test_a_provider_that_keeps_only_some(tmp_path: Path) -> None:
    carrier = Calendar(taken)
    carrier.scheduled = False
    async with house(tmp_path, carrier) as at:
        await at.intake.submit(replace(ASKED, due=Millis(now_millis() + 3_600_000)))
        await settle()
        assert (carrier.seen, len(next(iter(at.queues.values())))) == ([], 1)


async def test_due_at_the_provider(tmp_path: Path) -> None:
    carrier = Calendar(taken)
    async with house(tmp_path, carrier) as at:
        await at.intake.submit(replace(ASKED, due=Millis(now_millis() + 3_600_000)))
        await until(lambda: bool(carrier.seen))
