"""`[callback] listen`: providers' texts for SMS callback, at any path (seeds/002, "SMS callback")."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from voipsms.config import Config
from voipsms.gateway_settings import GatewaySettings
from voipsms.inbound import callback
from voipsms.inbound.call import Origin
from voipsms.inbound.formats import Format
from voipsms.model import GatewayId, Inbound, Receipt
from voipsms.networks import read_networks
from voipsms.web.mo import ProviderDoor

HERE: Final = read_networks("127.0.0.0/8, ::1")  # who may ask where httpsmcallbackip is empty
NAME: Final = "callback"
_FORMAT: Final = Format(NAME, callback.message, None)
_NO_GATEWAY: Final = GatewayId(0)  # such a text comes by none of ours

Take = Callable[[Inbound], Awaitable[object]]
"""Returns after the commit. Raises StoreError."""


class _Arriving:
    """An Inbox."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def inbound(self, inbound: Inbound) -> None:
        await self._take(inbound)

    async def receipt(self, receipt: Receipt) -> None:
        """There is no format of them here."""


class CallbackDoor:
    """A raw ASGI application. `configure` takes new settings, and forgets who was locked out."""

    def __init__(self, take: Take, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._door = ProviderDoor(_Arriving(take), clock, formats={NAME: _FORMAT})
        self.configure(config)

    def configure(self, config: Config) -> None:
        allowed = config.sms.httpsmcallbackip or HERE
        gateway = GatewaySettings(name=NAME, inbound=NAME, inbound_ip=allowed)
        self._door.configure({NAME: Origin(_NO_GATEWAY, gateway, config.sms)}, config.http)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._door({**scope, "path": f"/mo/{NAME}"}, receive, send)
