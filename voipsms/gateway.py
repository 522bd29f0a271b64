"""The composition root: builds everything, starts it in order, stops it in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from voipsms import config as configuration
from voipsms import log, metrics, telling
from voipsms.alerts import Alerts
from voipsms.conditions import Conditions, trouble
from voipsms.config import Config
from voipsms.connectors.port import Connector
from voipsms.connectors.registry import connector_for
from voipsms.connectors.sources import State, state
from voipsms.directory import Directory
from voipsms.dispatch import GatewayQueue, Outgoing
from voipsms.effects import Effects
from voipsms.entrance import Entrance
from voipsms.errors import ConfigError, NodeLost, NoGateway, StoreError
from voipsms.gateway_settings import GatewaySettings
from voipsms.house import House
from voipsms.intake import Intake
from voipsms.measures import Measures
from voipsms.model import GatewayId, Inbound, Message, Micros, Receipt, Submission, UserId
from voipsms.preparation import Preparation
from voipsms.recovery import Claimed, resume
from voipsms.rewriting import DialPlan, procedure
from voipsms.sip.endpoint import SipEndpoint
from voipsms.store import accounts
from voipsms.store.entries import Entry, Hear, Stage
from voipsms.store.ids import IdSource, now_millis
from voipsms.store.journal import Journal
from voipsms.store.open import engine_for, ensure, prepare
from voipsms.store.reader import Reader
from voipsms.store.select import DatabaseSelector
from voipsms.tariffs import Prices, costs
from voipsms.tasks import Tasks
from voipsms.upkeep import Accounts, Upkeep
from voipsms.ways import Ways

DRAIN = 10.0  # seconds that a stop waits for providers' answers
SWITCH_INTERVAL = 0.0001  # seconds: the journal's thread gets the interpreter back soon after each statement

GARBAGE = (20_000, 20, 50)  # thresholds of the collector: few messages make cycles, and a look at them all costs 20 %

_log = log.get_logger("gateway")


class Gateway:
    """One running process. `async with` starts and stops it; `wait()` returns when it can't go on."""

    def __init__(self, config: Config, *, doors: bool = True) -> None:
        self.config = config
        self._doors = doors
        self.directory = Directory()
        self.queues: dict[GatewayId, GatewayQueue] = {}
        self._settings: dict[GatewayId, GatewaySettings] = {}  # of the queues
        self._entrance: Entrance | None = None
        self._opened = asyncio.Event()  # set when what comes in can be worked on
        self._sources: dict[GatewayId, State] = {}
        self._lost: asyncio.Future[NodeLost] | None = None
        self._tasks = Tasks()
        self._stack = contextlib.AsyncExitStack()

    # -- life

    async def __aenter__(self) -> Gateway:
        sys.setswitchinterval(SWITCH_INTERVAL)
        gc.set_threshold(*GARBAGE)
        self._lost = asyncio.get_running_loop().create_future()
        try:
            await self._start()
            gc.freeze()  # what was made at the start stays, and need not be looked at again
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        _log.info("stopping")
        await self._stack.aclose()
        _log.info("stopped")

    async def wait(self) -> NodeLost:
        """Returns when this process must not go on."""
        assert self._lost is not None
        return await self._lost

    async def _start(self) -> None:
        await self._open_store()
        await self._open_gateways()
        await self._open_upkeep()
        if self._doors:
            await self._open_doors()

    # -- the store

    async def _open_store(self) -> None:
        config, lease = self.config, self.config.database.lease
        engine = engine_for(config)
        self._reader = Reader(engine)
        self._stack.callback(self._reader.close)
        self._selector = DatabaseSelector(engine)
        self._stack.callback(self._selector.close)
        self._node, self._secret = await self._reader.run(lambda db: prepare(db, config))
        self.ids = IdSource(self._node.number, self._node.mark)
        self._gateway_ids = await self._reader.run(lambda db: ensure(db, self.ids, config))
        self.directory.costs = costs(config.gateways, self._gateway_ids)
        self.accounts = Accounts(self._reader, self.directory)
        await self.accounts.refresh()
        self.prices = Prices(self._reader, self.directory)
        await self.prices.refresh()
        self.journal = Journal(engine, self._node, self.ids, self, lease=lease, refund=config.sms.smsrefund)
        self.journal.start()
        self._stack.push_async_callback(self.journal.close)
        self.measures = Measures(self._reader, self.journal, name=self._gateway_name)
        self.measures.configure(config.sms)
        await self.measures.exchange()
        self._stack.push_async_callback(self.measures.close)
        self.ways = Ways(self.directory, self.queues, config.sms, held=self.measures.windows.held)

    def balances(self, balances: dict[UserId, Micros]) -> None:
        self.directory.settle(balances)
        if self._entrance is not None:
            self._entrance.paid(balances)

    def lapsed(self, still_ours: set[int]) -> None:
        for queue in self.queues.values():
            queue.retain(still_ours)
        if self._entrance is not None:
            self._entrance.lapsed()

    def up(self, problem: str) -> None:
        telling.store_up(problem)
        if not problem:
            self._pump()

    def lost(self, error: NodeLost) -> None:
        telling.lost(error)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)

    def dropped(self, entry: Entry, error: StoreError) -> None:
        telling.dropped(entry, error)

    def committed(self, entries: int, seconds: float) -> None:
        metrics.committed(seconds, entries)

    # -- gateways

    async def _open_gateways(self) -> None:
        self.alerts = Alerts(lambda: self.config, self._alert)
        self.conditions = Conditions(self.journal, self._reader, self.queues, self._node.number, self.alerts)
        await self.conditions.open()
        self._stack.push_async_callback(self.conditions.close)
        for settings in self.config.gateways:
            gateway_id = self._gateway_ids[settings.name]
            connector = self._connector(gateway_id, settings, self.config)
            self._add_gateway(gateway_id, settings, connector, self.config)
        self._stack.push_async_callback(self._close_gateways)

    def _add_gateway(
        self, gateway_id: GatewayId, settings: GatewaySettings, connector: Connector, config: Config
    ) -> None:
        self._sources[gateway_id] = state(settings, config.mail, config.folder, gateway_id)
        self._settings[gateway_id] = settings
        self.queues[gateway_id] = GatewayQueue(
            gateway_id, settings, connector, self.journal, telling, self._expire, self._reroute,
            self.conditions.fitness(gateway_id, settings),
        )  # fmt: skip
        self._tasks.run(f"gateway {settings.name}", connector.run)

    def _connector(self, gateway_id: GatewayId, settings: GatewaySettings, config: Config) -> Connector:
        def wake() -> None:
            if queue := self.queues.get(gateway_id):
                queue.pump()

        return connector_for(
            gateway_id, settings, self, wake, folder=config.folder, selector=self._selector, mail=config.mail
        )

    def _reroute(self, outgoing: Outgoing) -> tuple[GatewayQueue, Message] | None:
        message = self.ways.elsewhere(outgoing)
        return (self.queues[message.gateway_id], message) if message else None

    async def receipt(self, receipt: Receipt) -> None:
        """Inbox: a provider's receipt; returns after the commit."""
        telling.receipt(receipt, await self.journal.append(Hear(receipt)))

    async def inbound(self, inbound: Inbound) -> None:
        """Inbox: a message from a phone; returns after the commit. One that comes while we start waits."""
        if not self._doors:
            raise StoreError("messages from phones have nowhere to go here")
        await self._opened.wait()
        assert self._entrance is not None
        await self._entrance.inbound(inbound)

    def _gateway_name(self, gateway_id: GatewayId) -> str:
        queue = self.queues.get(gateway_id)
        return queue.settings.name if queue is not None else str(gateway_id)

    def _expire(self) -> int:
        return self.config.sms.smsexpire * 60_000

    def _pump(self) -> None:
        for queue in self.queues.values():
            queue.pump()

    async def _close_gateways(self) -> None:
        await asyncio.gather(*(self._close_gateway(queue) for queue in self.queues.values()))

    async def _close_gateway(
        self, queue: GatewayQueue, forward: Callable[[Outgoing], None] | None = None
    ) -> list[Outgoing]:
        left = await queue.drain(DRAIN, forward)
        await queue.connector.close()
        await self._tasks.end(f"gateway {queue.settings.name}")
        return left

    # -- upkeep and intake

    async def _open_upkeep(self) -> None:
        config = self.config
        self.effects = Effects(
            self._copy, lambda: self.directory.rules.effects(), config.folder, config.mail, self._selector
        )  # fmt: skip
        self.preparation = Preparation(
            self.directory, config.sms, config.sip.bill_to, self.accounts.refresh_if_it_goes, self.effects.start
        )  # fmt: skip
        self.intake = Intake(
            self.directory, self.journal, self.queues, self.ids, self.ways, config.sms, config.sip.bill_to,
            self.accounts.refresh_if_it_goes, telling, self.preparation,
        )  # fmt: skip
        self._stack.push_async_callback(self._close_preparation)
        self.preparation.configure(config.sms, config.sip.bill_to, self._dial_plan(config))
        self._upkeep = Upkeep(
            self.journal, self._reader, self.accounts, self.queues, self._node.number, self._room, self._expire,
            lambda: self.config.database,
        )  # fmt: skip
        self._stack.push_async_callback(self.alerts.close)
        works = {
            "upkeep": self._upkeep.run, "prices": self.prices.run, "measures": self.measures.run,
            "conditions": self.conditions.run,
        }  # fmt: skip
        for name, work in works.items():
            self._tasks.run(name, work)
            self._stack.push_async_callback(self._tasks.end, name)

    async def _alert(self, submission: Submission, about: GatewayId) -> None:
        """By another gateway than the one that it is about, where there is one."""
        usable = [gateway_id for gateway_id, queue in self.queues.items() if queue.usable]
        if not usable:
            raise NoGateway("no gateway is usable")
        await self.intake.submit_by(submission, min(usable, key=lambda gateway_id: gateway_id == about))

    async def _copy(self, submission: Submission) -> None:
        await self.intake.submit(submission)

    def _dial_plan(self, config: Config) -> DialPlan | None:
        """Raises ConfigError."""
        if not config.sms.usesmsprefixsp:
            return None
        engine = engine_for(self.config)  # another database needs another start
        return DialPlan(engine, procedure(engine, config.folder))

    async def _close_preparation(self) -> None:
        await self.effects.close()
        if self.preparation.plan is not None:
            await self.preparation.plan.close()

    def _room(self) -> bool:
        return self.journal.may_work() and sum(map(len, self.queues.values())) < self.config.sms.queue

    # -- doors

    async def _open_doors(self) -> None:
        pages = Reader(engine_for(self.config))
        self._stack.callback(pages.close)
        house = House(
            lambda: self.config, self.directory, self.journal, self._reader, self.ids, self._secret, self.intake,
            self.preparation, self.queues, self._settings,
        )  # fmt: skip
        entrance = Entrance(house, self._tasks, self.receipt, self.accounts.refresh_if_it_goes, pages)
        self._stack.push_async_callback(entrance.close)
        await entrance.open(self._parts)
        self._entrance = entrance
        self._opened.set()

    @property
    def sip(self) -> SipEndpoint:
        """The SIP listeners; only with doors."""
        assert self._entrance is not None
        return self._entrance.sip

    # -- state and reload

    def _parts(self) -> dict[str, str | None]:
        """What /readyz shows: each part, with what is wrong with it."""
        found: dict[str, str | None] = {"store": self.journal.problem or None}
        metrics.measure("store_up", int(not self.journal.problem))
        for queue in self.queues.values():
            name = queue.settings.name
            metrics.measure("gateway_up", int(queue.usable), name)
            metrics.measure("queue", len(queue), name)
            found[f"gateway {name}"] = trouble(queue)
        return found | (self._entrance.parts() if self._entrance is not None else {})

    async def reload(self, file: Path) -> None:
        """Takes the settings of a changed config file; a bad one changes nothing. Listeners stay as they are."""
        try:
            config = configuration.load(file)
            plan = self._dial_plan(config)
            log.configure(config.log, config.folder)
            if self._entrance is not None:
                await self._entrance.check(config)
            changed = await self._reload_gateways(config)
        except (ConfigError, StoreError, accounts.AccountError) as error:
            _log.error("the new settings are not taken", why=str(error))
            return
        self.config = config
        self.intake.settings, self.intake.bill_to = config.sms, config.sip.bill_to
        before = self.preparation.plan
        self.preparation.configure(config.sms, config.sip.bill_to, plan)
        if before is not None:
            await before.close()
        await self.effects.configure(config.folder, config.mail)
        self.ways.settings = config.sms
        self.measures.configure(config.sms)
        self.journal.refund = config.sms.smsrefund
        if self._entrance is not None:
            await self._entrance.configure(config)
        self._pump()
        _log.info("settings reloaded", gateways_changed=changed)

    async def _reload_gateways(self, config: Config) -> int:
        """Gateways whose settings or files have changed start anew; what waits for them goes on with the new ones."""
        self._gateway_ids = await self._reader.run(lambda db: ensure(db, self.ids, config))
        self.directory.costs = costs(config.gateways, self._gateway_ids)
        wanted = {self._gateway_ids[settings.name]: settings for settings in config.gateways}
        built = {
            gateway_id: self._connector(gateway_id, settings, config)
            for gateway_id, settings in wanted.items()
            if gateway_id not in self.queues
            or self._sources[gateway_id] != state(settings, config.mail, config.folder, gateway_id)
        }
        left = [
            outgoing
            for gateway_id in list(self.queues)
            if gateway_id not in wanted or gateway_id in built
            for outgoing in await self._close_gateway(self.queues.pop(gateway_id), self._move)
        ]
        for gateway_id, connector in built.items():
            self._add_gateway(gateway_id, wanted[gateway_id], connector, config)
        for outgoing in left:
            self._move(outgoing)
        for gateway_id in set(self._settings) - set(wanted):
            del self._settings[gateway_id]
        for gateway_id, settings in wanted.items():  # the order of the file is the order of preference
            self.queues[gateway_id] = self.queues.pop(gateway_id)
            del self._settings[gateway_id]
            self._settings[gateway_id] = settings
        return len(built)

    def _move(self, outgoing: Outgoing) -> None:
        """To the queue that its gateway has now, or aside where it has none."""
        claimed = Claimed(outgoing.message, Stage.WAITING, outgoing.attempt, now_millis())
        if outgoing.unverified is not None:
            claimed = replace(claimed, stage=Stage.UNVERIFIED, provider_id=outgoing.unverified.provider_id)
        if not resume(claimed, self.queues):
            self._upkeep.strand(claimed)
