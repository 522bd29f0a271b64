"""Everything that comes in from phones, and everything that goes to users: built, run and closed together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from voipsms.addressing import addressed, noticed
from voipsms.automatic import Automatic
from voipsms.belonging import Belonging
from voipsms.carriers.chat import ChatCarrier, hop_mark
from voipsms.carriers.mail import MailCarrier
from voipsms.carriers.mo_log import MoLogCarrier
from voipsms.carriers.port import Carrier
from voipsms.carriers.webhook import WebhookCarrier
from voipsms.config import Config
from voipsms.dead_ends import dead_ends
from voipsms.directory import Account
from voipsms.expiry import Expiry
from voipsms.house import House
from voipsms.inbound.mo_files import place
from voipsms.inbound.mo_reader import MoReader
from voipsms.incoming_rules import apply_in
from voipsms.log import get_logger
from voipsms.low_balance import LowBalance
from voipsms.model import Belongs, Channel, Delivery, GatewayId, Incoming, Micros, UserId
from voipsms.opting_out import OptingOut
from voipsms.outbox import Outbox
from voipsms.receiving import Receiving, TakesCommands
from voipsms.settings import GlobalSettings
from voipsms.store.ids import now_millis
from voipsms.verifying import Verifying

Work = Callable[[], Awaitable[None]]

log = get_logger("reception")


class Reception:
    """`commands`, `carriers`: of SMS callback. Raises ConfigError."""

    def __init__(
        self,
        house: House,
        automatic: Automatic,
        commands: TakesCommands | None = None,
        carriers: Mapping[Channel, Carrier] | None = None,
    ) -> None:
        self._house = house
        config, journal, reader, directory, ids = (
            house.config(), house.journal, house.reader, house.directory, house.ids,
        )  # fmt: skip
        _look_over(config)
        self.opting_out = OptingOut(directory, journal, reader, automatic, ids, self._sms)
        self.verifying = Verifying(house.intake, journal, house.secret, self._sms)
        self._belonging = Belonging(directory, reader, journal.run, self._sms, automatic)
        self._chat = ChatCarrier(config.sip, house.request, hop_mark(house.secret))
        self._mail = MailCarrier(config.mail, config.folder)
        self._mail_of = config.mail
        self._carriers: dict[Channel, Carrier] = {
            Channel.CHAT: self._chat,
            Channel.MAIL: self._mail,
            Channel.WEBHOOK: WebhookCarrier(),
            Channel.LOG: MoLogCarrier(config.folder),
            **(carriers or {}),
        }
        self.outbox = Outbox(
            journal, reader, directory, ids.node, self._carriers, self._sms, phones=lambda: self._chat.usable
        )
        self.receiving = Receiving(
            journal, reader, directory, ids, house.gateways, self._sms, partial(apply_in, directory),
            self._belonging.whose, self.opting_out.take, self._addressed, self.outbox.hand_over,
            house.preparation.start, commands,
        )  # fmt: skip
        self._low = LowBalance(journal, reader, directory, ids, self._noticed, self.outbox.hand_over)
        self._expiry = Expiry(journal, reader, directory, ids, self._sms, phones=lambda: self._chat.usable)

    def _sms(self) -> GlobalSettings:
        return self._house.config().sms

    # -- life

    async def open(self) -> None:
        """Before anything is taken over: what ended while nobody ran is told first. Raises StoreError."""
        await self.opting_out.look()
        self._house.intake.confirms = self.opting_out.confirms
        await self._expiry.sweep()

    def works(self) -> dict[str, Work]:
        """What is to run from now on; the outbox last, when SIP can be sent."""
        return {
            "stops": self.opting_out.run, "sign-up codes": self.verifying.run, "receiving": self.receiving.run,
            "low balances": self._low.run, "expiry": self._expiry.run, "outbox": self.outbox.run,
        }  # fmt: skip

    def readers(self) -> dict[GatewayId, Work]:
        """Of mo.log files, by the gateways that write them. Raises ConfigError."""
        take = partial(self.receiving.take, door="log")
        house = self._house
        folder = house.config().folder
        return {
            gateway_id: MoReader(gateway_id, settings, take, house.reader, house.journal, folder=folder).run
            for gateway_id, settings in house.gateways.items()
            if settings.inbound_log
        }

    async def close(self) -> None:
        await self.receiving.close()
        await self.outbox.close()

    async def configure(self, config: Config) -> None:
        """Raises ConfigError, before anything is changed."""
        mail = MailCarrier(config.mail, config.folder) if config.mail != self._mail_of else None
        _look_over(config)
        self._chat.configure(config.sip)
        if mail is not None:
            before, self._mail, self._mail_of = self._mail, mail, config.mail
            self._carriers[Channel.MAIL] = mail
            await before.close()

    # -- what others tell

    def paid(self, balances: Mapping[UserId, Micros]) -> None:
        self.receiving.paid(balances)

    # -- where things go

    def _addressed(self, incoming: Incoming, belongs: Belongs, account: Account) -> tuple[Delivery, ...]:
        settings = self._house.gateways.get(incoming.gateway_id)
        return addressed(
            incoming, belongs, account, self._sms(), self._house.ids.next, now_millis(),
            gateway=settings.name if settings is not None else "",
        )  # fmt: skip

    def _noticed(self, account: Account, text: str) -> tuple[Delivery, ...]:
        return noticed(account, text, self._sms(), self._house.ids.next, now_millis(), chat=self._chat.usable)


def _look_over(config: Config) -> None:
    """Says what will come to nothing. Raises ConfigError for an inbound_log that is no place."""
    for gateway in config.gateways:
        if gateway.inbound_log:
            place(gateway.inbound_log, config.folder)
    for line in dead_ends(config):
        log.warning("texts from phones will get lost", why=line)
