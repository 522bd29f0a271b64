"""schemathesis reads the API's own description and tries what it says on the real application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from tests.web.rest_rig import Api, api
from voipsms.settings import Listen
from voipsms.web.server import WebServer

EXAMPLES = 40  # an operation, and kind of case


class Served:
    """The application behind the real HTTP server, on an event loop of its own, since schemathesis has none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port: Future[int] = Future()
        self.message_id = ""
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(),))
        self._thread.start()

    async def _main(self) -> None:
        async with api(self._folder) as served:
            await self._serve(served)

    async def _serve(self, served: Api) -> None:
        server = WebServer(served.app, Listen("tcp", "127.0.0.1", 0))
        await server.start()
        self.message_id = await served.sent()
        self.port.set_result(server.port)
        await self._over.wait()
        await server.stop()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("openapi"))
    found.port.result(20)
    yield found
    found.close()


@pytest.fixture(scope="module")
def described(served: Served) -> Any:
    config = schemathesis.Config.from_dict({"headers": {"Authorization": "Bearer alice-key"}})
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port.result()}/api/v1/openapi.json", config=config)


OPERATIONS = [
    ("POST", "/messages"), ("GET", "/messages"), ("POST", "/messages/batch"), ("GET", "/messages/{id}"),
    ("DELETE", "/messages/{id}"), ("GET", "/messages/{id}/events"), ("POST", "/quote"), ("GET", "/cdrs"),
    ("GET", "/balance"), ("POST", "/verifications"), ("POST", "/verifications/{id}/check"),
]  # fmt: skip
# Numbers that no network has, and a prepaid account that runs dry, are refused for good reasons: 400, 402, 404, 422.
HOLD = [check for check in checks.CHECKS.get_all() if check.__name__ != "positive_data_acceptance"]


def test_no_path_is_left_out(described: Any) -> None:
    found = {(one.ok().method.upper(), one.ok().path) for one in described.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("method, path", OPERATIONS, ids=[" ".join(one) for one in OPERATIONS])
def test_it_keeps_to_its_description(
    described: Any, served: Served, method: str, path: str, mode: GenerationMode
) -> None:
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def holds(case: Any) -> None:
        if "id" in case.path_parameters and mode is GenerationMode.POSITIVE:
            case.path_parameters["id"] = served.message_id
        case.call_and_validate(checks=HOLD)

    holds()
