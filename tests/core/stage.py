"""A connector that does as it is told, and a journal that writes when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from voipsms.dispatch import GatewayQueue
from voipsms.errors import SubmitError
from voipsms.gateway_settings import GatewaySettings
from voipsms.model import Message, Part, Submitted
from voipsms.store.entries import Entry

from .world import CARRIER

Script = Callable[[Part], Submitted | SubmitError | None]  # None: the answer is still to come


class Carrier:
    """`room`: parts at once. `seen`: (message id, part number) in the order of their submits."""

    name = "carrier"
    ready = True
    last_error = ""

    def __init__(self, script: Script, room: int = 10, cut: int = 1) -> None:
        self.script, self.room, self.cut = script, room, cut
        self.seen: list[tuple[int, int]] = []
        self.open: dict[tuple[int, int], asyncio.Future[Submitted]] = {}
        self._under_way = 0

    def split(self, message: Message) -> Sequence[Part]:
        return tuple(Part(message, number + 1, self.cut) for number in range(self.cut))

    def free(self) -> int:
        return self.room - self._under_way

    async def submit(self, part: Part) -> Submitted:
        place = (part.message.id, part.number)
        self.seen.append(place)
        self._under_way += 1
        try:
            answer = self.script(part)
            if answer is None:
                self.open[place] = asyncio.get_running_loop().create_future()
                return await self.open[place]
            if isinstance(answer, SubmitError):
                raise answer
            return answer
        finally:
            self._under_way -= 1

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def probe(self) -> None:
        return None

    async def close(self) -> None:
        return None


class Paper:
    """Remembers what it was asked to write; each entry is written at once unless `held`."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.held = False
        self.works = True
        self.waiting: list[asyncio.Future[None]] = []

    def append(self, entry: Entry) -> asyncio.Future[None]:
        self.entries.append(entry)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.held:
            self.waiting.append(future)
        else:
            future.set_result(None)
        return future

    def write(self) -> None:
        for future in self.waiting:
            future.set_result(None)
        self.waiting.clear()

    def may_work(self) -> bool:
        return self.works

    def of(self, kind: type[Entry]) -> list[Entry]:
        return [entry for entry in self.entries if isinstance(entry, kind)]


class Silence:
    def outcome(self, message: Message, gateway: str, outcome: str, detail: str) -> None:
        return None


def queue(
    carrier: Carrier, paper: Paper, expire: int = 10**15, settings: Mapping[str, object] | None = None
) -> GatewayQueue:
    made = GatewaySettings(name="carrier", **settings or {})  # type: ignore[arg-type]
    return GatewayQueue(CARRIER, made, carrier, paper, Silence(), lambda: expire)


async def settle() -> None:
    """Lets everything run that can run now."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(true: Callable[[], bool]) -> None:
    """Lets time pass until it is true; fails after 5 s."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 — no event tells of it
            await asyncio.sleep(0.005)
