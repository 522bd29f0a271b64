"""Carries plans out: who may be called now, whose turn it is, and that each ends in one closing of its bill."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from voipsms import metrics
from voipsms.callback.acts import Opened
from voipsms.callback.campaign import Campaign
from voipsms.callback.conversation import GRACE, Conversation
from voipsms.callback.pair import Lines, Pair, Room, grant, nobody
from voipsms.callback.plan import Billing, LegEnd, Plan
from voipsms.callback.turns import Turns
from voipsms.config import Config
from voipsms.directory import Directory
from voipsms.errors import CalledJustNow, CallingAlready, TooManyCalls, Unavailable, VoipSmsError
from voipsms.log import get_logger
from voipsms.model import Msisdn, UserId
from voipsms.money import decimal
from voipsms.store.ids import now_millis

MOST: Final = 5000  # plans that are carried out or wait
MOST_COOLING: Final = 20_000  # numbers that are remembered for [callback] cooldown
AGAIN: Final = 1.0  # seconds until a line is asked for again
END: Final = GRACE + 5  # seconds that calls have to end in when the gateway closes

log = get_logger("callback")


class Switchboard:
    """`config`: of now. `campaign` may be set anew at any time."""

    def __init__(
        self,
        lines: Lines,
        billing: Billing,
        directory: Directory,
        config: Callable[[], Config],
        campaign: Campaign,
    ) -> None:
        self._lines, self._billing, self._directory, self._config = lines, billing, directory, config
        self.campaign = campaign
        self._turns = Turns(lambda: config().callback.calls)
        self._numbers: set[Msisdn] = set()  # of the plans that are carried out or wait
        self._users: Counter[UserId] = Counter()
        self._cooling: dict[Msisdn, float] = {}  # until when, oldest first
        self._pairs: dict[asyncio.Task[None], Pair] = {}
        self._closing = asyncio.Event()
        self._calls = itertools.count(1)

    async def call(self, plan: Plan) -> None:
        """Takes a plan, which is carried out when its turn comes. Credit is reserved from here on.

        Raises Refused: what Billing refuses, CallingAlready, CalledJustNow, TooManyCalls, Unavailable.
        """
        numbers = (plan.first,) if plan.second is None else (plan.first, plan.second)
        self._check(plan.user_id, numbers)
        self._numbers.update(numbers)
        self._users[plan.user_id] += 1
        balance = self._balance(plan.user_id)
        try:
            opened = await grant(self._billing, plan, numbers)
        except BaseException:
            self._dismiss(plan)
            raise
        pair = Pair(plan, self._billing)
        task = asyncio.get_running_loop().create_task(self._serve(plan, pair, opened, balance))
        self._pairs[task] = pair
        task.add_done_callback(self._pairs.pop)

    def running(self) -> int:
        """Pairs of calls that are under way."""
        return self._turns.inside

    def waiting(self) -> int:
        return self._turns.waiting

    async def close(self) -> None:
        """Hangs up; what waits is closed uncalled."""
        self._closing.set()
        self._turns.close()
        for pair in self._pairs.values():
            pair.stop("shutdown")
        if self._pairs:
            await asyncio.wait(self._pairs, timeout=END)
        for task in tuple(self._pairs):
            task.cancel()
        if self._pairs:
            await asyncio.wait(self._pairs)

    # -- who may be called

    def _check(self, user: UserId, numbers: Sequence[Msisdn]) -> None:
        now = asyncio.get_running_loop().time()
        if self._closing.is_set() or len(self._pairs) >= MOST:
            raise Unavailable
        if len(set(numbers)) < len(numbers) or not self._numbers.isdisjoint(numbers):
            raise CallingAlready
        if (wait := max(self._cooling.get(number, now) for number in numbers) - now) > 0:
            raise CalledJustNow(retry_after=int(wait) + 1)
        if self._users[user] >= self._config().callback.calls_each:
            raise TooManyCalls

    def _balance(self, user: UserId) -> tuple[str, ...]:
        """What the menu says of it; as it is before something is reserved."""
        account = self._directory.by_id.get(user)
        return () if account is None else self.campaign.balance(decimal(account.balance), account.currency)

    def _dismiss(self, plan: Plan) -> None:
        self._numbers -= {plan.first, plan.second}
        self._users[plan.user_id] -= 1
        if not self._users[plan.user_id]:
            del self._users[plan.user_id]

    def _cool(self, legs: Sequence[LegEnd]) -> None:
        now = asyncio.get_running_loop().time()
        for leg in legs:
            self._cooling.pop(leg.number, None)  # so that it stands at the end
            self._cooling[leg.number] = now + self._config().callback.cooldown
        for number in tuple(itertools.islice(self._cooling, 2 * len(legs))):
            if self._cooling[number] <= now or len(self._cooling) > MOST_COOLING:
                del self._cooling[number]

    # -- carrying them out

    async def _serve(self, plan: Plan, pair: Pair, opened: Opened, balance: tuple[str, ...]) -> None:
        """A task's root. However it goes, the bill is closed, once."""
        try:
            legs = await self._carry_out(plan, pair, opened, balance)
        except asyncio.CancelledError:
            legs = pair.legs() or nobody(plan, opened.ways[0], "shutdown")
        except Exception:
            log.exception("a call has failed", id=plan.id)
            legs = pair.legs() or nobody(plan, opened.ways[0], "failed")
        self._dismiss(plan)
        self._report(plan, legs)
        try:
            await self._billing.close(plan, legs)
        except VoipSmsError:
            log.exception("the bill of a call can't be closed", id=plan.id)

    async def _carry_out(
        self, plan: Plan, pair: Pair, opened: Opened, balance: tuple[str, ...]
    ) -> tuple[LegEnd, ...]:  # fmt: skip
        until = asyncio.get_running_loop().time() + self._config().callback.wait
        if not await self._turn(plan.user_id, until):
            return nobody(plan, opened.ways[0], self._why())
        metrics.measure("calls_now", self._turns.inside)
        try:
            room = await self._room(pair, until)
            if room is None:
                return nobody(plan, opened.ways[0], self._why())
            legs = await pair.run(self._conversation(plan, balance), opened, room)
            self._cool(legs)
            return legs
        finally:
            self._turns.leave()
            metrics.measure("calls_now", self._turns.inside)

    def _why(self) -> str:
        return "shutdown" if self._closing.is_set() else "no_line"

    async def _turn(self, user: UserId, until: float) -> bool:
        try:
            async with asyncio.timeout_at(until):
                return await self._turns.enter(user)
        except TimeoutError:
            return False

    async def _room(self, pair: Pair, until: float) -> Room | None:
        """None: there is none, or the gateway closes."""
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            if (room := await self._lines.line(pair.tell, pair.lost)) is not None:
                return room
            if loop.time() >= until:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(until, loop.time() + AGAIN)):
                    await self._closing.wait()
        return None

    def _conversation(self, plan: Plan, balance: tuple[str, ...]) -> Conversation:
        settings = self._config().callback
        return Conversation(
            plan, self.campaign, self._calls, since=asyncio.get_running_loop().time(), began=now_millis(),
            ring=settings.ring, longest=settings.longest, country=self._config().sms.country, balance=balance,
        )  # fmt: skip

    def _report(self, plan: Plan, legs: Sequence[LegEnd]) -> None:
        for leg in legs:
            metrics.count("calls", leg.reason or "answered")
        account = self._directory.by_id.get(plan.user_id)
        user, target = account.name if account else plan.user_id, legs[-1].number if len(legs) > 1 else plan.second
        log.info(
            "a call has ended", id=plan.id, user=user, door=plan.door, number=plan.first, target=target or "",
            seconds=" ".join(str(leg.seconds) for leg in legs), why=" ".join(leg.reason or "ok" for leg in legs),
        )  # fmt: skip
