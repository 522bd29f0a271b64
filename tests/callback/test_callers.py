"""The caller processes: calls end, processes end, and what hangs is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import pytest

from tests.callback.rig import pool, take
from tests.peers.ports import free_port
from tests.smpp.rig import until
from voipsms.callback import callers, wire
from voipsms.settings import CallbackSettings, SipAccount


def nowhere() -> str:
    """A SIP URI at which nobody listens, and that says so at once."""
    return f"sip:x@127.0.0.1:{free_port()};transport=tcp"


async def test_a_call_to_nobody() -> None:
    async with pool() as made:
        line, told = await take(made)
        line.send(wire.Dial(1, nowhere()))
        await until(lambda: told.events)
        ended = told.events[-1]
        assert isinstance(ended, wire.Ended)
        assert (ended.call, ended.code // 100, ended.by_us) == (1, 5, False)
        line.release()


async def test_an_uri_that_is_none() -> None:
    async with pool() as made:
        line, told = await take(made)
        line.send(wire.Dial(1, "sip:\r\nX: y"))
        line.send(wire.Dial(2, "sip:x@127.0.0.1", account="none"))
        await until(lambda: len(told.events) == 2)
        assert [event.code for event in told.events if isinstance(event, wire.Ended)] == [0, 0]


async def test_two_pairs_a_process() -> None:
    async with pool() as made:
        lines = [(await take(made))[0] for _ in range(3)]
        assert len(made.pids) == 2
        lines[0].release()
        await take(made)
        assert len(made.pids) == 2


async def test_ports_bound_the_processes() -> None:
    async with pool(CallbackSettings(rtp="32000-32015")) as made:
        lines = [(await take(made))[0] for _ in range(2)]
        assert await made.line(print, print) is None
        lines[0].release()
        await take(made)


async def test_a_process_that_dies_takes_its_calls_alone() -> None:
    async with pool() as made:
        told = [(await take(made))[1] for _ in range(3)]
        os.kill(made.pids[0], signal.SIGKILL)
        await until(lambda: told[0].lost and told[1].lost)
        assert [one.lost for one in told] == [1, 1, 0]
        await take(made)


async def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "PING", 0.1)
    monkeypatch.setattr(callers, "PATIENCE", 1.0)
    async with pool() as made:
        _, told = await take(made)
        os.kill(made.pids[0], signal.SIGSTOP)
        await until(lambda: told.lost)
        assert made.pids == []


async def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and not tried again at once, whoever asks."""
    monkeypatch.setattr(callers, "COMMAND", (sys.executable, "-c", "import pjsua2_that_is_not_there"))
    async with pool() as made:
        assert made.trouble() == {}
        assert await made.line(print, print) is None
        why = "no caller process can be started: ModuleNotFoundError: No module named 'pjsua2_that_is_not_there'"
        assert made.trouble() == {"callers": why}
        monkeypatch.undo()
        assert await made.line(print, print) is None
        monkeypatch.setattr(made, "_not_before", 0.0)
        await take(made)
        assert made.trouble() == {}


async def test_a_process_without_calls_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "PING", 0.1)
    monkeypatch.setattr(callers, "IDLE", 0.5)
    async with pool() as made:
        line, told = await take(made)
        line.release()
        await until(lambda: not made.pids)
        assert told.lost == 0


class Registrar:
    """Takes every REGISTER; a real one is in the acceptance tests."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.seen: list[str] = []
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    def _read(self) -> None:
        octets, peer = self.socket.recvfrom(65536)
        lines = octets.decode().split("\r\n")
        self.seen.append(lines[0].split()[0])
        kept = [line for line in lines if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq", "Contact")]
        self.socket.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), peer)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


async def test_registrations_survive_their_process() -> None:
    registrar = Registrar()
    account = SipAccount(registrar=f"sip:127.0.0.1:{registrar.port}", user="gw", password="x")
    async with pool(pbx=account) as made:
        assert made.trouble() == {"pbx": "0 not registered yet"}
        await until(lambda: made.trouble() == {"pbx": ""})
        os.kill(made.pids[0], signal.SIGKILL)
        await until(lambda: made.trouble() != {"pbx": ""})
        await until(lambda: made.trouble() == {"pbx": ""})
        assert registrar.seen.count("REGISTER") >= 2
    registrar.close()
