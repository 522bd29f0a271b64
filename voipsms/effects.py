"""What rules want done beside a message: copies, mails, programs, webhooks. After the commit, in the background, once.

A mail, a program and a webhook go by the connectors of gateways: their templates escape by place, and no value can
become another address, argument, header or URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from voipsms import metrics
from voipsms.connectors.port import Connector, Selector
from voipsms.connectors.registry import connector_for
from voipsms.errors import ConfigError, Refused, StoreError, SubmitError
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import get_logger
from voipsms.model import GatewayId, Inbound, Message, Part, Receipt, Submission
from voipsms.rules import COPIES, Copy, Effect, Tell
from voipsms.settings import MailSettings
from voipsms.store.accounts import ADMIN

AT_ONCE: Final = 8
MOST_WAITING: Final = 1000
SECONDS: Final = 10.0  # that each may take
_BODY: Final = '{"id": "[smsid]", "from": "[fromnum]", "to": "[tonum]", "text": "[message]"}'

Submit = Callable[[Submission], Awaitable[object]]

log = get_logger("rules")


class _Nobody:
    """Nothing comes in by what rules send."""

    async def receipt(self, receipt: Receipt) -> None:
        raise StoreError("nobody waits for it")

    async def inbound(self, inbound: Inbound) -> None:
        raise StoreError("nobody waits for it")


def connector(tell: Tell, folder: Path, mail: MailSettings, selector: Selector | None = None) -> Connector:
    """Raises ConfigError, which says what is wrong with the rule's url, command, body or headers."""
    body = tell.body or (_BODY if tell.kind == "webhook" else "")
    settings = GatewaySettings(
        name="rule", smsurl=tell.url, smssenddata=body, smssendheader=tell.headers, timeout=SECONDS,
        connections=AT_ONCE,
    )  # fmt: skip
    return connector_for(GatewayId(0), settings, _Nobody(), lambda: None, folder=folder, selector=selector, mail=mail)


class Effects:
    """`submit`: where copies go. `wanted`: all that rules may ask for now."""

    def __init__(
        self,
        submit: Submit,
        wanted: Callable[[], frozenset[Effect]],
        folder: Path,
        mail: MailSettings,
        selector: Selector | None = None,
    ) -> None:
        self._submit, self._wanted, self._selector = submit, wanted, selector
        self._folder, self._mail = folder, mail
        self._connectors: dict[Tell, Connector] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)

    def start(self, effects: Iterable[Effect], message: Message) -> None:
        """Returns at once."""
        for effect in effects:
            if len(self._tasks) >= MOST_WAITING:
                _tell(effect, message, "dropped", "too many are waiting")
                continue
            task = asyncio.get_running_loop().create_task(self._run(effect, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, effect: Effect, message: Message) -> None:
        async with self._places:
            try:
                await self._do(effect, message)
            except (SubmitError, Refused, ConfigError, StoreError) as error:
                _tell(effect, message, "failed", str(error))
            except Exception:
                log.exception("what a rule wants can't be done", id=message.id)
            else:
                metrics.count("rules", _kind(effect), "done")

    async def _do(self, effect: Effect, message: Message) -> None:
        if isinstance(effect, Copy):
            await self._submit(copy(effect, message))
        elif isinstance(effect, Tell):
            await (await self._connector(effect)).submit(Part(message, 1, 1))

    async def _connector(self, tell: Tell) -> Connector:
        """Raises ConfigError."""
        if tell not in self._connectors:
            await self._keep(self._wanted())
            self._connectors[tell] = connector(tell, self._folder, self._mail, self._selector)
        return self._connectors[tell]

    async def configure(self, folder: Path, mail: MailSettings) -> None:
        if (folder, mail) != (self._folder, self._mail):
            self._folder, self._mail = folder, mail
            await self._keep(frozenset())

    async def _keep(self, wanted: frozenset[Effect]) -> None:
        """Closes the connections of all others: no rule asks for them any more."""
        for tell in [tell for tell in self._connectors if tell not in wanted]:
            await self._connectors.pop(tell).close()

    async def close(self) -> None:
        """Waits for what is under way; each is bounded by itself."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keep(frozenset())


def copy(effect: Copy, message: Message) -> Submission:
    """Booked on the operator's own account, whose rule it is: the user was told the price of one message."""
    return Submission(
        door=COPIES, payers=(ADMIN,), sender=message.sender, target=effect.number, text=message.text,
        message_class=message.message_class, octets=message.octets, udh=message.udh, free_sender=True,
    )  # fmt: skip


def _kind(effect: Effect) -> str:
    return effect.kind if isinstance(effect, Tell) else "copy"


def _tell(effect: Effect, message: Message, outcome: str, why: str) -> None:
    metrics.count("rules", _kind(effect), outcome)
    log.warning("what a rule wants is not done", what=effect.said, id=message.id, outcome=outcome, why=why)
