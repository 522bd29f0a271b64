"""One conversation with its line, its clock and its money: the asyncio around conversation.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from voipsms.callback import wire
from voipsms.callback.acts import Act, Answer, Close, Declined, Extend, Extended, Input, Lost, Open, Opened, Stop, Tick
from voipsms.callback.conversation import Conversation
from voipsms.callback.plan import Billing, LegEnd, Plan, Way
from voipsms.errors import Refused, VoipSmsError
from voipsms.log import get_logger
from voipsms.model import Msisdn

log = get_logger("callback")


class Room(Protocol):
    """callers.Line."""

    def send(self, order: wire.Order) -> None: ...

    def release(self) -> None: ...


class Lines(Protocol):
    """callers.Callers."""

    async def line(self, told: Callable[[wire.Event], None], lost: Callable[[], None]) -> Room | None: ...


async def grant(billing: Billing, plan: Plan, numbers: tuple[Msisdn, ...], called: int = 0) -> Opened:
    """`called`: how many of the numbers are called already, and need no way. Raises Refused."""
    ways = tuple(billing.way(plan, number) for number in numbers[called:])
    return Opened(await billing.open(plan, numbers), ways)


class Pair:
    def __init__(self, plan: Plan, billing: Billing) -> None:
        self._plan, self._billing = plan, billing
        self._inbox: asyncio.Queue[Input] = asyncio.Queue()  # the reader never waits for anything else
        self._turn = asyncio.Lock()  # one request at a time, in their order
        self._conversation: Conversation | None = None

    # -- what it is told, at any time

    def tell(self, told: Input) -> None:
        self._inbox.put_nowait(told)

    def lost(self) -> None:
        self.tell(Lost())

    def stop(self, reason: str) -> None:
        self.tell(Stop(reason))

    # -- what it does

    async def run(self, conversation: Conversation, opened: Opened, room: Room) -> tuple[LegEnd, ...]:
        """Returns the legs when both have ended."""
        self._conversation = conversation
        try:
            async with asyncio.TaskGroup() as group:
                acts = conversation.begin(opened)
                while True:
                    for act in acts:
                        if isinstance(act, Close):
                            return act.legs
                        self._perform(act, group, room)
                    told = await self._next()
                    acts = conversation.take(told, asyncio.get_running_loop().time())
        finally:
            room.release()

    def legs(self) -> tuple[LegEnd, ...]:
        """As they stand, of one that did not come to its end."""
        if self._conversation is None:
            return ()
        return self._conversation.legs(asyncio.get_running_loop().time())

    async def _next(self) -> Input:
        assert self._conversation is not None
        try:
            async with asyncio.timeout_at(self._conversation.next_timeout()):
                return await self._inbox.get()
        except TimeoutError:
            return Tick()

    def _perform(self, act: Act, group: asyncio.TaskGroup, room: Room) -> None:
        match act:
            case Open():
                group.create_task(self._open(act))
            case Extend():
                group.create_task(self._extend())
            case Answer():
                self._billing.answered(self._plan, act.number, act.way, act.at)
            case Close():
                pass
            case _:
                room.send(act)

    async def _open(self, act: Open) -> None:
        async with self._turn:
            try:
                self.tell(await grant(self._billing, self._plan, act.numbers, called=1))
            except Refused as error:
                self.tell(Declined(error.code, str(error)))

    async def _extend(self) -> None:
        async with self._turn:
            try:
                self.tell(Extended(await self._billing.extend(self._plan)))
            except VoipSmsError as error:
                log.warning("a call can't be prolonged", id=self._plan.id, why=error)
                self.tell(Extended(0))


def nobody(plan: Plan, way: Way, reason: str) -> tuple[LegEnd, ...]:
    """The legs of a plan of which nobody was called."""
    return (LegEnd(plan.first, way, plan.asked, 0, 0, reason),)
