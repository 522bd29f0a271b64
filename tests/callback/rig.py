"""Caller processes as the switchboard has them, and what their lines tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.peers.telephone import tone
from tests.smpp.rig import until
from voipsms.callback import wire
from voipsms.callback.callers import Callers, Line
from voipsms.settings import CallbackSettings, SipAccount

SETTINGS = CallbackSettings(rtp="32000-32767")  # above the ports that the peers of tests take
E = TypeVar("E", bound=wire.Event)


class Told:
    def __init__(self) -> None:
        self.events: list[wire.Event] = []
        self.lost = 0

    def hear(self, event: wire.Event) -> None:
        self.events.append(event)

    def lose(self) -> None:
        self.lost += 1

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def ended(self, call: int = 1) -> wire.Ended | None:
        return next((event for event in self.all(wire.Ended) if event.call == call), None)

    def digits(self, call: int = 1) -> str:
        return "".join(event.digit for event in self.all(wire.Digit) if event.call == call)


@asynccontextmanager
async def pool(
    settings: CallbackSettings = SETTINGS, text: Callable[[wire.Text], None] = print, **accounts: SipAccount
) -> AsyncIterator[Callers]:
    made = Callers(settings, accounts, text=text, bound="127.0.0.1")
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.close()
        assert made.pids == []


async def take(pool: Callers) -> tuple[Line, Told]:
    told = Told()
    line = await pool.line(told.hear, told.lose)
    assert line is not None
    return line, told


async def answered(pool: Callers, *uris: str, account: str = "", srtp: str = "no") -> tuple[Line, Told]:
    """Calls 1, 2 …, all of which have been answered."""
    line, told = await take(pool)
    for call, uri in enumerate(uris, 1):
        line.send(wire.Dial(call, uri, account, srtp=srtp))
    await until(lambda: len(told.all(wire.Answered)) == len(uris))
    return line, told


async def bridged(pool: Callers, one: str, two: str, *, account: str = "", srtp: str = "no") -> tuple[Line, Told]:
    line, told = await answered(pool, one, two, account=account, srtp=srtp)
    line.send(wire.Bridge(1, 2))
    return line, told


def prompt(folder: Path, frequency: int, seconds: float = 0.5) -> str:
    """A WAV file that says one tone."""
    return str(tone(folder / f"prompt-{frequency}.wav", frequency, seconds))
