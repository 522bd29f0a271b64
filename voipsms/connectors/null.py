"""A provider that is none: it takes, refuses or loses messages by chance, for load tests. `null:delay=50;error=0.01`"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voipsms.connectors.reachable import Reachable
from voipsms.errors import ConfigError, OutcomeUnknown, SubmitError, SubmitFailed, SubmitRefused
from voipsms.gateway_settings import GatewaySettings, pairs
from voipsms.ini import BadValue, key, read_section
from voipsms.log import LogMethod
from voipsms.model import GatewayId, Message, State, Submitted


@dataclass(frozen=True, slots=True)
class Chances:
    """The parameters of `null:`; shares are of all messages, from 0 to 1."""

    delay: float = key(0.0, "Time until the answer", unit="milliseconds", least=0, most=600_000)
    error: float = key(0.0, "Share of temporary failures", least=0, most=1)
    unknown: float = key(0.0, "Share without an answer", least=0, most=1)
    refuse: float = key(0.0, "Share refused for good", least=0, most=1)
    seed: int = key(0, "Where chance starts; 0: anywhere")

    def shares(self) -> tuple[tuple[type[SubmitError], float], ...]:
        return (SubmitFailed, self.error), (OutcomeUnknown, self.unknown), (SubmitRefused, self.refuse)


def read_chances(settings: GatewaySettings) -> Chances:
    """Raises ConfigError with a line for each fault."""
    section = settings.section
    faults: list[str] = []
    try:
        values = pairs(settings.smsurl.partition(":")[2])
    except BadValue as error:
        raise ConfigError(f"[{section}] smsurl: {error}") from error
    found = read_section(Chances, values, lambda name, right: faults.append(f"[{section}] smsurl: {name}: {right}"))
    if not faults and sum(share for _, share in found.shares()) > 1:
        faults.append(f"[{section}] smsurl: error, unknown and refuse must be 1 at most together")
    if faults:
        raise ConfigError("\n".join(faults))
    return found


class NullConnector(Reachable):
    """Raises ConfigError where smsurl can't be used."""

    def __init__(
        self,
        gateway_id: GatewayId,
        settings: GatewaySettings,
        wake: Callable[[], None],
        *,
        trace: LogMethod | None = None,
        mask: bool = True,
    ) -> None:
        super().__init__(gateway_id, settings, wake, trace=trace, mask=mask)
        self._chances = read_chances(settings)
        self._random = random.Random(self._chances.seed or None)
        self._numbers = itertools.count(1)

    async def _send(self, message: Message, named: dict[str, str]) -> Submitted:
        if self._chances.delay:
            await asyncio.sleep(self._chances.delay / 1000)
        drawn = self._random.random()
        for kind, share in self._chances.shares():
            if drawn < share:
                raise kind("null: by chance")
            drawn -= share
        return Submitted(f"null-{next(self._numbers)}", State.ACCEPTED, "null: taken")

    async def probe(self) -> None:
        """Always within reach."""

    def _show(self, named: dict[str, str]) -> Sequence[str]:
        return ["nothing leaves; null: from {fromnum} to {tonum}: {message}".format_map(named)]
