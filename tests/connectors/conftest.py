"""An HTTP provider on loopback, and connectors to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.connectors.http_rig import Connect, Wakes
from tests.connectors.provider import Provider
from voipsms.connectors.http import HttpConnector
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import GatewayId


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    started = Provider()
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
async def connect(wakes: Wakes) -> AsyncIterator[Connect]:
    made: list[HttpConnector] = []

    def make(
        url: str, *, kind: type[HttpConnector] = HttpConnector, options: dict[str, object] | None = None,
        **fields: object,
    ) -> HttpConnector:  # fmt: skip
        settings = GatewaySettings(smsurl=url, **{"timeout": 5.0, **fields})  # type: ignore[arg-type]
        made.append(kind(GatewayId(2), settings, wakes, **(options or {})))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for connector in made:
        await connector.close()
