"""The HTTP side, put together: the Mizu API, the REST API, and what providers send us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voipsms.cancelling import Cancelling
from voipsms.config import Config
from voipsms.house import House
from voipsms.inbound.call import Origin
from voipsms.model import Inbound, Receipt
from voipsms.proving import Passwords
from voipsms.receiving import Receiving
from voipsms.store.reader import Reader
from voipsms.verifying import Verifying
from voipsms.web.access import Access
from voipsms.web.app import Parts, build
from voipsms.web.mizu_api import PATHS, MizuApi
from voipsms.web.mo import DELIVER, ProviderDoor
from voipsms.web.outcomes import Outcomes
from voipsms.web.rest.desk import Desk
from voipsms.web.rest.guard import PREFIX, Application
from voipsms.web.rest_api import rest
from voipsms.web.smsreceive import SmsReceive


class _Arriving:
    """An Inbox for what comes by HTTP."""

    def __init__(self, receiving: Receiving, heard: Callable[[Receipt], Awaitable[None]]) -> None:
        self._receiving, self._heard = receiving, heard

    async def receipt(self, receipt: Receipt) -> None:
        await self._heard(receipt)

    async def inbound(self, inbound: Inbound) -> None:
        await self._receiving.take(inbound, "http")


class Front:
    """`heard` takes receipts; it and `receiving` return after the commit. `pages`: a reader that others don't wait for,
    since a page may have a lot to look at."""

    def __init__(
        self,
        house: House,
        receiving: Receiving,
        verifying: Verifying,
        heard: Callable[[Receipt], Awaitable[None]],
        pages: Reader,
        passwords: Passwords,
    ) -> None:
        self._house = house
        config = house.config()
        arriving = _Arriving(receiving, heard)
        self.access = Access(house.directory, config.http, passwords=passwords)
        self._outcomes = Outcomes(house.reader)
        self._cancelling = Cancelling(house.journal, house.reader, house.queues, house.ids.node)
        self._mizu = MizuApi(
            self.access, house.intake, house.directory, house.journal, house.reader, self._outcomes, config.http,
            SmsReceive(arriving, self._origin) if config.gateways else None, verifying,
        )  # fmt: skip
        self._providers = ProviderDoor(arriving)
        self._desk = Desk(
            house.intake, house.journal, pages, house.ids, house.directory, house.queues, self._cancelling,
            verifying,
        )  # fmt: skip
        self.configure(config)

    def _origin(self) -> Origin:
        """smsreceive names no gateway: its texts are the first one's."""
        gateway_id, settings = next(iter(self._house.gateways.items()))
        return Origin(gateway_id, settings, self._house.config().sms)

    def application(self, parts: Parts) -> Application:
        http = self._house.config
        api = rest(self._desk, self.access.bearer, self.access.address, lambda: http().http.body)
        paths: dict[str, Application] = {**dict.fromkeys(PATHS, self._mizu), DELIVER: self._providers}
        return build(parts, paths=paths, below={"/mo": self._providers, "/dlr": self._providers, PREFIX: api})

    def works(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {"outcomes": self._outcomes.run, "cancelling": self._cancelling.run}

    def configure(self, config: Config) -> None:
        origins = {
            settings.name: Origin(gateway_id, settings, config.sms)
            for gateway_id, settings in self._house.gateways.items()
        }
        self.access.configure(config.http)
        self._mizu.settings = config.http
        self._providers.configure(origins, config.http)

    def close(self) -> None:
        self._outcomes.close()
        self.access.close()
