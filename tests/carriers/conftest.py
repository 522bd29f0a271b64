"""Where carriers bring things to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.carriers.hook import Hook


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    started = Hook()
    await started.start()
    yield started
    await started.stop()
