"""A coded connector: `plugin = path.py` or `package.module`, whose function `connector` gives what sends.

    def connector(gateway: GatewaySettings, folder: Path) -> Plugin

docs/connectors.md says what a plugin may rely on. Whatever it raises ends here, and fails its message alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import socket
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol, TypeVar, cast

from voipsms.connectors.port import Selector
from voipsms.connectors.reachable import Reachable
from voipsms.errors import ConfigError, GatewayDown, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod, get_logger
from voipsms.masking import HIDDEN, mask_body
from voipsms.model import GatewayId, Message, State, Submitted
from voipsms.resources import resource
from voipsms.values import replace

T = TypeVar("T")
Sent = str | Submitted | None

LONGEST_ID: Final = 64
_SHORTEST_SECRET: Final = 4
# What becomes of the message whose `send` raised; the first line that fits. What may have left is not repeated.
FAULTS: Final[tuple[tuple[type[Exception], type[SubmitError]], ...]] = (
    (ConnectionRefusedError, SubmitFailed),
    (socket.gaierror, SubmitFailed),
    (OSError, OutcomeUnknown),
    (Exception, SubmitRefused),
)

_log = get_logger("plugin")


class Plugin(Protocol):
    """`send` may be a coroutine function; else it runs in a thread of its own. `probe()`, `close()` and
    `describe(message)` may be there, too."""

    def send(self, message: Message) -> Sent | Awaitable[Sent]: ...


def load_plugin(settings: GatewaySettings, folder: Path) -> Plugin:
    """Raises ConfigError, one line."""
    place = f"[{settings.section}] plugin: {settings.plugin}"
    try:
        made = _module(settings.plugin, folder).connector(settings, folder)
    except Exception as error:
        words = _without_secrets(" ".join(str(error).split()), settings)
        raise ConfigError(f"{place}: {type(error).__name__}: {words}") from error
    if not callable(getattr(made, "send", None)):
        raise ConfigError(f"{place}: what connector() gives must have send(message)")
    return cast(Plugin, made)


def _module(name: str, folder: Path) -> ModuleType:
    """Raises whatever the plugin raises."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = folder / name
    if not path.exists():
        path = resource(f"plugins/{name}")
    spec = importlib.util.spec_from_file_location(f"voipsms_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("it can't be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def _without_secrets(text: str, settings: GatewaySettings) -> str:
    for secret in (settings.password, settings.apikey):
        text = text.replace(secret, HIDDEN) if len(secret) >= _SHORTEST_SECRET else text
    return mask_body(text)


class PluginConnector(Reachable):
    """Raises ConfigError where the plugin can't be loaded."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        folder: Path,
        *,
        selector: Selector | None = None,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        super().__init__(gateway_id, settings, wake, selector=selector, trace=trace, mask=mask)
        self._plugin = load_plugin(settings, folder)
        self._late = 0  # threads that nobody waits for any more, and whose places stay taken

    def free(self) -> int:
        return max(0, super().free() - self._late)

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        message = replace(message, sender=named["fromnum"])
        try:
            async with asyncio.timeout(self._settings.timeout):
                return _submitted(await self._call(self._plugin.send, message))
        except SubmitError:
            raise
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer within {self._settings.timeout:g} s") from error
        except Exception as error:
            raise self._failed(error, message) from error

    def _failed(self, error: Exception, message: Message) -> SubmitError:
        """Its text goes nowhere: it may hold anything."""
        kind = next(kind for raised, kind in FAULTS if isinstance(error, raised))
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        name = type(error).__name__
        _log.error("a plugin has failed", gateway=self.name, id=message.id, error=name, where=where)
        return kind(f"the plugin raised {name}")

    async def _call(self, function: Callable[..., T | Awaitable[T]], *arguments: object) -> T:
        if inspect.iscoroutinefunction(function):
            return await cast(Awaitable[T], function(*arguments))
        return cast(T, await self._in_thread(function, arguments))

    async def _in_thread(self, function: Callable[..., Any], arguments: Sequence[object]) -> Any:
        """In a thread that does not outlive the process, unlike those of a pool, which are waited for at its end."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[Any, Exception | None]] = loop.create_future()

        def settle(value: Any, error: Exception | None) -> None:
            if ended.done():
                self._late -= 1
                self._wake()
            else:
                ended.set_result((value, error))

        def work() -> None:
            value, raised = None, None
            try:
                value = function(*arguments)
            except Exception as error:  # noqa: BLE001 — a thread's root; whoever waits hears of it
                raised = error
            with contextlib.suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(settle, value, raised)

        threading.Thread(target=work, name=f"plugin {self.name}", daemon=True).start()
        try:
            value, error = await ended
        except asyncio.CancelledError:
            self._late += 1
            raise
        if error is not None:
            raise error
        return value

    async def probe(self) -> None:
        """What the plugin's own `probe()` raises is GatewayDown; without one the gateway is believed to be up."""
        probe = getattr(self._plugin, "probe", None)
        if probe is None:
            return
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._call(probe)
        except SubmitError as error:
            raise GatewayDown(error.comment) from error
        except Exception as error:
            words = _without_secrets(" ".join(str(error).split()), self._settings)
            raise GatewayDown(f"{type(error).__name__}: {words}") from error

    async def describe(self, message: Message) -> Sequence[str]:
        describe = getattr(self._plugin, "describe", None)
        if describe is None:
            return await super().describe(message)
        message = replace(message, sender=self._named(message)["fromnum"])
        try:
            async with asyncio.timeout(self._settings.timeout):
                lines: Sequence[str] = await self._call(describe, message)
            return [_without_secrets(str(line), self._settings) for line in lines]
        except SubmitError:
            raise
        except Exception as error:
            raise SubmitRefused(f"the plugin raised {type(error).__name__}") from error

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        return [f"plugin {self._settings.plugin}: from {named['fromnum']} to {named['tonum']}: {named['message']}"]

    async def close(self) -> None:
        close = getattr(self._plugin, "close", None)
        if close is None:
            return
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._call(close)
        except Exception as error:  # noqa: BLE001 — nothing of ours hangs on it
            _log.warning("a plugin has not closed", gateway=self.name, error=type(error).__name__)


def _submitted(sent: Sent) -> Submitted:
    """Raises OutcomeUnknown: it was sent, and the plugin has said nothing that can be kept."""
    if isinstance(sent, Submitted):
        return sent
    if sent is None or isinstance(sent, str):
        return Submitted((sent or "")[:LONGEST_ID], State.ACCEPTED, "taken by the plugin")
    raise OutcomeUnknown(f"the plugin returned {type(sent).__name__}, not the provider's id")
