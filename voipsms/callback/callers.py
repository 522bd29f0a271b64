"""The caller processes: started when they are needed, watched, and replaced when they fail.

One that ends or hangs takes its own calls with it, and nothing else. The first one registers the accounts.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from voipsms import metrics
from voipsms.callback import wire
from voipsms.log import get_logger
from voipsms.settings import CallbackSettings, SipAccount
from voipsms.values import Value

COMMAND: Final = (sys.executable, "-m", "voipsms.callback.caller")
PORTS: Final = 16  # UDP ports of a process: four calls have eight, and a port rests a while after its call
PING, PATIENCE = 2.0, 6.0  # seconds between two pings; without any word a process hangs
START, END = 15.0, 4.0  # seconds until a process is ready (8 where STUN is silent); until one that shall end is killed
IDLE: Final = 60.0  # seconds after which a process without calls ends
AGAIN: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 30.0)  # seconds until one is started again, by failures to start in a row

log = get_logger("callback")


class Line:
    """Room for two calls that can be connected. `told` hears of them; `lost` of the end of their process."""

    def __init__(self, process: _Process, told: Callable[[wire.Event], None], lost: Callable[[], None]) -> None:
        self._process, self.told, self.lost = process, told, lost
        self.calls: set[int] = set()

    def send(self, order: wire.Order) -> None:
        if isinstance(order, wire.Dial):
            self.calls.add(order.call)
            self._process.lines[order.call] = self
        self._process.send(order)

    def release(self) -> None:
        """Its calls have ended, or are ended now."""
        for call in self.calls & self._process.lines.keys():
            self._process.send(wire.Hangup(call))
        self._process.taken.discard(self)


class _Process:
    def __init__(self, slot: int, child: asyncio.subprocess.Process) -> None:
        self.slot, self.child = slot, child
        self.pairs = 0  # lines that it has room for, once it is ready
        self.taken: set[Line] = set()
        self.lines: dict[int, Line] = {}  # by calls that have not ended
        self.heard = self.idle_since = asyncio.get_running_loop().time()
        self.complaint = ""  # the last line that it, or the library, has written to standard error

    @property
    def free(self) -> bool:
        """Lines that were given back hold their room until their calls have really ended."""
        used = self.taken | set(self.lines.values())
        return len(used) < self.pairs

    def send(self, order: Value) -> None:
        assert self.child.stdin is not None
        if not self.child.stdin.is_closing():
            self.child.stdin.write(wire.line(order))


class Callers:
    """`text` and `registered` hear of the accounts."""

    def __init__(
        self,
        settings: CallbackSettings,
        accounts: Mapping[str, SipAccount],
        *,
        text: Callable[[wire.Text], None] = lambda text: None,
        bound: str = "",
    ) -> None:
        self._settings, self._accounts, self._text, self._bound = settings, accounts, text, bound
        self._processes: dict[int, _Process] = {}
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent: dict[int, asyncio.Future[int]] = {}
        self._tokens = itertools.count(1)
        self._failures, self._not_before = 0, 0.0  # starts that have failed in a row; when the next one may be tried
        self._broken = ""  # why the last one failed
        self._closing = False
        self.states: dict[str, wire.Registered] = {
            name: wire.Registered(name, 0, "not registered yet") for name, one in accounts.items() if one.expires
        }

    # -- what the rest of the house asks

    async def line(self, told: Callable[[wire.Event], None], lost: Callable[[], None]) -> Line | None:
        """Room for a pair of calls; None: there is none now, or no process can be started."""
        async with self._starting:
            process = next((one for one in self._processes.values() if one.free), None)
            if process is None and len(self._processes) < self._most and self._may_start():
                process = await self._start()
        if process is None:
            return None
        line = Line(process, told, lost)
        process.taken.add(line)
        return line

    async def write(self, account: str, uri: str, text: str) -> int:
        """A MESSAGE from an account; returns the answer's code, 0 where there was none."""
        process = self._processes.get(0)
        if process is None:
            return 0
        token = next(self._tokens)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._sent[token] = answer
        process.send(wire.Write(account, uri, text, token))
        try:
            async with asyncio.timeout(40):
                return await answer
        except TimeoutError:
            return 0
        finally:
            del self._sent[token]

    def trouble(self) -> dict[str, str]:
        """What is wrong with each account, empty: nothing; and with `callers` where no process can be started."""
        told = {
            name: "" if 200 <= state.code < 300 else f"{state.code} {state.reason}".strip()
            for name, state in self.states.items()
        }
        return {**told, "callers": self._broken} if self._broken else told

    @property
    def pids(self) -> list[int]:
        return [process.child.pid for process in self._processes.values()]

    @property
    def _most(self) -> int:
        first, last = self._ports
        return max(1, (last - first + 1) // PORTS)

    @property
    def _ports(self) -> tuple[int, int]:
        first, _, last = self._settings.rtp.partition("-")
        return int(first), int(last)

    # -- processes

    async def run(self) -> None:
        """Keeps the first process there, where accounts are to be registered, and looks after all of them."""
        while True:
            if self.states:
                async with self._starting:
                    if 0 not in self._processes and self._may_start():
                        await self._start()
            now = asyncio.get_running_loop().time()
            for process in list(self._processes.values()):
                self._look(process, now)
            await asyncio.sleep(PING)

    def _look(self, process: _Process, now: float) -> None:
        if not process.pairs:
            return  # `_start` waits for it
        if now - process.heard > PATIENCE:
            log.error("a caller process hangs and is killed", pid=process.child.pid, calls=len(process.lines))
            _kill(process)
        elif process.taken or process.lines or (process.slot == 0 and self.states):
            process.idle_since = now
            process.send(wire.Ping(0))
        elif now - process.idle_since > IDLE:
            process.send(wire.Quit())
        else:
            process.send(wire.Ping(0))

    def _may_start(self) -> bool:
        return asyncio.get_running_loop().time() >= self._not_before

    async def _start(self) -> _Process | None:
        slot = next(number for number in itertools.count() if number not in self._processes)
        try:
            child = await asyncio.create_subprocess_exec(
                *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._failed(str(error))
            return None
        process = self._processes[slot] = _Process(slot, child)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keep(self._read(process, ready))
        self._furnish(process)
        await asyncio.wait((ready,), timeout=START)
        if not process.pairs:
            self._failed(process.complaint or "it does not begin")
            _kill(process)
            return None
        self._failures, self._broken = 0, ""
        return process

    def _failed(self, why: str) -> None:
        """To start. The next try is made after a while, so that what is missing costs no more than a line a while."""
        self._failures += 1
        self._not_before = asyncio.get_running_loop().time() + AGAIN[min(self._failures, len(AGAIN) - 1)]
        self._broken = f"no caller process can be started: {why}"
        log.error("a caller process can't be started", why=why, failures=self._failures)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _furnish(self, process: _Process) -> None:
        first, last = self._ports
        low = first + process.slot * PORTS
        settings = self._settings
        process.send(
            wire.Settings(low, min(low + PORTS - 1, last), self._bound, settings.public, settings.stun, settings.codecs)
        )
        for name, one in self._accounts.items():
            expires = one.expires if process.slot == 0 else 0
            process.send(
                wire.Account(name, one.registrar, one.user, one.password, expires, one.proxy, one.srtp)
            )  # fmt: skip

    async def _read(self, process: _Process, ready: asyncio.Future[None]) -> None:
        assert process.child.stdout is not None
        complaints = asyncio.get_running_loop().create_task(_complaints(process))
        try:
            while octets := await process.child.stdout.readline():
                process.heard = asyncio.get_running_loop().time()
                event = wire.read_event(octets)
                if isinstance(event, wire.Ready):
                    process.pairs = event.legs // 2
                    ready.set_result(None)
                else:
                    self._hear(process, event)
        except ValueError:  # no event, or a line without an end
            log.exception("a caller process says what can't be understood")
        finally:
            await self._over(process)
            await complaints
            if not ready.done():
                ready.set_result(None)

    def _hear(self, process: _Process, event: wire.Event) -> None:
        match event:
            case wire.Registered():
                self._registered(event)
            case wire.Text():
                self._text(event)
            case wire.Sent():
                if (answer := self._sent.get(event.token)) is not None and not answer.done():
                    answer.set_result(event.code)
            case wire.Ended():
                if (line := process.lines.pop(event.call, None)) is not None:
                    line.calls.discard(event.call)
                    line.told(event)
            case wire.Ringing() | wire.Answered() | wire.Digit() | wire.Played():
                if (line := process.lines.get(event.call)) is not None:
                    line.told(event)

    def _registered(self, event: wire.Registered) -> None:
        if event.account not in self.states:
            return
        self.states[event.account] = event
        good = 200 <= event.code < 300
        metrics.measure("sip_account_up", int(good), event.account)
        (log.info if good else log.warning)("registration", account=event.account, code=event.code, why=event.reason)

    async def _over(self, process: _Process) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await process.child.wait()
        _kill(process)
        code = await process.child.wait()
        del self._processes[process.slot]
        if process.slot == 0:
            for name in self.states:
                self._registered(wire.Registered(name, 0, "its caller process has ended"))
        lines = process.taken | set(process.lines.values())
        if not self._closing and (lines or code):
            log.error(
                "a caller process has ended",
                pid=process.child.pid, code=code, calls=len(process.lines), said=process.complaint,
            )  # fmt: skip
            metrics.count("callers_lost")
        for line in lines:
            line.lost()

    async def close(self) -> None:
        self._closing = True
        for process in self._processes.values():
            process.send(wire.Quit())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END)
        for process in list(self._processes.values()):
            _kill(process)
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _complaints(process: _Process) -> None:
    """Reads them all, so that it never waits for us."""
    assert process.child.stderr is not None
    end = b""
    while octets := await process.child.stderr.read(4096):
        end = (end + octets)[-1000:]
        process.complaint = end.decode(errors="replace").strip().rpartition("\n")[2]


def _kill(process: _Process) -> None:
    if process.child.stdin is not None:
        process.child.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.child.kill()
