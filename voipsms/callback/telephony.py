"""SMS callback, put together: who may, what is done, the calls, and the accounts by which they leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from voipsms import metrics
from voipsms.automatic import Automatic
from voipsms.callback.arrivals import Arrivals, Post
from voipsms.callback.authentication import Authentication
from voipsms.callback.billing import CallBilling
from voipsms.callback.callers import Callers
from voipsms.callback.campaign import read_campaign
from voipsms.callback.carrier import CommandCarrier
from voipsms.callback.commands import Commands
from voipsms.callback.registering import Registering
from voipsms.callback.switchboard import Switchboard
from voipsms.callback.texts import Texts
from voipsms.carriers.port import Carrier
from voipsms.config import Config
from voipsms.house import House
from voipsms.model import Channel, GatewayId
from voipsms.proving import Passwords
from voipsms.vouchers import Vouchers

_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})


class Telephony:
    """`post`: of the outbox; `refresh`: the directory is read anew. Raises ConfigError."""

    def __init__(
        self,
        house: House,
        automatic: Automatic,
        passwords: Passwords,
        post: Post,
        refresh: Callable[[], Awaitable[bool]],
    ) -> None:
        self._house = house
        config, journal, ids, directory = house.config(), house.journal, house.ids, house.directory
        self.callers = Callers(
            config.callback, config.accounts, text=lambda text: self._texts.heard(text), bound=_bound(config)
        )
        self.arrivals = Arrivals(directory, ids, house.config, post)
        self._texts = Texts(config.accounts, self.arrivals, house.intake, self.callers.write, house.config)
        self._billing = CallBilling(directory, journal, house.reader, ids, house.config, usable=self._usable)
        campaign = read_campaign(config.sms.defcallbackivr, config.folder)
        self.switchboard = Switchboard(self.callers, self._billing, directory, house.config, campaign)
        vouchers = Vouchers(journal, ids, house.secret)
        who = Authentication(directory, house.reader, passwords, house.secret, house.config)
        registering = Registering(directory, journal, automatic, house.secret, house.config, refresh)
        commands = Commands(who, registering, ids, self.switchboard.call, vouchers.redeem)
        self._carrier = CommandCarrier(commands, journal, ids, automatic, post, self.callers.write, house.config)
        self.carriers: Mapping[Channel, Carrier] = {Channel.COMMAND: self._carrier}

    def _usable(self, gateway: GatewayId) -> bool:
        queue = self._house.queues.get(gateway)
        return queue is not None and queue.usable

    def works(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "callers": self.callers.run, "billing of calls": self._billing.run, "commands": self._carrier.run,
        }  # fmt: skip

    def parts(self) -> dict[str, str | None]:
        """What /readyz shows: each account, and the callers where none can be started, with what is wrong."""
        metrics.measure("calls_now", self.switchboard.running())
        accounts = self._house.config().accounts
        return {
            f"account {name}" if name in accounts else name: why or None
            for name, why in self.callers.trouble().items()
        }  # fmt: skip

    def configure(self, config: Config) -> None:
        """Accounts and how audio goes stay as they are until the next start. Raises ConfigError."""
        self.switchboard.campaign = read_campaign(config.sms.defcallbackivr, config.folder)

    async def close(self) -> None:
        """Calls are hung up, and their CDRs written."""
        await self._texts.close()
        await self.switchboard.close()
        await self.callers.close()
        await self._billing.settle()


def _bound(config: Config) -> str:
    """Where callers listen: at the address of the first SIP listener, where that is one."""
    host = config.sip.listen[0].host
    return "" if host in _ANYWHERE else host
