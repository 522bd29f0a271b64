"""From a phone, from HTTP and from chat to what is done, on a real journal: durable, once, and answered where it came
from."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.callback.desk import ALICE, BOB, FAR, OURS, PASSWORD, PINCODE, STRANGER, Desk, desk
from tests.core.stage import until
from tests.doors.test_sip import SECRET, TRUSTED, Rig, _endpoint
from voipsms.addressing import addressed
from voipsms.callback import texts as texts_module
from voipsms.callback import wire
from voipsms.callback.arrivals import Arrivals
from voipsms.callback.carrier import CommandCarrier
from voipsms.callback.replies import REPLIES, say
from voipsms.callback.texts import A_MINUTE, Texts
from voipsms.carriers.port import Carrier, NotCarried, Recipient
from voipsms.directory import Account
from voipsms.doors.sip import SipDoor
from voipsms.errors import NoCredit, StoreError
from voipsms.incoming_rules import Ruled
from voipsms.model import (
    NOWHERE,
    Belongs,
    Channel,
    Delivery,
    DeliveryId,
    GatewayId,
    Inbound,
    Incoming,
    Message,
    MessageId,
    Millis,
    Subject,
    Submission,
)
from voipsms.outbox import Outbox
from voipsms.receiving import Receiving
from voipsms.rules import Effect
from voipsms.settings import SipAccount, SipSettings
from voipsms.sip.endpoint import Peer
from voipsms.store import commands as table
from voipsms.store.ids import now_millis
from voipsms.values import replace

NOBODY = Recipient("alice", NOWHERE)
REGISTRAR = SipAccount("sip:127.0.0.1:5060", "gateway", "x")


class Chat:
    """The phones."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    async def carry(self, delivery: Delivery, to: Recipient) -> str:
        self.said.append((to.name, delivery.text))
        return "200 OK"

    def pause(self, delivery: Delivery, to: Recipient) -> float | None:
        return None

    async def close(self) -> None: ...


class Office:
    """A desk with its entrances. `words`: texts in which STOP was looked for; `written`: by a [sip:NAME]."""

    def __init__(self, made: Desk) -> None:
        self.desk, home = made, made.home
        self.words: list[str] = []
        self.written: list[tuple[str, str, str]] = []
        self.chat = Chat()
        self.carrier = CommandCarrier(
            made.commands, home.journal, home.ids, made, lambda texts: self.outbox.post(texts), self.write,
            lambda: made.config,
        )  # fmt: skip
        carriers: dict[Channel, Carrier] = {Channel.COMMAND: self.carrier, Channel.CHAT: self.chat}
        self.outbox = Outbox(
            home.journal, made.reader, home.directory, home.ids.node, carriers, lambda: made.config.sms
        )
        self.arrivals = Arrivals(home.directory, home.ids, lambda: made.config, self.outbox.post)
        self.receiving = Receiving(
            home.journal, made.reader, home.directory, home.ids, {}, lambda: made.config.sms, Ruled, self.whose,
            self.stop, self.address, self.outbox.hand_over, self.start, self.arrivals,
        )  # fmt: skip

    async def write(self, account: str, uri: str, text: str) -> int:
        self.written.append((account, uri, text))
        return 200

    async def whose(self, incoming: Incoming) -> Belongs:
        return self.desk.home.directory.book.find(incoming.target, "") or Belongs(None, incoming.target)

    async def stop(self, incoming: Incoming, belongs: Belongs) -> None:
        self.words.append(incoming.text)

    def address(self, incoming: Incoming, belongs: Belongs, account: Account) -> tuple[Delivery, ...]:
        return addressed(incoming, belongs, account, self.desk.config.sms, self.desk.home.ids.next, now_millis())

    def start(self, effects: tuple[Effect, ...], message: Message) -> None: ...

    async def take(self, text: str, source: str = ALICE, target: str = OURS, door: str = "smpp", **more: Any) -> bool:
        taken = await self.receiving.take(Inbound(GatewayId(0), source, target, text, **more), door)
        await self.quiet()
        return taken

    async def quiet(self) -> None:
        await until(lambda: not len(self.receiving) and not len(self.outbox))

    def messages(self, columns: str = "text, state, reason, comment, price") -> list[tuple[Any, ...]]:
        return [row[1:] for row in self.desk.home.rows("tb_messages", f"id, {columns}")]

    def delivery(self, text: str = "b", key: str = "k", **more: Any) -> Delivery:
        wanted: dict[str, Any] = {
            "id": DeliveryId(self.desk.home.ids.next()), "message_id": MessageId(0),
            "user_id": self.desk.account("admin").id, "channel": Channel.COMMAND, "subject": Subject.TEXT,
            "source": ALICE, "target": OURS, "text": text, "created": now_millis(),
            "expires": Millis(now_millis() + 60_000), "fields": (("door", "sms"), ("key", key)),
        }  # fmt: skip
        return Delivery(**wanted | more)


@asynccontextmanager
async def office_in(folder: Path) -> AsyncIterator[Office]:
    async with desk(folder) as made:
        office = Office(made)
        yield office
        await office.receiving.close()
        await office.outbox.close()
        assert made.home.db.read("wrong_charges") == made.home.db.read("missing_cdrs") == []


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with office_in(tmp_path) as office:
        yield office


# -- from phones


async def test_a_text_makes_a_call(office: Office) -> None:
    assert await office.take(f"b {FAR}", provider_id="mo1")
    (plan,) = office.desk.plans
    ((message_id, *_),) = office.desk.home.rows("tb_messages", "id")
    assert (plan.first, plan.second, plan.door, plan.message_id) == (ALICE, FAR, "sms", message_id)
    assert office.messages() == [("b ***", "DELIVERED", "", "callback: p2p", 0)]
    alice = office.desk.account().id
    assert office.desk.sent == [(alice, OURS, ALICE, say("p2p", first=f"+{ALICE}", second=f"+{FAR}"))]
    assert office.words == []
    assert office.desk.home.rows("tb_outbox") == []


async def test_a_providers_repeat_is_no_second_command(office: Office) -> None:
    assert await office.take("b", door="callback", provider_id="mo1")
    assert not await office.take("b", door="callback", provider_id="mo1")
    assert await office.take("b", ALICE, door="callback")
    assert not await office.take("b", ALICE, door="callback"), "without an id: the same within a minute"
    assert len(office.desk.plans) == 2


@pytest.mark.parametrize("target", [OURS, "36205550000", "1234"])
async def test_by_http_every_number_will_do(office: Office, target: str) -> None:
    await office.take(f"b {PINCODE} {FAR}", "anonymous", target, "callback")
    assert office.desk.calls == [("bob", FAR, None)]
    assert office.desk.plans[0].door == "http"
    assert office.messages("text, user_id, sender") == [("b *** ***", office.desk.account("admin").id, "anonymous")]


@pytest.mark.parametrize(
    "text, kept", [(f"b bob {PASSWORD} {FAR}", "b *** *** ***"), (f"bob{PASSWORD}", "***"), ("", ""), ("B", "b")]
)
async def test_passwords_are_not_kept(office: Office, text: str, kept: str) -> None:
    await office.take(text, STRANGER)
    assert office.messages("text") == [(kept,)]
    assert PASSWORD not in str(office.desk.home.rows("tb_events"))


async def test_a_refused_command_says_so(office: Office) -> None:
    office.desk.refusal = NoCredit()
    await office.take("b")
    assert office.messages() == [("b", "DELIVERED", "", "callback: no_credit", 0)]
    assert office.desk.sent[0][3] == "Not done: Not enough credit."


async def test_who_was_not_proven_is_answered_at_the_numbers_cost(office: Office) -> None:
    await office.take("b", STRANGER)
    assert office.desk.sent == [(office.desk.account("admin").id, OURS, STRANGER, REPLIES["wrong"])]


async def test_answers_may_be_unwanted(office: Office) -> None:
    office.desk.set(callbackreply=False)
    await office.take("b")
    assert (len(office.desk.plans), office.desk.sent) == (1, [])


async def test_stop_is_no_command(office: Office) -> None:
    await office.take("STOP")
    assert office.words == ["STOP"]
    assert (office.desk.plans, office.desk.sent) == ([], [])


async def test_other_numbers_take_no_commands(office: Office) -> None:
    await office.take("b", STRANGER, BOB)
    assert office.words == ["b"]
    assert office.desk.plans == []


async def test_not_enabled(office: Office) -> None:
    config = office.desk.config
    off = dataclasses.replace(config.callback, enabled=False)
    office.desk.config = dataclasses.replace(config, callback=off)
    await office.take("b")
    assert office.words == ["b"]
    assert office.desk.plans == []


async def test_nobody_wants_to_be_called_later(office: Office) -> None:
    late = office.delivery(created=Millis(now_millis() - 400_000), expires=Millis(now_millis() - 1))
    await office.outbox.post((late, office.delivery(created=Millis(now_millis() - 400_000))))
    await office.quiet()
    assert (office.desk.plans, office.desk.sent) == ([], []), "nor by `outbox replay`"


async def test_old_commands_are_forgotten(office: Office) -> None:
    assert await office.carrier.carry(office.delivery(), NOBODY) == "callback: callback"
    assert await office.carrier.forget() == 0
    old = now_millis() - table.KEEP - 1000
    office.desk.home.db.write_batch("begin_command", [("old", 1, old)])
    assert await office.carrier.forget() == 1


# -- once


async def begin(office: Office, delivery: Delivery) -> table.Begun:
    return await office.desk.home.journal.run(lambda db: table.begin(db, "k", delivery.id, now_millis()))


async def test_what_a_crash_cut_off_is_not_done_again(office: Office) -> None:
    delivery = office.delivery()
    await begin(office, delivery)
    assert await office.carrier.carry(delivery, NOBODY) == "none: interrupted"
    assert office.desk.plans == []
    assert [text for *_, text in office.desk.sent] == [REPLIES["interrupted"]]
    assert await office.carrier.carry(delivery, NOBODY) == "it was carried out before"
    assert len(office.desk.sent) == 1


async def test_what_was_done_is_not_done_again(office: Office) -> None:
    delivery = office.delivery()
    assert await office.carrier.carry(delivery, NOBODY) == "callback: callback"
    assert await office.carrier.carry(delivery, NOBODY) == "it was carried out before"
    assert await office.carrier.carry(office.delivery(), NOBODY) == "it was carried out before", "the same key"
    assert await office.carrier.carry(office.delivery(key="l"), NOBODY) == "callback: callback"
    assert len(office.desk.plans) == 2


async def test_two_at_once(office: Office) -> None:
    said = await asyncio.gather(*(office.carrier.carry(office.delivery(), NOBODY) for _ in range(8)))
    assert sorted(said) == ["callback: callback"] + ["it was carried out before"] * 7
    assert len(office.desk.plans) == 1


async def test_two_processes(office: Office, tmp_path: Path) -> None:
    async with desk(tmp_path) as other:
        there = Office(other)
        works = [
            one.carrier.carry(office.delivery(key=f"k{n}"), NOBODY) for n in range(10) for one in (office, there)
        ]  # fmt: skip
        said = await asyncio.gather(*works, return_exceptions=True)
        again = [office.carrier.carry(office.delivery(key=f"k{n}"), NOBODY) for n in range(10)]
        await asyncio.gather(*again)
        assert len(office.desk.plans) + len(other.plans) == 10
        assert {str(one) for one in said if not isinstance(one, NotCarried)} == {
            "callback: callback", "it was carried out before",
        }  # fmt: skip


async def test_before_it_is_begun_it_may_wait(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(work: Callable[..., object]) -> object:
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(office.desk.reader, "run", away)
        with pytest.raises(NotCarried):
            await office.carrier.carry(office.delivery(f"b {PINCODE}"), NOBODY)
    assert office.desk.sent == []
    assert await office.carrier.carry(office.delivery(f"b {PINCODE}"), NOBODY) == "callback: callback"
    assert all(office.carrier.pause(replace(office.delivery(), attempt=n), NOBODY) for n in range(1, 9))


# -- from chat


@asynccontextmanager
async def phone_of(office: Office, settings: SipSettings = TRUSTED) -> AsyncIterator[Rig]:
    home = office.desk.home
    door = SipDoor(settings, home.intake, home.directory, SECRET)
    door.give_commands("callback", office.arrivals)
    async with _endpoint(door.on_request) as ours, _endpoint(lambda incoming: None) as phone:
        yield Rig(home, phone, Peer("udp", "127.0.0.1", ours.bound[0].port), [])
        await door.drain()


async def test_a_message_to_the_extension(office: Office) -> None:
    async with phone_of(office) as phone:
        response = await phone.ask("MESSAGE", body=f"b {FAR}".encode(), target="callback")
        assert response.status == 202
        await office.quiet()
        assert office.desk.calls == [("alice", ALICE, FAR)]
        assert office.desk.plans[0].door == "chat"
        assert office.chat.said == [("alice", say("p2p", first=f"+{ALICE}", second=f"+{FAR}"))]
        assert office.desk.sent == []
        assert office.messages() == [], "it is no SMS"


async def test_the_same_message_again(office: Office) -> None:
    async with phone_of(office) as phone:
        for _ in range(2):
            response = await phone.ask("MESSAGE", [("Call-ID", "one")], b"b", "callback")
            assert response.status == 202
        await office.quiet()
        assert len(office.desk.plans) == 1


async def test_other_targets_are_messages(office: Office) -> None:
    async with phone_of(office) as phone:
        assert (await phone.ask("MESSAGE", body=b"b", target="36201112233")).status == 202
        await until(lambda: len(office.messages()) == 1)
        assert office.desk.plans == []


FROM: list[tuple[str, str, str, list[tuple[str, str, str | None]], list[str]]] = [
    ("a name", "alice", "b", [("alice", ALICE, None)], ["alice"]),
    ("an extension of nobody", "101", "b", [], []),
    ("an extension of nobody, with a pincode", "101", f"b {PINCODE} {FAR}", [("bob", FAR, None)], ["bob"]),
    ("an account that is a number", "36205556677", f"b {FAR}", [("36205556677", "36205556677", FAR)], ["36205556677"]),
]


@pytest.mark.parametrize("user, text, calls, told", [row[1:] for row in FROM], ids=[row[0] for row in FROM])
async def test_who_writes(
    office: Office, user: str, text: str, calls: list[tuple[str, str, str | None]], told: list[str]
) -> None:
    async with phone_of(office) as phone:
        headers = [("From", f"<sip:{user}@127.0.0.1>;tag=1")]
        assert (await phone.ask("MESSAGE", headers, text.encode(), "callback")).status == 202
        await office.quiet()
        assert office.desk.calls == calls
        assert [name for name, _ in office.chat.said] == told


async def test_strangers_are_challenged(office: Office) -> None:
    async with phone_of(office, SipSettings()) as phone:
        assert (await phone.ask("MESSAGE", body=b"b", target="callback")).status == 401
        assert office.desk.plans == []


async def test_a_senders_number_is_the_accounts_own(office: Office) -> None:
    """By digest, alice proves to be alice, not that this is her number."""
    for n, sender in enumerate((BOB, "alice", "")):
        submission = Submission("sip", ("alice",), sender, "callback", "b", bytes([n]) * 16)
        await office.arrivals.submit(submission)
    await office.quiet()
    assert office.desk.calls == [("alice", ALICE, None)] * 3


# -- by an account of ours


@asynccontextmanager
async def texts_of(office: Office) -> AsyncIterator[Texts]:
    submits = office.desk.home.intake
    texts = Texts({"pbx": REGISTRAR}, office.arrivals, submits, office.write, lambda: office.desk.config)
    yield texts
    await texts.close()


def text(said: str, target: str = "gateway", **more: str) -> wire.Text:
    wanted = {"sender": f'"Alice" <sip:{ALICE}@pbx.example.com>', "call_id": "c1", "source": "127.0.0.1"}
    return wire.Text("pbx", target=f"<sip:{target}@127.0.0.1:40000>", text=said, **wanted | more)


async def served(office: Office, one: wire.Text) -> None:
    async with texts_of(office) as texts:
        texts.heard(one)
    await office.quiet()


async def test_a_text_to_the_account_is_a_command(office: Office) -> None:
    await served(office, text(f"b {FAR}"))
    assert office.desk.calls == [("alice", ALICE, FAR)]
    uri = f"sip:{ALICE}@pbx.example.com"
    assert office.written == [("pbx", uri, say("p2p", first=f"+{ALICE}", second=f"+{FAR}"))]


async def test_a_text_to_a_number_is_a_submission(office: Office) -> None:
    await served(office, text("Hello", "36201112233"))
    assert office.messages("text, user_id, sender, target") == [
        ("Hello", office.desk.account().id, ALICE, "36201112233")
    ]
    assert office.written == []


async def test_what_can_not_be_sent_is_answered(office: Office) -> None:
    await served(office, text("Hello", "36201112233", sender=f"<sip:{STRANGER}@pbx>"))
    assert office.written == [
        ("pbx", f"sip:{STRANGER}@pbx", "Your message was not sent: Nobody to bill for this sender.")
    ]


async def test_who_pays_for_others_asks_for_no_calls(office: Office) -> None:
    async with texts_of(office) as texts:
        texts._accounts = {"pbx": dataclasses.replace(REGISTRAR, bill_to="alice")}
        stranger = {"sender": f"<sip:{STRANGER}@pbx>"}
        texts.heard(text("b", **stranger))
        texts.heard(text("Hello", "36201112233", **stranger))
    await office.quiet()
    assert office.desk.plans == []
    assert office.messages("user_id") == [(office.desk.account().id,)]


UNHEARD = [
    ("from elsewhere", text("b", source="203.0.113.9")),
    ("from nowhere", text("b", source="")),
    ("from itself", text("b", sender="<sip:gateway@pbx>")),
    ("from nobody", text("b", sender="<sip:pbx>")),
    ("no sender", text("b", sender="nonsense")),
    ("no target", replace(text("b"), target="")),
    ("somebody is typing", text("<x/>", content_type="application/im-iscomposing+xml")),
    ("a picture", text("x", content_type="image/png")),
    ("another account", replace(text("b"), account="other")),
]


@pytest.mark.parametrize("one", [row[1] for row in UNHEARD], ids=[row[0] for row in UNHEARD])
async def test_what_is_not_heard(office: Office, one: wire.Text, capfd: pytest.CaptureFixture[str]) -> None:
    await served(office, one)
    assert (office.desk.plans, office.written, office.messages()) == ([], [], [])
    assert "Traceback" not in capfd.readouterr().err


async def test_when_too_much_waits(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was answered 200 before it came here: so that is said."""
    monkeypatch.setattr(texts_module, "MOST", 1)
    async with texts_of(office) as texts:
        for n in range(3):
            texts.heard(text("b", call_id=f"c{n}"))
    await office.quiet()
    assert len(office.desk.plans) == 1
    assert [said for *_, said in office.written if "too many" in said] == [
        say("message_refused", why="too many are waiting")
    ]


async def test_a_loop_is_slowed_down(office: Office) -> None:
    async with texts_of(office) as texts:
        for n in range(A_MINUTE + 5):
            texts.heard(text("x", "36", call_id=f"c{n}"))
    assert len(office.written) == A_MINUTE


async def test_the_same_text_again(office: Office) -> None:
    for _ in range(2):
        await served(office, text("b"))
    assert len(office.desk.plans) == 1
