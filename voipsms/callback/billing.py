"""The money of calls: credit is reserved before a leg is dialled, and what was used is on the CDRs at the end.

The pairs of this process are in memory; tb_calls has them so that another process can close them should this one die.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from voipsms.callback.plan import LegEnd, Plan, Way
from voipsms.callback.rates import cost, fees, payer
from voipsms.callback.ways import CallWays
from voipsms.config import Config
from voipsms.directory import Directory
from voipsms.errors import NoCredit, StoreError, Unavailable
from voipsms.log import get_logger
from voipsms.model import GatewayId, MessageId, Millis, Msisdn
from voipsms.store import calls
from voipsms.store.calls import Cdr, Kept, Leg, Pair
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal
from voipsms.store.reader import Reader
from voipsms.values import replace

STEP: Final = 60  # seconds that credit is reserved for at a time
GRACE: Final = 2  # seconds that are reserved beyond those that are told, for hanging up
MOST_LEGS: Final = 16  # of one pair: numbers that prompts are told one after the other
BEAT: Final = 5.0  # seconds between two notes of what goes on
PATIENCE, PAUSE = 5, 1.0  # a running call asks so often for more, so many seconds apart, where the store is away
LOST: Final = "gateway_lost"
NOT_CALLED: Final = "not_called"

log = get_logger("callback")


class CallBilling:
    """plan.Billing. `run()` until cancelled, then `settle()`."""

    def __init__(
        self,
        directory: Directory,
        journal: Journal,
        reader: Reader,
        ids: IdSource,
        config: Callable[[], Config],
        *,
        usable: Callable[[GatewayId], bool] = lambda gateway: True,
        clock: Callable[[], Millis] = now_millis,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._reader = reader
        self._ids = ids
        self._config = config
        self._clock = clock
        self._pairs: dict[MessageId, Pair] = {}
        self._ending: dict[MessageId, tuple[Pair, Sequence[Cdr]]] = {}  # whose CDRs are to be written
        self._turn = asyncio.Lock()  # what is reserved changes by one at a time
        self.way = CallWays(directory, config, usable=usable, in_flight=self._in_flight, clock=clock)

    def _in_flight(self, gateway: GatewayId) -> int:
        return sum(leg.gateway_id == gateway and not leg.over for one in self._pairs.values() for leg in one.legs)

    # -- what a conversation asks

    async def open(self, plan: Plan, numbers: Sequence[Msisdn]) -> int:
        """See plan.Billing. Raises NoPrice, NoCredit, Unavailable and what an account is refused for."""
        async with self._turn:
            now, known = self._clock(), self._pairs.get(plan.id)
            account = payer(self._directory, plan.user_id, now)
            payers = (account.id, *(one.id for one in account.levels))
            pair = self._with(known or Pair(plan.id, payers, account.currency), numbers, now)
            self._pairs.setdefault(plan.id, pair)  # from here on it is ours, whatever the table says
            try:
                await self._reserve(pair, new=known is None)
            except BaseException:
                if known is None:
                    self._pairs.pop(plan.id, None)
                raise
            self._take(pair)
            return pair.granted

    def _with(self, pair: Pair, numbers: Sequence[Msisdn], now: Millis) -> Pair:
        """These are the legs from now on. All but the last wait while that rings, and pay meanwhile."""
        settings, account = self._config().callback, self._directory.by_id[pair.payers[0]]
        lasts, legs = settings.minimum, {leg.number: _ended(leg, numbers, now) for leg in pair.legs}
        for place, number in enumerate(numbers, 1):
            leg = legs.get(number) or Leg(number, now, fees(self._directory, account, number, now))
            rings = 0 if place == len(numbers) else round(settings.ring)
            wanted = replace(leg, over=Millis(0)).seconds(now) + rings + lasts + GRACE
            legs[number] = replace(leg, over=Millis(0), reserved=max(leg.reserved, wanted))
        if len(legs) > MOST_LEGS:
            raise NoCredit("Too many numbers for one call")
        return replace(pair, legs=tuple(legs.values()), granted=lasts)

    async def _reserve(self, pair: Pair, *, new: bool) -> None:
        ids = self._ids
        try:
            found = await self._journal.run(
                lambda db: calls.reserve(db, ids, ids.node, pair, self._clock(), new=new)
            )  # fmt: skip
        except StoreError as error:
            raise Unavailable from error
        if found is None:
            raise Unavailable("The call has been closed by another process")

    def _take(self, pair: Pair) -> None:
        """What has been answered meanwhile stays so."""
        known = self._pairs.get(pair.id)
        if known is not None:
            answered = {leg.number: leg for leg in known.legs if leg.answered}
            self._pairs[pair.id] = replace(
                pair, legs=tuple(_marked(leg, answered.get(leg.number)) for leg in pair.legs)
            )

    def answered(self, plan: Plan, number: Msisdn, way: Way, at: Millis) -> None:
        """See plan.Billing. The table hears of it within BEAT."""
        if (pair := self._pairs.get(plan.id)) is None:
            return
        marked = Leg(
            number, at, (), answered=at, sender=number_of(way.caller), gateway_id=way.gateway_id,
            cost=cost(self._directory, way.gateway_id, number, at),
        )  # fmt: skip
        legs = tuple(_marked(leg, marked) if leg.number == number else leg for leg in pair.legs)
        self._pairs[plan.id] = replace(pair, legs=legs)

    async def extend(self, plan: Plan) -> int:
        """See plan.Billing."""
        for _ in range(PATIENCE):
            try:
                async with self._turn:
                    return await self._prolong(plan.id)
            except StoreError as error:
                log.debug("a call can't be prolonged now", id=plan.id, why=str(error))
                await asyncio.sleep(PAUSE)
        return 0

    async def _prolong(self, plan_id: MessageId) -> int:
        pair, ids = self._pairs.get(plan_id), self._ids
        most = min(STEP, self._config().callback.longest - pair.granted) if pair is not None else 0
        if pair is None or most < 1:
            return 0
        found = await self._journal.run(lambda db: calls.prolong(db, ids, ids.node, pair, most, self._clock()))
        if found is None:
            return 0
        self._take(found.pair)
        return found.seconds

    async def close(self, plan: Plan, legs: Sequence[LegEnd]) -> None:
        """See plan.Billing. Returns when it is written, or will be."""
        pair = self._pairs.pop(plan.id, None)
        if pair is None:
            if legs:
                log.error("legs of a call that nobody has paid for", id=plan.id, legs=len(legs))
            return
        self._ending[plan.id] = pair, self._cdrs(pair, plan, legs)
        await self._end(plan.id)

    def _cdrs(self, pair: Pair, plan: Plan, legs: Sequence[LegEnd]) -> list[Cdr]:
        known, first = {leg.number: leg for leg in pair.legs}, pair.legs[0]
        if not legs:
            return [Cdr(first.number, first.sender, GatewayId(0), first.opened, 0, first.fees, first.cost, NOT_CALLED)]
        found = []
        for leg in legs:
            owed = cost(self._directory, leg.way.gateway_id, leg.number, leg.started)
            found.append(
                Cdr(leg.number, number_of(leg.way.caller), leg.way.gateway_id, leg.started, leg.seconds,
                    known.get(leg.number, first).fees, owed, leg.reason, leg.comment)
            )  # fmt: skip
        return found

    async def _end(self, plan_id: MessageId) -> bool:
        if (ending := self._ending.get(plan_id)) is None:
            return True
        pair, cdrs = ending
        try:
            written = await self._journal.run(
                lambda db: calls.close(db, self._ids, self._ids.node, pair, cdrs, self._clock())
            )
        except StoreError as error:
            log.debug("CDRs of calls have to wait", id=plan_id, why=str(error))
            return False
        if self._ending.pop(plan_id, None) is not None and written is None:
            log.warning("the CDRs of a call are there already", id=plan_id)
        return True

    # -- beside them

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.debug("calls are looked at later", why=str(error))
            await asyncio.sleep(BEAT)

    async def look(self) -> None:
        """Says what goes on, writes what could not be written, and closes what dead processes have left. Raises
        StoreError."""
        await self.settle()
        pairs, node, now = tuple(self._pairs.values()), self._ids.node, self._clock()
        if pairs:
            await self._journal.run(lambda db: calls.beat(db, node, pairs, now))
        ours = self._pairs.keys() | self._ending.keys()
        for kept in await self._reader.run(lambda db: calls.lost(db, node, dict.fromkeys(ours))):
            if kept.pair.id not in self._pairs and kept.pair.id not in self._ending:
                await self._bury(kept)

    async def _bury(self, kept: Kept) -> None:
        cdrs = calls.abandoned(kept, LOST)
        if await self._journal.run(
            lambda db: calls.close(db, self._ids, kept.node, kept.pair, cdrs, self._clock())
        ):  # fmt: skip
            log.warning("calls of a process that has died are on the bill", id=kept.pair.id, node=kept.node)

    async def settle(self) -> bool:
        """Writes the CDRs that could not be written before; True: none is left. What isn't written when this process
        ends is closed by another one."""
        done = [await self._end(plan_id) for plan_id in tuple(self._ending)]
        return all(done)


def _marked(leg: Leg, answered: Leg | None) -> Leg:
    """With what is known of its answer: the first one, should it be called again."""
    if answered is None:
        return leg
    return replace(
        leg, answered=leg.answered or answered.answered, sender=answered.sender, gateway_id=answered.gateway_id,
        cost=answered.cost,
    )  # fmt: skip


def _ended(leg: Leg, numbers: Sequence[Msisdn], now: Millis) -> Leg:
    """A number that is no longer spoken of is over, and needs no more than it has used."""
    if leg.number in numbers or leg.over:
        return leg
    over = replace(leg, over=now)
    return replace(over, reserved=over.seconds(now))


def number_of(uri: str) -> str:
    """What stands before the @."""
    return uri.partition(":")[2].partition("@")[0]
