"""Texts from phones, from the provider's word to their users' outbox.

A provider is answered when its text is in tb_inbound (`take`). The rest runs at once: rules, whose it is, what it says
of opting out, and `Settle`, the one commit in which it becomes a message, is paid, and is put into tb_outbox. What a
crash leaves in tb_inbound is taken up by whichever process lives, so that the steps before `Settle` may be done twice.

A text that nobody has, or that its user wants nowhere, becomes a message all the same, which the operator and that
user can read: refused, most SMSCs would repeat it for days. Nobody pays for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Protocol

from voipsms import metrics
from voipsms.directory import Account, Directory
from voipsms.errors import NoCredit, StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.incoming_rules import Ruled
from voipsms.log import get_logger
from voipsms.model import (
    Belongs,
    Coding,
    Delivery,
    GatewayId,
    Inbound,
    Incoming,
    Message,
    Micros,
    Millis,
    State,
    UserId,
)
from voipsms.money import decimal, micros
from voipsms.rounds import Rounds
from voipsms.rules import Effect
from voipsms.settings import GlobalSettings
from voipsms.sms import gsm0338
from voipsms.sms.numbers import read_number
from voipsms.store import inbound as table
from voipsms.store.entries import Arrival, Receive, Received, Settle
from voipsms.store.ids import IdSource, first_id, now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.values import Value, replace

MOST = 5000  # texts in memory that are not settled; beyond, providers have to keep theirs
# Seconds between two looks at what nobody works on and what is late, at what is held, and at what is held too long.
LOOK, HELD, UNPAID = 0.5, 2.0, 60.0
STRAY = 10_000  # milliseconds after which work of ours that isn't in memory has been forgotten
DRAIN = 5.0  # seconds that a stop waits for what is under way
RECALL = Millis(60_000)  # the same text by HTTP once more, without an id: Routo tries 3 times more at once (§7.1)
MINUTE = 60_000  # milliseconds
SMPP = "smpp"  # the door whose providers repeat nothing at once
NOBODY = UserId(0)

log = get_logger("receiving")


class End(Value, frozen=True):
    """Why a text goes to nobody: `reason` is the CDR's."""

    reason: str
    comment: str


Rules = Callable[[Incoming], Ruled]
Whose = Callable[[Incoming], Awaitable[Belongs]]
Words = Callable[[Incoming, Belongs], Awaitable[None]]
"""What STOP and the like do; told again after a crash. These two raise StoreError."""
Addressed = Callable[[Incoming, Belongs, Account], Sequence[Delivery]]
HandOver = Callable[[Iterable[Delivery]], None]


class TakesCommands(Protocol):
    """SMS callback: what it takes goes to no user, and costs the number's user nothing."""

    door: str  # whose texts are commands, whatever number they came to

    def whose(self, incoming: Incoming) -> Belongs:
        """Of a text by that door."""
        ...

    def takes(self, incoming: Incoming, belongs: Belongs) -> bool: ...

    def delivery(self, arrival: Arrival, account: Account) -> Delivery: ...

    def shown(self, text: str) -> str:
        """As it may be kept: without passwords."""
        ...


Start = Callable[[tuple[Effect, ...], Message], None]

_UNOWNED = End("nobody", "It came to no number of a user, and no user had written to that phone")
_RIVALS = End("conflict", "Several users had written to that phone")
_NOWHERE = End("no_route", "Its user wants it nowhere")
_UNPAID = End("no_credit", "Its user could not pay for it in time")
_INACTIVE = End("user_inactive", "The account is inactive")


class Receiving:
    """`run()` until cancelled, then `close()`."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        directory: Directory,
        ids: IdSource,
        gateways: Mapping[GatewayId, GatewaySettings],
        settings: Callable[[], GlobalSettings],
        rules: Rules,
        whose: Whose,
        words: Words,
        addressed: Addressed,
        hand_over: HandOver,
        start: Start,
        commands: TakesCommands | None = None,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._directory = directory
        self._ids = ids
        self._gateways = gateways
        self._settings = settings
        self._rules = rules
        self._whose = whose
        self._words = words
        self._addressed = addressed
        self._hand_over = hand_over
        self._start = start
        self._commands = commands
        self._open: dict[int, asyncio.Task[None]] = {}  # by the text's id
        self._holding: set[UserId] = set()  # users of whom texts are held
        self._paid = asyncio.Event()  # somebody of them has got money
        self._born = ids.next()  # what is this node's and older was left behind by another process

    def __len__(self) -> int:
        """Texts in memory that are not settled."""
        return len(self._open)

    # -- in

    async def take(self, inbound: Inbound, door: str) -> bool:
        """Returns after the commit; False: it is a repeat. Raises StoreError, after which the provider has to come
        again."""
        if len(self._open) >= MOST:
            raise StoreError("too many texts from phones are waiting")
        received: Received = await self._journal.append(self._entry(inbound, door))
        metrics.count("inbound", door, "taken" if received.fresh else "repeat")
        self._begin(received.arrivals)
        return received.fresh

    def _entry(self, inbound: Inbound, door: str) -> Receive:
        country = self._settings().country
        gateway = self._gateways.get(inbound.gateway_id)
        told = replace(
            inbound, source=_number(inbound.source, country, table.SOURCE),
            target=_number(inbound.target, country, table.NUMBER),
        )  # fmt: skip
        again = gateway is not None and gateway.inbound_repeats
        recall = door != SMPP and inbound.total == 1 and not inbound.provider_id and not again
        return Receive(told, RECALL if recall else self._wait(), _key(inbound), door, again, recall)

    def _wait(self) -> Millis:
        return Millis(round(self._settings().smsreceive_parts * 1000))

    def _begin(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            message_id = arrival.incoming.id
            if message_id not in self._open:
                self._open[message_id] = asyncio.get_running_loop().create_task(self._run_through(arrival))

    async def _run_through(self, arrival: Arrival) -> None:
        """What goes wrong here is tried again: the text is in the table."""
        try:
            await self.settle(arrival)
        except StoreError as error:
            log.warning("a text from a phone is put off", id=arrival.incoming.id, why=str(error))
        except Exception:
            log.exception("a text from a phone can't be settled", id=arrival.incoming.id)
        finally:
            del self._open[arrival.incoming.id]

    # -- what becomes of a text

    async def settle(self, arrival: Arrival) -> bool:
        """False: it is held. Raises StoreError."""
        if arrival.belongs is not None:  # all else was done before it was held
            return await self._settle(arrival, ())
        ruled = self._rules(arrival.incoming)
        incoming = table.bounded(ruled.incoming)
        arrival = replace(arrival, incoming=incoming)
        if ruled.refusal is not None:
            return await self._end(arrival, End("blocked", ruled.refusal), ruled.effects)
        belongs = ruled.belongs or await self._belongs(arrival)
        if not self._is_command(incoming, belongs):
            await self._words(incoming, belongs)
        return await self._settle(replace(arrival, belongs=belongs), ruled.effects)

    async def _belongs(self, arrival: Arrival) -> Belongs:
        if self._commands is not None and arrival.door == self._commands.door:
            return self._commands.whose(arrival.incoming)
        return await self._whose(arrival.incoming)

    def _is_command(self, incoming: Incoming, belongs: Belongs) -> bool:
        return self._commands is not None and self._commands.takes(incoming, belongs)

    async def _settle(self, arrival: Arrival, effects: tuple[Effect, ...]) -> bool:
        belongs, incoming = arrival.belongs, arrival.incoming
        assert belongs is not None
        account = self._directory.by_id.get(belongs.user_id) if belongs.user_id is not None else None
        if account is None:
            return await self._end(arrival, _RIVALS if belongs.rivals else _UNOWNED, effects)
        if not account.enabled:
            return await self._end(arrival, _INACTIVE, effects, account)
        if self._commands is not None and self._commands.takes(incoming, belongs):
            command = self._commands.delivery(arrival, account)
            message = replace(self._message(arrival, account, Micros(0)), text=self._commands.shown(incoming.text))
            return await self._commit(Settle(arrival, message, deliveries=(command,)), effects)
        deliveries = tuple(self._addressed(incoming, belongs, account))
        if not deliveries:
            return await self._end(arrival, _NOWHERE, effects, account)
        price = price_of(incoming, self._settings())
        message = self._message(arrival, account, price)
        return await self._commit(Settle(arrival, message, deliveries=deliveries), effects)

    async def _end(
        self, arrival: Arrival, end: End, effects: tuple[Effect, ...], account: Account | None = None
    ) -> bool:
        message = self._message(arrival, account, Micros(0))
        return await self._commit(Settle(arrival, message, State.UNDELIVERABLE, end.reason, end.comment[:255]), effects)

    async def _commit(self, settle: Settle, effects: tuple[Effect, ...]) -> bool:
        """Behind others of its user that are held, a new text is held, too."""
        message, arrival = settle.message, settle.arrival
        newly = bool(arrival.belongs) and message.id in self._open
        if newly and message.price and settle.deliveries and message.user_id in self._holding:
            settle = replace(settle, hold=True)
        try:
            ours = await self._journal.append(settle)
        except NoCredit:
            self._holding.add(message.user_id)
            metrics.count("inbound", message.door, "held")
            self._start(effects, message)
            return False
        if ours:
            _tell(settle)
            self._hand_over(settle.deliveries)
            self._start(effects, message)
        return True

    def _message(self, arrival: Arrival, account: Account | None, price: Micros) -> Message:
        i, settings = arrival.incoming, self._settings()
        return Message(
            id=i.id, created=i.created, door=arrival.door, user_id=account.id if account else NOBODY,
            gateway_id=i.gateway_id, sender=i.source, target=i.target, text=i.text, coding=_coding(i),
            parts=i.parts, duration=settings.smstime, price=price, cost=Micros(0),
            currency=account.currency if account else settings.currency, octets=i.octets, udh=i.udh,
        )  # fmt: skip

    # -- upkeep

    def paid(self, users: Iterable[UserId]) -> None:
        """The balances of these have changed."""
        if self._holding and any(self._can_pay(user) for user in self._holding.intersection(users)):
            self._paid.set()

    def _can_pay(self, user: UserId) -> bool:
        """For one text. What is held of an account that is gone is nobody's."""
        account = self._directory.by_id.get(user)
        return account is None or (account.enabled and account.affords(price_of_one(self._settings())))

    async def run(self) -> None:
        rounds = Rounds(
            _put_off, (self.join_overdue, LOOK), (self.take_over, LOOK), (self.release, HELD), (self.end_unpaid, UNPAID)
        )
        while True:
            if self._paid.is_set():
                rounds.hurry(self.release)
            await rounds.turn()
            try:
                await asyncio.wait_for(self._paid.wait(), LOOK)
            except TimeoutError:
                continue

    async def join_overdue(self) -> None:
        """Texts of which parts are missing go on as they are. Raises StoreError."""
        node, wait = self._ids.node, self._wait()
        while arrivals := await self._journal.run(lambda db: table.join_overdue(db, self._ids, node, wait)):
            for arrival in arrivals:
                metrics.count("inbound", arrival.door, "incomplete")
            self._begin(arrivals)

    async def take_over(self) -> None:
        """What no living process has. Raises StoreError."""
        if len(self._open) >= MOST:
            return
        before = max(self._born, first_id(Millis(now_millis() - STRAY)))
        work = partial(table.claim, node=self._ids.node, before=before)
        arrivals = [one for one in await self._journal.run(work) if one.incoming.id not in self._open]
        if arrivals:
            log.info("took over texts from phones that nobody had settled", texts=len(arrivals))
        self._begin(arrivals)

    async def release(self) -> None:
        """Held texts, oldest first, of those who can pay again. Raises StoreError."""
        self._paid.clear()
        before = set(self._holding)
        users = set(await self._reader.run(table.held_users))
        self._holding = users | (self._holding - before)
        for user in filter(self._can_pay, users):
            await self._release(user)

    async def _release(self, user: UserId) -> None:
        account = self._directory.by_id.get(user)
        while arrivals := await self._reader.run(partial(table.held, user_id=user)):
            for arrival in arrivals:
                if account is not None and not account.affords(price_of(arrival.incoming, self._settings())):
                    return
                if not await self.settle(arrival):
                    return
        self._holding.discard(user)

    async def end_unpaid(self) -> None:
        """Texts that were held for smsexpire; nobody pays for them. Raises StoreError."""
        before = first_id(Millis(now_millis() - self._settings().smsexpire * MINUTE))
        while arrivals := await self._reader.run(partial(table.held_before, before=before)):
            for arrival in arrivals:
                assert arrival.belongs is not None
                user = arrival.belongs.user_id
                account = self._directory.by_id.get(user) if user is not None else None
                await self._end(arrival, _UNPAID, (), account)

    async def close(self) -> None:
        """What is still under way then goes on elsewhere, or after the next start."""
        if self._open:
            await asyncio.wait(self._open.values(), timeout=DRAIN)
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _number(raw: str, country: str, most: int) -> str:
    return (read_number(raw, country).digits or raw.strip())[:most]


def _key(inbound: Inbound) -> bytes:
    """By the provider's own id: who repeats a text says the same one. Parts may share it."""
    if not inbound.provider_id:
        return b""
    words = ("mo", str(inbound.gateway_id), inbound.provider_id, str(inbound.number), str(inbound.total))
    return blake2b("\0".join(words).encode("utf-8", "replace"), digest_size=16).digest()


def _coding(incoming: Incoming) -> Coding:
    if incoming.octets:
        return Coding.BINARY
    try:
        gsm0338.encode(incoming.text)
    except gsm0338.NotInAlphabet:
        return Coding.UCS2
    return Coding.GSM7


def price_of_one(settings: GlobalSettings) -> Micros:
    """What a text, or where parts are billed one part, costs its user; a third of smsprice to the nearest millionth."""
    if settings.smsreceive_price < 0:
        return Micros((micros(settings.smsprice) + 1) // 3)
    return micros(settings.smsreceive_price)


def price_of(incoming: Incoming, settings: GlobalSettings) -> Micros:
    return Micros(price_of_one(settings) * (incoming.parts if settings.smsbilling == "part" else 1))


def _tell(settle: Settle) -> None:
    m = settle.message
    metrics.count("inbound", m.door, settle.reason or "settled")
    log.info(
        "from a phone", id=m.id, user=m.user_id, sender=m.sender, target=m.target, parts=m.parts,
        price=decimal(m.price), complete=settle.arrival.incoming.complete, deliveries=len(settle.deliveries),
        reason=settle.reason,
    )  # fmt: skip


def _put_off(error: StoreError) -> None:
    log.debug("upkeep of texts from phones is put off", why=str(error))
