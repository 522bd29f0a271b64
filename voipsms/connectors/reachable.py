"""The half that connectors share which keep no session: one request a message, so many at once, up or down."""

from __future__ import annotations

import asyncio
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from voipsms.connectors.dialects.select import Select
from voipsms.connectors.port import Selector
from voipsms.connectors.template import Template, values
from voipsms.errors import GatewayDown, SubmitError, SubmitRefused
from voipsms.gateway_settings import GatewaySettings
from voipsms.log import LogMethod
from voipsms.masking import HIDDEN, mask_body, mask_number, mask_text
from voipsms.model import GatewayId, Message, Part, Submitted

FIRST_PROBE, LAST_PROBE = 0.5, 30.0  # seconds between looks at a gateway that is down
_SECRETS = ("password", "apikey")
_SHORTEST_SECRET = 4  # characters: a shorter one is not looked for in answers
_MASKS = (("message", mask_text), ("tonum", mask_number), ("fromnum", mask_number))


class Reachable(ABC):
    """`trace` gets every exchange, without secrets, and with `mask` without texts and whole numbers. `selector` answers
    the `{SELECT …}` of the templates, which a connector names in `_selects`."""

    _selects: Sequence[Select] = ()

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        *,
        selector: Selector | None = None,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        self._selector = selector
        self.gateway_id, self.name = gateway_id, settings.name
        self._settings, self._wake, self._trace, self._mask = settings, wake, trace, mask
        self._in_flight = 0
        self._counter = itertools.count(1)
        self._down, self._fault = asyncio.Event(), ""

    @property
    def ready(self) -> bool:
        return not self._down.is_set()

    @property
    def last_error(self) -> str:
        return self._fault if self._down.is_set() else ""

    def split(self, message: Message) -> Sequence[Part]:
        return (Part(message, 1, 1),)

    def free(self) -> int:
        return self._settings.connections - self._in_flight if self.ready else 0

    async def submit(self, part: Part) -> Submitted:
        """GatewayDown, whoever raises it, takes the gateway down until `probe` finds it again."""
        began, named = time.monotonic(), self._named(part.message)
        self._in_flight += 1
        try:
            named |= await look_up(self._selects, named, self._selector)
            taken = await self._send(part.message, named)
        except SubmitError as error:
            if isinstance(error, GatewayDown):
                self._fall(error.comment)
            self._tell(part.message, named, began, f"{error.reason}: {error.comment}")
            raise
        finally:
            self._in_flight -= 1
            if self.free() == 1:
                self._wake()
        self._tell(part.message, named, began, taken.comment)
        return taken

    def _fall(self, fault: str) -> None:
        self._fault = fault
        self._down.set()

    async def run(self) -> None:
        """Looks at a gateway that is down until it can be reached again."""
        delay = FIRST_PROBE
        while True:
            await self._down.wait()
            await asyncio.sleep(delay)
            try:
                await self._look()
            except SubmitError as error:
                self._fault, delay = error.comment, min(delay * 2, LAST_PROBE)
                continue
            delay = FIRST_PROBE
            self._down.clear()
            self._wake()

    def _named(self, message: Message) -> dict[str, str]:
        return values(message, gateway=self._settings, gateway_id=self.gateway_id, counter=next(self._counter))

    async def _look(self) -> None:
        await self.probe()

    async def describe(self, message: Message) -> Sequence[str]:
        named = self._named(message)
        return self._shown(named | await look_up(self._selects, named, self._selector))

    def _shown(self, named: Mapping[str, str]) -> list[str]:
        """Raises SubmitError."""
        hidden = {key: HIDDEN for key in _SECRETS if named.get(key)}
        return [mask_body(line) for line in self._show({**named, **hidden})]

    def _tell(self, message: Message, named: dict[str, str], began: float, answer: str) -> None:
        if self._trace is None:
            return
        masked = {key: mask(named[key]) for key, mask in _MASKS if self._mask}
        for secret in (named.get(key, "") for key in _SECRETS):
            answer = answer.replace(secret, HIDDEN) if len(secret) >= _SHORTEST_SECRET else answer
        for key, shown in masked.items():
            answer = answer.replace(named[key], shown) if named[key] else answer
        try:
            request = "\n".join(self._shown(named | masked))
        except SubmitError as error:
            request = f"none: {error.reason}"
        milliseconds = round((time.monotonic() - began) * 1000, 1)
        shared: dict[str, object] = {"gateway": self.name, "id": message.id}
        self._trace("exchange", **shared, request=request, answer=mask_body(answer), ms=milliseconds)

    @abstractmethod
    def _show(self, named: dict[str, str]) -> Sequence[str]:
        """What these values make, to read. Raises SubmitError."""

    @abstractmethod
    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        """`named`: what the keywords of templates stand for. Raises SubmitError."""

    @abstractmethod
    async def probe(self) -> None:
        """Reaches the gateway without sending. Raises SubmitError."""

    async def close(self) -> None:
        """Nothing to end."""
        return None


async def look_up(selects: Sequence[Select], named: Mapping[str, str], selector: Selector | None) -> dict[str, str]:
    """What each statement finds, by its name. Raises SubmitFailed and SubmitRefused."""
    if not selects:
        return {}
    if selector is None:
        raise SubmitRefused("there is no database to ask for {SELECT …}")
    return {one.name: await selector.select(one.sql, one.bind(named)) for one in selects}


def selects_of(*templates: Template) -> Sequence[Select]:
    """Each statement once, by the name of its result."""
    return tuple({select.name: select for template in templates for select in template.selects}.values())
